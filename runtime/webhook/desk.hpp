#pragma once
#include "messages/journal.hpp"
#include "messages/store.hpp"
#include "runtime/net/task.hpp"

#include <boost/asio/io_context.hpp>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/expected.hpp>

#include <chrono>

#include <memory>

namespace troupe::webhook {

/// Where the coroutines of one I/O thread hand updates to the journal and wait for its answer. What
/// is sent back comes straight to the coroutine that waits, without an actor between; answers that
/// come together wake the thread once.
class desk {
public:
  /// @param io Of the thread; everything but the answers happens on it. When it ends, so do the
  /// coroutines that wait.
  desk(caf::actor_system& sys, boost::asio::io_context& io);
  ~desk();

  desk(const desk&) = delete;
  desk& operator=(const desk&) = delete;

  /// The journal's answer, or its error, or sec::request_timeout; a dead journal answers
  /// sec::request_receiver_down.
  net::task<caf::expected<append_result>> append(journal_actor to, update_append what,
                                                 std::chrono::milliseconds timeout);

  /// The store's answer, with the same errors.
  net::task<caf::expected<bot_batch>> look_up(store_actor to, bot_lookup what,
                                              std::chrono::milliseconds timeout);
  /// Tells somebody, perhaps on another node, who sees a sender of this one. Nothing comes back.
  void tell(const caf::actor& to, caf::message what);

private:
  class address;
  struct waiter;
  struct shared;
  template <class T>
  net::task<caf::expected<T>> ask(caf::strong_actor_ptr to, caf::message what,
                                  std::chrono::milliseconds timeout);
  std::shared_ptr<shared> shared_;
  caf::strong_actor_ptr address_;
};

} // namespace troupe::webhook
