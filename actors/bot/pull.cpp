#include "runtime/policy/pull.hpp"
#include "actors/bot/inbox.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
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
    return polls_.empty() && asking_ == 0 && sharing_.workers() == 0 && received_.empty();
  }
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
    std::int64_t after = 0; ///< Where to begin fetching.
    stage now = stage::waiting;
    bool again = false; ///< Something came while it was fetching.
    std::vector<stored_update> got;
    [[nodiscard]] bool shares() const noexcept { return what.worker != 0; }
  };

  void begin(std::uint64_t serial);
  troupe::pull::plan plan_of_own(const pull_request& what);
  void confirm(poll& p, troupe::pull::plan what);
  void confirmed(poll& p, const troupe::pull::plan& what);
  void fetch(poll& p, std::int64_t after);
  void take(poll& p, std::int64_t after, update_page page);
  void end_expired(std::vector<update_end> over);
  void hand_out(poll& p);
  void count_confirmed(std::int64_t worker, std::int64_t below);
  void finish(std::uint64_t serial, caf::error why = {});
  void wait(poll& p);
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
  troupe::pull::sharing sharing_;
  std::map<std::int64_t, std::map<std::int64_t, std::int64_t>>
    received_;                  ///< By worker: the ids that it was given last, and when they came.
  time_point keep_until_{};     ///< Then it is forgotten.
  std::int64_t own_offset_ = 0; ///< Of the last poll with the bot's own token.
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
  p.after = plan.after;
  plan.confirms() ? confirm(p, std::move(plan)) : fetch(p, p.after);
}

/// Telegram sends webhooks again when one failed: an update may come after others with higher ids.
/// An offset of a client that got those does not confirm it: what was handed out is confirmed by
/// its ids, and what is left is handed out, the late ones first.
troupe::pull::plan puller::plan_of_own(const pull_request& what) {
  troupe::pull::plan result;
  auto given = received_.find(0);
  if (what.offset > 0 && given != received_.end() && given->second.contains(what.offset - 1)) {
    for (const auto& [id, when] : given->second)
      if (id < what.offset)
        result.ids.push_back(id);
  } else if (what.offset <= 0 || what.offset != own_offset_) {
    result = troupe::pull::plan_of_bot(what.offset);
    result.after = 0; // What the journal leaves below it came late.
  } // Else it has confirmed what it could: the answer was lost, or brought nothing.
  own_offset_ = what.offset;
  return result;
}

void puller::confirm(poll& p, troupe::pull::plan what) {
  p.now = stage::confirming;
  update_confirm order;
  order.bot = in.bot.id;
  order.below = what.below;
  order.keep_last = what.keep_last;
  order.ids = what.ids;
  ask<confirm_result>(p, std::move(order), [this, what](poll& p, const confirm_result& x) {
    if (x.confirmed > 0)
      confirmed(p, what);
    fetch(p, p.after);
  });
}

void puller::confirmed(poll& p, const troupe::pull::plan& what) {
  sharing_.forget(what.ids);
  if (what.ids.empty()) // All below, whoever had it.
    sharing_.forget_all();
  count_confirmed(p.what.worker,
                  what.keep_last > 0 ? std::numeric_limits<std::int64_t>::max() : p.what.offset);
}

void puller::count_confirmed(std::int64_t worker, std::int64_t below) {
  auto given = received_.find(worker);
  if (given == received_.end())
    return;
  auto& ids = given->second;
  for (auto at = ids.begin(); at != ids.end() && at->first < below; at = ids.erase(at))
    in.count(update_step::delivered, at->second);
  if (ids.empty())
    received_.erase(given);
}

void puller::fetch(poll& p, std::int64_t after) {
  p.now = stage::fetching;
  update_fetch what;
  what.bot = in.bot.id;
  what.by_id = true;
  what.after = after;
  what.limit = p.shares() ? longest_answer : p.what.limit;
  what.max_bytes = bytes_per_fetch;
  ask<update_page>(p, what,
                   [this, after](poll& p, update_page& page) { take(p, after, std::move(page)); });
}

/// Keeps what this poll may have, and goes on until it has enough or there is no more.
void puller::take(poll& p, std::int64_t after, update_page page) {
  bool end = page.updates.empty();
  auto last = end ? after : page.updates.back().id;
  auto wall = in.wall();
  std::vector<update_end> over;
  for (auto& x : page.updates) {
    if (x.expires > 0 && x.expires <= wall) {
      in.count(update_step::expired, x.received);
      over.push_back({x.seq, update_verdict::expired, 0, {}});
    } else if (p.got.size() < p.what.limit
               && (!p.shares() || sharing_.wants(p.what.worker, {x.id, {x.key.kind, x.key.id}}))) {
      if (p.shares())
        sharing_.handed(p.what.worker, {x.id, {x.key.kind, x.key.id}});
      p.got.push_back(std::move(x));
    }
  }
  auto expired = over.size();
  if (expired > 0)
    end_expired(std::move(over));
  if (!p.got.empty() && (!p.shares() || p.got.size() >= p.what.limit || end))
    return hand_out(p);
  if (!end)
    return fetch(p, last);
  // What waits has lower ids than the offset, which confirmed nothing: ids begin anew after a week
  // of silence, and the client cannot know.
  if (page.pending > 0 && after > 0 && !p.shares() && after == p.after) {
    p.after = 0;
    return fetch(p, 0);
  }
  wait(p);
}

void puller::end_expired(std::vector<update_end> over) {
  auto journal = in.services().journal.get();
  if (!journal)
    return;
  ++asking_;
  in.bot.self->request(journal, patience, update_ends{in.bot.id, std::move(over)})
    .then([this] { --asking_; }, [this](const caf::error&) { --asking_; });
}

void puller::hand_out(poll& p) {
  pull_answer result;
  auto& given = received_[p.what.worker];
  given.clear();
  keep_until_ = now() + memory;
  for (auto& x : p.got) {
    given.emplace(x.id, x.received);
    result.updates.push_back(std::move(x.body));
  }
  auto answer = p.answer;
  p.got.clear();
  auto serial = p.serial;
  answer.deliver(std::move(result));
  finish(serial);
}

void puller::wait(poll& p) {
  if (std::exchange(p.again, false))
    return fetch(p, p.after);
  p.now = stage::waiting;
  if (now() >= p.until)
    finish(p.serial);
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
      fetch(*p, p->after);
  arm();
}

void puller::closed() {
  std::vector<std::uint64_t> all;
  for (const auto& p : polls_)
    all.push_back(p.serial);
  for (auto serial : all)
    finish(serial, refuse(in.open() ? ec::not_pulled : ec::suspended));
  sharing_ = troupe::pull::sharing{};
  received_.clear();
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
    received_.clear();
  std::vector<std::uint64_t> over;
  for (const auto& p : polls_)
    if (p.now == stage::waiting && p.until <= at)
      over.push_back(p.serial);
  for (auto serial : over)
    finish(serial);
}

void puller::arm() {
  auto due = sharing_.next_expiry();
  if (!received_.empty())
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
