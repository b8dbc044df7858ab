#define CAF_SUITE delivery
#include "actors/delivery/delivery.hpp"
#include "actors/delivery/state.hpp"
#include "messages/errors.hpp"
#include "runtime/updates/settings.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace troupe::delivery_suite {

using namespace std::literals;

namespace {

/// Exchanges that end when the test says so.
struct fake_port : relay::port {
  void perform(relay::post what, std::function<void(relay_result)> then) override {
    auto id = what.id;
    begun.push_back(what);
    under_way[id] = {std::move(what), std::move(then)};
    most_at_once = std::max(most_at_once, under_way.size());
  }
  void abandon(std::uint64_t id) override { abandoned.insert(id); }
  void close_all() override { ++closed; }
  void set(const relay::port_limits& x) override { limits = x; }
  std::size_t open() const override { return under_way.size(); }

  void end(std::uint64_t id, relay_result how) {
    auto then = std::move(under_way.at(id).second);
    under_way.erase(id);
    then(std::move(how));
  }
  std::size_t of_tenant_host(const std::string& host) const {
    return static_cast<std::size_t>(
      std::count_if(under_way.begin(), under_way.end(),
                    [&](const auto& x) { return x.second.first.to.where.host == host; }));
  }

  std::vector<relay::post> begun;
  std::map<std::uint64_t, std::pair<relay::post, std::function<void(relay_result)>>> under_way;
  std::set<std::uint64_t> abandoned;
  relay::port_limits limits;
  std::size_t most_at_once = 0;
  int closed = 0;
};

relay_result ok() {
  relay_result x;
  x.status = 200;
  return x;
}

struct fixture : test_coordinator_fixture<> {
  ~fixture() {
    caf::anon_send_exit(delivery, caf::exit_reason::kill);
    for (auto& [name, one] : bots)
      caf::anon_send_exit(one, caf::exit_reason::kill);
    port->under_way.clear();
    sched.run();
  }

  void start(delivery_config config = {}) {
    delivery_ports ports;
    ports.connections = port;
    ports.entry = [this](bot_id bot) {
      auto found = book.find(bot);
      return found == book.end() ? nullptr : found->second;
    };
    ports.signing_key = [](bot_id bot) { return "key of " + std::to_string(bot); };
    delivery = spawn_delivery(sys, config, std::move(ports));
    sched.run();
  }

  void relay_to(bot_id bot, const std::string& url, std::uint32_t places = 40,
                std::chrono::milliseconds timeout = 0ms) {
    updates::update_settings how;
    how.delivery.mode = updates::delivery_mode::relay;
    how.delivery.relay.url = url;
    how.delivery.relay.secret_token = "s3cret";
    how.delivery.relay.max_connections = places;
    how.delivery.relay.timeout = timeout;
    book[bot] = std::make_shared<const updates::update_settings>(how);
  }

  /// One actor per bot asks `n` times.
  void ask(bot_id bot, int n = 1, tenant_id tenant = 1) {
    auto& one = bots[bot];
    if (!one)
      one = sys.spawn([](caf::event_based_actor*) -> caf::behavior { return {[](caf::ok_atom) {}}; });
    auto* self
      = dynamic_cast<caf::event_based_actor*>(caf::actor_cast<caf::abstract_actor*>(one));
    self->context(nullptr); // The one it ran on last is gone.
    for (int i = 0; i < n; ++i)
      self
        ->request(delivery, caf::infinite,
                  relay_request{bot, tenant, ++asked, 2, shared_text{"{}"}})
        .then([this, bot](const relay_result& x) { answers[bot].push_back(x); },
              [this, bot](const caf::error& why) { refusals[bot].push_back(why); });
    sched.run();
  }

  void end_one(relay_result how = ok()) {
    port->end(port->under_way.begin()->first, std::move(how));
    sched.run();
  }

