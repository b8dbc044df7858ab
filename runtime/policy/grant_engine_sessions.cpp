#include "runtime/policy/grant_engine.hpp"

#include <algorithm>

/// Sessions that are free, who has the others, whether the upstream may be asked; and bots that are
/// known by another name from some moment on.
namespace troupe {
namespace {

/// So many renamed bots are remembered; a lease lasts no longer than it takes to rename as many.
constexpr std::size_t max_merged = 4096;

} // namespace

void grant_engine::merge_bot(std::int64_t from, std::int64_t to, time_point now) {
  if (from == to)
    return;
  budgets_.merge_bot(from, to, now);
  memory_->holds.merge_bot(from, to);
  memory_->rates.merge_bot(from, to);
  memory_->chats.merge_bot(from, to);
  if (auto* rps = memory_->bot_rates.find(from)) {
    auto moved = *rps;
    memory_->bot_rates.erase(from);
    if (!memory_->bot_rates.find(to))
      memory_->bot_rates.touch(to) = moved;
  }
  if (auto* cap = memory_->bot_caps.find(from)) {
    auto moved = *cap;
    memory_->bot_caps.erase(from);
    if (!memory_->bot_caps.find(to))
      memory_->bot_caps.touch(to) = moved;
  }
  merge_leases(from, to);
  queue_.merge_bot(from, to);
  queue_.wake_bot(to);
}

/// The pool goes on naming the leases that it knows by the old name.
void grant_engine::merge_leases(std::int64_t from, std::int64_t to) {
  memory_->merged.touch(from) = to;
  while (memory_->merged.size() > max_merged)
    memory_->merged.erase_oldest();
  std::uint32_t moved = 0;
  lent before;
  if (auto* out = leased_.find(from)) {
    before = *out;
    moved = out->count;
    leased_.erase(from);
  }
  auto* there = leased_.find(to);
  if (probe_credits_ > 0 && probe_bot_ == from) // Which of them end it can no more be told.
    probe_credits_ += there ? there->count : 0;
  else if (probe_credits_ > 0 && probe_bot_ == to)
    probe_credits_ += moved;
  if (probe_bot_ == from)
    probe_bot_ = to;
  if (moved > 0 && !there)
    leased_.touch(to) = before;
  else if (moved > 0)
    there->count += moved;
}

std::int64_t grant_engine::known_as(std::int64_t bot) const noexcept {
  auto* now = memory_->merged.empty() ? nullptr : memory_->merged.find(bot);
  return now ? *now : bot;
}

void grant_engine::set_capacity(std::uint32_t epoch, std::uint32_t sessions, std::uint32_t per_bot,
                                std::uint32_t places,
                                const std::vector<std::pair<std::int64_t, std::uint32_t>>& leases) {
  epoch_ = epoch;
  credits_ = sessions;
  capacity_ = std::max(sessions, places);
  capacity_exact_ = places > 0;
  per_bot_ = per_bot;
  probe_credits_ = 0;
  std::vector<std::int64_t> bots;
  leased_.for_each([&](std::int64_t bot, const lent&) { bots.push_back(bot); });
  leased_ = {};
  times_ = {};
  for (const auto& [bot, n] : leases)
    leased_.touch(known_as(bot)).count += n;
  for (auto bot : bots)
    queue_.wake_bot(bot);
}

void grant_engine::change_capacity(std::uint32_t epoch, std::uint32_t added, std::uint32_t per_bot,
                                   std::uint32_t places) {
  if (epoch != epoch_)
    return;
  credits_ += added;
  capacity_ = places;
  capacity_exact_ = true;
  per_bot_ = per_bot;
  queue_.wake_all();
}

void grant_engine::credit(std::uint32_t epoch, std::int64_t bot, bool gone, time_point now) {
  if (epoch != epoch_)
    return;
  bool learns = now != time_point{};
  if (learns) {
    times_.pass(now, held());
    times_.back();
  }
  credits_ += gone ? 0 : 1;
  // Leases of an earlier governor come back too: what was free at first is not all there is.
  if (!capacity_exact_)
    capacity_ = std::max(capacity_, credits_);
  if (!leased_.find(bot))
    bot = known_as(bot);
  auto was_capped = at_cap(bot);
  if (auto* out = leased_.find(bot)) {
    if (learns) {
      out->times.pass(now, out->count);
      out->times.back();
    }
    if (--out->count == 0)
      leased_.erase(bot);
  }
  if (probe_credits_ > 0 && bot == probe_bot_)
    --probe_credits_;
  if (was_capped)
    queue_.wake_bot(bot);
}

void grant_engine::upstream_opens(time_point until) noexcept {
  upstream_ = upstream::open;
  open_until_ = until;
}

void grant_engine::upstream_half_opens() noexcept {
  if (upstream_ != upstream::half_open)
    probe_credits_ = 0;
  upstream_ = upstream::half_open;
}

int grant_engine::upstream_phase(time_point now) const noexcept {
  if (upstream_ == upstream::open && now >= open_until_)
    return static_cast<int>(upstream::half_open);
  return static_cast<int>(upstream_);
}

} // namespace troupe
