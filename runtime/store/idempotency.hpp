#pragma once
#include "runtime/store/database.hpp"
#include "runtime/store/names.hpp"

/// Requests with an Idempotency-Key: the first is run, its answer is kept, the others get the same.
/// A request is written down before it goes out, so that after a crash nobody sends it again
/// unasked.
namespace troupe::store {

/// Whose key. Keys of two bots, or of two tenants, have nothing to do with each other.
struct idempotency_key {
  tenant_id tenant = 1;
  bot_id bot = 0; ///< 0: a request about no bot.
  std::string text{};
};

struct kept_answer {
  std::int64_t status = 0; ///< HTTP.
  std::string content_type{};
  std::string body{}; ///< Any bytes.
  friend bool operator==(const kept_answer&, const kept_answer&) = default;
};

enum class idempotency_state : std::uint8_t { running, done, unknown };
inline constexpr std::array idempotency_state_names{"running", "done", "unknown"};
TROUPE_ENUM(idempotency_state, idempotency_state_names)

/// What a request with a key is.
enum class idempotency_verdict : std::uint8_t {
  started,         ///< The first: run it, then `finish`, `forget` or `lose` it.
  running,         ///< Another one with this key runs: wait for it.
  done,            ///< Here is its answer.
  other_body,      ///< The key was used for another request.
  outcome_unknown, ///< The first may have happened: the caller decides, with a new key.
};
inline constexpr std::array idempotency_verdict_names{"started", "running", "done", "other_body",
                                                      "outcome_unknown"};
TROUPE_ENUM(idempotency_verdict, idempotency_verdict_names)

struct idempotency_result {
  idempotency_verdict what = idempotency_verdict::started;
  kept_answer answer{}; ///< Of `done`.
};

/// Before the request goes out. `body`: a hash of what it asks for. `node` runs it. A key whose time
/// is over is a new key.
[[nodiscard]] idempotency_result begin_request(unit& u, const idempotency_key& key,
                                               const std::string& body, const std::string& node,
                                               wall_time now, wall_time expires);

/// Its answer; also of one that was lost before. @returns false if this node did not run it, or it
/// has an answer already
bool finish_request(unit& u, const idempotency_key& key, const std::string& node,
                    const kept_answer& answer);

/// It certainly did not happen: the key is free again.
bool forget_request(unit& u, const idempotency_key& key, const std::string& node);

/// Nobody knows whether it happened.
bool lose_request(unit& u, const idempotency_key& key, const std::string& node);

/// At the start of a node, or of its store: what it ran when that ended has an unknown outcome, until
/// one of them is ended all the same. @returns how many those are
std::size_t lose_requests_of(unit& u, const std::string& node);

/// Removes at most `limit` whose time is over. @returns how many
std::size_t expire_requests(unit& u, wall_time now, std::size_t limit);

} // namespace troupe::store
