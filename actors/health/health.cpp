#include "actors/health/health.hpp"

#include "actors/health/record.hpp"
#include "messages/supervisor.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/recent_map.hpp"
#include "runtime/policy/shard_map.hpp"
#include "runtime/policy/upstream_watch.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <bitset>
#include <set>

namespace troupe {
namespace {

using std::chrono::seconds;

struct health_state {
  static inline const char* name = "troupe.health";

  health_state(health_memory::pointer self, const health_config& cfg, health_ports wired)
    : self(self), cfg(cfg), ports(std::move(wired)), watch(watch_rules()) {}

  health_memory::behavior_type make_behavior() {
    tell_governor(breaker_state::closed, duration{0});
    return {
      [this](const outcome_batch& x) { on_batch(x); },
      [this](bot_started x) { on_started(x.bot); },
      [this](stop_bot x) { records.erase(x.bot); },
      [this](const health_limits& x) { on_limits(x); },
      [this](bot_health_request x) { return one(x.bot); },
      [this](get_report x) { return report(x.limit); },
      [this](caf::timespan since) { return remembered(since); },
      [this](const health_save& x) { remember(x.rows); },
      [this](const shards_lost& x) { return forget(x.shards); },
    };
  }

  breaker_limits breaker_rules() const {
    return {cfg.failure_threshold, cfg.open_timeout, cfg.success_threshold};
  }

  upstream_watch::options watch_rules() const { return {breaker_rules(), cfg.settle, cfg.window}; }

  // -- outcomes -------------------------------------------------------------------------------

  void on_batch(const outcome_batch& batch) {
    auto at = now();
    half_open_due(at); // Its probe may come before the timer: first things first.
    auto& record = record_of(batch.bot, at);
    for (const auto& x : batch.samples) {
      if (x.what == failure::aborted)
        continue;
      auto v = judge(x);
      record.count(cfg, x, v);
      whole.count(cfg, x, v);
      auto before = record.gate.phase(at);
      auto failed = v == verdict::failure;
      if (failed ? record.gate.failure(at, x.probe) : record.gate.success(at, x.probe))
        breaker_moved(batch.bot, record, before, at);
      else if (x.probe && before == breaker_phase::closed && !failed)
        tell_bot(batch.bot, record, at); // It probes a breaker that an earlier record had opened.
      auto finished = time_point{duration{x.finished}};
      upstream_moved(watch.record(batch.bot, finished - x.latency, finished, failed, at), at);
      if (watch.phase() == breaker_phase::open)
        remind_governor(finished - x.latency, at);
      if (x.status == 401 && x.what == failure::none && batch.proven)
        unauthorized(batch.bot, record);
    }
    rest(record, at);
    set_timer(at);
  }

  /// The record of a bot that has just been heard of. Others that are old may go for it.
  health_record& record_of(bot_id bot, time_point at) {
    for (int i = 0; i < 2 && !records.empty() && at - records.oldest().heard > cfg.forget_after;
         ++i)
      records.erase_oldest();
    if (records.size() >= cfg.max_records && !records.find(bot))
      records.erase_oldest();
    auto& record = records.touch(bot);
    if (record.heard == time_point{})
      record.gate = breaker{breaker_rules()};
    record.heard = at;
    if (auto& sender = self->current_sender())
      record.who = sender->address();
    return record;
  }

  void on_started(bot_id bot) {
    auto* record = records.find(bot);
    if (!record)
      return;
    auto at = now();
    if (auto& sender = self->current_sender())
      record->who = sender->address();
    if (record->gate.phase(at) != breaker_phase::closed)
      tell_bot(bot, *record, at);
    rest(*record, at);
  }

  /// An address holds the memory of its actor, also of one that ended: it is kept only while there
  /// is something to tell.
  static void rest(health_record& record, time_point at) {
    if (record.gate.phase(at) == breaker_phase::closed)
      record.who = {};
  }

  /// The bot ends; its supervisor raises the alert, and resolves it when the bot starts again.
  static void unauthorized(bot_id bot, const health_record& record) {
    if (auto who = caf::actor_cast<bot_actor>(record.who))
      caf::anon_send(who, bot_command{bot, bot_phase::unauthorized});
  }

  // -- limits ---------------------------------------------------------------------------------

