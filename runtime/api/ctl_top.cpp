#include "runtime/api/ctl_line.hpp"

#include <boost/json/array.hpp>

#include <fmt/format.h>

#include <thread>

// troupectl top: a node's work, again and again.
namespace troupe::api {
namespace {

namespace json = boost::json;
using clock = std::chrono::steady_clock;

constexpr std::int64_t bots_shown = 15;

/// The reports of one moment.
struct moment {
  clock::time_point at = clock::now();
  json::object health;
  json::object budgets;
  json::object sessions;
  json::object updates; ///< Empty on a node that keeps none.
};

json::object report(const ctl_call& from, const std::string& path) {
  auto answer = ask_node(from, "GET", path);
  if (!answer.is_object())
    throw std::runtime_error{"the answer is not one of a Troupe node of this version"};
  return std::move(answer.get_object());
}

moment look(const ctl_call& from) {
  auto limit = from.has("limit") ? from.number("limit") : bots_shown;
  moment now;
  now.health = report(from, "/v1/health?limit=" + std::to_string(std::max<std::int64_t>(limit, 1)));
  now.budgets = report(from, "/v1/budgets");
  now.sessions = report(from, "/v1/sessions?limit=1");
  auto updates = reach_node(from, "GET", "/v1/updates");
  if (updates.status == 200)
    now.updates = report(from, "/v1/updates");
  return now;
}

double count(const json::object& from, std::string_view name) {
  auto* found = from.if_contains(name);
  return found == nullptr || !found->is_number() ? 0 : found->to_number<double>();
}

/// "12/s" between two moments; the total where there was none before.
std::string rate(const json::object& now, const json::object* before, double seconds,
                 std::string_view name) {
  if (before == nullptr || seconds <= 0)
    return fmt::format("{:.0f} so far", count(now, name));
  // A service that was restarted counts from 0 again.
  return fmt::format("{:.1f}/s", std::max(0.0, count(now, name) - count(*before, name)) / seconds);
}

void show(const ctl_call& from, const moment& now, const moment* before) {
  auto seconds =
    before == nullptr ? 0.0 : std::chrono::duration<double>(now.at - before->at).count();
  auto part = [before](json::object moment::*which) {
    return before == nullptr ? nullptr : &(before->*which);
  };
  auto line = [&](std::string_view name, const std::string& text) {
    from.world.out << fmt::format("{:<9}{}\n", name, text);
  };
  line("calls", fmt::format("granted {}, refused {}, waiting {}",
                            rate(now.budgets, part(&moment::budgets), seconds, "granted_total"),
                            rate(now.budgets, part(&moment::budgets), seconds, "refused_total"),
                            shown_member(now.budgets, "waiting")));
  line("sessions",
       fmt::format("leased {} of {}, idle {}, long polls {}, opened {}, reclaimed {}",
                   shown_member(now.sessions, "leased"), shown_member(now.sessions, "max_per_host"),
                   shown_member(now.sessions, "idle"), shown_member(now.sessions, "polls"),
                   rate(now.sessions, part(&moment::sessions), seconds, "opened_total"),
                   shown_member(now.sessions, "reclaimed_total")));
  if (!now.updates.empty())
    line("updates",
         fmt::format("stored {}, delivered {}, pending {}, dead letters {}",
                     rate(now.updates, part(&moment::updates), seconds, "stored_total"),
                     rate(now.updates, part(&moment::updates), seconds, "delivered_total"),
                     shown_member(now.updates, "pending"),
                     shown_member(now.updates, "dead_letters")));
  from.world.out << '\n';
  print_budgets(from.to(), now.budgets);
  from.world.out << '\n';
  print_health(from.to(), now.health);
}

int top(const ctl_call& from) {
  auto every = from.has("every") ? from.number("every") : 2;
  auto times = from.has("times") ? from.number("times") : 0;
  if (every < 1 || every > 3600)
    throw usage_error{"--every: allowed is 1 to 3600 seconds"};
  std::optional<moment> before;
  for (std::int64_t i = 1;; ++i) {
    auto now = look(from);
    if (from.json()) {
      shown_as_json(from, json::object{{"health", now.health},
                                       {"budgets", now.budgets},
                                       {"sessions", now.sessions},
                                       {"updates", now.updates}});
    } else {
      if (from.world.colour) // On a terminal each look takes the place of the last one.
        from.world.out << "\x1b[H\x1b[2J";
      show(from, now, before ? &*before : nullptr);
    }
    from.world.out << std::flush;
    if (i == times)
      return 0;
    before = std::move(now);
    std::this_thread::sleep_for(std::chrono::seconds{every});
  }
}

constexpr command top_command_table[] = {
  {"top", "", "every= times= limit=",
   "a node's work, looked at every 2 seconds until Ctrl-C (--times=N: so often)", top},
};

} // namespace

std::span<const command> top_commands() {
  return top_command_table;
}

} // namespace troupe::api
