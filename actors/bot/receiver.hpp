#pragma once
#include "messages/updates.hpp"
#include "runtime/updates/settings.hpp"

#include <caf/result.hpp>

#include <chrono>
#include <cstddef>
#include <memory>

namespace troupe::bot {

class inbox;

/// How a bot's updates leave it in one mode of delivery: a strategy behind the inbox, made when the
/// mode is first used, kept until nothing is under way any more, also while another mode is set.
///
/// The inbox fetches, orders, expires, tries again and ends updates at the journal; a receiver only
/// makes single attempts. One that is called by its clients (pull) says `by_itself` and deals with
/// the journal on its own.
class receiver {
public:
  /// @param to outlives it
  explicit receiver(inbox& to) noexcept : in(to) {}
  virtual ~receiver() = default;
  receiver(const receiver&) = delete;
  receiver& operator=(const receiver&) = delete;

  /// Begins one attempt. For each the receiver owes the inbox exactly one of `delivered`, `failed`,
  /// `dead`, `later` with the update's seq: later, or within this call. Until then the inbox lives:
  /// handlers of requests may capture it. @param what stays valid until then
  virtual void hand_over(const stored_update& what, std::uint32_t attempt,
                         const updates::update_settings& how) = 0;

  /// Attempts at once, asked before each.
  [[nodiscard]] virtual std::size_t places(const updates::update_settings& how) const = 0;

  // -- For those that fetch for themselves ------------------------------------

  /// The inbox fetches nothing and hands nothing over: what waits waits in the journal.
  [[nodiscard]] virtual bool by_itself() const { return false; }

  /// Something may wait in the journal: new updates, another mode before, a journal that restarted
  /// (forget what was known of it), a bot that was resumed.
  virtual void told() {}

  /// No longer: another mode is set, or the bot is suspended.
  virtual void closed() {}

  /// Whether nothing of it would be lost with it. An idle inbox is dropped, receivers included.
  [[nodiscard]] virtual bool idle() const { return true; }
  /// While it is idle: what it remembers is of use until then.
  [[nodiscard]] virtual std::chrono::steady_clock::time_point keep_until() const { return {}; }

  virtual caf::result<pull_answer> pull(const pull_request& what);
  virtual void cancel(const pull_cancel&) {}

protected:
  inbox& in;
};

/// The receiver of a mode; null: there is none, its updates wait. receivers.cpp.
std::unique_ptr<receiver> make_receiver(updates::delivery_mode mode, inbox& to);
/// POSTs to the tenant's URL, through the delivery service. relay.cpp.
std::unique_ptr<receiver> make_relay(inbox& to);
/// getUpdates. pull.cpp.
std::unique_ptr<receiver> make_puller(inbox& to);
/// A handler in C++. native.cpp.
std::unique_ptr<receiver> make_native(inbox& to);
/// The bot's own rules. rules.cpp.
std::unique_ptr<receiver> make_ruler(inbox& to);

} // namespace troupe::bot
