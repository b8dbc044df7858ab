#pragma once
#include "messages/store.hpp"
#include "runtime/store/analytics.hpp"
#include "runtime/store/audit.hpp"
#include "runtime/store/bots.hpp"
#include "runtime/store/health.hpp"
#include "runtime/store/keys.hpp"
#include "runtime/store/tenants.hpp"
#include "runtime/store/tokens.hpp"

/// Between what travels and what is stored.
namespace troupe::storage {

[[nodiscard]] inline wall_ms ms_of(store::wall_time x) noexcept {
  return x.time_since_epoch().count();
}
[[nodiscard]] inline wall_ms ms_of(const std::optional<store::wall_time>& x) noexcept {
  return x ? ms_of(*x) : 0;
}
[[nodiscard]] inline store::wall_time time_of(wall_ms x) noexcept {
  return store::wall_time{std::chrono::milliseconds{x}};
}
[[nodiscard]] inline std::optional<store::wall_time> maybe_time(wall_ms x) noexcept {
  return x == 0 ? std::nullopt : std::optional{time_of(x)};
}

[[nodiscard]] bot_row row_of(const store::bot& x);
[[nodiscard]] store::bot bot_of(const bot_row& x);
[[nodiscard]] tenant_row row_of(const store::tenant& x);
[[nodiscard]] store::tenant tenant_of(const tenant_row& x);
[[nodiscard]] user_row row_of(const store::user& x);
[[nodiscard]] key_row row_of(const store::api_key& x);
[[nodiscard]] virtual_token_row row_of(const store::virtual_token& x);
[[nodiscard]] health_row row_of(const store::health_snapshot& x);
[[nodiscard]] store::health_snapshot health_of(const health_row& x);
[[nodiscard]] usage_row row_of(std::int64_t at, const store::usage& x);
[[nodiscard]] store::usage usage_of(const usage_row& x);
[[nodiscard]] audit_row row_of(const store::audit_entry& x);
[[nodiscard]] store::audit_entry entry_of(const audit_row& x);

[[nodiscard]] inline store::role role_of(key_role x) noexcept {
  return static_cast<store::role>(x);
}

/// Whether two enums have the same words in the same order.
template <std::size_t N, std::size_t M>
constexpr bool same_words(const std::array<const char*, N>& a,
                          const std::array<const char*, M>& b) noexcept {
  for (std::size_t i = 0; N == M && i < N; ++i)
    if (std::string_view{a[i]} != b[i])
      return false;
  return N == M;
}
static_assert(same_words(store::role_names, key_role_names));

/// The first `limit` of what was read with a limit of one more.
template <class Row, class Stored>
page<Row> page_of(const std::vector<Stored>& found, std::uint32_t limit) {
  page<Row> result;
  result.more = found.size() > limit;
  for (std::size_t i = 0; i < found.size() && i < limit; ++i)
    result.rows.push_back(row_of(found[i]));
  return result;
}

} // namespace troupe::storage
