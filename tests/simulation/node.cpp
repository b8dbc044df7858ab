#include "actors/store/store.hpp"
#include "messages/registrar.hpp"
#include "runtime/crypto/hash.hpp"
#include "tests/simulation/world.hpp"

#include <caf/actor_registry.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>

namespace troupe::simulation {
namespace {

using namespace std::chrono_literals;

crypto::secret_key key_of(std::uint8_t fill) {
  std::array<std::uint8_t, crypto::secret_key::size> bytes;
  bytes.fill(fill);
  return crypto::secret_key{bytes};
}

std::string settings_of(const bot_plan& x) {
  std::string result = R"({"updates":{"mode":")";
  result += x.polled ? "polling" : "auto";
  result += R"("},"delivery":{)";
  if (x.how == receiver_kind::relay)
    result += R"("mode":"relay","url":"https://tenant-)" + std::to_string(x.tenant)
              + R"(.example/bot)" + std::to_string(x.id) + "\"";
  else if (x.how == receiver_kind::rules)
    result += R"("mode":"rules","rules":{"rules":[{"on":{"keyword":["hello"]},"reply":"Hello."}]})";
  else
    result += R"("mode":"pull")";
  return result + "}}";
}

} // namespace

node::node(outside& world, const unseen_past& unseen, bool first) : world_(world) {
  cfg_.set("caf.scheduler.policy", "testing");
  sys_ = std::make_unique<caf::actor_system>(cfg_);
  sched_ = dynamic_cast<caf::scheduler::test_coordinator*>(&sys_->scheduler());
  set_clock(world_.now);
  prober_handle_ =
    sys_->spawn([](caf::event_based_actor*) -> caf::behavior { return {[](caf::ok_atom) {}}; });
  prober_ =
    dynamic_cast<caf::event_based_actor*>(caf::actor_cast<caf::abstract_actor*>(prober_handle_));
  settle();
  before_ = sys_->registry().running();
  tree_ = std::make_unique<tree>(*sys_, config(), ports(unseen));
  root_ = tree_->launch();
  if (first)
    for (std::size_t i = 0; i < world_.what.bots.size(); ++i)
      enrol(i);
  else
    registered_ = world_.what.bots.size();
}

tree_config node::config() const {
  tree_config x;
  x.shards = world_.what.shards;
  static_cast<rate_limits&>(x.budgets) = world_.budgets;
  static_cast<pool_limits&>(x.pool) = world_.pool;
  x.health.open_timeout = std::chrono::milliseconds{world_.what.breaker_ms};
  x.bots.passivation = world_.passivation;
  const auto& bounds = world_.what.journal;
  x.journal.fresh_marks = bounds.fresh_marks;
  x.journal.remembered = bounds.remembered;
  x.journal.cache_bytes = bounds.cache_bytes;
  x.journal.max_bots = bounds.max_bots;
  x.journal.load_rows = bounds.load_rows;
  x.journal.number_block = bounds.number_block;
  if (world_.what.webhooks)
    x.webhooks.public_url = "https://node.example/webhook";
  return x;
}

tree_ports node::ports(const unseen_past& unseen) {
  tree_ports x;
  x.lanes = &lanes_;
  x.past = unseen;
  if (!world_.how.own_clock)
    x.wall = [w = &world_] { return w->wall(); };
  x.sessions = world_.upstream;
  x.calls = world_.upstream;
  x.relayed = world_.tenants;
  if (!world_.how.own_entropy)
    x.token_key = siphash_key{1, 2};
  x.sql = world_.disk;
  auto context =
    std::make_shared<storage::context>(storage::context{crypto::key_ring{{key_of(1)}}, key_of(2)});
  context->random = [w = &world_](std::span<std::uint8_t> out) { w->luck.fill(out); };
  context->now = [w = &world_] { return store::wall_time{std::chrono::milliseconds{w->wall()}}; };
  x.store = [context, sql = world_.disk](caf::actor_system& sys) {
    return spawn_store(sys, {}, {sql, context});
  };
  x.webhook_secret = std::make_shared<const updates::webhook_secret>(key_of(2));
  x.virtual_hash = [](std::string_view token) {
    return crypto::keyed_hash(key_of(2), crypto::purpose::virtual_token, token);
  };
  x.started = [this](std::string_view supervisor, std::string_view name, const caf::actor& who) {
    if (!who)
      return;
    auto lives = std::make_shared<bool>(true);
    who->attach_functor([lives] { *lives = false; });
    world_.started.insert(name_of(std::string{supervisor}, std::string{name}));
    world_.hear(); // Who left memory is not restarted.
    world_.verdict.started(std::string{supervisor}, std::string{name}, world_.now);
    members_.push_back({std::string{supervisor}, std::string{name}, who, lives});
  };
  auto in = [this] { return ingress_ports{&world_, tree_->names(), tree_->found()}; };
  child_spec clients;
  clients.id = "simulation.gateway";
  clients.start = [this, in](caf::actor_system& sys) {
    return clients_ = spawn_clients(sys, in(), view_);
  };
  child_spec webhook;
  webhook.id = "simulation.webhook";
  webhook.start = [this, in](caf::actor_system& sys) {
    return webhook_ = spawn_webhook(sys, in());
  };
  x.ingress = {clients, webhook};
  return x;
}

