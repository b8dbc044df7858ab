#include "messages/journal.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/receive.hpp"
#include "tests/simulation/ingress.hpp"

#include <caf/event_based_actor.hpp>

#include <set>

namespace troupe::simulation {
namespace {

/// As runtime/webhook's.
constexpr auto journal_timeout = std::chrono::seconds{10};

struct posts {
  ingress_ports ports;
  std::set<std::pair<std::uint64_t, std::uint64_t>> under_way;

  void end(std::uint64_t bot, std::uint64_t update, bool accepted) {
    if (under_way.erase({bot, update}) != 0)
      ports.world->telegram.posted(bot, update, accepted);
  }
  ~posts() {
    for (auto [bot, update] : under_way)
      ports.world->telegram.posted(bot, update, false);
  }
};

void receive(caf::event_based_actor* self, const std::shared_ptr<posts>& all, std::uint64_t bot,
             std::uint64_t update) {
  auto& world = *all->ports.world;
  all->under_way.emplace(bot, update);
  auto& updates = *all->ports.found->updates;
  auto journal = updates.journal.get();
  auto what = troupe::updates::receive(world.telegram.body_of(bot, update), world.wall());
  if (!what)
    return world.verdict.fail("updates", "the simulation makes updates that are none");
  auto id = world.what.bots[bot].id;
  if (!journal || updates.book.find(id) == nullptr)
    return all->end(bot, update, false);
  update_append append;
  append.bot = id;
  append.updates.push_back(std::move(what->update));
  self->request(journal, journal_timeout, std::move(append))
    .then([all, bot, update](const append_result&) { all->end(bot, update, true); },
          [all, bot, update](const caf::error&) { all->end(bot, update, false); });
}

} // namespace

caf::actor spawn_webhook(caf::actor_system& sys, ingress_ports ports) {
  return sys.spawn([ports = std::move(ports)](caf::event_based_actor* self) -> caf::behavior {
    auto all = std::make_shared<posts>(posts{ports, {}});
    return {[self, all](caf::put_atom, std::uint64_t bot, std::uint64_t update) {
      receive(self, all, bot, update);
    }};
  });
}

} // namespace troupe::simulation
