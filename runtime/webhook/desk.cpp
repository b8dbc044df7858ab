#include "runtime/webhook/desk.hpp"

#include <caf/actor_config.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>

#include <mutex>
#include <unordered_map>
#include <vector>

namespace troupe::webhook {
namespace {

using timer = boost::asio::basic_waitable_timer<
  std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
  net::http_executor>;

using answer = caf::expected<append_result>;

answer read(caf::message& content) {
  if (content.match_elements<append_result>())
    return content.get_as<append_result>(0);
  if (content.match_elements<caf::error>())
    return content.get_as<caf::error>(0);
  return caf::make_error(caf::sec::unexpected_message);
}

} // namespace

struct desk::waiter {
  waiter(const net::http_executor& io, timer::time_point deadline) : wake(io, deadline) {}
  timer wake;
  std::optional<answer> said;
};

struct desk::shared : std::enable_shared_from_this<shared> {
  explicit shared(net::http_executor io) : io(std::move(io)) {}

  /// On any thread.
  void arrive(std::uint64_t ticket, answer said) {
    std::lock_guard guard{mutex};
    // Nobody waits: the coroutine is gone, and perhaps the I/O context with it.
    if (!waiting.contains(ticket))
      return;
    arrived.emplace_back(ticket, std::move(said));
    if (!std::exchange(posted, true))
      boost::asio::post(io, [self = shared_from_this()] { self->deal_out(); });
  }

  /// On the I/O thread.
  void deal_out() {
    std::vector<std::pair<std::uint64_t, answer>> all;
    {
      std::lock_guard guard{mutex};
      all.swap(arrived);
      posted = false;
    }
    for (auto& [ticket, said] : all)
      if (auto found = waiting.find(ticket); found != waiting.end()) { // Changed on this thread only.
        found->second->said = std::move(said);
        found->second->wake.cancel();
      }
  }

  net::http_executor io;
  std::mutex mutex;
  std::unordered_map<std::uint64_t, waiter*> waiting; ///< Changed with the lock.
  std::vector<std::pair<std::uint64_t, answer>> arrived;
  bool posted = false;
  std::uint64_t next = 0; ///< On the I/O thread only.
};

/// Takes nothing but answers and has no mailbox: CAF's own pattern for event loops of others
/// (caf::actor_companion).
class desk::address final : public caf::monitorable_actor {
public:
  address(caf::actor_config& config, std::weak_ptr<shared> owner)
    : caf::monitorable_actor(config), owner_(std::move(owner)) {}

  const char* name() const override { return "troupe.webhook.replies"; }
  void setup_metrics() noexcept {} ///< For caf::make_actor: there is no mailbox to measure.

  bool enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (!what->mid.is_response())
      return false;
    auto ticket = what->mid.integer_value() & caf::message_id::request_id_mask;
    if (auto owner = owner_.lock())
      owner->arrive(ticket, read(what->content()));
    return true;
  }

private:
  std::weak_ptr<shared> owner_;
};

desk::desk(caf::actor_system& sys, net::http_executor io)
  : shared_(std::make_shared<shared>(std::move(io))) {
  caf::actor_config config;
  address_ = caf::make_actor<address, caf::strong_actor_ptr>(sys.next_actor_id(), sys.node(), &sys,
                                                             config, shared_);
}

desk::~desk() = default;

net::http_task<answer> desk::append(journal_actor to, update_append what,
                                    std::chrono::milliseconds timeout) {
  auto state = shared_;
  waiter mine{state->io, std::chrono::steady_clock::now() + timeout};
  auto ticket = ++state->next;
  struct place {
    shared& state;
    std::uint64_t ticket;
    ~place() {
      std::lock_guard guard{state.mutex};
      state.waiting.erase(ticket);
    }
  } kept{*state, ticket};
  {
    std::lock_guard guard{state->mutex};
    state->waiting.emplace(ticket, &mine);
  }
  auto id = caf::message_id{caf::message_id::default_async_value | ticket};
  caf::actor_cast<caf::abstract_actor*>(to)->enqueue(
    caf::make_mailbox_element(address_, id, {}, std::move(what)), nullptr);
  auto token = boost::asio::as_tuple(net::use_http_task);
  (void)co_await mine.wake.async_wait(token);
  if (mine.said)
    co_return std::move(*mine.said);
  co_return answer{caf::make_error(caf::sec::request_timeout)};
}

} // namespace troupe::webhook