/// Registers a bot as its tenant would, until that is done.
void node::enrol(std::size_t at) {
  auto again = [this, at] { prober_->run_delayed(2s, [this, at] { enrol(at); }); };
  prober_->context(nullptr);
  auto registrar = tree_->registrar();
  if (!registrar)
    return again();
  const auto& plan = world_.what.bots[at];
  bot_register what;
  what.tenant = plan.tenant;
  what.token.text = world_.telegram.bots[at].token;
  what.name = "bot";
  what.rps = plan.rps;
  what.settings = settings_of(plan);
  what.trusted = true;
  prober_->request(registrar, caf::infinite, std::move(what))
    .then([this, at](const bot_row&) { enrolled(at); },
          [this, at, again](const caf::error& why) {
            if (why == store_refusal::duplicate) // An attempt before was stored.
              enrolled(at);
            else
              again();
          });
}

void node::enrolled(std::size_t at) {
  ++registered_;
  world_.verdict.limited(world_.what.bots[at].id, world_.now);
}

void node::reconfigure() {
  tree_->reconfigure(config());
}

const std::vector<member>& node::members() {
  std::erase_if(members_, [](const member& x) { return !*x.lives; });
  return members_;
}

bool node::quiet() const noexcept {
  return sched_->jobs.empty() && std::all_of(slow_.begin(), slow_.end(), [this](const auto& x) {
           return x.second <= world_.now;
         });
}

bool node::step() {
  auto& jobs = sched_->jobs;
  std::vector<std::size_t> may;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    auto* who = slow_.empty() ? nullptr : dynamic_cast<caf::abstract_actor*>(jobs[i]);
    auto found = who == nullptr ? slow_.end() : slow_.find(who->id());
    if (found == slow_.end() || found->second <= world_.now)
      may.push_back(i);
  }
  if (may.empty())
    return false;
  auto at = may[world_.luck.below(may.size())];
  std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(at),
              jobs.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  if (auto* who = dynamic_cast<caf::abstract_actor*>(jobs.front()))
    world_.verdict.note(who->id());
  sched_->run_once();
  return true;
}

void node::settle() {
  sched_->run();
}

void node::set_clock(time_point now) {
  auto& clock = sched_->clock();
  clock.current_time = now;
}

time_point node::next_timer() {
  auto& schedule = sched_->clock().schedule;
  while (!schedule.empty() && schedule.begin()->second.f.disposed())
    schedule.erase(schedule.begin());
  auto next = schedule.empty() ? time_point::max() : schedule.begin()->first;
  for (const auto& [who, until] : slow_)
    if (until > world_.now)
      next = std::min(next, until);
  return next;
}

void node::run_timer() {
  auto& schedule = sched_->clock().schedule;
  if (schedule.empty() || schedule.begin()->first > world_.now)
    return; // Somebody is slow no more.
  auto [f, period] = schedule.begin()->second;
  auto at = schedule.begin()->first;
  schedule.erase(schedule.begin());
  if (f.run() == caf::action::transition::success && period.count() > 0)
    schedule.emplace(at + period, caf::detail::test_actor_clock::schedule_entry{f, period});
}

void node::stop() {
  caf::anon_send_exit(root_, caf::exit_reason::user_shutdown);
}

void node::begin(std::uint64_t call) {
  caf::anon_send(clients_, caf::put_atom_v, call);
}

void node::leave(std::uint64_t call) {
  caf::anon_send(clients_, caf::delete_atom_v, call);
}

bool node::post(std::size_t bot, std::size_t update) {
  auto lives = std::any_of(members().begin(), members().end(),
                           [this](const member& x) { return x.who == webhook_; });
  if (!lives)
    return false;
  caf::anon_send(webhook_, caf::put_atom_v, std::uint64_t{bot}, std::uint64_t{update});
  return true;
}

std::ptrdiff_t node::strangers() {
  auto root = tree_->ended() ? 0u : 1u;
  return static_cast<std::ptrdiff_t>(sys_->registry().running())
         - static_cast<std::ptrdiff_t>(before_ + root + members().size());
}

std::size_t node::bury(bool orderly) {
  slow_.clear();
  if (!orderly)
    caf::anon_send_exit(root_, caf::exit_reason::kill);
  settle(); // The root's end ends everybody, without a timer.
  auto left = sys_->registry().running() - before_;
  for (const auto& x : members())
    caf::anon_send_exit(x.who, caf::exit_reason::kill);
  settle();
  return left;
}

node::~node() {
  tree_->forget();
  bury(false);
  caf::anon_send_exit(prober_handle_, caf::exit_reason::kill);
  settle();
  sched_->clock().schedule.clear();
  members_.clear();
  clients_ = webhook_ = prober_handle_ = nullptr;
  root_ = supervisor_actor{};
  tree_.reset();
  if (sys_->registry().running() != 0) { // Its destructor would wait for them.
    world_.verdict.fail("orphans", "an actor cannot be killed");
    static_cast<void>(sys_.release());
  }
}

} // namespace troupe::simulation