  delivery_report report() {
    delivery_report result;
    caf::scoped_actor self{sys};
    auto pending = self->request(delivery, caf::infinite, get_report{});
    sched.run();
    pending.receive([&](const delivery_report& x) { result = x; }, [](const caf::error&) {});
    return result;
  }

  std::shared_ptr<fake_port> port = std::make_shared<fake_port>();
  std::map<bot_id, delivery_book::entry> book;
  std::map<bot_id, caf::actor> bots;
  std::map<bot_id, std::vector<relay_result>> answers;
  std::map<bot_id, std::vector<caf::error>> refusals;
  delivery_actor delivery;
  std::uint64_t asked = 0;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a request is posted as the bot's entry says, and answered with its end") {
  start();
  CHECK_EQ(port->closed, 1);
  relay_to(7, "https://tenant.test/hook", 40, 3s);
  ask(7);
  REQUIRE_EQ(port->begun.size(), 1u);
  const auto& what = port->begun[0];
  CHECK_EQ(what.to.where.host, "tenant.test");
  CHECK_EQ(what.to.path, "/hook");
  CHECK_EQ(what.secret_token, "s3cret");
  CHECK_EQ(what.signing_key, "key of 7");
  CHECK_EQ(what.attempt, 2u);
  CHECK_EQ(what.limit, 3s);
  CHECK_EQ(report().busy, 1u);
  auto said = ok();
  said.body = "x";
  end_one(said);
  REQUIRE_EQ(answers[7].size(), 1u);
  CHECK_EQ(answers[7][0].body, "x");
  CHECK_EQ(report().relayed, 1u);
  CHECK_EQ(report().busy, 0u);
}

SCENARIO("who is not relayed, or has no URL, is told at once") {
  start();
  ask(7);
  REQUIRE_EQ(answers[7].size(), 1u);
  CHECK(answers[7][0].how == relay_end::not_relayed);
  relay_to(8, "https://user:pass word@tenant.test/");
  ask(8);
  REQUIRE_EQ(answers[8].size(), 1u);
  CHECK(answers[8][0].how == relay_end::forbidden);
  CHECK(answers[8][0].reason.find("pass") == std::string::npos);
  CHECK_EQ(report().forbidden, 1u);
}

SCENARIO("limits hold in total, per host and per bot") {
  delivery_config config;
  config.max_connections = 6;
  config.max_per_host = 3;
  start(config);
  relay_to(1, "https://a.test/", 2);
  relay_to(2, "https://a.test/", 2);
  relay_to(3, "https://b.test/", 10);
  ask(1, 10, 1);
  CHECK_EQ(port->under_way.size(), 2u);
  ask(2, 10, 2);
  CHECK_EQ(port->of_tenant_host("a.test"), 3u);
  ask(3, 10, 3);
  CHECK(port->of_tenant_host("b.test") <= 3u);
  auto before = port->begun.size();
  while (!port->under_way.empty()) {
    CHECK(port->under_way.size() <= 6u);
    CHECK(port->of_tenant_host("a.test") <= 3u);
    CHECK(port->of_tenant_host("b.test") <= 3u);
    end_one();
  }
  CHECK(port->begun.size() > before);
  CHECK_EQ(answers[1].size() + answers[2].size() + answers[3].size(), 30u);
}

SCENARIO("tenants whose receivers hang leave the others room") {
  delivery_config config;
  config.max_connections = 40;
  start(config);
  for (tenant_id tenant = 1; tenant <= 3; ++tenant) {
    relay_to(tenant, "https://t" + std::to_string(tenant) + ".test/", 100);
    ask(tenant, 100, tenant);
  }
  CHECK(port->of_tenant_host("t1.test") <= 30u);
  CHECK(port->under_way.size() < 40u);
  relay_to(9, "https://fine.test/", 100);
  ask(9, 100, 9);
  std::size_t served = 0;
  while (port->of_tenant_host("fine.test") > 0 && served < 100) {
    auto mine = std::find_if(port->under_way.begin(), port->under_way.end(), [](const auto& x) {
      return x.second.first.to.where.host == "fine.test";
    });
    port->end(mine->first, ok());
    sched.run();
    ++served;
  }
  CHECK_EQ(answers[9].size(), 100u);
}

SCENARIO("whoever waits too long is refused, as is whoever comes when too many wait") {
  delivery_config config;
  config.max_connections = 1;
  config.max_waiting = 2;
  config.timeout = 10s;
  start(config);
  relay_to(7, "https://a.test/");
  ask(7, 4);
  REQUIRE_EQ(refusals[7].size(), 1u);
  CHECK(refusals[7][0] == ec::no_session);
  sched.advance_time(11s);
  sched.run();
  CHECK_EQ(refusals[7].size(), 3u);
  CHECK_EQ(report().waiting, 0u);
  end_one();
  CHECK_EQ(answers[7].size(), 1u);
}

SCENARIO("a bot that dies gives up what it asked for") {
  delivery_config config;
  config.max_connections = 2;
  start(config);
  relay_to(7, "https://a.test/");
  relay_to(8, "https://b.test/");
  ask(7, 5, 1);
  ask(8, 1, 2);
  CHECK_EQ(port->under_way.size(), 2u);
  caf::anon_send_exit(bots[7], caf::exit_reason::kill);
  sched.run();
  CHECK(!port->abandoned.empty());
  CHECK_EQ(report().waiting, port->of_tenant_host("b.test") == 1 ? 0u : 1u);
  while (!port->under_way.empty())
    end_one();
  CHECK_EQ(answers[8].size(), 1u);
  CHECK(answers[7].empty());
  CHECK_EQ(port->begun.size(), 2u + (port->begun.back().bot == 8 && port->begun.size() == 3 ? 1u : 0u));
}

SCENARIO("limits change while exchanges are under way") {
  delivery_config config;
  config.max_connections = 1;
  start(config);
  relay_to(7, "https://a.test/");
  ask(7, 8);
  CHECK_EQ(port->under_way.size(), 1u);
  delivery_limits more;
  more.max_connections = 8;
  more.allow_private_addresses = true;
  more.idle_timeout = 7s;
  caf::anon_send(delivery, more);
  sched.run();
  CHECK(port->under_way.size() >= 5u);
  CHECK(port->limits.allow_private_addresses);
  CHECK_EQ(port->limits.idle_timeout, 7s);
  CHECK_EQ(port->limits.max_open, 8u);
}

SCENARIO("what waited while its bot got another receiver is not sent to the old one") {
  delivery_config config;
  config.max_connections = 1;
  start(config);
  relay_to(7, "https://old.test/");
  ask(7, 2);
  book.erase(7);
  end_one();
  CHECK_EQ(port->begun.size(), 1u);
  REQUIRE_EQ(answers[7].size(), 2u);
  CHECK(answers[7][1].how == relay_end::not_relayed);
  relay_to(7, "https://old.test/");
  ask(7, 2);
  relay_to(7, "https://new.test/");
  end_one();
  CHECK_EQ(port->begun.back().to.where.host, "new.test");
}

SCENARIO("receivers that change while updates wait leave no hosts behind") {
  delivery_config config;
  config.max_connections = 1;
  start(config);
  using impl = delivery::delivery_impl::stateful_impl<delivery::delivery_state>;
  auto& state = deref<impl>(delivery).state;
  for (int i = 0; i < 100; ++i) {
    auto host = "https://h" + std::to_string(i) + ".test/";
    relay_to(7, "https://first.test/");
    ask(7);
    relay_to(7, host);
    ask(7); // Waits, for a host that it will not go to.
    if (i % 2 == 0)
      book.erase(7);
    else
      relay_to(7, "https://last.test/");
    while (!port->under_way.empty())
      end_one();
  }
  CHECK(state.hosts.empty());
  CHECK(state.busy.empty());
  CHECK(state.shares.empty());
  CHECK(state.askers.empty());
  CHECK(state.running.empty());
}

END_FIXTURE_SCOPE()

} // namespace troupe::delivery_suite
