#include "runtime/api/principal.hpp"

#include "messages/store.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/crypto/api_key.hpp"

#include <algorithm>

namespace troupe::api {
namespace {

constexpr std::string_view scheme = "bearer";

char lowered(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_bearer(std::string_view word) {
  return std::equal(word.begin(), word.end(), scheme.begin(), scheme.end(),
                    [](char a, char b) { return lowered(a) == b; });
}

refused unauthenticated(api_error why) {
  refused result{why};
  result.headers = why == api_error::unauthenticated
                     ? "WWW-Authenticate: Bearer realm=\"troupe\"\r\n"
                     : "WWW-Authenticate: Bearer realm=\"troupe\", error=\"invalid_token\"\r\n";
  return result;
}

/// What the store says of a key, to its holder.
refused key_refused(const caf::error& why) {
  if (why == store_refusal::not_found || why == store_refusal::invalid)
    return unauthenticated(api_error::invalid_key);
  if (why == store_refusal::revoked)
    return unauthenticated(api_error::key_revoked);
  if (why == store_refusal::expired)
    return unauthenticated(api_error::key_expired);
  if (why == store_refusal::tenant_suspended)
    return refused{api_error::tenant_suspended};
  return refused_by(why);
}

} // namespace

std::string principal::quota_name() const {
  if (who.key.user != 0)
    return "user:" + std::to_string(who.key.user);
  return who.key.tenant != 0 ? "tenant:" + std::to_string(who.key.tenant)
                             : "key:" + std::to_string(who.key.id);
}

std::string principal::shown_name() const {
  return who.key.name.empty() ? who.key.prefix : who.key.prefix + ' ' + who.key.name;
}

bool may(const principal& who, access needs) noexcept {
  if (needs == access::open)
    return true;
  if (!who.known)
    return false;
  auto role = who.who.key.role;
  switch (needs) {
  case access::viewer:
    return true;
  case access::developer:
    return role != key_role::viewer;
  case access::admin:
    return role == key_role::operator_ || role == key_role::admin;
  default:
    return role == key_role::operator_;
  }
}

std::string_view bearer_key(std::string_view header) {
  if (header.empty())
    throw unauthenticated(api_error::unauthenticated);
  auto blank = header.find(' ');
  if (blank == std::string_view::npos || !is_bearer(header.substr(0, blank)))
    throw unauthenticated(api_error::unauthenticated);
  auto key = config::trimmed(header.substr(blank));
  // Tells a mistake of copying from a wrong key, and spares the store what can be no key.
  if (!crypto::api_key_form(key))
    throw unauthenticated(key.starts_with("trp_") ? api_error::key_truncated
                                                  : api_error::invalid_key);
  return key;
}

net::http_task<principal> authenticated(context& ctx, net::http_executor io, std::string key) {
  authenticate what{{std::move(key)}};
  auto asked = ctx.ask_store<identity>(io, std::move(what));
  co_await asked.ready();
  auto answer = asked.take();
  if (!answer)
    throw key_refused(answer.error());
  principal result;
  result.who = std::move(*answer);
  result.known = true;
  co_return result;
}

} // namespace troupe::api
