#define CAF_SUITE bot_abroad

#include "runtime/registry/cluster_view.hpp"
#include "runtime/registry/update_services.hpp"
#include "tests/actors/bot_fixture.hpp"

#include <boost/json/parse.hpp>

/// Calls that another node took: who watches the bot at its own node sees them end.
namespace troupe::bot_abroad_suite {

using namespace std::literals;

namespace {

/// A gateway of another node: requests go out under its name, answers are noted.
class far_gateway final : public caf::monitorable_actor {
public:
  explicit far_gateway(caf::actor_config& config) : caf::monitorable_actor(config) {}
  const char* name() const override { return "far"; }
  void setup_metrics() noexcept {}
  bool enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    auto number = what->mid.integer_value() & caf::message_id::request_id_mask;
    auto& content = what->content();
    if (content.match_elements<grant>())
      granted[number] = content.get_as<grant>(0);
    else if (content.match_elements<caf::error>())
      refused[number] = content.get_as<caf::error>(0);
    return true;
  }
  void end() { cleanup(caf::make_error(caf::exit_reason::remote_link_unreachable), nullptr); }

  std::map<call_id, grant> granted;
  std::map<call_id, caf::error> refused;
};

struct fixture : bot_tests::fixture {
  fixture() {
    caf::anon_send_exit(bot, caf::exit_reason::user_shutdown);
    settle();
    found->cluster = std::make_shared<cluster_view>();
    found->updates = std::make_shared<update_services>();
    start_bot spec;
    spec.bot = 7;
    bot = spawn(spec);
    caf::actor_config config;
    auto there = caf::make_node_id(1, "0011223344556677889900112233445566778899");
    REQUIRE(there);
    auto handle = caf::make_actor<far_gateway, caf::actor>(99, *there, &sys, config);
    far = dynamic_cast<far_gateway*>(caf::actor_cast<caf::abstract_actor*>(handle));
    far_handle = handle;
    watcher = found->updates->events.watch(7, {});
  }
  ~fixture() {
    if (!ended)
      far->end();
    settle();
  }

  template <class Message>
  void ask_far(call_id id, Message what) {
    auto mid = caf::message_id{caf::message_id::default_async_value | id};
    caf::actor_cast<caf::abstract_actor*>(bot)->enqueue(
      caf::make_mailbox_element(caf::actor_cast<caf::strong_actor_ptr>(far_handle), mid, {},
                                std::move(what)),
      nullptr);
    settle();
  }
  void fail_far(call_id id, outcome how, caf::timespan patience = 10s) {
    auto session = far->granted.at(id).session;
    far->granted.erase(id);
    ask_far(id, attempt_failed{id, session, how, patience});
  }
  void done_far(call_id id, outcome how) { tell(call_done{id, far->granted.at(id).session, how}); }

  /// What those who watch were told since the last time: outcomes of calls.
  std::vector<std::string> told() {
    std::vector<std::string> result;
    std::uint64_t missed = 0;
    for (const auto& x : watcher->take(missed)) {
      CHECK_EQ(x.type, "call"sv);
      auto data = boost::json::parse(x.data).as_object();
      seconds = data.at("seconds").to_number<double>();
      result.emplace_back(data.at("outcome").as_string());
    }
    CHECK_EQ(missed, 0u);
    return result;
  }
  using words = std::vector<std::string>;

  far_gateway* far = nullptr;
  caf::actor far_handle;
  bool ended = false;
  double seconds = 0;
  std::shared_ptr<event_hub::watcher> watcher;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a call that another node took is told when it ends, with the time from its coming") {
  s->governor = bot_tests::script::mode::hold;
  ask_far(1, make_call(1));
  advance(2s);
  grant_held();
  REQUIRE_EQ(far->granted.count(1), 1u);
  CHECK(told().empty());
  advance(1s);
  done_far(1, ok());
  CHECK_EQ(told(), words{"ok"});
  CHECK(seconds > 2.9 && seconds < 3.1);
  s->governor = bot_tests::script::mode::grant;
  for (auto [how, word] :
       {std::pair{status(400), "client_error"}, std::pair{status(502), "server_error"},
        std::pair{broke(failure::half_answer), "half_answer"}}) {
    ask_far(2, make_call(2));
    done_far(2, how);
    CHECK_EQ(told(), words{word});
  }
}

SCENARIO("one that is tried again is told once, by how its last attempt ended") {
  ask_far(1, make_call(1, true));
  fail_far(1, status(502));
  advance(9s);
  REQUIRE_EQ(far->granted.count(1), 1u);
  CHECK(told().empty());
  done_far(1, ok());
  CHECK_EQ(told(), words{"ok"});
  ask_far(2, make_call(2)); // Not repeatable: that was the last attempt.
  fail_far(2, broke(failure::timeout));
  CHECK_EQ(far->refused.at(2), ec::not_retried);
  CHECK_EQ(told(), words{"timeout"});
  ask_far(3, make_call(3, true));
  s->governor = bot_tests::script::mode::refuse;
  fail_far(3, broke(failure::not_sent));
  advance(9s);
  CHECK_EQ(far->refused.at(3), ec::not_retried);
  CHECK_EQ(told(), words{"not_sent"}); // What stands is how the attempt went.
}

SCENARIO("one that is refused is told with the reason, whether it waited or not") {
  s->governor = bot_tests::script::mode::refuse;
  ask_far(1, make_call(1));
  CHECK_EQ(told(), words{"budget_wait_too_long"});
  tell(breaker_change{7, breaker_state::open, 60s});
  ask_far(2, make_call(2));
  CHECK_EQ(told(), words{"breaker_open"});
  tell(bot_command{7, bot_phase::suspended});
  ask_far(3, make_call(3));
  CHECK_EQ(told(), words{"suspended"});
}

SCENARIO("one that goes on elsewhere, whose client went or that was not begun is not told") {
  s->governor = bot_tests::script::mode::hold;
  ask_far(1, make_call(1));
  tell(call_cancelled{1});
  s->governor = bot_tests::script::mode::grant;
  ask_far(2, make_call(2));
  auto unsent = broke(failure::aborted);
  unsent.unsent = true;
  done_far(2, unsent);
  s->governor = bot_tests::script::mode::hold;
  ask_far(3, make_call(3));
  tell(bot_command{7, bot_phase::stopped});
  CHECK_EQ(far->refused.at(3), ec::stopped);
  CHECK(told().empty());
}

SCENARIO("what a lost node had under way is told as aborted; polls and this node's calls are not") {
  ask_far(1, make_call(1));
  auto poll = make_call(2);
  poll.kind = call_kind::long_poll;
  ask_far(2, poll);
  ask(3, make_call(3));
  done(3, ok()); // Its gateway tells by itself.
  CHECK(told().empty());
  far->end();
  ended = true;
  settle();
  CHECK_EQ(told(), words{"aborted"});
  CHECK(s->open.empty());
}

END_FIXTURE_SCOPE()

} // namespace troupe::bot_abroad_suite
