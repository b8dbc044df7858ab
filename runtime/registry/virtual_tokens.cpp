#include "runtime/registry/virtual_tokens.hpp"

#include <mutex>

namespace troupe {

void virtual_tokens::put(std::string hash, entry what) {
  std::unique_lock lock{mutex_};
  auto [at, fresh] = entries_.insert_or_assign(hash, std::move(what));
  if (fresh)
    of_bot_.emplace(at->second.bot, std::move(hash));
}

bool virtual_tokens::erase(bot_id bot, std::int64_t id) {
  std::unique_lock lock{mutex_};
  auto [first, last] = of_bot_.equal_range(bot);
  for (auto i = first; i != last; ++i)
    if (auto found = entries_.find(i->second); found != entries_.end() && found->second.id == id) {
      entries_.erase(found);
      of_bot_.erase(i);
      return true;
    }
  return false;
}

void virtual_tokens::erase_all(bot_id bot) {
  std::unique_lock lock{mutex_};
  auto [first, last] = of_bot_.equal_range(bot);
  for (auto i = first; i != last; ++i)
    entries_.erase(i->second);
  of_bot_.erase(first, last);
}

void virtual_tokens::clear() {
  std::unique_lock lock{mutex_};
  entries_.clear();
  of_bot_.clear();
}

std::size_t virtual_tokens::size() const {
  std::shared_lock lock{mutex_};
  return entries_.size();
}

std::optional<virtual_tokens::entry> virtual_tokens::find(std::string_view token,
                                                          wall_time now) const {
  auto hash = hash_(token);
  std::shared_lock lock{mutex_};
  auto found = entries_.find(hash);
  if (found == entries_.end() || (found->second.expires && *found->second.expires <= now))
    return std::nullopt;
  return found->second;
}

} // namespace troupe
