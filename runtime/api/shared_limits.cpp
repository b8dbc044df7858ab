#include "runtime/api/shared_limits.hpp"

#include "runtime/api/context.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>

namespace troupe::api {
namespace {

/// A node that counts and is silent for so long is done without.
constexpr caf::timespan counter_patience = std::chrono::milliseconds{250};

/// FNV-1a: the same on every node, whatever it was built with.
std::uint64_t stable_hash(std::string_view text) noexcept {
  std::uint64_t result = 0xcbf29ce484222325u;
  for (unsigned char c : text)
    result = (result ^ c) * 0x100000001b3u;
  return result;
}

} // namespace

std::string shared_limits::key_of(quota_kind kind, const std::string& name) {
  return to_string(kind) + '/' + name;
}

std::optional<duration> shared_limits::wait(quota_kind kind, const std::string& name,
                                            time_point now) const {
  std::lock_guard guard{mtx_};
  const auto* until = waiting_.find(key_of(kind, name));
  return until != nullptr && *until > now ? std::optional{*until - now} : std::nullopt;
}

void shared_limits::remember(quota_kind kind, const std::string& name, time_point until) {
  std::lock_guard guard{mtx_};
  waiting_.touch(key_of(kind, name)) = until;
  if (waiting_.size() > most_names)
    waiting_.erase_oldest();
}

std::optional<caf::actor> shared_limits::counter_of(quota_kind kind,
                                                    const std::string& name) const {
  auto place = static_cast<bot_id>(stable_hash(key_of(kind, name)) >> 1);
  if (view_->owns(place))
    return std::nullopt;
  return view_->desk_of(place);
}

std::optional<duration> shared_limits::take_alone(quota_kind kind, const std::string& name,
                                                  std::uint32_t limit, time_point now) {
  auto nodes = static_cast<std::uint32_t>(view_->desks().size() + 1);
  auto& mine = alone_[static_cast<std::size_t>(kind)];
  mine.set(limit == 0 ? 0 : std::max(limit / nodes, 1u));
  return mine.take(name, now);
}

net::http_task<std::optional<duration>> take_over_all(context& ctx, net::http_executor io,
                                                      quota_kind kind, std::string name) {
  auto now = ctx.p.now();
  auto& mine = ctx.quota_of(kind);
  if (!ctx.shared || mine.limit() == 0)
    co_return mine.take(name, now);
  if (auto wait = ctx.shared->wait(kind, name, now))
    co_return wait;
  auto counter = ctx.shared->counter_of(kind, name);
  if (!counter)
    co_return mine.take(name, now);
  quota_take what{kind, name};
  auto asked = ask<quota_said>(*ctx.p.system, io, caf::actor_cast<caf::strong_actor_ptr>(*counter),
                               peer_request{peer_part::api, caf::make_message(std::move(what))},
                               std::min(ctx.p.answer_timeout, counter_patience));
  co_await asked.ready();
  auto said = asked.take();
  if (!said)
    co_return ctx.shared->take_alone(kind, name, mine.limit(), now);
  if (said->wait <= caf::timespan{0})
    co_return std::nullopt;
  ctx.shared->remember(kind, name, now + said->wait);
  co_return said->wait;
}

std::optional<duration> wait_over_all(const context& ctx, quota_kind kind,
                                      const std::string& name) {
  auto now = ctx.p.now();
  if (auto said = ctx.shared ? ctx.shared->wait(kind, name, now) : std::nullopt)
    return said;
  return ctx.quota_of(kind).wait(name, now);
}

} // namespace troupe::api
