#define CAF_SUITE registrar_nodes
#include "tests/durable/nodes_fixture.hpp"

/// Which bots a registrar of several has, and what becomes of a request at the wrong one.
namespace troupe::registrar_nodes_suite {

using namespace troupe::durable_tests;

BEGIN_FIXTURE_SCOPE(nodes_fixture)

SCENARIO("what is asked of the wrong node has the outcome that it has at the right one") {
  auto of_a = bot_of(a);
  auto of_b = bot_of(b);
  // Both bots go through the same; the first is asked for at its owner, the other at the other
  // node.
  auto both = [&](auto make) {
    auto right = make(of_a);
    auto wrong = make(of_b);
    return std::pair{std::move(right), std::move(wrong)};
  };
  auto rows = [&](auto make) {
    auto [right, wrong] = both([&](bot_id bot) { return ask_at<bot_row>(a, make(bot)); });
    CHECK_EQ(static_cast<bool>(right), static_cast<bool>(wrong));
    if (!right || !wrong) {
      CHECK_EQ(right.error(), wrong.error());
      return;
    }
    CHECK_EQ(right->phase, wrong->phase);
    CHECK_EQ(right->name, wrong->name);
    CHECK_EQ(right->version, wrong->version);
  };
  auto order = [](bot_id bot, bot_order_kind what) {
    return bot_order{ada(), 1, bot, what, {}, false};
  };
  rows([&](bot_id bot) { return order(bot, bot_order_kind::suspend); }); // There is none yet.
  rows([&](bot_id bot) { return registration(bot, false); });
  rows([&](bot_id bot) { return registration(bot, false); }); // A duplicate.
  CHECK(serves(a, of_a));
  CHECK(serves(b, of_b));
  CHECK(knows_nothing_of(a, of_b));
  rows([&](bot_id bot) { return order(bot, bot_order_kind::activate); }); // Not verified.
  auto [right, wrong] = both([&](bot_id bot) {
    auto code = get<verification_row>(verification_make{ada(), 1, bot}).code.text;
    return want_at<code_verdict>(a, verification_try{bot, code, 5});
  });
  CHECK_EQ(right, wrong);
  rows([&](bot_id bot) { return order(bot, bot_order_kind::suspend); });
  rows([&](bot_id bot) { return order(bot, bot_order_kind::resume); });
  rows([&](bot_id bot) { return bot_change{ada(), 1, bot, 0, "another name", 5, 0, "{}"}; });
  rows([&](bot_id bot) { return bot_change{ada(), 1, bot, 1, "an old version", 5, 0, "{}"}; });
  rows([&](bot_id bot) { return bot_rotate{ada(), 1, bot, {known(bot, 'B')}, {}}; });
  rows([&](bot_id bot) {
    return bot_rotate{ada(), 1, bot, {token_of(bot, 'C')}, {}};
  }); // Rejected.
  rows([&](bot_id bot) { return bot_rotate{ada(), 1, bot, {known(bot, 'A')}, {}}; });
  both([&](bot_id bot) {
    auto made = want_at<made_virtual_token>(a, virtual_token_make{ada(), 1, bot, "ci", {}, 0});
    auto& owner = bot == of_a ? a : b;
    CHECK(owner.virtuals->find(made.token.text, std::chrono::system_clock::now()).has_value());
    want_at<done>(a, virtual_token_revoke{ada(), 1, bot, made.row.id});
    CHECK(!owner.virtuals->find(made.token.text, std::chrono::system_clock::now()));
    return 0;
  });
  auto called = both([&](bot_id bot) {
    return want_at<method_answer>(a, method_call{1, bot, "getMe"});
  });
  CHECK_EQ(called.first.status, 200);
  CHECK_EQ(called.second.status, 200);
  CHECK_EQ(b.notes->calls.back().method, a.notes->calls.back().method);
  auto named = both([&](bot_id bot) {
    return ask_at<method_answer>(a, method_call{1, bot, "no name"});
  });
  CHECK_EQ(named.first.error(), named.second.error());
  rows([&](bot_id bot) { return bot_remove{ada(), 1, bot}; });
  CHECK(knows_nothing_of(b, of_b));
  rows([&](bot_id bot) { return bot_remove{ada(), 1, bot}; });
}

SCENARIO("what is nobody's waits, then it is refused, and nothing is done") {
  auto bot = bot_of(b);
  want_at<bot_row>(a, registration(bot));
  bot_order suspend{ada(), 1, bot, bot_order_kind::suspend, {}, false};
  // `b` does not have it any more, and thinks that `a` does.
  own(shard_of(bot), &a);
  want_at<done>(b, shards_lost{{shard_of(bot)}, true});
  own(shard_of(bot), &b);
  CHECK_EQ(refused_late_at<bot_row>(a, suspend), store_refusal::unavailable);
  own(shard_of(bot), nullptr);
  auto why = refused_late_at<bot_row>(a, suspend);
  CHECK_EQ(why, store_refusal::unavailable);
  CHECK_EQ(why.context().get_as<refusal>(0).retry_after, 1s);
  method_call hurried{1, bot, "getMe"};
  hurried.patience = 100ms;
  auto called = begin<method_answer>(a, hurried);
  CHECK(!called->has_value());
  for (int i = 0; i < 5; ++i) {
    advance_time(25ms);
    sched.run();
  }
  CHECK(called->has_value()); // It has a deadline of its own.
  CHECK_EQ(want_at<registrar_report>(a, get_report{}).busy, 0u);
  CHECK(stored(bot).phase == bot_phase::active);
}

SCENARIO("two nodes that each take the other for the owner do not pass a request on for ever") {
  auto bot = bot_of(a);
  want_at<bot_row>(a, registration(bot));
  want_at<done>(a, shards_lost{{shard_of(bot)}, true});
  shard_owners all{};
  a.passed = b.passed = 0;
  a.view->set_others({{"b", b.desk}}, all);
  b.view->set_others({{"a", a.desk}}, all);
  auto waits = begin<bot_row>(a, bot_order{ada(), 1, bot, bot_order_kind::suspend, {}, false});
  CHECK_EQ(b.passed, 1);
  for (int i = 0; i < 3; ++i) {
    advance_time(25ms);
    sched.run();
  }
  CHECK_EQ(b.passed, 4); // It is asked again, and never asks in its turn.
  CHECK_EQ(a.passed, 0);
  CHECK(!waits->has_value());
  point();
  b.view->set_others({{"a", a.desk}}, shard_owners{});
  advance_time(25ms);
  sched.run();
  want_at<done>(a, shards_gained{{{shard_of(bot), ++revision}}});
  advance_time(25ms);
  sched.run();
  REQUIRE(waits->has_value());
  CHECK((**waits)->phase == bot_phase::suspended);
}

SCENARIO(
  "an owner that dies with a request leaves its outcome unknown, a desk that refuses does not") {
  auto bot = bot_of(b);
  want_at<bot_row>(a, registration(bot));
  bot_order suspend{ada(), 1, bot, bot_order_kind::suspend, {}, false};
  sql->hold = true;
  auto pending = begin<bot_row>(a, suspend);
  caf::anon_send_exit(b.registrar, caf::exit_reason::kill);
  sched.run();
  REQUIRE(pending->has_value());
  CHECK_EQ((*pending)->error(), store_refusal::outcome_unknown);
  sql->hold = false;
  sql->release();
  sched.run();
  auto deaf = sys.spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](const peer_request&) -> caf::result<caf::message> {
      return caf::make_error(ec::draining);
    }};
  });
  a.view->set_others({{"b", deaf}}, shard_owners{});
  CHECK_EQ(refused_late_at<bot_row>(a, suspend), store_refusal::unavailable);
  caf::anon_send_exit(deaf, caf::exit_reason::kill);
}

