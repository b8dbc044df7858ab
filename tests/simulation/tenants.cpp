#include "tests/simulation/tenants.hpp"

#include "tests/simulation/outside.hpp"

#include "runtime/telegram/update.hpp"

#include <utility>

namespace troupe::simulation {
namespace {

using namespace std::chrono_literals;

/// See delivery_attempts of bot_config.
constexpr int attempts = 8;
constexpr auto query_lifetime = 150s;

relay_result ended(relay_end how, std::uint16_t status = 0) {
  relay_result x;
  x.how = how;
  x.status = status;
  x.content_type = "text/plain";
  return x;
}

} // namespace

void tenants::perform(relay::post what, std::function<void(relay_result)> then) {
  auto run = ++runs_;
  auto id = what.id;
  running_.emplace(std::pair{id, run}, std::move(then));
  auto& luck = world_.luck;
  bool bad = world_.sky.tenants_fail;
  auto dice = luck.below(100);
  auto body = what.body.str();
  auto reach = world_.some(200, 20'000);
  auto finish = [this, id, run](duration after, relay_result how) {
    world_.later(after, [this, id, run, how] { end(id, run, how); });
  };
  if (bad && (dice < 60 || dice >= 90))
    ++world_.happened[dice < 15   ? "tenant: not reached"
                      : dice < 60 ? "tenant: refused"
                                  : "tenant: silent"];
  if (bad && dice < 15)
    return finish(reach, ended(relay_end::not_sent));
  bool takes = !bad || dice >= 60;
  bool counts = bad && dice < 35;
  bool silent = bad && dice >= 90; // It has it, and its answer is lost.
  auto silence = what.limit;
  world_.later(reach, [this, body, takes, counts] { receive(body, takes, counts); });
  if (silent)
    return finish(silence, ended(relay_end::timeout));
  auto how = ended(relay_end::answered, takes ? 200 : counts ? 500 : 503);
  if (!takes && !counts && luck.chance(300))
    how.retry_after = std::chrono::seconds{luck.between(1, 5)};
  if (takes && how.status == 200)
    ask_for_method(how, body);
  finish(reach + world_.some(200, 60'000), how);
}

/// An answer that is a method call (Bot API, "Making requests when getting updates").
void tenants::ask_for_method(relay_result& how, const std::string& body) {
  auto facts = troupe::telegram::read_update(body);
  auto known = facts ? world_.telegram.find(facts->id) : std::nullopt;
  if (!known || !world_.what.bots[known->first].replies)
    return;
  how.content_type = "application/json";
  how.body = R"({"method":"sendMessage","text":"yes","chat_id":)"
             + std::to_string(world_.telegram.bots[known->first].updates[known->second].chat) + '}';
}

/// What is asked of order: the first time that an update is posted, those of its chat before it are
/// done with.
void tenants::receive(const std::string& body, bool take, bool counts) {
  auto facts = troupe::telegram::read_update(body);
  auto known = facts ? world_.telegram.find(facts->id) : std::nullopt;
  if (!known)
    return world_.verdict.fail("updates", "a receiver was sent what never happened");
  auto& all = world_.telegram.bots[known->first].updates;
  auto& mine = all[known->second];
  world_.verdict.note(static_cast<std::uint64_t>(facts->id));
  if (world_.tell)
    world_.tell("update " + std::to_string(facts->id) + (take ? " is delivered" : " is refused"));
  if (mine.delivered == 0)
    for (std::size_t i = 0; i < known->second; ++i) {
      const auto& x = all[i];
      bool over = x.delivered > 0 || x.failed >= attempts
                  || (x.query && (world_.now - x.born > query_lifetime || world_.wall_offset != 0));
      if (x.chat == mine.chat && x.query == mine.query && !over)
        world_.verdict.fail("order", "update " + std::to_string(facts->id) + " was posted before "
                                       + std::to_string(world_.telegram.id_of(known->first, i)));
    }
  if (take)
    ++mine.delivered;
  else if (counts)
    ++mine.failed;
}

void tenants::end(std::uint64_t id, std::uint64_t run, relay_result what) {
  auto found = running_.extract({id, run});
  if (!found.empty())
    found.mapped()(std::move(what));
}

void tenants::abandon(std::uint64_t id) {
  for (auto at = running_.lower_bound({id, 0}); at != running_.end() && at->first.first == id; ++at)
    world_.later(world_.some(1, 500),
                 [this, key = at->first] { end(key.first, key.second, ended(relay_end::broken)); });
}

void tenants::close_all() {
  for (const auto& [key, then] : running_)
    world_.later(world_.some(1, 500),
                 [this, key = key] { end(key.first, key.second, ended(relay_end::broken)); });
}

} // namespace troupe::simulation
