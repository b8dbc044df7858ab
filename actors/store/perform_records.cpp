#include "actors/store/perform_parts.hpp"
#include "runtime/store/idempotency.hpp"

namespace troupe::storage {

// -- health and usage -----------------------------------------------------------------------------

answer<done> perform(unit& u, const context&, const health_save& x) {
  auto others = x.holds.empty() ? std::vector<shard_id>{} : store::newer_fences(u, x.holds);
  std::vector<store::health_snapshot> rows;
  for (const auto& one : x.rows)
    if (std::ranges::count(others, shard_of(one.bot)) == 0)
      rows.push_back(health_of(one));
  store::save_health(u, rows);
  return done{};
}

answer<health_row> perform(unit& u, const context&, const health_query& x) {
  auto bot = bot_for(u, x.tenant, x.bot);
  auto found = bot ? store::find_health(u, bot->tenant, x.bot) : std::nullopt;
  if (!found)
    return refused(store_refusal::not_found);
  return row_of(*found);
}

answer<page<health_row>> perform(unit& u, const context&, const health_load& x) {
  auto limit = rows_at_most(x.limit);
  return page_of<health_row>(
    x.shards.empty() ? store::load_health(u, x.after, limit + 1)
                     : store::load_health(u, x.after, limit + 1, store::shard_set{x.shards}),
    limit);
}

answer<done> perform(unit& u, const context&, const usage_add& x) {
  std::vector<store::usage_sample> samples;
  for (const auto& one : x.deltas)
    samples.push_back({one.bot, one.hour.at, usage_of(one.hour)});
  store::add_usage(u, samples);
  return done{};
}

answer<usage_report> perform(unit& u, const context& c, const usage_query& x) {
  auto bot = bot_for(u, x.tenant, x.bot);
  if (!bot)
    return refused(store_refusal::not_found);
  auto now = c.now();
  auto days = std::clamp<std::int64_t>(x.days, 1, 90);
  usage_report result;
  for (const auto& one : store::usage_by_day(u, bot->tenant, x.bot, now, days))
    result.days.push_back(row_of(one.day, one.usage));
  for (const auto& one : store::usage_by_hour(u, bot->tenant, x.bot, store::day_of(now)))
    result.today.push_back(row_of(one.hour, one.usage));
  return result;
}

// -- the trail ------------------------------------------------------------------------------------

answer<audit_row> perform(unit& u, const context& c, const audit_row& x) {
  auto row = x;
  if (row.at == 0)
    row.at = ms_of(c.now());
  row.id = store::add_audit(u, entry_of(row));
  return row;
}

answer<page<audit_row>> perform(unit& u, const context&, const audit_query& x) {
  auto limit = rows_at_most(x.limit);
  store::audit_query what;
  if (x.tenant != 0)
    what.tenant = x.tenant;
  what.subject = x.subject;
  what.action = x.action;
  what.from = time_of(x.from);
  if (x.until != 0)
    what.until = time_of(x.until);
  if (x.before != 0)
    what.before = x.before;
  what.limit = std::size_t{limit} + 1;
  return page_of<audit_row>(store::find_audit(u, what), limit);
}

// -- idempotent requests --------------------------------------------------------------------------

answer<idempotency_answer> perform(unit& u, const context& c, const idempotency_begin& x) {
  static_assert(idempotency_what_names.size() == store::idempotency_verdict_names.size());
  auto now = c.now();
  auto found =
    store::begin_request(u, {x.tenant, x.bot, x.key}, x.body, c.node, now, now + c.answers_kept);
  idempotency_answer result;
  result.what = static_cast<idempotency_what>(found.what);
  result.status = static_cast<std::uint16_t>(found.answer.status);
  result.content_type = std::move(found.answer.content_type);
  result.body = std::move(found.answer.body);
  return result;
}

answer<done> perform(unit& u, const context& c, const idempotency_end& x) {
  store::idempotency_key key{x.tenant, x.bot, x.key};
  bool found = false;
  switch (x.how) {
  case idempotency_end_kind::finish:
    found = store::finish_request(u, key, c.node,
                                  {x.answer.status, x.answer.content_type, x.answer.body});
    break;
  case idempotency_end_kind::forget:
    found = store::forget_request(u, key, c.node);
    break;
  case idempotency_end_kind::lose:
    found = store::lose_request(u, key, c.node);
    break;
  }
  if (!found)
    return refused(store_refusal::not_found);
  return done{};
}

} // namespace troupe::storage