SCENARIO("who waits for an owner learns at once that its node is lost, and nothing twice") {
  auto bot = bot_of(b);
  want_at<bot_row>(a, registration(bot));
  sql->hold = true;
  auto pending = begin<bot_row>(a, bot_order{ada(), 1, bot, bot_order_kind::suspend, {}, false});
  auto removal = begin<bot_row>(a, bot_remove{ada(), 1, bot_of(b, 2)});
  CHECK_EQ(want_at<registrar_report>(a, get_report{}).busy, 2u);
  caf::anon_send_exit(b.desk, caf::exit_reason::kill); // As its connection's end tells.
  sched.run();
  REQUIRE(pending->has_value());
  CHECK_EQ((*pending)->error(), store_refusal::outcome_unknown);
  REQUIRE(removal->has_value());
  CHECK_EQ((*removal)->error(), store_refusal::outcome_unknown);
  sql->hold = false;
  for (int i = 0; i < 4; ++i) { // What the owner answers after all comes too late.
    sql->release();
    sched.run();
  }
  CHECK_EQ(want_at<registrar_report>(a, get_report{}).busy, 0u);
  CHECK(stored(bot).phase == bot_phase::suspended);
}

SCENARIO("a node never makes its own calls for another's bot") {
  auto bot = bot_of(b);
  want_at<bot_row>(a, registration(bot));
  auto before = b.notes->calls.size();
  method_call poll{0, bot, "getUpdates"};
  poll.own = true;
  CHECK(refused_at<method_answer>(a, poll) == store_refusal::unavailable);
  CHECK_EQ(b.notes->calls.size(), before);
}

