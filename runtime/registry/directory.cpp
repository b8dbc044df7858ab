#include "runtime/registry/directory.hpp"

#include <algorithm>

namespace troupe {
namespace {

using tenths = std::chrono::duration<std::int64_t, std::deci>;

std::uint64_t key_of(bot_id bot) noexcept {
  return static_cast<std::uint64_t>(bot);
}

} // namespace

directory::directory(directory_limits limits, clock::time_point born)
  : limits_(limits), born_(born), shards_(std::make_unique<std::array<shard, shard_count>>()),
    bots_(std::make_unique<std::array<bot_shard, shard_count>>()) {}

std::optional<directory::found> directory::find(const token_digest& token,
                                                clock::time_point now) const {
  auto& home = (*shards_)[shard_of(token.key)];
  std::shared_lock lock{home.mutex};
  auto place = home.index.find(token.key, home.key_at());
  if (!place)
    return std::nullopt;
  auto& x = home.entries[*place];
  if (!same_digest({x.key, x.check}, token))
    return std::nullopt;
  if (!x.proven)
    x.used.store(age(now), std::memory_order_relaxed);
  return view(x);
}

std::optional<directory::found> directory::find(bot_id bot) const {
  std::optional<std::uint32_t> ref;
  {
    auto& names = (*bots_)[bot_shard_of(bot)];
    std::shared_lock lock{names.mutex};
    ref = names.index.find(key_of(bot));
  }
  if (!ref)
    return std::nullopt;
  auto& home = (*shards_)[*ref / places];
  std::shared_lock lock{home.mutex};
  auto place = *ref % places;
  // Between the two locks the entry may have gone, and its place may hold another bot.
  if (place >= home.entries.size() || !home.entries[place].taken || home.entries[place].bot != bot)
    return std::nullopt;
  return view(home.entries[place]);
}

directory::put_result directory::put(const token_digest& token, bot_id bot, tenant_id tenant,
                                     bool proven, clock::time_point now) {
  put_result result;
  std::lock_guard writer{write_};
  if (auto ref = ref_of(token.key)) {
    // Two tokens with one key and different checks: the second one cannot be served.
    auto& x = (*shards_)[*ref / places].entries[*ref % places];
    result.existed = result.accepted = same_digest({x.key, x.check}, token);
    return result;
  }
  if (!proven && unproven_.size() >= limits_.unproven) {
    auto idle = idle_unproven(now);
    if (!idle)
      return result;
    result.evicted = release(*idle);
  }
  auto home_index = shard_of(token.key);
  auto& home = (*shards_)[home_index];
  std::uint32_t place;
  {
    std::unique_lock lock{home.mutex};
    if (home.free.empty()) {
      place = static_cast<std::uint32_t>(home.entries.size());
      home.entries.emplace_back();
    } else {
      place = home.free.back();
      home.free.pop_back();
    }
    auto& x = home.entries[place];
    x.key = token.key;
    x.check = token.check;
    x.bot = x.home = bot;
    x.tenant = tenant;
    x.used = age(now);
    x.phase = bot_phase::pending;
    x.proven = proven;
    x.taken = true;
    home.index.add(place, home.key_at());
  }
  auto ref = static_cast<std::uint32_t>(home_index) * places + place;
  link_bot(bot, ref);
  phases_[static_cast<std::size_t>(bot_phase::pending)].fetch_add(1, std::memory_order_relaxed);
  if (!proven) {
    unproven_.push_back(ref);
    unproven_count_ = unproven_.size();
  }
  result.accepted = true;
  return result;
}

bool directory::prove(std::uint64_t token_key, bot_id real) {
  bot_id old = 0;
  std::lock_guard writer{write_};
  auto ref = ref_of(token_key);
  if (!ref)
    return false;
  auto& home = (*shards_)[*ref / places];
  {
    std::unique_lock lock{home.mutex};
    auto& x = home.entries[*ref % places];
    old = std::exchange(x.bot, real);
    x.proven = true;
  }
  if (old != real)
    unlink_bot(old, *ref);
  link_bot(real, *ref);
  std::erase(unproven_, *ref);
  unproven_count_ = unproven_.size();
  return true;
}

bool directory::erase(std::uint64_t token_key) {
  found last; // Its actor is released after the locks.
  std::lock_guard writer{write_};
  auto ref = ref_of(token_key);
  if (!ref)
    return false;
  last = release(*ref);
  return true;
}

bool directory::erase(std::uint64_t token_key, bot_id home) {
  found last;
  std::lock_guard writer{write_};
  auto ref = ref_of(token_key);
  if (!ref || (*shards_)[*ref / places].entries[*ref % places].home != home)
    return false;
  last = release(*ref);
  return true;
}

bool directory::attach(std::uint64_t token_key, bot_id home, bot_actor actor, bot_phase phase) {
  return change(token_key, home, [&](entry& x) {
    count_phase(x.phase, phase);
    x.phase = phase;
    std::swap(x.actor, actor);
  });
}

bool directory::set_phase(std::uint64_t token_key, bot_id home, bot_phase phase,
                          clock::time_point until) {
  return change(token_key, home, [&](entry& x) {
    count_phase(x.phase, phase);
    x.phase = phase;
    x.until = end_of(until);
  });
}

bool directory::detach(std::uint64_t token_key, bot_id home, bot_phase phase,
                       clock::time_point until) {
  bot_actor ended; // Released without the lock.
  return change(token_key, home, [&](entry& x) {
    count_phase(x.phase, phase);
    x.phase = phase;
    x.until = end_of(until);
    std::swap(x.actor, ended);
  });
}

std::size_t directory::size() const noexcept {
  std::size_t sum = 0;
  for (auto& n : phases_)
    sum += n.load(std::memory_order_relaxed);
  return sum;
}

std::array<std::uint64_t, bot_phase_names.size()> directory::by_phase() const noexcept {
  std::array<std::uint64_t, bot_phase_names.size()> result{};
  for (std::size_t i = 0; i < result.size(); ++i)
    result[i] = phases_[i].load(std::memory_order_relaxed);
  return result;
}

std::size_t directory::bytes() const {
  std::lock_guard writer{write_};
  auto sum = sizeof *this + sizeof *shards_ + sizeof *bots_ + unproven_.capacity() * 4;
  for (auto& x : *shards_)
    sum += x.index.bytes() + x.entries.size() * sizeof(entry) + x.free.capacity() * 4;
  for (auto& x : *bots_)
    sum += x.index.bytes();
  return sum;
}

// -- private ---------------------------------------------------------------------------------

std::size_t directory::bot_shard_of(bot_id bot) noexcept {
  return (key_of(bot) * 0x9E3779B97F4A7C15u) >> 58;
}

directory::found directory::view(const entry& x) const {
  return {x.bot,   x.home,   x.tenant, x.key,
          x.phase, x.proven, x.actor,  born_ + tenths{x.until}};
}

std::uint32_t directory::end_of(clock::time_point until) const noexcept {
  auto since = std::chrono::floor<tenths>(until - born_).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(since, 0));
}

