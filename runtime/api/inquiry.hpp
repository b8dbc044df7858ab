#pragma once
#include "runtime/api/context.hpp"
#include "runtime/api/principal.hpp"
#include "runtime/api/refused.hpp"
#include "runtime/api/routes.hpp"

#include <boost/json/serialize.hpp>

/// What a route's function works with. Private to this folder.
namespace troupe::api {

/// A request that found its route and passed the route's checks.
struct inquiry {
  const request& what;
  path_arguments path;
  parameters query;
  boost::json::object body; ///< Empty without one.
  principal who;
  std::string client; ///< The client's address.

  [[nodiscard]] tenant_id tenant() const noexcept { return who.tenant(); }
  /// For the audit trail.
  [[nodiscard]] author by() const;
  [[nodiscard]] bot_id bot() const { return id("id", text_of(ec::unknown_bot)); }
  /// A number of the path. @throws refused with `otherwise` if it is none
  [[nodiscard]] std::int64_t id(std::string_view argument, const error_text& otherwise) const;

  /// Members of the body, which was checked; nothing, or `otherwise`, where they are not there.
  [[nodiscard]] const boost::json::value* member(std::string_view name) const noexcept;
  [[nodiscard]] std::string text(std::string_view name, std::string_view otherwise = {}) const;
  [[nodiscard]] std::int64_t number(std::string_view name, std::int64_t otherwise = 0) const;
  [[nodiscard]] bool flag(std::string_view name) const;
};

[[nodiscard]] inline response json_response(const boost::json::value& body, int status = 200) {
  response answer;
  answer.status = status;
  answer.body = boost::json::serialize(body);
  return answer;
}

/// What a store_refusal::not_found is about, for `refused_by`.
[[nodiscard]] refused refused_with(const caf::error& why, const error_text& not_found);

/// What `asked` got. Not in a coroutine: gcc 12 takes what it destroys there for parts of the
/// frame.
/// @param full what a store_refusal::too_many is about
/// @param changes silence does not mean that nothing happened. @throws refused
template <class Answer>
[[gnu::noinline]] Answer taken(caf::expected<Answer> answer, const error_text& not_found,
                               const error_text& full, bool changes) {
  if (!answer && answer.error() == store_refusal::too_many)
    throw refused{full};
  if (!answer && changes && is_silence(answer.error()))
    throw refused{api_error::change_unknown};
  if (!answer)
    throw refused_with(answer.error(), not_found);
  return std::move(*answer);
}
template <class Answer>
[[gnu::noinline]] Answer taken(question<Answer>& asked, const error_text& not_found,
                               const error_text& full, bool changes) {
  return taken(asked.take(), not_found, full, changes);
}
/// The same; nothing when there was nobody to ask, or whoever was asked has not the bot, or is no
/// node's desk any more: nothing was done, and another may know.
template <class Answer>
[[gnu::noinline]] std::optional<Answer> taken_unless_moved(question<Answer>& asked, bool changes) {
  auto answer = asked.take();
  if (!answer
      && (answer.error() == store_refusal::fenced || answer.error() == ec::draining
          || answer.error() == caf::sec::invalid_argument))
    return std::nullopt;
  return taken(std::move(answer), text_of(ec::unknown_bot), text_of(store_refusal::too_many),
               changes);
}

/// An actor's answer. @throws refused. @param not_found what a store_refusal::not_found is about
template <class Answer>
net::http_task<Answer> answer_to(question<Answer>& asked,
                                 const error_text& not_found = text_of(ec::unknown_bot)) {
  co_await asked.ready();
  co_return taken(asked, not_found, text_of(store_refusal::too_many), false);
}

/// The same for a request that changes something: silence does not mean that nothing happened.
template <class Answer>
net::http_task<Answer> outcome_of(question<Answer>& asked,
                                  const error_text& not_found = text_of(ec::unknown_bot),
                                  const error_text& full = text_of(store_refusal::too_many)) {
  co_await asked.ready();
  co_return taken(asked, not_found, full, true);
}

// -- pages ----------------------------------------------------------------------------------------

inline constexpr field cursor_parameter{"cursor", shape::text, 1, 40,
                                        "`next_cursor` of the page before."};
inline constexpr field limit_parameter{"limit", shape::integer, 1, 1000,
                                       "At most so many; 100 without it."};
inline constexpr field of_page[] = {cursor_parameter, limit_parameter};

/// The number behind which a page begins: 0 without a cursor. @throws refused
[[nodiscard]] std::int64_t cursor_of(const inquiry& from);
[[nodiscard]] std::uint32_t limit_of(const inquiry& from);
/// What `cursor_of` reads; null for the last page.
[[nodiscard]] boost::json::value next_cursor(std::int64_t last, bool more);

} // namespace troupe::api
