#define CAF_SUITE api.nodes
#include "runtime/api/ask.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "tests/api/managed.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <future>

/// What is asked at a node about a bot of another's.
namespace troupe::nodes_suite {

using namespace std::literals;
using fakes::json_of;
using fakes::told;

namespace {

/// The other node, as its desk answers.
struct neighbour {
  std::shared_ptr<fakes::journal_book> waiting = std::make_shared<fakes::journal_book>();
  bot_health health;
  health_report report;
  live_list live;
  caf::error refusal;
  std::atomic<int> asked{0};
};

caf::actor spawn_neighbour(caf::actor_system& sys, std::shared_ptr<neighbour> has,
                           caf::actor journal, caf::actor webhooks) {
  auto health = sys.spawn([has]() -> caf::behavior {
    return {[has](const bot_health_request&) { return has->health; },
            [has](const get_report&) { return has->report; }};
  });
  auto registrar = sys.spawn(
    [has]() -> caf::behavior { return {[has](const live_query&) { return has->live; }}; });
  return sys.spawn([=](caf::event_based_actor* self) -> caf::behavior {
    self->attach_functor([health, registrar] {
      for (auto& one : {health, registrar})
        caf::anon_send_exit(one, caf::exit_reason::kill);
    });
    return {[=](peer_request& x) -> caf::result<caf::message> {
      ++has->asked;
      if (has->refusal)
        return has->refusal;
      auto to = x.to == peer_part::journal    ? journal
                : x.to == peer_part::webhooks ? webhooks
                : x.to == peer_part::health   ? health
                                              : registrar;
      auto* element = self->current_mailbox_element();
      to->enqueue(caf::make_mailbox_element(element->sender, element->mid, {}, std::move(x.what)),
                  self->context());
      element->mid.mark_as_answered();
      return caf::delegated<caf::message>{};
    }};
  });
}

/// Bot 7 is here, bot `far` at the other node.
struct fixture : fakes::managed_node {
  fixture() {
    while (shard_of(far) == shard_of(7))
      ++far;
    kept->add_bot(7, 1);
    kept->add_bot(far, 1);
    view->set_fence(shard_of(7), 1);
    there = std::make_shared<neighbour>();
    far_journal = fakes::spawn_journal(sys, there->waiting);
    desk = spawn_neighbour(sys, there, caf::actor_cast<caf::actor>(far_journal),
                           caf::actor_cast<caf::actor>(webhooks));
    view->set_others({{"other", desk}}, shard_owners{});
    auto p = managed_ports();
    p.cluster = view;
    use(std::move(p));
  }
  ~fixture() {
    view->set_others({}, unowned_shards());
    caf::anon_send_exit(desk, caf::exit_reason::kill);
    caf::anon_send_exit(far_journal, caf::exit_reason::kill);
  }
  std::string of_far(std::string_view rest = {}) {
    return "/v1/bots/" + std::to_string(far) + std::string{rest};
  }

