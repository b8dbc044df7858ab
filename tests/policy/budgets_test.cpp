#define CAF_SUITE policy_budgets
#include "runtime/policy/budgets.hpp"
#include "runtime/policy/flood_holds.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <random>

namespace troupe::budgets_suite {

using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

budget_limits small_limits(std::mt19937& rng) {
  budget_limits result;
  auto pick = [&](std::uint32_t from, std::uint32_t n) {
    return from + static_cast<std::uint32_t>(rng() % n);
  };
  result.global.rules[0].limit = rng() % 4 == 0 ? 0 : pick(4, 10);
  result.tenant.rules[0].limit = rng() % 2 == 0 ? 0 : pick(3, 6);
  result.bot.rules[0].limit = rng() % 4 == 0 ? 0 : pick(2, 5);
  result.lifted.rules[0].limit = 8;
  result.chat.rules = {rate_rule{2, 1s}, rate_rule{5, 6s}};
  result.group.rules[0] = {4, 9s};
  return result;
}

/// Every charge ever made, and the rules applied by counting.
struct model {
  struct event {
    time_point at;
    charge what;
    bool chat_only;
  };
  budget_limits limits;
  std::vector<event> events;
  std::map<std::int64_t, std::uint32_t> own;
  std::map<std::int64_t, time_point> held;
  std::map<std::uint32_t, std::uint32_t> tenants{}; ///< With a rate of their own.

  template <class Pred>
  bool below(const rate_rules& rules, time_point now, Pred pred) const {
    for (auto& rule : rules.rules) {
      std::uint32_t n = 0;
      for (auto& e : events)
        n += now - e.at < rule.length && pred(e);
      if (rule.limit > 0 && n >= rule.limit)
        return false;
    }
    return true;
  }

  rate_rules bot_rules(std::int64_t bot) const {
    auto result = limits.bot;
    if (auto i = own.find(bot); i != own.end())
      result.rules[0].limit = i->second;
    return result;
  }

  bool global(time_point now) const {
    return below(limits.global, now, [](auto& e) { return !e.chat_only; });
  }
  bool tenant(const charge& x, time_point now) const {
    auto rules = limits.tenant;
    if (auto i = tenants.find(x.tenant); i != tenants.end())
      rules = {{rate_rule{i->second, 1s}, {}}};
    return below(rules, now, [&](auto& e) { return !e.chat_only && e.what.tenant == x.tenant; });
  }
  bool bot(const charge& x, time_point now) const {
    auto rules = bot_rules(x.bot);
    if (rules.rules[0].limit == 0)
      return true;
    if (auto i = held.find(x.bot); i != held.end() && now < i->second)
      return false;
    auto lifted = limits.lifted;
    lifted.rules[0].limit = std::max(lifted.rules[0].limit, rules.rules[0].limit);
    auto mine = [&](auto& e) { return !e.chat_only && e.what.bot == x.bot; };
    return below(lifted, now, mine)
           && (x.paid || below(rules, now, [&](auto& e) { return mine(e) && !e.what.paid; }));
  }
  bool chat(const charge& x, time_point now) const {
    return x.chat == 0 || below(x.group ? limits.group : limits.chat, now, [&](auto& e) {
             return e.what.bot == x.bot && e.what.chat == x.chat && e.what.group == x.group;
           });
  }
};

charge random_charge(std::mt19937& rng) {
  charge result;
  result.bot = 1 + static_cast<std::int64_t>(rng() % 5);
  result.tenant = static_cast<std::uint32_t>(result.bot % 2);
  result.chat = static_cast<std::int64_t>(rng() % 4);
  result.group = result.chat == 3;
  result.paid = rng() % 4 == 0;
  return result;
}

void check_step(unsigned seed, int step, const budgets& book, const model& m, const charge& x,
                time_point now) {
  auto same = [&](const char* what, time_point at, auto fits) {
    if ((at <= now) != fits(now))
      FAIL(what << ": seed " << seed << ", step " << step);
    if (at > now && (!fits(at) || fits(at - 1ns)))
      FAIL(what << " opening: seed " << seed << ", step " << step);
  };
  same("global", book.global_opens(now), [&](auto t) { return m.global(t); });
  same("tenant", book.tenant_opens(x, now), [&](auto t) { return m.tenant(x, t); });
  same("bot", book.bot_opens(x, now), [&](auto t) { return m.bot(x, t); });
  same("chat", book.chat_opens(x, now), [&](auto t) { return m.chat(x, t); });
}

} // namespace

