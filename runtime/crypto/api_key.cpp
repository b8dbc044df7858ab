#include "runtime/crypto/api_key.hpp"

#include "runtime/crypto/hash.hpp"

#include <algorithm>

namespace troupe::crypto {
namespace {

constexpr std::string_view operator_head = "trp_o_";
constexpr std::string_view tenant_head = "trp_t_";
constexpr std::size_t check_length = 6;

std::string check_of(std::string_view text) {
  return plain_hash(text).substr(0, check_length);
}

} // namespace

secret_text make_api_key(api_key_kind kind, const random_source& source) {
  std::string key{kind == api_key_kind::operator_key ? operator_head : tenant_head};
  key.reserve(api_key_length);
  auto body = random_text(source, token_alphabet, 43);
  key += body;
  wipe(body);
  key += check_of(key);
  return secret_text{std::move(key)};
}

std::optional<api_key_kind> api_key_form(std::string_view text) {
  if (text.size() != api_key_length)
    return std::nullopt;
  auto is_operator = text.starts_with(operator_head);
  if (!is_operator && !text.starts_with(tenant_head))
    return std::nullopt;
  auto rest = text.substr(operator_head.size());
  if (rest.find_first_not_of(token_alphabet) != std::string_view::npos
      || !same(check_of(text.substr(0, api_key_length - check_length)),
               text.substr(api_key_length - check_length)))
    return std::nullopt;
  return is_operator ? api_key_kind::operator_key : api_key_kind::tenant_key;
}

std::string api_key_prefix(std::string_view key) {
  return std::string{key.substr(0, api_key_prefix_length)};
}

} // namespace troupe::crypto
