#include "actors/bots/ledger.hpp"

#include "actors/supervisor/kin.hpp"

#include <caf/actor_cast.hpp>

namespace troupe {

static_assert(sizeof(bot_record) <= 64);

bots_ledger::place bots_ledger::add(const start_bot& spec) {
  place at;
  if (free_.empty()) {
    at = end();
    records_.emplace_back();
  } else {
    at = free_.back();
    free_.pop_back();
  }
  auto& record = records_[at];
  record = bot_record{};
  record.bot = spec.bot;
  record.claimed = spec.claimed;
  record.token_hash = spec.token_hash;
  record.tenant = spec.tenant;
  record.rps = spec.rps;
  record.concurrent = spec.concurrent;
  record.proven = spec.proven;
  record.pending = spec.pending;
  record.taken = true;
  bots_.add(at, key_at());
  return at;
}

void bots_ledger::remove(place at) {
  unbind(at);
  auto& record = records_[at];
  bots_.erase(key(record.bot), key_at());
  record.taken = false;
  free_.push_back(at);
  if (auto trouble = troubles.find(at); trouble != troubles.end()) {
    trouble->second.timer.dispose();
    troubles.erase(trouble);
  }
}

void bots_ledger::bind(place at, bot_actor actor) {
  actors_.set(actor.id(), at);
  records_[at].actor = std::move(actor);
}

bot_actor bots_ledger::unbind(place at) {
  auto& actor = records_[at].actor;
  if (actor)
    actors_.erase(actor.id());
  return std::exchange(actor, bot_actor{});
}

std::uint64_t bots_ledger::take_over() {
  std::lock_guard lock{mutex_};
  // The last owner may have died in the middle of a change: the records alone are believed.
  bots_ = {};
  actors_ = {};
  free_.clear();
  for (place at = 0; at < end(); ++at) {
    auto& record = records_[at];
    if (!record.taken) {
      record.actor = nullptr;
      free_.push_back(at);
      continue;
    }
    bots_.add(at, key_at());
    if (record.actor)
      actors_.set(record.actor.id(), at);
  }
  return ++ownership_;
}

void bots_ledger::orphaned(std::uint64_t ownership) {
  std::lock_guard lock{mutex_};
  if (ownership != ownership_)
    return;
  for (auto& record : records_)
    if (record.actor)
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(record.actor));
}

std::size_t bots_ledger::bytes() const noexcept {
  return records_.size() * sizeof(bot_record) + free_.capacity() * sizeof(place) + bots_.bytes()
         + actors_.bytes();
}

} // namespace troupe
