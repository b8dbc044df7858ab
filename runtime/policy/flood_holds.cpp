#include "runtime/policy/flood_holds.hpp"

#include <algorithm>
#include <vector>

namespace troupe {

void flood_holds::forget_stale(time_point now) {
  // Two per report: more than can come in.
  for (int i = 0; i < 2 && !holds_.empty() && holds_.oldest() <= now; ++i)
    holds_.erase_oldest();
  auto stale = [&](const bot_state& b) {
    return b.held_until <= now && now - b.hit_at > limits_.widen_within;
  };
  for (int i = 0; i < 2 && !bots_.empty() && stale(bots_.oldest()); ++i)
    bots_.erase_oldest();
  // Forgetting a bot's hold costs one more 429, which brings it back.
  while (bots_.size() >= limits_.max_holds)
    bots_.erase_oldest();
}

bool flood_holds::report(std::int64_t bot, std::int64_t chat, std::uint16_t method,
                         duration retry_after, time_point now) {
  forget_stale(now);
  auto until = now + retry_after;
  auto& state = bots_.touch(bot);
  auto widen = chat != 0 && state.hit_chat != 0 && state.hit_chat != chat
               && now - state.hit_at <= limits_.widen_within;
  if (chat != 0) {
    state.hit_chat = chat;
    state.hit_at = now;
  }
  if (widen || (holds_.size() >= limits_.max_holds && !holds_.find(key{bot, chat, method}))) {
    state.held_until = std::max(state.held_until, until);
    return true;
  }
  auto& hold = holds_.touch(key{bot, chat, method});
  hold = std::max(hold, until);
  return state.held_until > now;
}

void flood_holds::restore(std::int64_t bot, std::int64_t chat, std::uint16_t method, bool whole,
                          duration left, time_point now) {
  forget_stale(now);
  auto until = now + left;
  if (whole || (holds_.size() >= limits_.max_holds && !holds_.find(key{bot, chat, method}))) {
    auto& state = bots_.touch(bot);
    state.held_until = std::max(state.held_until, until);
  } else {
    auto& hold = holds_.touch(key{bot, chat, method});
    hold = std::max(hold, until);
  }
}

time_point flood_holds::bot_free_at(std::int64_t bot) const noexcept {
  auto* state = bots_.find(bot);
  return state ? state->held_until : time_point{};
}

time_point flood_holds::chat_free_at(std::int64_t bot, std::int64_t chat,
                                     std::uint16_t method) const noexcept {
  if (holds_.empty())
    return time_point{};
  auto* whole = holds_.find(key{bot, 0, method});
  auto* own = chat != 0 ? holds_.find(key{bot, chat, method}) : nullptr;
  return std::max(whole ? *whole : time_point{}, own ? *own : time_point{});
}

void flood_holds::merge_bot(std::int64_t from, std::int64_t to) {
  if (auto* old = bots_.find(from)) {
    auto state = *old;
    bots_.erase(from);
    auto& merged = bots_.touch(to);
    merged.held_until = std::max(merged.held_until, state.held_until);
    if (state.hit_at > merged.hit_at) {
      merged.hit_at = state.hit_at;
      merged.hit_chat = state.hit_chat;
    }
  }
  std::vector<std::pair<key, time_point>> moved;
  holds_.for_each([&](const key& k, time_point until) {
    if (k.bot == from)
      moved.emplace_back(k, until);
  });
  for (auto& [k, until] : moved) {
    holds_.erase(k);
    auto& hold = holds_.touch(key{to, k.chat, k.method});
    hold = std::max(hold, until);
  }
}

std::size_t flood_holds::count(time_point now) const noexcept {
  std::size_t result = 0;
  holds_.for_each([&](const key&, time_point until) { result += until > now; });
  bots_.for_each([&](std::int64_t, const bot_state& b) { result += b.held_until > now; });
  return result;
}

} // namespace troupe