SCENARIO("the book agrees with counting every charge ever made") {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    std::mt19937 rng{seed};
    auto limits = small_limits(rng);
    budgets book{limits};
    model m{limits, {}, {}, {}};
    auto now = start;
    for (int i = 0; i < 300; ++i) {
      now += std::chrono::milliseconds{rng() % 150};
      auto x = random_charge(rng);
      check_step(seed, i, book, m, x, now);
      if (m.global(now) && m.tenant(x, now) && m.bot(x, now) && m.chat(x, now)) {
        book.record_rates(x, now);
        book.record_chat(x, now);
        m.events.push_back({now, x, false});
        if (rng() % 8 == 0) { // No session: given back.
          book.remove(x, now);
          m.events.pop_back();
        }
      } else if (rng() % 10 == 0 && x.chat != 0) { // Seen late: charged, full or not.
        book.record_chat(x, now);
        m.events.push_back({now, x, true});
      }
      if (rng() % 40 == 0) {
        auto rps = static_cast<std::uint32_t>(rng() % 4);
        if (m.bot_rules(x.bot).rules[0].limit == 0 && rps > 0)
          m.held[x.bot] = now + 1s;
        m.own[x.bot] = rps;
        book.limit_bot(x.bot, rps, now);
      }
      if (rng() % 30 == 0) { // Whoever knows what went out before says so.
        if (auto rps = static_cast<std::uint32_t>(rng() % 5); rps == 4) {
          m.tenants.erase(x.tenant);
          book.limit_tenant(x.tenant, std::nullopt);
        } else {
          m.tenants[x.tenant] = rps;
          book.limit_tenant(x.tenant, rps);
        }
        for (auto& e : m.events)
          if (!e.chat_only && e.what.tenant == x.tenant)
            book.record_tenant(x.tenant, e.at);
      }
      if (rng() % 60 == 0 && m.own.empty()) {
        auto to = 1 + static_cast<std::int64_t>(rng() % 5);
        if (to % 2 == x.bot % 2 && to != x.bot) {
          book.merge_bot(x.bot, to, now);
          for (auto& e : m.events)
            if (e.what.bot == x.bot)
              e.what.bot = to;
        }
      }
    }
  }
  CHECK(true);
}

SCENARIO("memory stays bounded however many bots and chats pass by, and no limit is forgotten") {
  budget_limits limits;
  limits.global.rules[0].limit = 0;
  limits.max_bots = 100;
  limits.max_chats = 100;
  budgets book{limits};
  auto now = start;
  std::size_t refused = 0;
  std::map<std::int64_t, std::vector<time_point>> stamps;
  std::mt19937 rng{5};
  for (int i = 0; i < 50'000; ++i) {
    now += 1ms;
    charge x{1, 1 + static_cast<std::int64_t>(rng() % 5000), 1, false, true};
    x.bot = 1 + x.chat % 500;
    if (std::max(book.bot_opens(x, now), book.chat_opens(x, now)) > now) {
      ++refused;
      continue;
    }
    book.record_rates(x, now);
    book.record_chat(x, now);
    stamps[x.chat].push_back(now);
  }
  CHECK(refused > 0);
  CHECK(book.used(budget_scope::bot, now).windows <= 100);
  CHECK(book.used(budget_scope::chat, now).windows <= 100);
  std::size_t violations = 0;
  for (auto& [chat, at] : stamps)
    for (std::size_t i = 3; i < at.size(); ++i)
      violations += at[i] - at[i - 3] < 1s;
  CHECK_EQ(violations, 0u);
}

SCENARIO("a hold treats the unseen past of a scope as full") {
  budgets book{budget_limits{}};
  book.hold(budget_scope::group, start + 60s);
  charge group{1, 5, 1, true, false};
  charge chat{1, 6, 1, false, false};
  CHECK(book.chat_opens(group, start) == start + 60s);
  CHECK(book.chat_opens(chat, start) == start);
  CHECK(book.bot_opens(group, start) == start);
}

SCENARIO("a 429 holds its chat and method, a second chat's holds the whole bot") {
  flood_holds holds;
  CHECK(!holds.report(7, 100, 3, 10s, start));
  CHECK(holds.chat_free_at(7, 100, 3) == start + 10s);
  CHECK(holds.chat_free_at(7, 100, 4) <= start);
  CHECK(holds.chat_free_at(7, 101, 3) <= start);
  CHECK(holds.bot_free_at(7) <= start);
  CHECK(!holds.report(7, 100, 4, 2s, start + 1s));
  CHECK(holds.bot_free_at(7) <= start);
  CHECK(holds.report(7, 101, 3, 5s, start + 2s));
  CHECK(holds.bot_free_at(7) == start + 7s);
  CHECK(holds.bot_free_at(8) <= start);
  CHECK_EQ(holds.count(start + 3s), 2u);
  CHECK_EQ(holds.count(start + 8s), 1u);
}

