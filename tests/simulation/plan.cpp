#include "tests/simulation/plan.hpp"
#include "runtime/registry/services.hpp"

#include <algorithm>

namespace troupe::simulation {

void choose_limits(rate_limits& budgets, pool_limits& pool, dice& d) {
  budgets.global_rps = static_cast<std::uint32_t>(d.between(4, 25));
  budgets.bot_rps = static_cast<std::uint32_t>(d.between(2, 12));
  budgets.tenant_rps = d.chance(500) ? static_cast<std::uint32_t>(d.between(3, 15)) : 0;
  budgets.group_rpm = static_cast<std::uint32_t>(d.between(4, 20));
  pool.max_connections = pool.max_per_host = static_cast<std::uint32_t>(d.between(2, 16));
  pool.max_per_bot = static_cast<std::uint32_t>(d.between(2, 8));
}

void choose_policy(passivation_limits& x, dice& d) {
  constexpr passivation_kind kinds[] = {passivation_kind::idle, passivation_kind::lru,
                                        passivation_kind::slru};
  x.policy = kinds[d.below(std::size(kinds))];
  x.idle_after = std::chrono::milliseconds{d.chance(850) ? d.between(100, 2000) : 0};
}

namespace {

/// Bots that need no place all the time, mostly, and fewer shards: some have to leave for others.
void crowd(plan& x, dice& d) {
  if (d.chance(700))
    x.shards = 1;
  if (!d.chance(700))
    return;
  x.webhooks = true;
  for (auto& bot : x.bots) {
    if (d.chance(800))
      bot.polled = false;
    if (bot.how == receiver_kind::pull && d.chance(600))
      bot.how = receiver_kind::relay;
  }
}

/// Idle bots leave; and those for whom there is no place, mostly.
void choose_passivation(plan& x, dice& d) {
  for (std::size_t i = 1; i < x.tenant_rps.size(); ++i) // By number less one; the first has none.
    x.tenant_rps[i] = d.chance(500) ? static_cast<std::uint32_t>(d.between(2, 12)) : 0;
  for (auto& bot : x.bots) {
    if (bot.how == receiver_kind::nobody && d.chance(700))
      bot.how = receiver_kind::rules;
    bot.replies = bot.how == receiver_kind::relay && d.chance(400);
  }
  if (!d.chance(600))
    return;
  choose_policy(x.passivation, d);
  if (d.chance(500)) // Who leaves does so for others.
    x.passivation.idle_after = d.chance(500) ? std::chrono::minutes{1} : std::chrono::minutes{0};
  auto kind = d.below(100);
  if (kind < 85)
    crowd(x, d);
  // Who is pinned, or waits for updates on and on, never leaves his place.
  std::array<std::size_t, 2> stay{};
  services where{x.shards};
  for (const auto& bot : x.bots) {
    bool pinned = d.chance(150);
    if (pinned)
      x.passivation.pinned.push_back(bot.id);
    if (pinned || bot.polled || bot.how == receiver_kind::pull)
      ++stay.at(where.shard_of(bot.id));
  }
  auto most = std::max(stay[0], stay[1]);
  auto some = [&](std::int64_t from, std::int64_t to) {
    return static_cast<std::size_t>(d.between(from, to));
  };
  x.cramped = kind < 25 && most > 0;
  auto places = x.cramped   ? some(1, static_cast<std::int64_t>(most))
                : kind < 85 ? most + some(1, 2)
                            : 2 * x.bots.size(); // Never reached.
  x.passivation.max_active = x.shards * places;  // Each shard has its part of them.
}

void choose_bounds(journal_bounds& x, dice& d) {
  auto either = [&](std::int64_t from, std::int64_t to, std::int64_t usual) {
    return d.chance(750) ? d.between(from, to) : usual;
  };
  x.fresh_marks = static_cast<std::uint32_t>(either(1, 40, 65'536));
  x.remembered = static_cast<std::uint32_t>(either(20, 200, 1000));
  x.cache_bytes = static_cast<std::uint64_t>(either(0, 4000, 32 << 20));
  x.max_bots = static_cast<std::size_t>(either(0, 3, 50'000));
  x.load_rows = static_cast<std::uint32_t>(either(1, 50, 5000));
  x.number_block = either(5, 500, 1'000'000);
}

void choose_bots(plan& x, dice& d) {
  auto tenants = d.between(1, 3);
  for (auto n = d.between(2, 6); n > 0; --n) {
    bot_plan bot;
    bot.id = 100 + n;
    bot.tenant = static_cast<tenant_id>(d.between(1, tenants));
    auto how = d.below(10);
    bot.how = how < 5   ? receiver_kind::relay
              : how < 9 ? receiver_kind::pull
                        : receiver_kind::nobody;
    bot.polled = !x.webhooks || d.chance(300);
    bot.rps = d.chance(250) ? static_cast<std::uint32_t>(d.between(1, 15)) : 0;
    x.bots.push_back(bot);
  }
}

/// Mostly few chats, so that their windows fill.
std::int64_t choose_chat(dice& d) {
  return d.chance(350) ? -1000 - d.between(1, 3) : 500 + d.between(1, d.chance(700) ? 2 : 40);
}

void choose_calls(plan& x, dice& d) {
  for (std::int64_t at = 1000; at < x.length_ms;) {
    // Bursts, and pauses between them.
    auto burst = d.chance(150) ? d.between(5, 40) : d.between(1, 3);
    auto bot = d.below(x.bots.size());
    for (; burst > 0; --burst) {
      call_plan c;
      c.at_ms = at + (d.chance(300) ? d.between(0, 400) : 0);
      c.bot = d.chance(800) ? bot : d.below(x.bots.size());
      auto kind = d.below(100);
      c.method = kind < 65 ? "sendMessage" : kind < 90 ? "sendChatAction" : "getChat";
      c.chat = choose_chat(d);
      c.patience_ms = d.chance(200) ? d.between(50, 1500) : d.between(3000, 15'000);
      c.leaves_ms = d.chance(80) ? d.between(0, 3000) : -1;
      x.calls.push_back(c);
    }
    at += d.between(50, 900);
  }
  std::stable_sort(x.calls.begin(), x.calls.end(),
                   [](const auto& a, const auto& b) { return a.at_ms < b.at_ms; });
}

void choose_updates(plan& x, dice& d) {
  for (std::int64_t at = 2000; at < x.length_ms; at += d.between(50, 1500)) {
    auto bot = d.below(x.bots.size());
    for (auto n = d.chance(100) ? d.between(2, 15) : 1; n > 0; --n)
      x.updates.push_back({at, bot, 500 + d.between(1, 5), d.chance(80)});
  }
}

fault choose_fault(const plan& x, dice& d) {
  fault f;
  f.at_ms = d.between(500, x.length_ms - 1000);
  f.after = d.below(60);
  f.pick = d.next() >> 8;
  auto kind = d.below(100);
  if (kind < 31) {
    f.what = trouble::kill;
  } else if (kind < 34) {
    f.what = trouble::torment;
    f.length_ms = d.between(3000, 9000);
  } else if (kind < 46) {
    f.what = trouble::slow_actor;
    f.length_ms = d.chance(800) ? d.between(1, 200) : d.between(200, 3000);
  } else if (kind < 49) {
    f.what = trouble::crash;
    f.length_ms = d.chance(500) ? d.between(10, 2000) : d.between(2000, 70'000);
  } else if (kind < 51) {
    f.what = trouble::stop;
    f.length_ms = d.between(10, 5000);
  } else {
    constexpr trouble spells[] = {
      trouble::store_fails,     trouble::store_slow,      trouble::upstream_fails,
      trouble::upstream_floods, trouble::upstream_breaks, trouble::upstream_hangs,
      trouble::tenants_fail,    trouble::clock_jumps,     trouble::settings_change};
    f.what = spells[d.below(std::size(spells))];
    f.length_ms = d.between(200, 8000);
    if (f.what == trouble::upstream_fails)
      f.length_ms += d.between(0, 12'000);
  }
  return f;
}

} // namespace

plan make_plan(std::uint64_t seed, unsigned scale) {
  plan x;
  x.seed = seed;
  dice d{seed ^ 0x706C616Eu};
  x.length_ms = d.between(20'000, 90'000);
  x.webhooks = d.chance(600);
  x.shards = static_cast<std::size_t>(d.between(1, 2));
  choose_limits(x.budgets, x.pool, d);
  choose_bounds(x.journal, d);
  choose_bots(x, d);
  x.breaker_ms = d.chance(700) ? d.between(1000, 10'000) : 60'000;
  choose_calls(x, d);
  choose_updates(x, d);
  auto faults = d.chance(100) ? 0 : d.between(1, 14);
  for (auto n = faults * scale / 100; n > 0; --n)
    x.faults.push_back(choose_fault(x, d));
  std::stable_sort(x.faults.begin(), x.faults.end(),
                   [](const auto& a, const auto& b) { return a.at_ms < b.at_ms; });
  dice more{seed ^ 0x6D6F7265u};
  choose_passivation(x, more);
  return x;
}

std::string describe(const plan& x) {
  const char* how[] = {"pull", "relay", "nobody", "rules"};
  const auto& j = x.journal;
  auto text =
    "node " + std::to_string(x.budgets.global_rps) + "/s, tenant "
    + std::to_string(x.budgets.tenant_rps) + "/s, bot " + std::to_string(x.budgets.bot_rps)
    + "/s, group " + std::to_string(x.budgets.group_rpm) + "/min, "
    + std::to_string(x.pool.max_connections) + " connections, " + std::to_string(x.pool.max_per_bot)
    + " of a bot, " + std::to_string(x.shards) + " shards\njournal: fresh "
    + std::to_string(j.fresh_marks) + ", remembered " + std::to_string(j.remembered) + ", cache "
    + std::to_string(j.cache_bytes) + ", bots " + std::to_string(j.max_bots) + ", rows "
    + std::to_string(j.load_rows) + ", numbers " + std::to_string(j.number_block)
    + "\nbreakers: open for " + std::to_string(x.breaker_ms) + " ms";
  if (const auto& p = x.passivation; p.policy != passivation_kind::off)
    text += "\npassivation: " + to_string(p.policy) + ", " + std::to_string(p.max_active)
            + (x.cramped ? " active until it is calm" : " active") + ", idle after "
            + std::to_string(p.idle_after / std::chrono::milliseconds{1}) + " ms, "
            + std::to_string(p.pinned.size()) + " pinned";
  for (const auto& bot : x.bots)
    text += "\nbot " + std::to_string(bot.id) + " of tenant " + std::to_string(bot.tenant) + ", "
            + how[static_cast<std::size_t>(bot.how)] + (bot.polled ? ", polled" : ", webhook")
            + (bot.replies ? ", replies" : "")
            + (bot.rps != 0 ? ", " + std::to_string(bot.rps) + "/s" : "");
  return text;
}

std::string to_string(const fault& x) {
  return std::string{trouble_names[static_cast<std::size_t>(x.what)]} + '@'
         + std::to_string(x.at_ms) + "ms+" + std::to_string(x.after) + " pick "
         + std::to_string(x.pick) + " length " + std::to_string(x.length_ms) + "ms";
}

} // namespace troupe::simulation
