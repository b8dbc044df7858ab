#include "actors/bot/inbox.hpp"

#include "runtime/log/log.hpp"
#include "runtime/registry/update_steps.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace troupe::bot {
namespace {

using namespace std::chrono_literals;

/// A service of the node that is in the way is asked again after this.
constexpr caf::timespan inbox_pause = 100ms;

/// An inbox in which nothing is left stays for so long: the next updates of a burst find it.
constexpr caf::timespan idle_time = 1s;

} // namespace

caf::result<pull_answer> receiver::pull(const pull_request&) {
  return refuse(ec::not_pulled);
}

inbox::inbox(bot_state& owner) : bot(owner) {}

inbox::~inbox() {
  timer_.dispose();
  count_under_way(0, 0);
  if (paused_)
    services().book.end_pause(bot.id);
}

inbox& inbox::of(bot_state& owner) {
  if (!owner.updates)
    owner.updates = std::make_unique<inbox>(owner);
  return *owner.updates;
}

void inbox::told() {
  more_ = true;
  look_for_journal();
  if (told_)
    told_->told();
  pump();
}

void inbox::phase_changed() {
  attach_ = open();
  pump();
}

caf::result<pull_answer> inbox::pull(const pull_request& what) {
  if (!open())
    return refuse_in(bot.phase);
  pump();
  return told_ ? told_->pull(what) : caf::result<pull_answer>{refuse(ec::not_pulled)};
}

void inbox::cancel(const pull_cancel& what) {
  if (told_)
    told_->cancel(what);
  pump();
}

delivery_book::entry inbox::settings() const {
  return services().book.find(bot.id);
}

void inbox::count(update_step what, std::int64_t received) const {
  auto how = entry_ ? std::optional{entry_->delivery.mode} : std::nullopt;
  note_step(services(), bot.id, how, what, received);
}

// -- What receivers say ---------------------------------------------------------

void inbox::delivered(std::int64_t seq) {
  if (!window_.contains(seq))
    return;
  count(update_step::delivered, held_[seq].received);
  end(seq, update_verdict::delivered, window_.starts(seq));
  if (window_.down())
    log::event(log::level::info, "delivery.recovered", bot_state::name, {{"bot", bot.id}},
               "A bot's receiver takes updates again.");
  if (std::exchange(alerted_, false))
    log::event(log::level::info, "alert.resolved", bot_state::name,
               {{"bot", bot.id}, {"alert", std::string_view{"delivery.gone"}}},
               "A bot's receiver takes updates again.");
  window_.delivered(seq);
  pump();
  if (told_) // It waited for this.
    told_->told();
}

std::uint32_t inbox::allowed_attempts() const {
  auto own = entry_ ? entry_->delivery.relay.attempts : 0;
  return own != 0 ? own : bot.limits().delivery_attempts;
}

bool inbox::leave_to_other(std::int64_t seq) {
  if (told_ == nullptr)
    return false;
  window_.later(seq, now());
  forget_waiting();
  pump();
  if (told_)
    told_->told();
  return true;
}

void inbox::failed(std::int64_t seq, attempt_note why) {
  if (!window_.contains(seq) || leave_to_other(seq))
    return;
  if (why.hold.count() > 0)
    window_.hold(now() + why.hold);
  if (why.counted && window_.attempts(seq) + 1 >= allowed_attempts())
    return dead(seq, std::move(why.reason));
  count(update_step::failed, held_[seq].received);
  bool was_down = window_.down();
  window_.failed(seq, now(), bot.jitter.next(), why.counted);
  if (!was_down && window_.down())
    log::event(log::level::warning, "delivery.failing", bot_state::name,
               {{"bot", bot.id}, {"reason", std::string_view{why.reason}}},
               "A bot's receiver fails; one update at a time tries it.");
  pump();
}

void inbox::dead(std::int64_t seq, std::string reason) {
  if (!window_.contains(seq) || leave_to_other(seq))
    return;
  note_dead(reason, held_[seq].received);
  end(seq, update_verdict::dead, window_.starts(seq), std::move(reason));
  window_.dead(seq, now(), bot.jitter.next());
  pump();
}

void inbox::note_dead(std::string_view reason, std::int64_t received) const {
  count(update_step::dead, received);
  log::event(log::level::info, "update.dead", bot_state::name,
             {{"bot", bot.id}, {"reason", reason}},
             "An update could not be delivered; it is among the bot's dead letters.");
}

void inbox::quit_after_others(std::int64_t seq, caf::error why) {
  window_.later(seq, time_point::max());
  if (!last_words_ || why == ec::quarantined)
    last_words_ = std::move(why);
  pump();
}

void inbox::later(std::int64_t seq) {
  if (window_.contains(seq) && leave_to_other(seq))
    return;
  window_.later(seq, now() + inbox_pause);
  pump();
}

void inbox::pause(caf::timespan how_long, std::string_view reason) {
  window_.hold(now() + how_long);
  auto until = wall() + std::chrono::duration_cast<std::chrono::milliseconds>(how_long).count();
  services().book.set_pause(bot.id, {until, std::string{reason}});
  paused_ = true;
  if (!std::exchange(alerted_, true))
    log::event(log::level::error, "alert.raised", bot_state::name,
               {{"bot", bot.id},
                {"alert", std::string_view{"delivery.gone"}},
                {"reason", reason},
                {"after", std::chrono::duration<double>(how_long).count()}},
               "A bot's receiver wants no more updates; they wait.");
}

// -- Handing over ---------------------------------------------------------------

