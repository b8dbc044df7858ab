#include "runtime/crypto/codes.hpp"

namespace troupe::crypto {
namespace {

constexpr std::string_view crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t code_length = 10;
constexpr std::size_t token_secret_length = 35;

} // namespace

std::string make_verification_code(const random_source& source) {
  return random_text(source, crockford, code_length);
}

std::string read_verification_code(std::string_view typed) {
  std::string out;
  for (auto c : typed) {
    if (c == ' ' || c == '-')
      continue;
    if (c >= 'a' && c <= 'z')
      c = static_cast<char>(c - 'a' + 'A');
    c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
    if (crockford.find(c) == std::string_view::npos || out.size() == code_length)
      return {};
    out += c;
  }
  return out.size() == code_length ? out : std::string{};
}

secret_text make_virtual_token(std::int64_t bot, const random_source& source) {
  auto token = std::to_string(bot) + ':';
  token.reserve(token.size() + token_secret_length);
  auto secret = random_text(source, token_alphabet, token_secret_length);
  token += secret;
  wipe(secret);
  return secret_text{std::move(token)};
}

} // namespace troupe::crypto