SCENARIO("a 429 without a chat holds the method for the bot") {
  flood_holds holds;
  holds.report(7, 0, 3, 10s, start);
  CHECK(holds.chat_free_at(7, 100, 3) == start + 10s);
  CHECK(holds.chat_free_at(7, 0, 3) == start + 10s);
  CHECK(holds.chat_free_at(7, 100, 4) <= start);
  CHECK(!holds.report(7, 100, 3, 1s, start));
}

SCENARIO("chats hit long after each other do not hold the bot") {
  flood_holds holds{flood_limits{.widen_within = 30s}};
  holds.report(7, 100, 3, 3600s, start);
  CHECK(!holds.report(7, 101, 3, 5s, start + 31s));
}

SCENARIO("what another node learnt holds the same, and is no 429 of its own") {
  flood_holds from;
  from.report(7, 100, 3, 10s, start);
  from.report(7, 101, 3, 20s, start);
  from.report(8, 0, 4, 5s, start);
  from.report(9, 100, 3, 1s, start);
  flood_holds to;
  std::size_t n = 0;
  from.for_each(start + 2s, [&](auto bot, auto chat, auto method, bool whole, time_point until) {
    ++n;
    to.restore(bot, chat, method, whole, until - (start + 2s), start + 2s);
  });
  CHECK_EQ(n, 3u); // One is over.
  CHECK(to.bot_free_at(7) == start + 20s);
  CHECK(to.chat_free_at(7, 100, 3) == start + 10s);
  CHECK(to.chat_free_at(8, 100, 4) == start + 5s);
  CHECK_EQ(to.count(start + 2s), 3u);
  to.restore(8, 0, 4, false, 1s, start + 2s); // What holds longer goes on.
  CHECK(to.chat_free_at(8, 100, 4) == start + 5s);
  flood_holds fresh;
  fresh.restore(7, 100, 3, false, 10s, start);
  CHECK(!fresh.report(7, 101, 3, 10s, start)); // Only the second chat that is hit here.
}

SCENARIO("holds are bounded and follow their bot") {
  flood_holds holds{flood_limits{.max_holds = 50}};
  for (std::int64_t i = 1; i <= 5000; ++i)
    holds.report(i, i, 1, 3600s, start + std::chrono::milliseconds{i});
  CHECK(holds.size() <= 101);
  CHECK(holds.bot_free_at(5000) > start);
  for (std::int64_t i = 6001; i <= 9000; ++i)
    holds.restore(i, i, 1, false, 3600s, start + 6s);
  CHECK(holds.size() <= 101);
  CHECK(holds.bot_free_at(9000) > start + 6s);
  flood_holds other;
  other.report(-9, 4, 1, 10s, start);
  other.report(-9, 5, 1, 20s, start);
  other.merge_bot(-9, 9);
  CHECK(other.chat_free_at(9, 4, 1) == start + 10s);
  CHECK(other.bot_free_at(9) == start + 20s);
  CHECK(other.bot_free_at(-9) <= start);
}

SCENARIO("a permit log keeps what is younger than its horizon, or says what it lost") {
  permit_log log{10s, 128};
  auto now = start;
  for (int i = 0; i < 1000; ++i, now += 100ms)
    log.append(now, charge{i, 0, 1, false, false});
  CHECK(log.lost_until() == time_point::min());
  std::size_t recent = 0;
  log.for_each([&](time_point at, const charge&) { recent += now - at < 10s; });
  CHECK_EQ(recent, 99u);
  for (int i = 0; i < 1000; ++i, now += 1ms)
    log.append(now, charge{i, 0, 1, false, false});
  CHECK_EQ(log.size(), 128u);
  CHECK(log.lost_until() == now - 129ms);
  log.revoke(now - 1ms, 999, 7); // Unknown.
  log.revoke(now - 1ms, 999, 0);
  log.merge_bot(998, 5);
  std::vector<std::int64_t> last;
  log.for_each([&](time_point, const charge& x) { last.push_back(x.bot); });
  CHECK_EQ(last.size(), 127u);
  CHECK_EQ(last.back(), 5);
}

} // namespace troupe::budgets_suite
