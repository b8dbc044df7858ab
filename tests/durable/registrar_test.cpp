#define CAF_SUITE registrar
#include "tests/durable/registrar_fixture.hpp"

#include "runtime/crypto/hash.hpp"

namespace troupe::registrar_suite {

using namespace troupe::durable_tests;
using store::test_store;

namespace {

struct sqlite_fixture : registrar_fixture {
  test_store on{store::backend::sqlite};
  sqlite_fixture() { open(on); }
};

} // namespace

BEGIN_FIXTURE_SCOPE(sqlite_fixture)

SCENARIO("a registered bot is asked who it is, stored, and served under its own number") {
  auto row = want<bot_row>(registration(42));
  CHECK_EQ(row.id, 42);
  CHECK_EQ(row.username, "bot_42");
  CHECK_EQ(row.name, "Bot");
  CHECK(row.phase == bot_phase::active);
  CHECK_NE(row.verified, 0);
  CHECK_EQ(api->paths, std::vector<std::string>{"/bot" + token_of(42) + "/getMe"});
  CHECK_EQ(notes->calls_done, 1u);
  auto served = entry(token_of(42));
  REQUIRE(served.has_value());
  CHECK_EQ(served->home, 42);
  CHECK(served->proven);
  CHECK(served->actor != nullptr);
  CHECK_EQ(*vault->find(42), token_of(42));
  CHECK_EQ(trail().at(0).action, "bot.register");
}

SCENARIO(
  "until it is registered nobody finds a bot by its token or number, and its tenant pays for it") {
  auto fresh = registration(42);
  fresh.tenant = get<tenant_row>(tenant_put{ada(), {0, "other", false, 0, 0, 0}}).id;
  api->silent = true;
  auto pending = self->request(registrar, caf::infinite, fresh);
  sched.run();
  REQUIRE_EQ(api->paths.size(), 1u); // It is asked who it is.
  CHECK(!entry(token_of(42)));
  CHECK(!names->find(42));
  REQUIRE_EQ(notes->starts.size(), 1u);
  auto probe = notes->starts.front();
  CHECK_EQ(probe.tenant, fresh.tenant);
  CHECK(!probe.proven);
  caf::anon_send_exit(registrar, caf::exit_reason::kill);
  sched.run();
  CHECK_EQ(notes->stops, std::vector<bot_id>{probe.bot});
  CHECK_EQ(names->size(), 0u);
}

SCENARIO("what a bot used of its budget before it was registered counts afterwards") {
  sql->hold = true;
  auto pending = self->request(registrar, caf::infinite, registration(42));
  sched.run();
  REQUIRE_EQ(notes->starts.size(), 1u);
  auto probe = notes->starts.front().bot;
  REQUIRE_EQ(heard->proofs.size(), 1u);
  CHECK_EQ(heard->proofs.front().from, probe);
  CHECK_EQ(heard->proofs.front().to, 42);
  CHECK_EQ(notes->stops, std::vector<bot_id>{probe});
  CHECK(!entry(token_of(42))); // It is no bot of anybody's before that is stored.
  CHECK(!names->find(42));
  sql->hold = false;
  sql->release();
  sched.run();
  CHECK(answer_of<bot_row>(pending).engaged());
  CHECK_EQ(entry(token_of(42))->home, 42);
}

SCENARIO(
  "an adopted bot goes on while its token is being registered, and becomes the registered one") {
  auto digest = token_hash({1, 2}, token_of(42));
  auto home = provisional_bot_id(digest);
  names->put(digest, home, 1, false, sched.clock().now());
  sql->hold = true;
  auto pending = self->request(registrar, caf::infinite, registration(42));
  sched.run();
  CHECK_EQ(api->paths.size(), 1u);
  REQUIRE(entry(token_of(42)).has_value());
  CHECK_EQ(entry(token_of(42))->home, home);
  sql->hold = false;
  sql->release();
  sched.run();
  CHECK(answer_of<bot_row>(pending).engaged());
  CHECK_EQ(entry(token_of(42))->home, 42);
  CHECK_EQ(notes->stops.back(), home);
}

SCENARIO("without a proof a new bot is pending") {
  auto row = want<bot_row>(registration(42, false));
  CHECK(row.phase == bot_phase::pending);
  CHECK(notes->starts.back().pending);
  CHECK(refused<bot_row>(order(42, bot_order_kind::activate)) == store_refusal::not_verified);
  auto code = get<verification_row>(verification_make{ada(), 1, 42}).code.text;
  CHECK(want<code_verdict>(verification_try{42, "WRONGWRONG", 5}) == code_verdict::wrong);
  CHECK(stored().at(0).phase == bot_phase::pending);
  CHECK(want<code_verdict>(verification_try{42, code, 5}) == code_verdict::verified);
  CHECK(stored().at(0).phase == bot_phase::active);
  CHECK_EQ(notes->starts.back().bot, 42);
  CHECK(!notes->starts.back().pending);
  // Or an operator vouches for it.
  want<bot_row>(registration(43, false));
  CHECK(want<bot_row>(order(43, bot_order_kind::activate, true)).phase == bot_phase::active);
}

SCENARIO("what is no good token leaves nothing behind") {
  auto bad = [&](std::string token) {
    auto x = registration(1);
    x.token.text = std::move(token);
    return refused<bot_row>(x);
  };
  CHECK(bad("") == store_refusal::token_malformed);
  CHECK(bad("123:short") == store_refusal::token_malformed);
  CHECK(bad(token_of(77)) == store_refusal::token_rejected);
  CHECK(!entry(token_of(77)));
  api->known[token_of(78)] = {79, "somebody_else"};
  CHECK(bad(token_of(78)) == store_refusal::token_rejected);
  outcome broken;
  broken.what = failure::timeout;
  api->next.push_back({broken, {}});
  CHECK(bad(known(80)) == store_refusal::upstream_failed);
  CHECK(!entry(token_of(80)));
  notes->refusal = caf::make_error(ec::upstream_open);
  CHECK(bad(known(81)) == store_refusal::upstream_failed);
  CHECK(stored().empty());
  CHECK_EQ(trail("", "bot.register").at(0).outcome, "upstream_failed");
}

SCENARIO("a bot is registered once; nobody is asked a second time") {
  enrol(42);
  auto asked = api->paths.size();
  auto again = registration(42);
  again.token.text = known(42, 'B');
  CHECK(refused<bot_row>(again) == store_refusal::duplicate);
  CHECK_EQ(api->paths.size(), asked);
  // At the same time, one wins.
  auto first = self->request(registrar, caf::infinite, registration(43));
  auto second = self->request(registrar, caf::infinite, registration(43));
  sched.run();
  CHECK(answer_of<bot_row>(first).engaged());
  CHECK(answer_of<bot_row>(second).error() == store_refusal::duplicate);
}

SCENARIO("a registration that the store refuses is taken back") {
  auto small = get<tenant_row>(tenant_put{ada(), {0, "small", true, 0, 0, 0}});
  auto x = registration(42);
  x.tenant = small.id;
  CHECK(refused<bot_row>(x) == store_refusal::tenant_suspended);
  CHECK(!entry(token_of(42)));
  CHECK(vault->find(42) == nullptr);
}

SCENARIO("a bot is suspended, resumed and restarted; orders may be repeated") {
  enrol(42);
  auto off = order(42, bot_order_kind::suspend);
  off.reason = "spam";
  CHECK(want<bot_row>(off).phase == bot_phase::suspended);
  CHECK(notes->commands.back().to == bot_phase::suspended);
  CHECK(entry(token_of(42))->phase == bot_phase::suspended);
  CHECK_EQ(stored().at(0).reason, "spam");
  auto version = stored().at(0).version;
  CHECK(want<bot_row>(off).phase == bot_phase::suspended);
  CHECK_EQ(stored().at(0).version, version);
  CHECK(refused<bot_row>(order(42, bot_order_kind::activate)) == store_refusal::wrong_phase);
  CHECK(refused<bot_row>(order(42, bot_order_kind::restart)) == store_refusal::wrong_phase);
  CHECK(want<bot_row>(order(42, bot_order_kind::resume)).phase == bot_phase::active);
  CHECK(notes->commands.back().to == bot_phase::active);
  CHECK(want<bot_row>(order(42, bot_order_kind::restart)).phase == bot_phase::active);
  CHECK(notes->commands.back().to == bot_phase::starting);
  CHECK(refused<bot_row>(order(7, bot_order_kind::suspend)) == store_refusal::not_found);
  auto foreign = order(42, bot_order_kind::suspend);
  foreign.tenant = 2;
  CHECK(refused<bot_row>(foreign) == store_refusal::not_found);
}

SCENARIO("a bot that is not verified stays so through suspension") {
  want<bot_row>(registration(42, false));
  want<bot_row>(order(42, bot_order_kind::suspend));
  CHECK(want<bot_row>(order(42, bot_order_kind::resume)).phase == bot_phase::pending);
}

SCENARIO("limits change live") {
  enrol(42);
  auto row = want<bot_row>(bot_change{ada(), 1, 42, 0, "new", 5, 2, R"({"x":1})"});
  CHECK_EQ(row.rps, 5u);
  CHECK_EQ(notes->starts.back().rps, 5u);
  CHECK_EQ(notes->starts.back().concurrent, 2u);
  CHECK(refused<bot_row>(bot_change{ada(), 1, 42, 1, "old", 0, 0, "{}"})
        == store_refusal::conflict);
  CHECK_EQ(notes->starts.back().rps, 5u);
}

SCENARIO("limits that a dying governor did not hear reach its successor") {
  enrol(42);
  heard = std::make_shared<governor_notes>();
  auto dead = sys.spawn(fake_governor, heard);
  found->rate_governor.publish(dead);
  caf::anon_send_exit(dead, caf::exit_reason::kill);
  sched.run();
  want<bot_row>(bot_change{ada(), 1, 42, 0, "new", 5, 2, "{}"});
  CHECK(heard->bots.empty());
  auto next = sys.spawn(fake_governor, heard);
  found->rate_governor.publish(next);
  advance_time(25ms);
  sched.run();
  REQUIRE_EQ(heard->bots.size(), 1u);
  CHECK_EQ(heard->bots.back().bot, 42);
  CHECK_EQ(heard->bots.back().rps, 5u);
  CHECK_EQ(heard->bots.back().concurrent, 2u);
  found->rate_governor.publish({});
  caf::anon_send_exit(next, caf::exit_reason::kill);
  sched.run();
}

SCENARIO("limits taken back behind the back of a registrar that was killed are no limits any more") {
  enrol(42);
  want<bot_row>(bot_change{ada(), 1, 42, 0, "new", 5, 2, "{}"});
  CHECK_EQ(heard->bots.back().rps, 5u);
  sql->hold = true;
  self->request(registrar, caf::infinite, bot_change{ada(), 1, 42, 0, "new", 0, 0, "{}"});
  sched.run();
  caf::anon_send_exit(registrar, caf::exit_reason::kill);
  sched.run();
  sql->hold = false;
  sql->release(); // Stored, and nobody was told.
  sched.run();
  CHECK_EQ(heard->bots.back().rps, 5u);
  registrar = spawn_registrar(sys, {}, ports);
  sched.run();
  CHECK_EQ(heard->bots.back().bot, 42);
  CHECK_EQ(heard->bots.back().rps, 0u);
  CHECK_EQ(heard->bots.back().concurrent, 0u);
}

SCENARIO("a new token takes the old one's place, once it is known to be good") {
  enrol(42);
  auto fresh = token_of(42, 'B');
  bot_rotate x{ada(), 1, 42, {fresh}, {}};
  CHECK(refused<bot_row>(x) == store_refusal::token_rejected);
  CHECK(entry(token_of(42)).has_value());
  CHECK(!entry(fresh));
  CHECK(names->find(bot_id{42}).has_value());
  known(42, 'B');
  want<bot_row>(x);
  CHECK_EQ(entry(fresh)->home, 42);
  CHECK_EQ(*vault->find(42), fresh);
  CHECK_EQ(notes->starts.back().token_hash, token_hash({1, 2}, fresh).key);
  CHECK(want<bot_row>(x).version > 0); // Once more: nothing to do.
  x.token.text = known(43);
  CHECK(refused<bot_row>(x) == store_refusal::token_of_other_bot);
  x.token.text = "nothing";
  CHECK(refused<bot_row>(x) == store_refusal::token_malformed);
}

SCENARIO("an unauthorized bot is stored as that, and lives again with a new token") {
  enrol(42);
  note_phase(registrar, 42, bot_phase::unauthorized, {}, "401", 0);
  sched.run();
  CHECK(stored().at(0).phase == bot_phase::unauthorized);
  CHECK(refused<bot_row>(order(42, bot_order_kind::resume)) == store_refusal::wrong_phase);
  boot();
  CHECK(entry(token_of(42))->phase == bot_phase::unauthorized);
  CHECK(notes->starts.empty());
  known(42, 'B');
  CHECK(want<bot_row>(bot_rotate{ada(), 1, 42, {token_of(42, 'B')}, {}}).phase
        == bot_phase::active);
  CHECK_EQ(notes->starts.back().bot, 42);
  CHECK(!entry(token_of(42)));
}

SCENARIO("an unauthorized bot whose token is good after all lives again with that one") {
  enrol(42);
  note_phase(registrar, 42, bot_phase::unauthorized, {}, "401", 0);
  sched.run();
  bot_rotate same{ada(), 1, 42, {token_of(42)}, {}};
  api->known.clear(); // Telegram still refuses it.
  CHECK(refused<bot_row>(same) == store_refusal::token_rejected);
  CHECK(stored().at(0).phase == bot_phase::unauthorized);
  known(42);
  notes->starts.clear();
  CHECK(want<bot_row>(same).phase == bot_phase::active);
  CHECK(!notes->starts.empty());
  CHECK(entry(token_of(42))->phase == bot_phase::active);
}

SCENARIO("a quarantine outlives the node, and ends when it was to end") {
  enrol(42);
  note_phase(registrar, 42, bot_phase::quarantined, 60s, "crashed", 3);
  sched.run();
  CHECK(stored().at(0).phase == bot_phase::quarantined);
  CHECK_EQ(stored().at(0).quarantines, 3u);
  boot();
  CHECK(entry(token_of(42))->phase == bot_phase::quarantined);
  CHECK(notes->starts.empty());
  advance_time(61s);
  sched.run();
  CHECK_EQ(notes->starts.size(), 1u);
  CHECK_EQ(notes->starts.back().quarantines, 3u); // The next one is as long as it would have been.
  CHECK(stored().at(0).phase == bot_phase::active);
  CHECK_EQ(stored().at(0).quarantines, 3u);
  note_phase(registrar, 42, bot_phase::active, {}, "", 0); // It was calm for long enough.
  sched.run();
  CHECK_EQ(stored().at(0).quarantines, 0u);
}

SCENARIO(
  "what a bot got into is stored later when the store cannot now, unless it is old by then") {
  enrol(42);
  sql->faults = {store_refusal::unavailable};
  note_phase(registrar, 42, bot_phase::quarantined, 60s, "crashed", 3);
  sched.run();
  CHECK(stored().at(0).phase == bot_phase::active);
  sql->faults = {store_refusal::disk_full};
  for (int i = 0; i < 2; ++i) {
    advance_time(1s);
    sched.run();
  }
  CHECK(stored().at(0).phase == bot_phase::quarantined);
  // The end of it, which is stored late, too; then the bot runs.
  sql->faults = {store_refusal::unavailable};
  note_phase(registrar, 42, bot_phase::active, {}, "", 3);
  sched.run();
  CHECK(stored().at(0).phase == bot_phase::quarantined);
  advance_time(1s);
  sched.run();
  CHECK(stored().at(0).phase == bot_phase::active);
  // Somebody's order is newer than what was heard before.
  sql->faults = {store_refusal::unavailable};
  note_phase(registrar, 42, bot_phase::quarantined, 60s, "crashed", 4);
  sched.run();
  want<bot_row>(order(42, bot_order_kind::suspend));
  want<bot_row>(order(42, bot_order_kind::resume));
  advance_time(5s);
  sched.run();
  CHECK(stored().at(0).phase == bot_phase::active);
}

SCENARIO("an order that changes nothing stands in the trail all the same") {
  enrol(42);
  want<bot_row>(order(42, bot_order_kind::activate));
  auto entries = trail("bot:42", "bot.activate");
  REQUIRE_EQ(entries.size(), 1u);
  CHECK_EQ(entries[0].outcome, "unchanged");
  CHECK_EQ(entries[0].by.name, "ada");
  want<bot_row>(bot_rotate{ada(), 1, 42, {token_of(42)}, {}});
  CHECK_EQ(trail("bot:42", "bot.rotate-token").at(0).outcome, "unchanged");
}

SCENARIO("a call whose bot finds no place in memory says that") {
  enrol(42);
  notes->crowded = true;
  names->detach(token_hash({1, 2}, token_of(42)).key, 42, bot_phase::passive);
  method_call what{1, 42, "sendDice"};
  auto pending = tell(what);
  for (int i = 0; i < 20; ++i) {
    advance_time(1s);
    sched.run();
  }
  auto result = answer_of<method_answer>(std::move(pending));
  CHECK(!result && result.error() == ec::too_many_bots);
}

SCENARIO("a call that certainly was not sent says so") {
  enrol(42);
  auto failed = [this](failure what) {
    outcome how;
    how.what = what;
    api->next.emplace_back(how, net::api_answer{});
    auto result = answer_of<method_answer>(tell(method_call{1, 42, "sendDice"}));
    CHECK(!result && result.error() == ec::transport_failed);
    return !result && result.error().context().match_elements<refusal>();
  };
  CHECK(failed(failure::not_sent));
  CHECK(!failed(failure::broken));
  CHECK(!failed(failure::timeout));
}

SCENARIO("a registrar that ends gives back what its calls hold") {
  enrol(42);
  auto before = notes->calls_done;
  api->silent = true;
  auto asked = tell(method_call{1, 42, "sendDice"});
  CHECK_EQ(notes->calls_done, before);
  caf::anon_send_exit(registrar, caf::exit_reason::kill);
  sched.run();
  CHECK_EQ(notes->calls_done, before + 1);
  CHECK(!answer_of<method_answer>(std::move(asked)));
}

SCENARIO("a removed bot is gone everywhere, and may come again") {
  enrol(42);
  auto made = want<made_virtual_token>(virtual_token_make{ada(), 1, 42, "ci", {"getme"}, 0});
  CHECK(virtuals->find(made.token.text, std::chrono::system_clock::now()).has_value());
  want<bot_row>(bot_remove{ada(), 1, 42});
  CHECK(!entry(token_of(42)));
  CHECK(vault->find(42) == nullptr);
  CHECK_EQ(notes->stops.back(), 42);
  CHECK(!virtuals->find(made.token.text, std::chrono::system_clock::now()));
  CHECK(refused<bot_row>(bot_remove{ada(), 1, 42}) == store_refusal::not_found);
  enrol(42);
}

SCENARIO("a virtual token works from its making to its revocation, over restarts") {
  enrol(42);
  auto made = want<made_virtual_token>(virtual_token_make{ada(), 1, 42, "ci", {"getme"}, 0});
  auto now = std::chrono::system_clock::now();
  CHECK_EQ(virtuals->find(made.token.text, now)->bot, 42);
  boot();
  auto found_again = virtuals->find(made.token.text, now);
  REQUIRE(found_again.has_value());
  CHECK_EQ(found_again->methods, std::vector<std::string>{"getme"});
  CHECK(!virtuals->find(token_of(42), now));
  want<done>(virtual_token_revoke{ada(), 1, 42, made.row.id});
  CHECK(!virtuals->find(made.token.text, now));
  boot();
  CHECK(!virtuals->find(made.token.text, now));
}

SCENARIO("the API's requests carry the bot's token, which nobody sends") {
  enrol(42);
  method_call x{1, 42, "sendMessage", R"({"chat_id":5,"text":"hi"})", {}};
  outcome good;
  good.status = 200;
  api->next.push_back({good, {200, "application/json", R"({"ok":true})"}});
  auto answer = want<method_answer>(x);
  CHECK_EQ(answer.status, 200);
  CHECK_EQ(answer.body, R"({"ok":true})");
  CHECK_EQ(api->paths.back(), "/bot" + token_of(42) + "/sendMessage");
  CHECK_EQ(api->bodies.back(), x.body);
  // A failure that the bot does not repeat is the answer.
  outcome flooded;
  flooded.status = 429;
  api->next.push_back({flooded, {429, "application/json", "flood"}});
  CHECK_EQ(want<method_answer>(x).body, "flood");
  x.tenant = 2;
  CHECK(refused<method_answer>(x) == store_refusal::not_found);
  x.tenant = 1;
  x.method = "getUpdates";
  CHECK(refused<method_answer>(x) == store_refusal::invalid);
  x.method = "../other";
  CHECK(refused<method_answer>(x) == store_refusal::invalid);
  x.method = "getMe";
  want<bot_row>(order(42, bot_order_kind::suspend));
  names->detach(token_hash({1, 2}, token_of(42)).key, 42, bot_phase::suspended);
  CHECK(answer_of<method_answer>(tell(x)).error() == ec::suspended);
}

SCENARIO("a start runs every bot at once, whatever their number, and asks the Bot API nothing") {
  for (bot_id bot = 1; bot <= 200; ++bot)
    enrol(bot);
  auto asked = api->paths.size();
  boot(); // Time stands still.
  CHECK_EQ(notes->starts.size(), 200u);
  CHECK(want<registrar_report>(get_report{}).restored);
  CHECK_EQ(api->paths.size(), asked);
  CHECK(notes->calls.empty());
}

SCENARIO("a registrar that was killed finds what was done behind its back") {
  enrol(42);
  enrol(43);
  enrol(44);
  sql->hold = true;
  auto removed = self->request(registrar, caf::infinite, bot_remove{ada(), 1, 42});
  auto suspended = self->request(registrar, caf::infinite, order(43, bot_order_kind::suspend));
  sched.run();
  sql->release();
  sched.run();
  sql->release_one(); // The suspension's second step is stored.
  caf::anon_send_exit(registrar, caf::exit_reason::kill);
  sql->hold = false;
  sched.run();
  CHECK(entry(token_of(43))->phase == bot_phase::active);
  registrar = spawn_registrar(sys, {}, ports);
  sched.run();
  CHECK(!entry(token_of(42)));
  CHECK(vault->find(42) == nullptr);
  CHECK(entry(token_of(43))->phase == bot_phase::suspended);
  CHECK(entry(token_of(44))->phase == bot_phase::active);
  CHECK(names->complete());
}

SCENARIO("a registrar sees what the one before it had handed over to be written") {
  sql->hold = true;
  auto lost = self->request(registrar, caf::infinite, registration(42));
  sched.run();
  CHECK_EQ(sql->held(), 1u); // A slow disk.
  caf::anon_send_exit(registrar, caf::exit_reason::kill);
  sched.run();
  registrar = spawn_registrar(sys, {}, ports);
  sched.run();
  for (int i = 0; i < 5; ++i) { // Whoever only reads overtakes.
    sql->release_reads();
    sched.run();
  }
  CHECK(!want<registrar_report>(get_report{}).restored);
  sql->hold = false;
  sql->release();
  sched.run();
  CHECK(want<registrar_report>(get_report{}).restored);
  CHECK_EQ(stored().size(), 1u);
  CHECK(entry(token_of(42)).has_value());
}

SCENARIO("while the store is away, nothing is begun; when it is back, all is restored") {
  enrol(42);
  stop();
  boot();
  CHECK(refused<bot_row>(registration(43)) == store_refusal::unavailable);
  CHECK(!want<registrar_report>(get_report{}).restored);
  spawn();
  advance_time(1s);
  sched.run();
  CHECK(want<registrar_report>(get_report{}).restored);
  CHECK(entry(token_of(42)).has_value());
  enrol(43);
}

SCENARIO("a token that does not open keeps no other bot from starting") {
  enrol(42);
  enrol(43);
  auto db = on.connect();
  db.write(
    [](store::unit& u) { u.execute("UPDATE bots SET token_box = 'damaged' WHERE id = 42"); });
  boot();
  CHECK(!entry(token_of(42)));
  CHECK(entry(token_of(43)).has_value());
  // A new one mends it.
  known(42, 'B');
  want<bot_row>(bot_rotate{ada(), 1, 42, {token_of(42, 'B')}, {}});
  CHECK_EQ(entry(token_of(42, 'B'))->home, 42);
}

END_FIXTURE_SCOPE()

} // namespace troupe::registrar_suite