  void on_limits(const health_limits& x) {
    auto at = now();
    half_open_due(at);
    bool other_window = x.window != cfg.window;
    static_cast<health_limits&>(cfg) = x;
    while (records.size() > cfg.max_records)
      records.erase_oldest();
    if (other_window) // Its buckets are of another length.
      whole.window = {};
    opened.clear();
    records.for_each([&](bot_id bot, health_record& record) {
      if (other_window)
        record.window = {};
      bool was_open = record.gate.phase(at) == breaker_phase::open;
      record.gate.set_limits(breaker_rules(), at);
      if (!was_open)
        return;
      opened.emplace(at + record.gate.opens_in(at), bot);
      tell_bot(bot, record, at); // When it may probe has changed.
    });
    watch.set_options(watch_rules(), at);
    upstream_moved(watch.advance(at), at);
    if (watch.phase() == breaker_phase::open)
      tell_governor(breaker_state::open, watch.opens_in(at));
    set_timer(at);
  }

  // -- breakers of bots -----------------------------------------------------------------------

  void breaker_moved(bot_id bot, health_record& record, breaker_phase before, time_point at) {
    auto phase = record.gate.phase(at);
    if (phase == breaker_phase::open)
      opened.emplace(at + cfg.open_timeout, bot);
    tell_bot(bot, record, at);
    log_breaker(phase, before, bot, record.consecutive);
  }

  void tell_bot(bot_id bot, const health_record& record, time_point at) {
    if (auto who = caf::actor_cast<bot_actor>(record.who))
      caf::anon_send(who, breaker_change{bot, static_cast<breaker_state>(record.gate.phase(at)),
                                         record.gate.opens_in(at)});
  }

  void log_breaker(breaker_phase phase, breaker_phase before, bot_id bot, std::uint32_t failures) {
    auto opened_now = phase == breaker_phase::open;
    auto event = opened_now                       ? "breaker.opened"
                 : phase == breaker_phase::closed ? "breaker.closed"
                                                  : "breaker.half-opened";
    auto reason = !opened_now                       ? "recovered"
                  : before == breaker_phase::closed ? "consecutive failures"
                                                    : "the probe failed";
    if (phase == breaker_phase::half_open)
      reason = "time for a probe";
    auto level = opened_now ? log::level::warning : log::level::info;
    if (bot == 0)
      log::event(level, event, name,
                 {{"scope", "upstream"}, {"reason", reason}, {"failures", std::int64_t{failures}}});
    else
      log::event(
        level, event, name,
        {{"bot", std::int64_t{bot}}, {"reason", reason}, {"failures", std::int64_t{failures}}});
  }

  /// Breakers whose time is over half-open. One that opened again meanwhile has a later entry.
  void half_open_due(time_point at) {
    while (!opened.empty() && opened.begin()->first <= at) {
      auto bot = opened.begin()->second;
      opened.erase(opened.begin());
      auto* record = records.find(bot);
      if (!record || record->gate.phase(at) != breaker_phase::half_open)
        continue;
      tell_bot(bot, *record, at);
      log_breaker(breaker_phase::half_open, breaker_phase::open, bot, record->consecutive);
    }
  }

  // -- the upstream ---------------------------------------------------------------------------

  void upstream_moved(std::optional<breaker_phase> phase, time_point at) {
    if (!phase)
      return;
    told = at;
    tell_governor(static_cast<breaker_state>(*phase), watch.opens_in(at));
    log_breaker(*phase, upstream_before, 0, whole.consecutive);
    upstream_before = *phase;
  }

  /// A request that began well after the breaker opened shows a governor that does not know of it.
  void remind_governor(time_point started, time_point at) {
    if (started < told + seconds{1})
      return;
    told = at;
    tell_governor(breaker_state::open, watch.opens_in(at));
  }

  void tell_governor(breaker_state state, duration open_for) {
    if (auto governor = ports.governor ? ports.governor() : rate_governor_actor{})
      caf::anon_send(governor, breaker_change{0, state, open_for});
  }

  // -- time -----------------------------------------------------------------------------------

  void set_timer(time_point at) {
    auto due = watch.next_due();
    if (!opened.empty())
      due = std::min(due, opened.begin()->first);
    if (due >= timer_at)
      return;
    timer.dispose();
    timer_at = due;
    timer = self->run_delayed(std::max(due - at, duration{0}), [this] { on_timer(); });
  }

  void on_timer() {
    timer_at = time_point::max();
    auto at = now();
    half_open_due(at);
    upstream_moved(watch.advance(at), at);
    set_timer(at);
  }

