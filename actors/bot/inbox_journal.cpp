#include "actors/bot/inbox.hpp"

#include <algorithm>

namespace troupe::bot {
namespace {

using namespace std::chrono_literals;

/// A journal that does not answer is asked again after this, doubling.
constexpr caf::timespan first_pause = 100ms;
constexpr caf::timespan longest_pause = 5s;

/// A page without any of those that wait is asked for again after this: they ended while it was
/// made, or could not be read.
constexpr caf::timespan empty_page_pause = 5s;

/// More than the store ever takes; an answer that was lost is not waited for any longer.
constexpr caf::timespan journal_patience = 60s;

troupe::inbox::item item_of(const stored_update& x, time_point now, std::int64_t wall) {
  troupe::inbox::item result;
  result.seq = x.seq;
  result.of = {x.key.kind, x.key.id};
  result.urgent = x.urgent;
  result.bytes = x.body.str().size();
  // Lifetimes are days at most; what says more is kept as long as a clock can count.
  constexpr std::int64_t longest = 1000LL * 86400 * 365;
  if (x.expires > 0)
    result.expires
      = now + std::chrono::milliseconds{std::clamp<std::int64_t>(x.expires - wall, 0, longest)};
  return result;
}

} // namespace

/// Cursors hold for one incarnation of the journal: what an earlier one was told, and did not get
/// to store, comes again.
void inbox::look_for_journal() {
  auto journal = caf::actor_cast<caf::actor_addr>(services().journal.get());
  if (journal == journal_)
    return;
  journal_ = journal;
  window_.rewind();
  more_ = true;
}

void inbox::journal_works() {
  journal_failures_ = 0;
  ask_journal_at_ = {}; // Nothing waits for a pause that nobody watches any more.
}

void inbox::attach() {
  if (!attach_ || attaching_ || now() < ask_journal_at_)
    return;
  auto journal = services().journal.get();
  if (!journal)
    return journal_failed();
  attach_ = false;
  attaching_ = true;
  bot.self->request(journal, journal_patience, journal_attach{bot.id})
    .then(
      [this](const pending_count& x) {
        attaching_ = false;
        journal_works();
        x.pending > 0 ? told() : pump();
      },
      [this](const caf::error&) {
        attaching_ = false;
        attach_ = true;
        journal_failed();
        pump();
      });
}

void inbox::fetch() {
  if (more_ && !fetching_)
    window_.make_room(now());
  auto room = window_.room();
  if (!more_ || fetching_ || room.items == 0 || now() < ask_journal_at_)
    return;
  look_for_journal();
  auto journal = services().journal.get();
  if (!journal)
    return journal_failed();
  more_ = false;
  fetching_ = true;
  update_fetch what;
  what.bot = bot.id;
  what.after_urgent = window_.after_urgent();
  what.after = window_.after();
  what.limit = static_cast<std::uint32_t>(room.items);
  what.max_bytes = static_cast<std::uint32_t>(room.bytes);
  bot.self->request(journal, journal_patience, what)
    .then(
      [this, of = window_.generation()](update_page& page) {
        fetching_ = false;
        journal_works();
        if (of == window_.generation())
          take(std::move(page));
        else // The cursors have gone back since: the next page is not this one.
          more_ = true;
        pump();
      },
      [this](const caf::error&) {
        fetching_ = false;
        more_ = true;
        journal_failed();
        pump();
      });
}

void inbox::take(update_page page) {
  auto at = now();
  more_ = more_ || (!page.updates.empty() && page.pending > page.updates.size());
  if (page.updates.empty() && page.pending > window_.size() + ends_.size() + sending_.size())
    look_again_at_ = at + empty_page_pause;
  for (auto& x : page.updates) {
    auto item = item_of(x, at, wall());
    if (x.id == unreadable_update) {
      window_.pass(item);
      if (!ended(x.seq))
        ends_.push_back(end_of_unreadable(x));
    } else if (ended(x.seq)) // Told by now, or again: its journal restarted before it had stored that.
      window_.pass(item);
    else if (window_.add(item))
      held_.emplace(x.seq, std::move(x));
  }
}

update_end inbox::end_of_unreadable(const stored_update& what) const {
  update_end result{what.seq, update_verdict::dead, 0, "what Telegram sent is no update"};
  note_dead(result.reason, what.received);
  return result;
}

bool inbox::ended(std::int64_t seq) const noexcept {
  auto is_it = [seq](const update_end& x) { return x.seq == seq; };
  return std::any_of(ends_.begin(), ends_.end(), is_it)
         || std::any_of(sending_.begin(), sending_.end(), is_it);
}

/// What ended goes to the journal, many at a time, until it has said that it knows.
void inbox::flush() {
  if (ends_.empty() || !sending_.empty() || now() < ask_journal_at_)
    return;
  auto journal = services().journal.get();
  if (!journal)
    return journal_failed();
  sending_ = std::exchange(ends_, {});
  bot.self->request(journal, journal_patience, update_ends{bot.id, sending_})
    .then([this] { flushed(true); }, [this](const caf::error&) { flushed(false); });
}

void inbox::flushed(bool stored) {
  if (stored) {
    journal_works();
  } else {
    ends_.insert(ends_.begin(), std::make_move_iterator(sending_.begin()),
                 std::make_move_iterator(sending_.end()));
    journal_failed();
  }
  sending_.clear();
  pump();
}

void inbox::journal_failed() {
  auto pause = first_pause * (1 << std::min(journal_failures_, 8u));
  ++journal_failures_;
  auto varied = std::min<caf::timespan>(pause, longest_pause) * (0.5 + bot.jitter.next() / 2);
  ask_journal_at_ = now() + std::chrono::duration_cast<caf::timespan>(varied);
}

} // namespace troupe::bot
