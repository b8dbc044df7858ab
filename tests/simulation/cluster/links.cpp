#include "tests/simulation/cluster/links.hpp"

#include "messages/cluster.hpp"
#include "tests/simulation/cluster/node.hpp"
#include "tests/simulation/cluster/universe.hpp"

#include <caf/actor_proxy.hpp>
#include <caf/all.hpp>
#include <caf/make_actor.hpp>

namespace troupe::simulation::clustered {

using namespace std::chrono_literals;

namespace {

constexpr duration patience = 3s; ///< For a peer that is silent.

/// All systems of one process have one name of their own.
caf::node_id name_of(std::size_t node, std::uint64_t life) {
  caf::hashed_node_id::host_id_type host{};
  host.fill(7);
  return caf::make_node_id(static_cast<std::uint32_t>(1 + node + life * node_count), host);
}

class proxy_actor final : public caf::actor_proxy {
public:
  proxy_actor(caf::actor_config& cfg, links& net, std::size_t at, std::size_t of)
    : actor_proxy(cfg), net_(net), at_(at), of_(of) {}

  bool enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (!dead_)
      net_.send(at_, of_, id(), std::move(what->sender), what->mid, std::move(what->payload));
    return !dead_;
  }
  void kill_proxy(caf::execution_unit* host, caf::error why) override {
    dead_ = true;
    cleanup(std::move(why), host);
  }

private:
  links& net_;
  std::size_t at_;
  std::size_t of_;
  bool dead_ = false;
};

} // namespace

caf::strong_actor_ptr links::proxy(std::size_t at, std::size_t of, caf::actor_id whom) {
  auto& there = proxies_[{{at, of}, whom}];
  if (!there) {
    caf::actor_config cfg;
    there = caf::make_actor<proxy_actor, caf::strong_actor_ptr>(
      whom, name_of(of, world_.lives[of]), &world_.living(at)->system(), cfg, *this, at, of);
  }
  return there;
}

caf::actor_id links::known(std::size_t at, const caf::strong_actor_ptr& who) {
  if (!who)
    return 0;
  known_[{at, who->id()}] = caf::weak_actor_ptr{who.get()};
  return who->id();
}

bool links::passes(std::size_t a, std::size_t b) {
  return between(a, b).cut == 0 && ways_[{a, b}].blocked == 0 && ways_[{b, a}].blocked == 0
         && world_.living(a) && world_.living(b) && !world_.living(a)->paused()
         && !world_.living(b)->paused();
}

void links::dial(std::size_t from, const std::string& address,
                 std::function<void(caf::actor)> then) {
  auto to = static_cast<std::size_t>(address.at(1) - '1');
  auto life = world_.lives[from];
  world_.later(world_.way() * 3, [this, from, to, life, then = std::move(then)] {
    if (life != world_.lives[from])
      return;
    if (!passes(from, to))
      return world_.later(
        1s, [this, from, life, then] { world_.deliver(from, life, [then] { then({}); }); });
    between(from, to).up = true;
    auto desk = caf::actor_cast<caf::strong_actor_ptr>(world_.living(to)->desk());
    auto whom = known(to, desk);
    then(caf::actor_cast<caf::actor>(proxy(from, to, whom)));
  });
}