  time_point now() const { return self->clock().now(); }

  // -- asking ---------------------------------------------------------------------------------

  caf::result<bot_health> one(bot_id bot) {
    auto at = now();
    if (bot == 0)
      return upstream_health(at);
    if (auto* record = records.find(bot))
      return record->report(cfg, bot, at);
    return caf::make_error(ec::unknown_bot);
  }

  bot_health upstream_health(time_point at) const {
    auto result = whole.report(cfg, 0, at);
    result.breaker = static_cast<breaker_state>(watch.phase());
    result.breaker_opens_in = watch.opens_in(at);
    return result;
  }

  /// Walks all records.
  health_report report(std::uint32_t limit) const {
    auto at = now();
    health_report result;
    result.upstream = upstream_health(at);
    result.bots = records.size();
    records.for_each([&](bot_id bot, const health_record& record) {
      auto status = record.grade_now(cfg, at);
      ++result.by_status[static_cast<std::size_t>(status)];
      ++result.breakers[static_cast<std::size_t>(record.gate.phase(at))];
      if (status == health_grade::healthy || limit == 0)
        return;
      auto& worst = result.worst;
      worst.push_back(record.report(cfg, bot, at));
      if (worst.size() >= std::size_t{2} * limit)
        keep_worst(worst, limit);
    });
    keep_worst(result.worst, limit);
    return result;
  }

  static void keep_worst(std::vector<bot_health>& rows, std::size_t limit) {
    std::sort(rows.begin(), rows.end(), [](const bot_health& a, const bot_health& b) {
      auto key = [](const bot_health& x) {
        return std::tuple{-static_cast<int>(x.status), -x.error_rate, x.bot};
      };
      return key(a) < key(b);
    });
    if (rows.size() > limit)
      rows.resize(limit);
  }

  // -- what is stored ---------------------------------------------------------------------------

  page<health_row> remembered(caf::timespan since) const {
    page<health_row> result;
    auto at = now();
    auto wall = ports.wall();
    records.for_each([&](bot_id bot, const health_record& record) {
      if (bot > 0 && at - record.heard <= since)
        result.rows.push_back(to_row(cfg, bot, record, {at, wall}));
    });
    return result;
  }

  void remember(const std::vector<health_row>& rows) {
    auto at = now();
    auto wall = ports.wall();
    for (const auto& row : rows) {
      if (records.find(row.bot) || records.size() >= cfg.max_records)
        continue;
      auto& record = records.touch(row.bot);
      from_row(row, cfg, {at, wall}, record);
      if (record.gate.phase(at) == breaker_phase::open)
        opened.emplace(at + record.gate.opens_in(at), row.bot);
      if (record.gate.phase(at) == breaker_phase::closed)
        continue;
      // One that runs already has asked in vain; one that comes later asks by itself.
      if (auto who = ports.bot ? ports.bot(row.bot) : bot_actor{}) {
        record.who = who.address();
        tell_bot(row.bot, record, at);
      }
    }
    set_timer(at);
  }

  page<health_row> forget(const std::vector<std::uint16_t>& shards) {
    std::bitset<shard_count> lost;
    for (auto shard : shards)
      if (shard < shard_count)
        lost.set(shard);
    page<health_row> result;
    auto at = now();
    auto wall = ports.wall();
    records.for_each([&](bot_id bot, const health_record& record) {
      if (bot > 0 && lost.test(shard_of(bot)))
        result.rows.push_back(to_row(cfg, bot, record, {at, wall}));
    });
    for (const auto& row : result.rows)
      records.erase(row.bot);
    return result;
  }

  health_memory::pointer self;
  health_config cfg;
  health_ports ports;
  recent_map<bot_id, health_record> records;
  upstream_record whole; ///< All bots together.
  upstream_watch watch;
  breaker_phase upstream_before = breaker_phase::closed;
  time_point told{}; ///< When the governor was last told of the upstream.
  std::set<std::pair<time_point, bot_id>> opened; ///< When breakers of bots half-open.
  caf::disposable timer;
  time_point timer_at = time_point::max();
};

} // namespace

health_actor spawn_health(caf::actor_system& sys, health_config cfg, health_ports ports) {
  using impl = health_memory::stateful_impl<health_state>;
  return sys.spawn<impl>(cfg, std::move(ports));
}

} // namespace troupe
