#include "tests/sandbox/update_queue.hpp"

#include <algorithm>
#include <random>

namespace troupe::sandbox {

update_queue::update_queue() {
  // A random start, as the real ones have: nobody may rely on ids beginning at 1.
  thread_local std::mt19937 random{std::random_device{}()};
  next_id_ = std::uniform_int_distribution<std::int64_t>{100'000'000, 900'000'000}(random);
}

std::int64_t update_queue::add(const telegram::update_kind& kind, queue_key key,
                               std::string_view object, clock::time_point now) {
  expire(now);
  if (updates_.size() >= capacity) {
    ++totals_.dropped;
    return 0;
  }
  auto id = next_id_++;
  update x;
  x.json = R"({"update_id":)" + std::to_string(id) + ",\"";
  x.json += kind.name;
  x.json += "\":";
  x.json += object;
  x.json += '}';
  x.key = key;
  x.expires = now + kind.lifetime;
  next_expiry_ = std::min(next_expiry_, x.expires);
  updates_.emplace_hint(updates_.end(), id, std::move(x));
  ++totals_.made;
  return id;
}

std::size_t update_queue::read(std::int64_t offset, std::size_t limit, clock::time_point now,
                               std::string& out) {
  constexpr std::size_t largest_answer = 4 * 1024 * 1024; // The official server's bound.
  expire(now);
  if (offset > next_id_) // Beyond the end: the official server starts at the head again.
    offset = 0;
  std::size_t count = 0;
  auto begin = out.size();
  for (auto i = updates_.lower_bound(offset); i != updates_.end() && count < limit; ++i, ++count) {
    if (count > 0 && out.size() - begin + i->second.json.size() > largest_answer)
      break;
    if (count > 0)
      out += ',';
    out += i->second.json;
  }
  return count;
}

void update_queue::confirm_below(std::int64_t offset) {
  if (offset > next_id_)
    return;
  auto end = updates_.lower_bound(offset);
  totals_.confirmed += static_cast<std::uint64_t>(std::distance(updates_.begin(), end));
  updates_.erase(updates_.begin(), end);
}

void update_queue::keep_last(std::size_t count) {
  while (updates_.size() > count) {
    updates_.erase(updates_.begin());
    ++totals_.confirmed;
  }
}

void update_queue::clear() {
  totals_.dropped += updates_.size();
  updates_.clear();
}

void update_queue::remove(std::int64_t id) {
  if (updates_.erase(id) > 0)
    ++totals_.delivered_by_webhook;
}

void update_queue::expire(clock::time_point now) {
  if (now < next_expiry_)
    return;
  next_expiry_ = clock::time_point::max();
  for (auto i = updates_.begin(); i != updates_.end();) {
    if (i->second.expires <= now) {
      i = updates_.erase(i);
      ++totals_.expired;
    } else {
      next_expiry_ = std::min(next_expiry_, i->second.expires);
      ++i;
    }
  }
}

} // namespace troupe::sandbox
