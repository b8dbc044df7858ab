#pragma once
#include "actors/tree/tree.hpp"
#include "runtime/log/capture.hpp"
#include "tests/simulation/ingress.hpp"
#include "tests/simulation/outside.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace troupe::simulation {

/// An actor of the tree.
struct member {
  std::string supervisor;
  std::string name;
  caf::actor who;
  std::shared_ptr<bool> lives;
};

/// One life of the node's process: the real tree under CAF's test coordinator.
class node {
public:
  /// @param unseen what the governor has not seen
  node(outside& world, const unseen_past& unseen, bool first);
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  /// Lets one actor take one message, whichever is drawn. @returns false when none may
  bool step();
  /// When something is due inside.
  [[nodiscard]] time_point next_timer();
  void run_timer();
  void set_clock(time_point now);

  [[nodiscard]] const std::vector<member>& members();
  [[nodiscard]] bool ended() const noexcept { return tree_->ended(); }
  [[nodiscard]] bool quiet() const noexcept; ///< No message waits, nobody is slow.
  void reconfigure();                        ///< As by SIGHUP: settings are others.
  void stop();                               ///< Asks the root to end.
  void slow(caf::actor_id who, time_point until) { slow_[who] = until; }
  void hurry() { slow_.clear(); }

  void begin(std::uint64_t call);
  void leave(std::uint64_t call);
  bool post(std::size_t bot, std::size_t update);

  /// Asks an actor while the rest stands still. Nothing: it does not run.
  template <class Answer, class Handle, class Request>
  std::optional<Answer> ask(const Handle& whom, Request what) {
    // Shared: who has to ask the disk answers later, when nobody waits any more.
    auto result = std::make_shared<std::optional<Answer>>();
    ask_later<Answer>(whom, std::move(what), [result](Answer& x) { *result = std::move(x); });
    settle();
    return *result;
  }

  /// The same for an answer that takes its time.
  template <class Answer, class Handle, class Request, class Then>
  void ask_later(const Handle& whom, Request what, Then then) {
    if (!whom)
      return;
    prober_->context(nullptr);
    prober_->request(whom, caf::infinite, std::move(what))
      .then([then](Answer& x) { then(x); }, [](const caf::error&) {});
  }

  [[nodiscard]] tree& parts() noexcept { return *tree_; }
  [[nodiscard]] bool registered() const noexcept { return registered_ == world_.what.bots.size(); }
  [[nodiscard]] const gateway_view& gateway() const noexcept { return *view_; }
  /// Actors that run beside those who should.
  [[nodiscard]] std::ptrdiff_t strangers();
  /// Kills what is left. @returns how many actors ran although their supervisors were gone
  std::size_t bury(bool orderly);

  /// Lets all messages be taken, those of the slow too. Time stands still.
  void settle();

private:
  tree_config config() const;
  tree_ports ports(const unseen_past& unseen);
  void enrol(std::size_t bot);
  void enrolled(std::size_t bot);

  outside& world_;
  caf::actor_system_config cfg_;
  std::unique_ptr<caf::actor_system> sys_;
  caf::scheduler::test_coordinator* sched_ = nullptr;
  net::lanes lanes_;
  std::shared_ptr<gateway_view> view_ = std::make_shared<gateway_view>();
  std::unique_ptr<tree> tree_;
  supervisor_actor root_;
  std::vector<member> members_;
  std::unordered_map<caf::actor_id, time_point> slow_; ///< Looked up, never walked in order.
  caf::actor prober_handle_;
  caf::event_based_actor* prober_ = nullptr;
  caf::actor clients_;
  caf::actor webhook_;
  std::size_t before_ = 0; ///< Actors that ran before the tree did.
  std::size_t registered_ = 0;
};

} // namespace troupe::simulation
