#include "runtime/webhook/desk.hpp"

#include "runtime/net/io_gate.hpp"

#include <caf/actor_config.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>

#include <boost/asio/basic_waitable_timer.hpp>

#include <mutex>
#include <unordered_map>
#include <vector>

namespace troupe::webhook {
namespace {

using clock = std::chrono::steady_clock;
using timer_type = boost::asio::basic_waitable_timer<clock, boost::asio::wait_traits<clock>,
                                                     boost::asio::io_context::executor_type>;

/// By how much an answer that does not come may be given up too late.
constexpr std::chrono::milliseconds look_interval{50};

using answer = caf::expected<caf::message>;

template <class T>
caf::expected<T> read(answer& said) {
  if (!said)
    return std::move(said.error());
  if (said->match_elements<T>())
    return std::move(said->get_mutable_as<T>(0));
  if (said->match_elements<caf::error>())
    return said->get_as<caf::error>(0);
  return caf::make_error(caf::sec::unexpected_message);
}

} // namespace

struct desk::shared : std::enable_shared_from_this<shared> {
  /// A coroutine that waits for an answer.
  struct waiter {
    clock::time_point deadline;
    answer* to = nullptr;
    net::resumption next;
  };

  explicit shared(boost::asio::io_context& io) : io(io), gate(net::io_gate::of(io)) {}

  /// On any thread.
  void arrive(std::uint64_t ticket, answer said) {
    std::lock_guard guard{mutex};
    if (!waiting.contains(ticket))
      return;
    arrived.emplace_back(ticket, std::move(said));
    // The I/O context may be ending, and who waits there with it: then nobody is told.
    if (!std::exchange(posted, true))
      gate->post([self = shared_from_this()] { self->deal_out(); });
  }

  /// On the I/O thread, as all that follows.
  void deal_out() {
    {
      std::lock_guard guard{mutex};
      dealt.swap(arrived);
      posted = false;
    }
    for (auto& [ticket, said] : dealt)
      end(ticket, std::move(said));
    dealt.clear();
  }

  void wait(std::uint64_t ticket, waiter one) {
    {
      std::lock_guard guard{mutex};
      waiting.emplace(ticket, std::move(one));
    }
    if (!std::exchange(watching, true))
      watch();
  }

  void end(std::uint64_t ticket, answer said) {
    auto found = waiting.find(ticket); // Changed on this thread only.
    if (found == waiting.end())
      return;
    auto one = std::move(found->second);
    {
      std::lock_guard guard{mutex};
      waiting.erase(found);
    }
    *one.to = std::move(said);
    one.next();
  }

  /// Looks for those whose time is over, while anybody waits. The handler is the I/O context's:
  /// when that ends, so does who waits here.
  void watch() {
    auto timer = std::make_unique<timer_type>(io, look_interval);
    auto& on = *timer;
    on.async_wait([timer = std::move(timer), owner = owner_of_waiters{shared_from_this()}](
                    boost::system::error_code) mutable {
      auto self = std::exchange(owner.of, nullptr);
      self->look();
    });
  }

  void look() {
    auto now = clock::now();
    std::vector<std::uint64_t> late;
    for (auto& [ticket, one] : waiting)
      if (one.deadline <= now)
        late.push_back(ticket);
    for (auto ticket : late)
      end(ticket, caf::make_error(caf::sec::request_timeout));
    watching = !waiting.empty();
    if (watching)
      watch();
  }

  void close() {
    std::unordered_map<std::uint64_t, waiter> all; // Their coroutines end with them.
    std::lock_guard guard{mutex};
    all.swap(waiting);
  }

  struct owner_of_waiters {
    explicit owner_of_waiters(std::shared_ptr<shared> x) noexcept : of(std::move(x)) {}
    owner_of_waiters(owner_of_waiters&&) noexcept = default;
    owner_of_waiters& operator=(owner_of_waiters&&) noexcept = default;
    ~owner_of_waiters() {
      if (of)
        of->close();
    }
    std::shared_ptr<shared> of;
  };

  boost::asio::io_context& io;
  const std::shared_ptr<net::io_gate> gate;
  std::mutex mutex;
  std::unordered_map<std::uint64_t, waiter> waiting; ///< Changed with the lock.
  std::vector<std::pair<std::uint64_t, answer>> arrived;
  bool posted = false;
  std::vector<std::pair<std::uint64_t, answer>> dealt; ///< On the I/O thread only, as the rest.
  std::uint64_t last = 0;
  bool watching = false;
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
      owner->arrive(ticket, std::move(what->content()));
    return true;
  }

private:
  std::weak_ptr<shared> owner_;
};

desk::desk(caf::actor_system& sys, boost::asio::io_context& io)
  : shared_(std::make_shared<shared>(io)) {
  caf::actor_config config;
  address_ = caf::make_actor<address, caf::strong_actor_ptr>(sys.next_actor_id(), sys.node(), &sys,
                                                             config, shared_);
}

desk::~desk() = default;

template <class T>
net::task<caf::expected<T>> desk::ask(caf::strong_actor_ptr to, caf::message what,
                                      std::chrono::milliseconds timeout) {
  using task = net::task<caf::expected<T>>;
  struct exchange {
    shared& state;
    clock::time_point deadline;
    caf::abstract_actor* to;
    caf::mailbox_element_ptr what;
    answer result = caf::make_error(caf::sec::runtime_error);

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<typename task::promise_type> by) {
      // First: the answer may be there before this function ends, and is dealt out afterwards.
      auto ticket = what->mid.integer_value() & caf::message_id::request_id_mask;
      state.wait(ticket, {deadline, &result, {by, by.promise().root}});
      to->enqueue(std::move(what), nullptr);
    }
    void await_resume() const noexcept {}
  };
  auto state = shared_;
  auto id = caf::message_id{caf::message_id::default_async_value | ++state->last};
  exchange done{*state, clock::now() + timeout, caf::actor_cast<caf::abstract_actor*>(to),
                caf::make_mailbox_element(address_, id, {}, std::move(what))};
  co_await done;
  co_return read<T>(done.result);
}

net::task<caf::expected<append_result>> desk::append(journal_actor to, update_append what,
                                                     std::chrono::milliseconds timeout) {
  return ask<append_result>(caf::actor_cast<caf::strong_actor_ptr>(std::move(to)),
                            caf::make_message(std::move(what)), timeout);
}

net::task<caf::expected<bot_batch>> desk::look_up(store_actor to, bot_lookup what,
                                                  std::chrono::milliseconds timeout) {
  return ask<bot_batch>(caf::actor_cast<caf::strong_actor_ptr>(std::move(to)),
                        caf::make_message(std::move(what)), timeout);
}

void desk::tell(const caf::actor& to, caf::message what) {
  to->enqueue(address_, caf::make_message_id(), std::move(what), nullptr);
}

} // namespace troupe::webhook