  bot_id far = 8;
  std::shared_ptr<cluster_view> view = std::make_shared<cluster_view>();
  std::shared_ptr<neighbour> there;
  journal_actor far_journal;
  caf::actor desk;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("what waits, what is dead and why a delivery rests is told by the node that has the bot") {
  waiting->pending = {1, 0, 0, false};
  there->waiting->pending = {12, 3, 1'700'000'000'000, true};
  there->live.bots.push_back({far, false, 1'700'000'000'000, "gone"});
  auto body = json_of(get(of_far("/updates"), viewer));
  CHECK_EQ(body.at("pending"), 12);
  CHECK_EQ(body.at("intake").at("state"), "elsewhere");
  CHECK_EQ(body.at("rests_because"), "gone");
  CHECK_EQ(body.at("rests_until"), "2023-11-14T22:13:20.000Z");
  auto asked = there->asked.load();
  CHECK_EQ(json_of(get("/v1/bots/7/updates", viewer)).at("pending"), 1);
  CHECK_EQ(there->asked.load(), asked); // Of its own bots nobody else is asked.
  auto both = json_of(get("/v1/bots?with=updates", viewer)).at("bots").as_array();
  REQUIRE_EQ(both.size(), 2u);
  CHECK_EQ(both[0].at("update_state").at("pending"), 1);
  CHECK_EQ(both[1].at("update_state").at("pending"), 12);
}

SCENARIO("dead letters of another node's bot are listed and replayed there") {
  there->waiting->letters.push_back({5, far, 100, "message", 1, 2, 8, "500", "{}"});
  auto letters = json_of(get(of_far("/dead-letters"), viewer)).at("dead_letters").as_array();
  REQUIRE_EQ(letters.size(), 1u);
  CHECK_EQ(letters[0].at("id"), 5);
  auto done = json_of(send("POST", of_far("/dead-letters:replay"), R"({"ids":[5]})", developer));
  CHECK_EQ(done.at("replayed"), 1);
  REQUIRE_EQ(there->waiting->replays.size(), 1u);
  CHECK_EQ(there->waiting->replays[0].bot, far);
  CHECK(waiting->replays.empty());
}

SCENARIO("health and phase of another node's bot are that node's") {
  there->health.status = health_status::degraded;
  there->health.requests = 77;
  there->live.bots.push_back({far, true, 0, {}});
  bot_health one;
  one.bot = far;
  one.status = health_status::unhealthy;
  there->report.worst.push_back(one);
  auto health = json_of(get(of_far("/health"), viewer));
  CHECK_EQ(health.at("live"), true);
  CHECK_EQ(health.at("status"), "degraded");
  auto bot = json_of(get(of_far(), viewer));
  CHECK_EQ(bot.at("phase"), "passive");
  CHECK_EQ(bot.at("health"), "degraded");
  auto both = json_of(get("/v1/bots", viewer)).at("bots").as_array();
  REQUIRE_EQ(both.size(), 2u);
  CHECK_EQ(both[0].at("health"), "healthy");
  CHECK_EQ(both[0].at("phase"), "active");
  CHECK_EQ(both[1].at("health"), "unhealthy");
  CHECK_EQ(both[1].at("phase"), "passive");
  auto passive = json_of(get("/v1/bots?status=passive", viewer)).at("bots").as_array();
  REQUIRE_EQ(passive.size(), 1u);
  CHECK_EQ(passive[0].at("id"), far);
  auto batch =
    json_of(send("POST", "/v1/bots:batchGet", "{\"ids\":[7," + std::to_string(far) + "]}", viewer));
  CHECK_EQ(batch.at("bots").at(1).at("phase"), "passive");
}

SCENARIO("when the node that has a bot does not answer, what is stored is shown all the same") {
  there->refusal = caf::make_error(ec::draining);
  auto both = json_of(get("/v1/bots", viewer)).at("bots").as_array();
  REQUIRE_EQ(both.size(), 2u);
  CHECK_EQ(both[0].at("health"), "healthy");
  CHECK(both[1].at("health").is_null());
  CHECK_EQ(both[1].at("phase"), "active");
  CHECK_EQ(json_of(get(of_far("/health"), viewer)).at("live"), false);
  CHECK(
    json_of(get("/v1/bots?with=updates", viewer)).at("bots").at(1).at("update_state").is_null());
  view->set_others({}, unowned_shards()); // Nobody has it.
  CHECK_EQ(get(of_far(), viewer).status, 200);
  CHECK_EQ(json_of(get(of_far("/health"), viewer)).at("live"), false);
  CHECK_EQ(json_of(get("/v1/bots", viewer)).at("bots").as_array().size(), 2u);
}

SCENARIO(
  "what only a bot's owner knows is waited for while the bot has none, though not for ever") {
  there->waiting->pending = {12, 3, 1'700'000'000'000, true};
  there->waiting->letters.push_back({5, far, 100, "message", 1, 2, 8, "500", "{}"});
  // Nobody has it; its node's desk is closed; its node has it no more.
  std::vector<caf::error> refusals{
    {}, caf::make_error(ec::draining), caf::make_error(store_refusal::fenced)};
  auto closed = std::make_shared<neighbour>();
  auto before = spawn_neighbour(sys, closed, caf::actor_cast<caf::actor>(far_journal), {});
  for (auto& refusal : refusals)
    for (auto* what : {"/updates", "/dead-letters"}) {
      closed->refusal = refusal;
      if (refusal)
        view->set_others({{"before", before}}, shard_owners{});
      else
        view->set_others({}, unowned_shards());
      auto asked = std::async(std::launch::async, [&] { return get(of_far(what), viewer); });
      CHECK(asked.wait_for(100ms) == std::future_status::timeout);
      view->set_others({{"other", desk}}, shard_owners{});
      CHECK_EQ(asked.get().status, 200);
    }
  caf::anon_send_exit(before, caf::exit_reason::kill);
  view->set_others({}, unowned_shards());
  auto p = managed_ports();
  p.cluster = view;
  p.long_timeout = 300ms;
  use(std::move(p));
  auto refused = get(of_far("/updates"), viewer);
  CHECK_EQ(refused.status, 503);
  CHECK_EQ(send("POST", of_far("/dead-letters:replay"), R"({"ids":[5]})", developer).status, 503);
  CHECK(there->waiting->replays.empty());
}

SCENARIO("nothing is kept of a question that is over, whether it was answered or not") {
  for (bool answers : {true, false}) {
    std::promise<void> asked;
    std::promise<void> ended;
    auto other = sys.spawn([&, answers](caf::event_based_actor* self) -> caf::behavior {
      self->set_down_handler([&](const caf::down_msg&) { ended.set_value(); });
      return {[&, answers, self](const get_report&) -> caf::result<health_report> {
        self->monitor(self->current_sender());
        asked.set_value();
        if (answers)
          return health_report{};
        return self->make_response_promise<health_report>();
      }};
    });
    boost::asio::io_context io;
    {
      auto question = api::ask<health_report>(
        sys, io.get_executor(), caf::actor_cast<caf::strong_actor_ptr>(other), get_report{}, 5s);
      asked.get_future().wait();
    }
    CHECK(ended.get_future().wait_for(10s) == std::future_status::ready);
    caf::anon_send_exit(other, caf::exit_reason::kill);
    caf::scoped_actor {
      sys
      } -> wait_for(other);
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::nodes_suite