void links::send(std::size_t from, std::size_t to, caf::actor_id whom, caf::strong_actor_ptr sender,
                 caf::message_id id, caf::message what) {
  auto& pair = between(from, to);
  if (!pair.up)
    return;
  auto who = known(from, sender);
  // Handles cross as numbers.
  caf::actor_id inside = 0;
  if (what.match_elements<peer_hello>()) {
    inside = known(from, what.get_as<peer_hello>(0).desk);
    what.get_mutable_as<peer_hello>(0).desk = nullptr;
  } else if (what.match_elements<bot_found>()) {
    inside = known(from, what.get_as<bot_found>(0).actor);
    what.get_mutable_as<bot_found>(0).actor = nullptr;
  }
  auto& on = ways_[{from, to}];
  on.last = std::max(on.last, world_.now + world_.way() * (pair.slow > 0 ? 20 : 1));
  auto arrive = [this, from, to, whom, who, id, inside, what, life = world_.lives[to],
                 source = world_.lives[from], epoch = pair.epoch]() mutable {
    if (between(from, to).epoch != epoch)
      return;
    world_.deliver(to, life, [=, this]() mutable {
      if (source != world_.lives[from] || !world_.living(from))
        return;
      auto target = known_[{to, whom}].lock();
      if (!target)
        return;
      if (inside != 0 && what.match_elements<peer_hello>())
        what.get_mutable_as<peer_hello>(0).desk = proxy(to, from, inside);
      else if (inside != 0)
        what.get_mutable_as<bot_found>(0).actor = proxy(to, from, inside);
      target->enqueue(
        caf::make_mailbox_element(who != 0 ? proxy(to, from, who) : caf::strong_actor_ptr{}, id, {},
                                  std::move(what)),
        nullptr);
    });
  };
  world_.plans.at(on.last, [this, from, to, arrive = std::move(arrive)]() mutable {
    auto& on = ways_[{from, to}];
    if (on.blocked > 0 || !on.held.empty())
      on.held.emplace_back(std::move(arrive));
    else
      arrive();
  });
}

void links::drop_proxies(std::size_t at, std::size_t of) {
  std::vector<caf::strong_actor_ptr> gone;
  for (auto i = proxies_.begin(); i != proxies_.end();)
    if (i->first.first == way{at, of}) {
      gone.push_back(i->second);
      i = proxies_.erase(i);
    } else {
      ++i;
    }
  for (auto& one : gone)
    static_cast<proxy_actor*>(caf::actor_cast<caf::abstract_actor*>(one))
      ->kill_proxy(nullptr, caf::exit_reason::remote_link_unreachable);
}

void links::end(std::size_t a, std::size_t b) {
  auto& pair = between(a, b);
  if (!std::exchange(pair.up, false))
    return;
  ++pair.epoch;
  ways_[{a, b}].held.clear();
  ways_[{b, a}].held.clear();
  ++world_.happened["connections lost"];
  for (auto [at, of] : {way{a, b}, way{b, a}})
    if (world_.living(at))
      world_.deliver(at, world_.lives[at], [this, at = at, of = of] { drop_proxies(at, of); });
}

void links::forget(std::size_t node) {
  std::erase_if(proxies_, [node](const auto& x) { return x.first.first.first == node; });
  std::erase_if(known_, [node](const auto& x) { return x.first.first == node; });
}

void links::silent(std::size_t node) {
  for (std::size_t other = 0; other < node_count; ++other)
    if (other != node)
      world_.later(patience, [this, node, other, life = world_.lives[node],
                              epoch = between(node, other).epoch] {
        if (life == world_.lives[node] && epoch == between(node, other).epoch && world_.living(node)
            && world_.living(node)->paused())
          end(node, other);
      });
}

void links::cut(std::size_t a, std::size_t b, duration length) {
  ++between(a, b).cut;
  end(a, b);
  world_.later(length, [this, a, b] { --between(a, b).cut; });
}

void links::block(std::size_t from, std::size_t to, duration length) {
  ++ways_[{from, to}].blocked;
  world_.later(patience, [this, from, to, epoch = between(from, to).epoch] {
    if (ways_[{from, to}].blocked > 0 && epoch == between(from, to).epoch)
      end(from, to);
  });
  world_.later(length, [this, from, to] {
    auto& on = ways_[{from, to}];
    if (--on.blocked > 0)
      return;
    for (auto& one : std::exchange(on.held, {}))
      one();
  });
}

void links::slow(std::size_t a, std::size_t b, duration length) {
  ++between(a, b).slow;
  world_.later(length, [this, a, b] { --between(a, b).slow; });
}

} // namespace troupe::simulation::clustered
