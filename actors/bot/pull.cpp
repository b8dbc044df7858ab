#include "runtime/policy/pull.hpp"
#include "actors/bot/inbox.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace troupe::bot {
namespace {

using namespace std::chrono_literals;

/// More than the store ever takes.
constexpr caf::timespan patience = 60s;

/// Longer than a client may wait.
constexpr caf::timespan longest_poll = 50s;

constexpr std::uint32_t longest_answer = 100; ///< Updates.
constexpr std::uint32_t bytes_per_fetch = 1u << 20;

/// What was handed out is remembered for so long: a client that is slow confirms it by its ids.
constexpr caf::timespan memory = 10min;

/// Polls of one bot at once, all its workers together.
constexpr std::size_t most_polls = 200;

/// getUpdates. Nothing is held between polls but who has what (runtime/policy/pull.hpp): updates
/// wait in the journal until their client confirms them there.
class puller final : public receiver {
public:
  using receiver::receiver;
  ~puller() override { timer_.dispose(); }

  // The inbox hands nothing over.
  void hand_over(const stored_update& what, std::uint32_t,
                 const updates::update_settings&) override {
    in.later(what.seq);
  }
  std::size_t places(const updates::update_settings&) const override { return 0; }

  bool by_itself() const override { return true; }
  bool idle() const override {
    return polls_.empty() && asking_ == 0 && sharing_.workers() == 0 && own_.empty();
  }
  /// One that comes back confirms what it had.
  time_point keep_until() const override { return sharing_.remembers_until(); }
  void told() override;
  void closed() override;
  caf::result<pull_answer> pull(const pull_request& what) override;
  void cancel(const pull_cancel& what) override;

private:
  enum class stage : std::uint8_t { confirming, fetching, waiting };

  struct poll {
    std::uint64_t serial = 0; ///< This receiver's own.
    pull_request what;
    caf::typed_response_promise<pull_answer> answer;
    time_point until{};
    stage now = stage::waiting;
    bool again = false; ///< Something came while it was fetching.
    std::vector<stored_update> got;
    std::size_t bytes = 0; ///< Of those.
    [[nodiscard]] bool is_full() const noexcept {
      return got.size() >= what.limit || bytes >= bytes_per_fetch;
    }
    [[nodiscard]] bool shares() const noexcept { return what.worker != 0; }
  };

  void begin(std::uint64_t serial);
  troupe::pull::plan plan_of_own(const pull_request& what);
  void confirm(poll& p, troupe::pull::plan what);
  void confirmed(poll& p, const troupe::pull::plan& what, bool any);
  void fetch(poll& p);
  void fetch_behind(poll& p, std::int64_t id, std::int64_t seq);
  void take(poll& p, update_page page);
  void forget(const std::vector<std::int64_t>& seqs);
  void end(std::vector<update_end> over);
  void end_hopeless(const std::vector<std::int64_t>& seqs);
  bool waits_for_company(const poll& p) const;
  void hand_out(poll& p);
  void finish(std::uint64_t serial, caf::error why = {});
  void wait(poll& p);
  void time_is_over(std::uint64_t serial);
  void look_at_time();
  void arm();

  poll* find(std::uint64_t serial);
  [[nodiscard]] time_point now() const { return in.bot.self->clock().now(); }

  /// Calls `f(poll, answer)` unless the poll has ended meanwhile; an error ends the poll.
  template <class Answer, class Request, class F>
  void ask(poll& p, Request what, F f) {
    auto journal = in.services().journal.get();
    if (!journal)
      return finish(p.serial, refuse(ec::draining, 1s));
    ++asking_;
    in.bot.self->request(journal, patience, std::move(what))
      .then(
        [this, f, serial = p.serial](Answer& x) {
          --asking_;
          if (auto* p = find(serial))
            f(*p, x);
          if (std::exchange(moved_, false))
            told();
          arm();
        },
        [this, serial = p.serial](caf::error& why) {
          --asking_;
          finish(serial, std::move(why));
          arm();
        });
  }