/// Whatever happened, this decides what follows. What it calls may come back here.
void inbox::pump() {
  again_ = true;
  if (pumping_)
    return;
  pumping_ = true;
  while (again_) {
    again_ = false;
    step();
  }
  pumping_ = false;
  flush();
  count_under_way(window_.running(), ends_.size() + sending_.size());
  if (last_words_ && window_.running() == 0 && ends_.empty() && sending_.empty())
    return bot.self->quit(last_words_);
  arm();
}

void inbox::step() {
  if (last_words_)
    return;
  adopt_settings();
  attach();
  expire();
  if (auto now_at = window_.generation(); std::exchange(generation_, now_at) != now_at)
    more_ = true;
  auto* to = open() ? current() : nullptr;
  if (told_ && told_ != to) {
    std::exchange(told_, nullptr)->closed();
    window_.rewind();
    more_ = true;
  }
  if (now() >= look_again_at_) {
    look_again_at_ = time_point::max();
    more_ = true;
  }
  if (to == nullptr)
    return;
  if (!to->by_itself()) {
    fetch();
    return hand_over();
  }
  if (told_ == to)
    return;
  told_ = to;
  look_again_at_ = time_point::max();
  forget_waiting();
  to->told();
}

void inbox::adopt_settings() {
  auto entry = settings();
  if (entry == entry_)
    return;
  // With other settings, another receiver, or the same one repaired: what held back is over.
  // What waits is asked for anew: some of it may have been dropped.
  if (entry_) {
    window_.release();
    forget_waiting();
    more_ = true;
    if (std::exchange(paused_, false))
      services().book.end_pause(bot.id);
  }
  entry_ = std::move(entry);
}

void inbox::forget_waiting() {
  window_.forget_waiting();
  std::erase_if(held_, [this](const auto& x) { return !window_.contains(x.first); });
}

receiver* inbox::current() {
  if (!entry_)
    return nullptr;
  auto mode = entry_->delivery.mode;
  auto& slot = receivers_.at(static_cast<std::size_t>(mode));
  if (!slot)
    slot = make_receiver(mode, *this);
  return slot.get();
}

void inbox::hand_over() {
  auto* to = current();
  // Another entry may be set while this goes on: what has not started goes the new way.
  auto entry = entry_;
  while (to != nullptr && open() && !winds_up() && settings() == entry
         && window_.running() < to->places(*entry)) {
    auto next = window_.next(now());
    if (!next)
      return;
    if (std::exchange(paused_, false))
      services().book.end_pause(bot.id);
    to->hand_over(held_[next->seq], next->attempt, *entry);
  }
}

/// The journal counts them, with those that never came here.
void inbox::expire() {
  while (auto gone = window_.take_expired(now()))
    end(gone->seq, update_verdict::expired, gone->attempt);
}

/// The journal will be told; the window is the caller's.
void inbox::end(std::int64_t seq, update_verdict how, std::uint32_t attempts, std::string reason) {
  ends_.push_back({seq, how, attempts, std::move(reason)});
  held_.erase(seq);
}

// -- Time -------------------------------------------------------------------------

bool inbox::idle() const {
  if (!window_.empty() || fetching_ || attaching_ || attach_ || !ends_.empty() || !sending_.empty())
    return false;
  if ((more_ || look_again_at_ != time_point::max()) && open() && entry_ && !told_)
    return false;
  for (const auto& x : receivers_)
    if (x && !x->idle())
      return false;
  return true;
}

void inbox::count_under_way(std::size_t running, std::size_t ending) {
  // As many as there are, modulo a word. This first: one that ends is counted all the while.
  if (ending != ending_)
    services().ending += ending - std::exchange(ending_, ending);
  if (running != under_way_)
    services().under_way += running - std::exchange(under_way_, running);
}

/// When it is dropped, if nothing comes. Only while it is idle.
time_point inbox::drop_at() const {
  auto at = idle_since_ + idle_time;
  for (const auto& x : receivers_)
    if (x)
      at = std::max(at, x->keep_until());
  return at;
}

bool inbox::rests() const {
  auto keeps = [at = now()](const auto& x) { return x && x->keep_until() > at; };
  return idle() && !paused_ && std::none_of(receivers_.begin(), receivers_.end(), keeps);
}

/// One timer: for the window's times, for a journal that is asked again, for being idle.
void inbox::arm() {
  auto at = now();
  idle_since_ = idle() ? std::min(idle_since_, at) : time_point::max();
  auto due = time_point::max();
  if (idle_since_ != time_point::max())
    due = drop_at();
  auto* to =
    open() && entry_ ? receivers_[static_cast<std::size_t>(entry_->delivery.mode)].get() : nullptr;
  if (to == nullptr || winds_up()) // Holds: only lifetimes go on.
    due = std::min(due, window_.next_expiry());
  else if (window_.running() < to->places(*entry_))
    due = std::min(due, window_.next_due(at));
  else
    due = std::min(due, window_.next_expiry());
  if (to != nullptr)
    due = std::min(due, std::max(look_again_at_, at));
  if (journal_failures_ > 0)
    due = std::min(due, std::max(ask_journal_at_, at));
  // One that fires too early costs less than another one for each update.
  if (due == time_point::max() || (timer_at_ != time_point{} && timer_at_ <= due))
    return;
  timer_.dispose();
  timer_at_ = due;
  timer_ = bot.self->run_delayed(std::max<caf::timespan>(due - at, 1ms), [owner = &bot] {
    if (auto* me = owner->updates.get())
      me->on_timer();
  });
}

void inbox::on_timer() {
  timer_at_ = time_point{};
  if (idle() && idle_since_ != time_point::max() && now() >= drop_at()) {
    auto gone = std::move(bot.updates); // This one: nothing of it may be touched from here on.
    return;
  }
  pump();
}

} // namespace troupe::bot
