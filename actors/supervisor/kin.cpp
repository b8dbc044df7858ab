#include "actors/supervisor/kin.hpp"

#include "runtime/policy/mutation.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/message.hpp>
#include <caf/message_id.hpp>
#include <caf/system_messages.hpp>

namespace troupe {

void kill_now(const caf::strong_actor_ptr& whom) {
  if (whom)
    whom->get()->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                         caf::make_message(caf::exit_msg{whom->address(), caf::exit_reason::kill}),
                         nullptr);
}

std::uint64_t kin::begin(std::vector<caf::strong_actor_ptr>& left) {
  std::lock_guard lock{mutex_};
  left = children_; // They stay listed until they are dead: this incarnation may be killed, too.
  for (auto& child : left)
    kill_now(child);
  return ++incarnation_;
}

void kin::add(std::uint64_t incarnation, const caf::strong_actor_ptr& child) {
  std::lock_guard lock{mutex_};
  if (incarnation == incarnation_)
    children_.push_back(child);
}

void kin::remove(std::uint64_t incarnation, caf::actor_id child) {
  std::lock_guard lock{mutex_};
  if (incarnation == incarnation_)
    std::erase_if(children_, [&](const auto& x) { return x->id() == child; });
}

void kin::orphaned(std::uint64_t incarnation) {
  std::lock_guard lock{mutex_};
  if (incarnation == incarnation_ && !TROUPE_MUTATION("children-orphaned"))
    for (auto& child : children_)
      kill_now(child);
}

} // namespace troupe