SCENARIO("a tenant's rate reaches the governors of all nodes, also of one that missed it") {
  auto row = want_at<tenant_row>(a, tenant_put{ada(), {0, "acme", false, 0, 7, 0}});
  auto rate = [&](node_under_test& x) {
    auto& last = x.heard->tenants.back();
    return last.empty() ? 0u : last.front().second;
  };
  CHECK_EQ(rate(a), 7u);
  CHECK_EQ(rate(b), 7u);
  row.rps = 9;
  want_at<tenant_row>(b, tenant_put{ada(), row});
  CHECK_EQ(rate(a), 9u);
  a.view->set_others({}, unowned_shards()); // Nobody can be reached.
  row.rps = 11;
  want_at<tenant_row>(a, tenant_put{ada(), row});
  CHECK_EQ(rate(b), 9u);
  advance_time(1min);
  sched.run();
  CHECK_EQ(rate(b), 11u);
  point();
  want_at<done>(a, tenant_remove{ada(), row.id});
  CHECK_EQ(rate(a), 0u);
  CHECK_EQ(rate(b), 0u);
}

SCENARIO("what others were told of a bot is over there before a change of it is answered") {
  auto bot = bot_of(b);
  want_at<bot_row>(b, registration(bot, true));
  auto before = a.view->changes(shard_of(bot));
  auto is_told = [&] { return std::exchange(before, a.view->changes(shard_of(bot))) != before; };
  want_at<bot_row>(b, bot_change{ada(), 1, bot, 0, "another name", 5, 0, "{}"});
  CHECK(is_told());
  want_at<bot_row>(a, bot_rotate{ada(), 1, bot, {known(bot, 'B')}, {}});
  CHECK(is_told());
  auto made = want_at<made_virtual_token>(b, virtual_token_make{ada(), 1, bot, "ci", {}, 0});
  CHECK(!is_told()); // Nobody was told anything of it.
  want_at<done>(b, virtual_token_revoke{ada(), 1, bot, made.row.id});
  CHECK(is_told());
  CHECK_EQ(b.view->changes(shard_of(bot)), 0u);
  b.view->set_others({}, unowned_shards()); // Nobody can be reached: that is no reason to wait.
  want_at<bot_row>(b, bot_change{ada(), 1, bot, 0, "a third name", 5, 0, "{}"});
  CHECK(!is_told());
  point();
}

SCENARIO("a node that starts serves the bots of its own shards alone") {
  for (int n = 1; n <= 3; ++n) {
    want_at<bot_row>(a, registration(bot_of(a, n)));
    want_at<bot_row>(a, registration(bot_of(b, n)));
  }
  auto token = want_at<made_virtual_token>(a, virtual_token_make{ada(), 1, bot_of(b), "ci", {}, 0});
  caf::anon_send_exit(b.registrar, caf::exit_reason::kill);
  sched.run();
  own(shard_of(bot_of(b, 2)), &a); // It goes while nobody is there to hear of it.
  spawn_registrar_of(b);
  CHECK(b.names->complete());
  CHECK(serves(b, bot_of(b, 1)));
  CHECK(knows_nothing_of(b, bot_of(b, 2)));
  CHECK(serves(b, bot_of(b, 3)));
  CHECK(knows_nothing_of(b, bot_of(a, 1)));
  CHECK_EQ(want_at<registrar_report>(b, get_report{}).bots, 2u);
  auto now = std::chrono::system_clock::now();
  CHECK(b.virtuals->find(token.token.text, now).has_value());
  CHECK(!a.virtuals->find(token.token.text, now));
  CHECK(stored(bot_of(b, 2)).phase == bot_phase::active);
}

END_FIXTURE_SCOPE()

} // namespace troupe::registrar_nodes_suite
