#pragma once
#include "messages/intake.hpp"
#include "messages/journal.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>

#include <memory>

/// A journal as far as the API can see.
namespace fakes {

using namespace troupe;

/// What the journal was asked, and what it has.
struct journal_book {
  std::vector<dead_letter_row> letters;
  std::vector<dead_letter_replay> replays;
  pending_count pending;
  journal_report report;
};

inline journal_actor spawn_journal(caf::actor_system& sys, std::shared_ptr<journal_book> has) {
  return caf::actor_cast<journal_actor>(sys.spawn([has](caf::event_based_actor*) -> caf::behavior {
    return {[has](const pending_query&) { return has->pending; },
            [has](const get_report&) { return has->report; },
            [has](const dead_letter_query& what) {
              dead_letter_page page;
              for (auto& one : has->letters)
                if (one.bot == what.bot && one.id > what.after) {
                  page.more = page.rows.size() == what.limit;
                  if (!page.more)
                    page.rows.push_back(one);
                }
              return page;
            },
            [has](const dead_letter_replay& what) {
              has->replays.push_back(what);
              return replay_result{static_cast<std::uint32_t>(what.ids.size()), {99}};
            }};
  }));
}

/// What looks after Telegram's side, as far as the API can see: every bot's webhook leads
/// elsewhere.
inline webhooks_actor spawn_webhooks(caf::actor_system& sys) {
  return caf::actor_cast<webhooks_actor>(sys.spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](const intake_query&) {
              intake_view x;
              x.state = intake_state::elsewhere;
              x.elsewhere = "https://old.example/";
              return x;
            },
            [](const get_report&) {
              webhooks_report x;
              x.by_state[static_cast<std::size_t>(intake_state::elsewhere)] = 2;
              return x;
            }};
  }));
}

} // namespace fakes
