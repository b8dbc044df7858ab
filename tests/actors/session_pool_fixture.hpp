#pragma once
#include "actors/session_pool/session_pool.hpp"
#include "messages/cluster.hpp"
#include "messages/rate_governor.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <caf/test/dsl.hpp>

/// A session pool among fakes: a port that remembers what was closed, a governor that keeps its
/// credits, bots that ask for leases when they are told to.
namespace troupe::test {

struct fake_port : net::session_port {
  void close(std::uint64_t session, std::uint16_t lane) override {
    closed.emplace_back(session, lane);
  }
  void close_all(std::uint32_t epoch) override { resets.push_back(epoch); }

  [[nodiscard]] bool has_closed(std::uint64_t session) const {
    for (const auto& [id, lane] : closed)
      if (id == session)
        return true;
    return false;
  }

  std::vector<std::pair<std::uint64_t, std::uint16_t>> closed;
  std::vector<std::uint32_t> resets;
};

/// What a fake governor knows.
struct treasury {
  std::uint32_t epoch = 0;
  std::uint32_t credits = 0;
  std::uint32_t per_bot = 0;
  std::uint32_t places = 0;
  std::vector<pool_capacity> capacities;
  std::vector<bot_id> returned; ///< Bots of the credits that came back.

  void change(const capacity_change& x) {
    credits += x.added;
    per_bot = x.per_bot;
    places = x.places;
  }

  void learn(const pool_capacity& x) {
    capacities.push_back(x);
    epoch = x.epoch;
    credits = x.sessions;
    per_bot = x.per_bot;
    places = x.places;
  }
};

inline rate_governor_actor::behavior_type fake_governor(rate_governor_actor::pointer,
                                                        std::shared_ptr<treasury> book) {
  return {
    [](const permit_request&) -> caf::result<lease> { return caf::make_error(ec::no_session); },
    [](permit_cancel) {},
    [](const permit_unused&) {},
    [](const flood_report&) {},
    [](const chat_charge&) {},
    [](bot_limits) {},
    [book](pool_capacity x) { book->learn(x); },
    [book](capacity_change x) {
      if (x.epoch == book->epoch)
        book->change(x);
    },
    [book](credit x) {
      if (x.epoch != book->epoch)
        return;
      book->credits += x.gone ? 0 : 1;
      book->returned.push_back(x.bot);
    },
    [](const rate_limits&) {},
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [](const tenant_limits&) {},
    [](identity_proven) {},
    [](const breaker_change&) {},
    [](get_report) { return governor_report{}; },
  };
}

/// What a fake bot got.
struct diary {
  std::vector<lease> leases;
  std::vector<caf::error> errors;
  std::array<std::uint32_t, 3> open{}; ///< Unanswered requests, by call_kind.
};

inline caf::behavior fake_bot(caf::event_based_actor* self,
                              std::shared_ptr<session_pool_actor> pool,
                              std::shared_ptr<diary> got) {
  return {
    [=](const lease_request& what) {
      auto& open = got->open[static_cast<std::size_t>(what.kind)];
      ++open;
      self->request(*pool, caf::infinite, what)
        .then(
          [got, &open](const lease& x) {
            --open;
            got->leases.push_back(x);
          },
          [got, &open](const caf::error& why) {
            --open;
            got->errors.push_back(why);
          });
    },
    [=](lease_return what) { self->send(*pool, what); },
    [=](lease_cancel what) { self->send(*pool, what); },
  };
}

struct fake_bot_handle {
  bot_id id = 0;
  tenant_id tenant = 1;
  caf::actor handle;
  std::shared_ptr<diary> got = std::make_shared<diary>();
  [[nodiscard]] const std::vector<lease>& leases() const { return got->leases; }
  [[nodiscard]] const std::vector<caf::error>& errors() const { return got->errors; }
};

struct pool_fixture : test_coordinator_fixture<> {
  ~pool_fixture() {
    for (auto& bot : bots)
      caf::anon_send_exit(bot.handle, caf::exit_reason::kill);
    caf::anon_send_exit(*pool, caf::exit_reason::kill);
    stop_governor();
    sched.run();
  }

  /// 10 places, of which 1 is for files and 9 for requests; 3 polls; 2 lanes.
  static session_pool_config small() {
    session_pool_config config;
    config.max_per_host = 10;
    config.max_per_bot = 2;
    config.max_polls = 3;
    config.max_downloads = 1;
    config.lanes = 2;
    return config;
  }

  void start_governor() {
    book = std::make_shared<treasury>();
    governor = sys.spawn(fake_governor, book);
    sched.run();
  }

  void stop_governor() {
    caf::anon_send_exit(std::exchange(governor, {}), caf::exit_reason::kill);
    sched.run();
  }

  /// Starts a pool, or another one in place of a dead one.
  void start_pool(session_pool_config config = small()) {
    *pool = spawn_session_pool(sys, config, {port, [this] { return governor; }});
    sched.run();
  }

  fake_bot_handle& add_bot(bot_id id, tenant_id tenant = 1) {
    fake_bot_handle bot{.id = id, .tenant = tenant, .handle = {}};
    bot.handle = sys.spawn(fake_bot, pool, bot.got);
    bots.reserve(20'000); // References stay good.
    bots.push_back(std::move(bot));
    return bots.back();
  }

  void kill(fake_bot_handle& bot) {
    caf::anon_send_exit(bot.handle, caf::exit_reason::kill);
    sched.run();
  }

  /// Tells a bot to ask for a lease, without running anybody.
  void ask(fake_bot_handle& bot, call_kind kind, lease_request what = {}) {
    what.bot = bot.id;
    what.tenant = bot.tenant;
    what.kind = kind;
    what.id = ++calls;
    if (what.patience.count() == 0 && kind != call_kind::request)
      what.patience = std::chrono::seconds{10};
    if (kind == call_kind::request && what.credit_epoch == 0) {
      what.credit_epoch = book->epoch;
      --book->credits;
    }
    caf::anon_send(bot.handle, what);
  }

  /// The same, and lets it happen. @returns the last lease that the bot got
  lease get(fake_bot_handle& bot, call_kind kind, std::uint16_t lane = 0) {
    ask(bot, kind, {.lane = lane});
    sched.run();
    return bot.leases().empty() ? lease{} : bot.leases().back();
  }

  void give_back(fake_bot_handle& bot, const lease& what, bool reusable = true) {
    caf::anon_send(bot.handle, lease_return{what.id, reusable});
    sched.run();
  }

  pool_report report() {
    pool_report result;
    caf::scoped_actor me{sys};
    auto answer = me->request(*pool, caf::infinite, get_report{});
    sched.run();
    answer.receive([&](pool_report& x) { result = std::move(x); },
                   [](const caf::error& why) { CAF_FAIL("no report: " << why); });
    return result;
  }

  std::shared_ptr<fake_port> port = std::make_shared<fake_port>();
  std::shared_ptr<treasury> book = std::make_shared<treasury>();
  rate_governor_actor governor;
  std::shared_ptr<session_pool_actor> pool = std::make_shared<session_pool_actor>();
  std::vector<fake_bot_handle> bots;
  call_id calls = 0;
};

} // namespace troupe::test