  std::vector<poll> polls_;
  std::uint64_t last_serial_ = 0;
  std::size_t asking_ = 0; ///< Requests under way, whose handlers know this object.
  bool moved_ = false;     ///< Updates that wait are another worker's than before.
  troupe::pull::sharing sharing_;
  troupe::pull::book own_;      ///< What was handed out last with the bot's own token.
  time_point keep_until_{};     ///< Then it is forgotten.
  std::int64_t own_offset_ = 0; ///< With the bot's own token: confirmed all it could.
  time_point timer_at_{};
  caf::disposable timer_;
};

caf::result<pull_answer> puller::pull(const pull_request& what) {
  auto other = std::find_if(polls_.begin(), polls_.end(),
                            [&](const poll& p) { return p.what.worker == what.worker; });
  if (other != polls_.end()) {
    if (in.bot.limits().pull_conflict_409)
      return refuse(ec::pull_conflict);
    finish(other->serial);
  }
  if (polls_.size() >= most_polls)
    return refuse(ec::queue_full, 1s);
  look_at_time();
  auto& p = polls_.emplace_back();
  p.serial = ++last_serial_;
  p.what = what;
  p.what.limit = std::clamp(what.limit, 1u, longest_answer);
  p.until = now() + std::clamp<caf::timespan>(what.timeout, 0s, longest_poll);
  p.answer = in.bot.self->make_response_promise<pull_answer>();
  auto answer = p.answer;
  begin(p.serial);
  arm();
  return answer;
}

void puller::begin(std::uint64_t serial) {
  auto& p = *find(serial);
  if (p.shares())
    sharing_.begin(p.what.worker, now());
  auto plan = p.shares() ? sharing_.plan_of(p.what.worker, p.what.offset) : plan_of_own(p.what);
  end_hopeless(plan.hopeless);
  plan.confirms() ? confirm(p, std::move(plan)) : fetch(p);
}

/// Telegram sends webhooks again when one failed: an update may come after others with higher ids.
/// An offset of a client that got those does not confirm it: what was handed out is confirmed by
/// the journal's numbers, and what is left is handed out, the late ones first.
troupe::pull::plan puller::plan_of_own(const pull_request& what) {
  bool known = what.offset > 0 && own_.knows(what.offset);
  auto result = own_.named(what.offset);
  if (known || (what.offset > 0 && what.offset == own_offset_))
    return result; // Also where it has confirmed what it could: the answer was lost, or empty.
  return troupe::pull::plan_of_bot(what.offset);
}

void puller::confirm(poll& p, troupe::pull::plan what) {
  p.now = stage::confirming;
  update_confirm order;
  order.bot = in.bot.id;
  order.below = what.below;
  order.keep_last = what.keep_last;
  order.seqs = what.seqs;
  ask<confirm_result>(p, std::move(order), [this, what](poll& p, const confirm_result& x) {
    if (x.confirmed > 0) {
      const auto* from = p.shares() ? sharing_.book_of(p.what.worker) : &own_;
      auto below = what.keep_last > 0 ? std::numeric_limits<std::int64_t>::max() : what.below;
      if (from)
        from->each(what.seqs, below,
                   [this](std::int64_t received) { in.count(update_step::delivered, received); });
    }
    confirmed(p, what, x.confirmed > 0);
    fetch(p);
  });
}

void puller::confirmed(poll& p, const troupe::pull::plan& what, bool any) {
  forget(what.seqs);
  if (!p.shares()) {
    own_.forget(what.seqs);
    own_offset_ = p.what.offset;
  }
  if (what.seqs.empty() && any) { // All below, whoever had it.
    sharing_.forget_all();
    own_.clear();
  }
  if (what.below > 0)
    own_.confirmed_below(what.below);
}

void puller::fetch(poll& p) {
  p.got.clear();
  p.bytes = 0;
  fetch_behind(p, std::numeric_limits<std::int64_t>::min(), 0);
}

void puller::fetch_behind(poll& p, std::int64_t id, std::int64_t seq) {
  p.now = stage::fetching;
  update_fetch what;
  what.bot = in.bot.id;
  what.by_id = true;
  what.after = id;
  what.after_seq = seq;
  what.limit = p.shares() ? longest_answer : p.what.limit;
  what.max_bytes = bytes_per_fetch;
  ask<update_page>(p, what, [this](poll& p, update_page& page) { take(p, std::move(page)); });
}

troupe::pull::offer offer_of(const stored_update& x) {
  return {x.id, {x.key.kind, x.key.id}, x.seq, x.received};
}

/// Keeps what this poll may have, and goes on until it has enough or there is no more.
void puller::take(poll& p, update_page page) {
  bool last = page.updates.empty();
  std::pair<std::int64_t, std::int64_t> at;
  auto wall = in.wall();
  std::vector<update_end> over;
  for (auto& x : page.updates) {
    at = {x.id, x.seq};
    if (in.under_way(x.seq)) {
      last = true; // From another mode. How it ends is waited for: nothing overtakes it.
      break;
    }
    if (in.ended(x.seq))
      continue;
    if (x.id == unreadable_update) {
      over.push_back(in.end_of_unreadable(x));
    } else if (x.expires > 0 && x.expires <= wall) {
      over.push_back({x.seq, update_verdict::expired, 0, {}});
    } else if (!p.is_full() && (!p.shares() || sharing_.wants(p.what.worker, offer_of(x)))) {
      if (p.shares())
        sharing_.reserve(p.what.worker, offer_of(x));
      p.bytes += x.body.str().size();
      p.got.push_back(std::move(x));
    }
  }
  end(std::move(over));
  if (!p.got.empty() && (!p.shares() || p.is_full() || last))
    return waits_for_company(p) ? wait(p) : hand_out(p);
  if (!last)
    return fetch_behind(p, at.first, at.second);
  wait(p);
}

void puller::forget(const std::vector<std::int64_t>& seqs) {
  moved_ = sharing_.forget(seqs) || moved_;
}

void puller::end(std::vector<update_end> over) {
  auto journal = in.services().journal.get();
  if (!journal || over.empty())
    return;
  std::vector<std::int64_t> seqs;
  for (const auto& x : over)
    seqs.push_back(x.seq);
  forget(seqs);
  own_.forget(seqs);
  ++asking_;
  in.bot.self->request(journal, patience, update_ends{in.bot.id, std::move(over)})
    .then([this] { --asking_; }, [this](const caf::error&) { --asking_; });
}

void puller::end_hopeless(const std::vector<std::int64_t>& seqs) {
  std::vector<update_end> over;
  for (auto seq : seqs) {
    over.push_back(
      {seq, update_verdict::dead, troupe::pull::book::most_times,
       "its update_id is not above that of one before it, and no offset confirmed it"});
    in.note_dead(over.back().reason, in.wall());
  }
  end(std::move(over));
}

bool puller::waits_for_company(const poll& p) const {
  const auto* from = p.shares() ? sharing_.book_of(p.what.worker) : &own_;
  return now() < p.until && from && std::all_of(p.got.begin(), p.got.end(), [&](const auto& x) {
           return from->doubted(offer_of(x));
         });
}

void puller::hand_out(poll& p) {
  pull_answer result;
  std::vector<troupe::pull::offer> given;
  for (auto& x : p.got) {
    given.push_back(offer_of(x));
    result.updates.push_back(std::move(x.body));
  }
  if (p.shares()) {
    for (const auto& x : given)
      sharing_.handed(p.what.worker, x);
  } else {
    own_.keep(given);
    for (const auto& x : given)
      own_.handed(x);
    keep_until_ = now() + memory;
  }
  auto answer = p.answer;
  p.got.clear();
  auto serial = p.serial;
  answer.deliver(std::move(result));
  finish(serial);
}

void puller::wait(poll& p) {
  if (std::exchange(p.again, false))
    return fetch(p);
  p.now = stage::waiting;
  if (now() >= p.until)
    time_is_over(p.serial);
}

/// A poll that waited ends with what waited along, or with nothing.
void puller::time_is_over(std::uint64_t serial) {
  auto* p = find(serial);
  if (p == nullptr)
    return;
  p->got.empty() ? finish(serial) : hand_out(*p);
}

/// Ends a poll: with an error, or with an empty result, unless it was answered.
void puller::finish(std::uint64_t serial, caf::error why) {
  auto at = std::find_if(polls_.begin(), polls_.end(),
                         [serial](const poll& p) { return p.serial == serial; });
  if (at == polls_.end())
    return;
  auto ended = std::move(*at);
  polls_.erase(at);
  if (ended.shares())
    sharing_.end(ended.what.worker, now());
  if (!ended.answer.pending())
    return;
  if (why)
    ended.answer.deliver(std::move(why));
  else
    ended.answer.deliver(pull_answer{});
}

void puller::told() {
  std::vector<std::uint64_t> waiting;
  for (auto& p : polls_) {
    p.again = p.now == stage::fetching;
    if (p.now == stage::waiting)
      waiting.push_back(p.serial);
  }
  for (auto serial : waiting)
    if (auto* p = find(serial))
      fetch(*p);
  arm();
}

void puller::closed() {
  std::vector<std::uint64_t> all;
  for (const auto& p : polls_)
    all.push_back(p.serial);
  for (auto serial : all)
    finish(serial, in.open() ? refuse(ec::not_pulled) : refuse_in(in.bot.phase));
  if (in.open()) // Suspended ones go on where they were.
    sharing_ = troupe::pull::sharing{};
  own_ = {};
  own_offset_ = 0;
  arm();
}

void puller::cancel(const pull_cancel& what) {
  for (const auto& p : polls_)
    if (p.what.id == what.id)
      return finish(p.serial);
}

/// Workers that have gone, and polls whose time is over.
void puller::look_at_time() {
  auto at = now();
  if (sharing_.expire(at))
    told();
  if (at >= keep_until_ && polls_.empty())
    own_.clear();
  std::vector<std::uint64_t> over;
  for (const auto& p : polls_)
    if (p.now == stage::waiting && p.until <= at)
      over.push_back(p.serial);
  for (auto serial : over)
    time_is_over(serial);
}

void puller::arm() {
  auto due = sharing_.next_expiry();
  if (!own_.empty())
    due = std::min(due, std::max(keep_until_, now() + 1s));
  for (const auto& p : polls_)
    if (p.now == stage::waiting)
      due = std::min(due, p.until);
  if (due == timer_at_ || (due == time_point::max() && timer_at_ == time_point{}))
    return;
  timer_.dispose();
  timer_at_ = time_point{};
  if (due == time_point::max())
    return;
  timer_at_ = due;
  timer_ = in.bot.self->run_delayed(std::max<caf::timespan>(due - now(), 1ms), [this] {
    timer_at_ = time_point{};
    look_at_time();
    arm();
    if (idle())
      in.later(0); // None of its updates: it sees that nothing is left here.
  });
}

puller::poll* puller::find(std::uint64_t serial) {
  for (auto& p : polls_)
    if (p.serial == serial)
      return &p;
  return nullptr;
}

} // namespace

std::unique_ptr<receiver> make_puller(inbox& to) {
  return std::make_unique<puller>(to);
}

} // namespace troupe::bot
