#pragma once
#include "runtime/policy/budgets.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace troupe {

/// Checks permits by brute force: keeps every stamp and looks at every sliding window.
struct permit_checker {
  budget_limits limits;
  std::vector<std::pair<time_point, charge>> permits;
  std::map<std::uint32_t, std::uint32_t> tenant_rates{}; ///< Of tenants with one of their own.

  [[nodiscard]] rate_rules tenant_rules(std::uint32_t tenant) const {
    auto own = tenant_rates.find(tenant);
    if (own == tenant_rates.end())
      return limits.tenant;
    return {{rate_rule{own->second, std::chrono::seconds{1}}, {}}};
  }

  void record(const charge& x, time_point at) { permits.emplace_back(at, x); }

  /// Of two that differ only in who pays, the one that paid goes, as in the permit log.
  void revoke(const charge& x, time_point at) {
    auto found = permits.rend();
    for (auto i = permits.rbegin(); i != permits.rend(); ++i)
      if (i->first == at && same_budget(i->second, x)
          && (found == permits.rend() || i->second.paid))
        found = i;
    if (found != permits.rend())
      permits.erase(std::next(found).base());
  }

  /// Whether one more permit at `now` would leave every window within its limit.
  [[nodiscard]] bool fits(const charge& x, time_point now) const {
    auto below = [&](const rate_rules& rules, auto pred) {
      for (auto& rule : rules.rules) {
        std::uint32_t n = 0;
        for (auto i = permits.rbegin(); i != permits.rend() && now - i->first < rule.length; ++i)
          n += pred(i->second);
        if (rule.limit > 0 && n >= rule.limit)
          return false;
      }
      return true;
    };
    auto mine = [&](auto& p) { return p.bot == x.bot; };
    return below(limits.global, [](auto&) { return true; })
           && below(tenant_rules(x.tenant), [&](auto& p) { return p.tenant == x.tenant; })
           && below(limits.lifted, mine)
           && (x.paid || below(limits.bot, [&](auto& p) { return mine(p) && !p.paid; }))
           && (x.chat == 0 || below(x.group ? limits.group : limits.chat, [&](auto& p) {
                 return mine(p) && p.chat == x.chat && p.group == x.group;
               }));
  }

  /// Names the windows that hold too much, one for each stamp that is too many.
  [[nodiscard]] std::vector<std::string> find_violations() const {
    using key = std::tuple<std::string, std::int64_t, std::int64_t>;
    std::map<key, std::pair<rate_rules, std::vector<time_point>>> windows;
    auto add = [&](const char* scope, std::int64_t a, std::int64_t b, const rate_rules& rules,
                   time_point at) {
      auto& w = windows[{scope, a, b}];
      w.first = rules;
      w.second.push_back(at);
    };
    for (auto& [at, x] : permits) {
      add("global", 0, 0, limits.global, at);
      add("tenant", x.tenant, 0, tenant_rules(x.tenant), at);
      add("lifted", x.bot, 0, limits.lifted, at);
      if (!x.paid)
        add("bot", x.bot, 0, limits.bot, at);
      if (x.chat != 0)
        add(x.group ? "group" : "chat", x.bot, x.chat, x.group ? limits.group : limits.chat, at);
    }
    std::vector<std::string> result;
    for (auto& [k, w] : windows) {
      std::sort(w.second.begin(), w.second.end());
      for (auto& rule : w.first.rules)
        for (std::size_t i = rule.limit; rule.limit > 0 && i < w.second.size(); ++i)
          if (w.second[i] - w.second[i - rule.limit] < rule.length)
            result.push_back(std::get<0>(k) + " " + std::to_string(std::get<1>(k)));
    }
    return result;
  }

  [[nodiscard]] std::size_t count_violations() const { return find_violations().size(); }

  /// The violations as one text; empty if there is none.
  [[nodiscard]] std::string violations() const {
    std::string result;
    for (auto& x : find_violations())
      result += x + "; ";
    return result;
  }

private:
  static bool same_budget(const charge& a, const charge& b) {
    return a.bot == b.bot && a.chat == b.chat && a.tenant == b.tenant && a.group == b.group;
  }
};

} // namespace troupe
