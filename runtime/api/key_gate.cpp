#include "runtime/api/key_gate.hpp"

#include "runtime/crypto/hash.hpp"

namespace troupe::api {

key_gate::key_gate(std::size_t most_keys, std::uint32_t most_at_once)
  : most_keys_(most_keys), most_at_once_(most_at_once) {}

bool key_gate::familiar(std::string_view key) const {
  auto hash = crypto::plain_hash(key);
  std::lock_guard guard{mtx_};
  return known_.find(hash) != nullptr;
}

void key_gate::accepted(std::string_view key) {
  auto hash = crypto::plain_hash(key);
  std::lock_guard guard{mtx_};
  known_.touch(hash) = true;
  if (known_.size() > most_keys_)
    known_.erase_oldest();
}

void key_gate::rejected(std::string_view key) {
  auto hash = crypto::plain_hash(key);
  std::lock_guard guard{mtx_};
  known_.erase(hash);
}

key_gate::place key_gate::enter(const std::string& address) {
  auto all = running_;
  std::lock_guard guard{all->mtx};
  auto& count = all->by_address[address];
  if (count >= most_at_once_)
    return nullptr;
  ++count;
  return {static_cast<void*>(all.get()), [all, address](void*) {
            std::lock_guard leaving{all->mtx};
            auto found = all->by_address.find(address);
            if (--found->second == 0)
              all->by_address.erase(found);
          }};
}

} // namespace troupe::api
