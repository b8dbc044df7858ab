#pragma once
#include "tests/actors/call_path_fixture.hpp"

#include <algorithm>
#include <map>

namespace troupe::call_path_tests {

/// One call: what the client asks for, how the upstream treats it, what the client does meanwhile.
struct plan {
  call what{};
  std::vector<outcome> attempts; ///< How exchanges end; the last one is for all later ones too.
  caf::timespan takes = 20ms;    ///< Each exchange.
  caf::timespan starts = 0ms;    ///< After the beginning.
  caf::timespan leaves = -1ms;   ///< So long after that the client goes away; negative: never.
};

inline outcome answered(std::uint16_t status, caf::timespan retry_after = 0s) {
  return {failure::none, status, 20ms, retry_after, true};
}

inline outcome broke(failure what) {
  return {what, 0, 20ms, 0s, false};
}

/// Clients that do what a gateway's connections do: ask for a grant, make the exchange, report, ask
/// for another attempt, go away; and ask the successor of a bot that died before the grant.
class clients : public graph {
public:
  using graph::graph;

  /// New calls instead of the old ones, from now on.
  void begin(const std::vector<plan>& plans) {
    calls.clear();
    begun = now();
    for (const auto& x : plans)
      calls[next_id++].what = x;
  }

  /// Does what is due.
  void act() {
    auto at = now();
    for (auto& [id, x] : calls) {
      if (!x.begun && at >= begun + x.what.starts) {
        x.begun = true;
        x.since = at;
      }
      if (!x.begun)
        continue;
      if (!x.left && x.answers == 0 && x.what.leaves >= 0s && at >= x.since + x.what.leaves)
        leave(id, x);
      if (x.exchanging && (at >= x.ends || port->closed(x.held.session)))
        finish(id, x);
      if (x.answers == 0 && !x.asked && !x.exchanging)
        submit(id, x);
    }
  }

  /// Whether everybody has an answer and no exchange is under way.
  [[nodiscard]] bool over() const {
    return std::all_of(calls.begin(), calls.end(),
                       [](const auto& x) { return x.second.answers > 0 && !x.second.exchanging; });
  }

  /// Whether everybody has exactly one answer.
  [[nodiscard]] bool answered_once() const {
    return std::all_of(calls.begin(), calls.end(),
                       [](const auto& x) { return x.second.answers == 1; });
  }

  /// How calls ended (by status, or by the name of failure or error), of all that ever were.
  std::map<std::string, std::size_t> endings;

private:
  struct customer {
    plan what;
    std::size_t attempt = 0;
    int answers = 0;
    bool begun = false;
    bool left = false;
    bool asked = false;      ///< Waits for its bot's answer.
    bool exchanging = false; ///< Has a session.
    bot_actor bot;
    lease held;
    time_point since{};
    time_point ends{}; ///< Of the exchange.
  };

  void submit(call_id id, customer& x) {
    auto left = x.since + x.what.what.patience - now();
    if (left.count() <= 0 || x.left)
      return answer(id, x.left ? "left" : "no bot in time");
    x.bot = bot();
    if (!x.bot)
      return; // Looked for again when they act the next time.
    x.asked = true;
    auto c = x.what.what;
    c.id = id;
    c.patience = left;
    ask(x.bot, c).then([this, id](const grant& granted) { exchange(id, granted); },
                       [this, id](const caf::error& why) {
                         calls[id].asked = false;
                         // Of the actor system: the bot died with the call, and nothing was sent.
                         // Its successor gets it.
                         if (why.category() != caf::type_id_v<caf::sec>)
                           answer(id, to_string(static_cast<ec>(why.code())));
                       });
  }

  void exchange(call_id id, const grant& x) {
    auto& mine = calls[id];
    mine.asked = false;
    mine.exchanging = true;
    mine.held = x.session;
    mine.ends = now() + mine.what.takes;
  }

  void finish(call_id id, customer& x) {
    x.exchanging = false;
    auto how = x.what.attempts[std::min(x.attempt++, x.what.attempts.size() - 1)];
    if (x.left || port->closed(x.held.session))
      how = broke(failure::aborted);
    bool again = how.what != failure::aborted
                 && (how.what != failure::none || how.status == 429 || how.status >= 500);
    auto name = how.what == failure::none ? std::to_string(how.status) : to_string(how.what);
    if (!again) {
      tell(x.bot, call_done{id, x.held, how});
      return answer(id, std::move(name));
    }
    x.asked = true;
    ask(x.bot, attempt_failed{id, x.held, how, x.since + x.what.what.patience - now()})
      .then([this, id](const grant& granted) { exchange(id, granted); },
            [this, id, name](const caf::error&) { // The last outcome stands.
              calls[id].asked = false;
              answer(id, name);
            });
  }

  void leave(call_id id, customer& x) {
    x.left = true;
    if (x.exchanging)
      finish(id, x);
    else if (x.asked)
      tell(x.bot, call_cancelled{id}); // Its request is answered with an error.
  }

  void answer(call_id id, std::string how) {
    ++calls[id].answers;
    ++endings[how];
  }

  std::map<call_id, customer> calls;
  time_point begun{};
  call_id next_id = 1;
};

} // namespace troupe::call_path_tests