std::uint32_t directory::age(clock::time_point now) const noexcept {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - born_).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(seconds, 0));
}

void directory::link_bot(bot_id bot, std::uint32_t ref) {
  auto& names = (*bots_)[bot_shard_of(bot)];
  std::unique_lock lock{names.mutex};
  names.index.set(key_of(bot), ref);
}

void directory::unlink_bot(bot_id bot, std::uint32_t ref) {
  auto& names = (*bots_)[bot_shard_of(bot)];
  std::unique_lock lock{names.mutex};
  if (names.index.find(key_of(bot)) == ref)
    names.index.erase(key_of(bot));
}

void directory::count_phase(bot_phase from, bot_phase to) noexcept {
  if (from == to)
    return;
  phases_[static_cast<std::size_t>(from)].fetch_sub(1, std::memory_order_relaxed);
  phases_[static_cast<std::size_t>(to)].fetch_add(1, std::memory_order_relaxed);
}

// Writers only: `write_` is held, so nobody changes the shard while it is read here.
std::optional<std::uint32_t> directory::ref_of(std::uint64_t key) const {
  auto home = shard_of(key);
  auto& shard = (*shards_)[home];
  auto place = shard.index.find(key, shard.key_at());
  if (!place)
    return std::nullopt;
  return static_cast<std::uint32_t>(home) * places + *place;
}

directory::found directory::release(std::uint32_t ref) {
  auto& home = (*shards_)[ref / places];
  found last;
  {
    std::unique_lock lock{home.mutex};
    auto& x = home.entries[ref % places];
    last = view(x);
    x.actor = bot_actor{}; // `last` keeps it alive: no actor ends under a lock.
    x.taken = false;
    home.index.erase(x.key, home.key_at());
    home.free.push_back(ref % places);
  }
  unlink_bot(last.bot, ref);
  phases_[static_cast<std::size_t>(last.phase)].fetch_sub(1, std::memory_order_relaxed);
  if (!last.proven) {
    std::erase(unproven_, ref);
    unproven_count_ = unproven_.size();
  }
  return last;
}

std::optional<std::uint32_t> directory::idle_unproven(clock::time_point now) {
  auto today = age(now);
  auto idle = static_cast<std::uint32_t>(limits_.unproven_idle.count());
  if (today < none_idle_before_ || unproven_.empty())
    return std::nullopt;
  auto used = [this](std::uint32_t ref) {
    return (*shards_)[ref / places].entries[ref % places].used.load(std::memory_order_relaxed);
  };
  auto oldest = *std::ranges::min_element(unproven_, {}, used);
  if (used(oldest) + idle <= today)
    return oldest;
  // Entries only grow younger: until then a flood of tokens need not scan again.
  none_idle_before_ = used(oldest) + idle;
  return std::nullopt;
}

template <class Change>
bool directory::change(std::uint64_t key, bot_id home, Change f) {
  // Only phase and actor change, which the shard's mutex guards alone: no need for `write_`.
  auto& shard = (*shards_)[shard_of(key)];
  std::unique_lock lock{shard.mutex};
  auto place = shard.index.find(key, shard.key_at());
  if (!place || shard.entries[*place].home != home)
    return false;
  f(shard.entries[*place]);
  return true;
}

} // namespace troupe
