#include "actors/registrar/state.hpp"
#include "messages/supervisor.hpp"
#include "runtime/registry/update_services.hpp"

#include <caf/send.hpp>

/// Shards of bots that come to this node and go from it.
namespace troupe::registering {
namespace {

/// Before bots that are in the middle of a call are asked again.
constexpr caf::timespan drain_pause = std::chrono::milliseconds{25};

/// Before the owners of shards that are on their way are looked for again.
constexpr caf::timespan seek_pause = std::chrono::milliseconds{25};

bool known_shard(std::uint16_t x) noexcept {
  return x < shard_count;
}

} // namespace

bool registrar_state::keeps(bot_id bot) const {
  return !mine || bot <= 0 || mine->places[shard_of(bot)].now == shard_stage::here;
}

bool registrar_state::is_from_peer() const {
  const auto& sender = self->current_sender();
  if (ports.from_peer)
    return ports.from_peer(sender);
  return sender && sender->node() != self->node();
}

caf::error registrar_state::not_now() {
  return caf::make_error(store_refusal::unavailable, refusal{std::chrono::seconds{1}});
}

bool registrar_state::is_not_now(const caf::error& why) {
  auto said = why.context();
  return why == store_refusal::unavailable && said.size() == 1 && said.match_element<refusal>(0);
}

void registrar_state::park(std::function<void()> again) {
  mine->parked.push_back(std::move(again));
  if (mine->parked.size() > 1)
    return;
  self->run_delayed(seek_pause, [this] {
    for (auto& one : std::exchange(mine->parked, {}))
      one();
  });
}

caf::result<done> registrar_state::gain(const shards_gained& x) {
  if (!mine)
    return done{};
  shard_book::waiter one;
  for (const auto& hold : x.shards)
    if (known_shard(hold.shard)) {
      mine->places[hold.shard].wanted = true;
      one.shards.push_back(hold.shard);
    }
  if (mine->arrived(one))
    return done{};
  auto promise = one.promise = self->make_response_promise<done>();
  mine->gaining.push_back(std::move(one));
  read_shards();
  return promise;
}

caf::result<done> registrar_state::lose(const shards_lost& x) {
  if (!mine)
    return done{};
  auto batch = std::make_shared<leaving_batch>();
  batch->planned = x.planned;
  shard_book::waiter one;
  for (auto i : x.shards) {
    if (!known_shard(i))
      continue;
    auto& place = mine->places[i];
    place.wanted = false;
    one.shards.push_back(i);
    if (place.now == shard_stage::leaving && !x.planned)
      hasten(i, *batch);
    if (place.now == shard_stage::loading || place.now == shard_stage::here) {
      place.now = shard_stage::leaving;
      batch->shards.push_back(i);
    }
  }
  auto promise = one.promise = self->make_response_promise<done>();
  mine->losing.push_back(std::move(one));
  if (!batch->shards.empty()) {
    mine->batches.push_back(batch);
    if (batch->planned && ports.found->updates)
      for (auto bot : bots_in(batch->shards))
        ports.found->updates->book.rest(bot);
    stop_receiving(batch);
  }
  settle_shards();
  return promise;
}

/// The lease is over: nobody waits for what runs in a shard that was leaving anyway.
void registrar_state::hasten(std::uint16_t shard, leaving_batch& into) {
  for (auto& other : mine->batches) {
    if (!other->stopping && std::erase(other->shards, shard) != 0)
      into.shards.push_back(shard);
    else if (other->stopping && std::ranges::count(other->shards, shard) != 0)
      for (const auto& bot : other->running)
        if (auto alive = caf::actor_cast<caf::strong_actor_ptr>(bot))
          caf::anon_send_exit(alive, caf::exit_reason::kill);
  }
}

std::vector<bot_id> registrar_state::bots_in(const std::vector<std::uint16_t>& shards) const {
  std::bitset<shard_count> in;
  for (auto i : shards)
    in.set(i);
  std::vector<bot_id> result;
  for (const auto& [bot, x] : bots)
    if (in.test(shard_of(bot)))
      result.push_back(bot);
  std::ranges::sort(result); // In order: a simulation repeats itself.
  return result;
}

/// No update of theirs is asked for any more: the poller polls none of them when `batch` knows.
void registrar_state::stop_receiving(const std::shared_ptr<leaving_batch>& batch) {
  auto updates = ports.found->updates;
  auto webhooks = updates ? updates->webhooks.get() : webhooks_actor{};
  auto over = [this, batch] {
    batch->receiving = false;
    settle_shards();
  };
  if (webhooks)
    for (auto bot : bots_in(batch->shards))
      caf::anon_send(webhooks, bot_gone{bot});
  if (!webhooks || !batch->planned) {
    batch->receiving = false;
    return;
  }
  // Each has dealt with what came before when it answers.
  auto poller_too = [this, over] {
    auto poller = ports.found->updates->poller.get();
    if (!poller)
      return over();
    self->request(poller, cfg.patience, get_report{})
      .then([over](const poller_report&) { over(); }, [over](const caf::error&) { over(); });
  };
  self->request(webhooks, cfg.patience, get_report{})
    .then([poller_too](const webhooks_report&) { poller_too(); },
          [poller_too](const caf::error&) { poller_too(); });
}

/// Shards in which something runs; a poll of the node's own is no reason to wait.
std::bitset<shard_count> registrar_state::busy_shards() const {
  std::bitset<shard_count> result;
  for (const auto& [bot, line] : turns)
    if (bot > 0)
      result.set(shard_of(bot));
  for (const auto& [id, x] : calls)
    if (x.bot_number > 0 && x.what.kind != call_kind::long_poll)
      result.set(shard_of(x.bot_number));
  return result;
}

void registrar_state::settle_shards() {
  if (!mine || (mine->batches.empty() && mine->losing.empty() && mine->gaining.empty()))
    return;
  auto busy_ones = busy_shards();
  auto is_busy = [&](auto i) { return busy_ones.test(i); };
  for (auto& batch : std::vector{mine->batches}) {
    bool quiet =
      !batch->planned || (!batch->receiving && std::ranges::none_of(batch->shards, is_busy));
    if (quiet && batch->planned && !batch->draining)
      drain_bots(batch);
    else if (quiet && !batch->planned && !batch->stopping)
      stop_bots(*batch);
    if (!batch->stopping || !batch->running.empty())
      continue;
    if (std::erase(mine->batches, batch) != 0)
      for (auto i : batch->shards)
        mine->places[i].now = shard_stage::away;
  }
  answer_shards();
  read_shards();
}

void registrar_state::answer_shards() {
  auto answer = [](std::vector<shard_book::waiter>& line, auto is_over) {
    std::erase_if(line, [&](shard_book::waiter& one) {
      bool over = is_over(one);
      if (over)
        one.promise.deliver(done{});
      return over;
    });
  };
  answer(mine->gaining, [this](const auto& x) { return mine->arrived(x); });
  answer(mine->losing, [this](const auto& x) { return mine->gone(x); });
}

/// Who is in the middle of a call of some gateway's ends it first, and of a delivery: none begins
/// another.
void registrar_state::drain_bots(const std::shared_ptr<leaving_batch>& batch) {
  batch->draining = true;
  batch->until = now() + cfg.calls_patience;
  batch->delivered_until = now() + cfg.deliveries_patience;
  for (auto bot : bots_in(batch->shards))
    if (auto known = ports.names->find(bots.at(bot).token, now()); known && known->actor)
      batch->working.insert(bot);
  if (batch->working.empty())
    stop_bots(*batch);
  else
    ask_working(batch);
}

void registrar_state::ask_working(const std::shared_ptr<leaving_batch>& batch) {
  auto left = std::make_shared<std::size_t>(batch->working.size());
  auto said = [this, batch, left](bot_id bot, bool works) {
    if (!works)
      batch->working.erase(bot);
    if (--*left != 0 || batch->stopping)
      return;
    if (!batch->working.empty() && now() < batch->until) {
      self->run_delayed(drain_pause, [this, batch] { ask_working(batch); });
      return;
    }
    stop_bots(*batch);
    settle_shards();
  };
  for (auto bot : std::vector(batch->working.begin(), batch->working.end())) {
    auto found = bots.find(bot);
    auto known = found == bots.end() ? std::nullopt : ports.names->find(found->second.token, now());
    if (!known || !known->actor) {
      said(bot, false);
      continue;
    }
    self->request(known->actor, cfg.patience, get_report{})
      .then(
        [this, bot, said, batch](const bot_report& x) {
          bool calls = x.queued > 0 || x.running > own_polls(bot);
          said(bot, calls || (x.delivering > 0 && now() < batch->delivered_until));
        },
        [bot, said](const caf::error&) { said(bot, false); });
  }
}

/// Polls of the node's own, which nobody waits for.
std::uint32_t registrar_state::own_polls(bot_id bot) const {
  return static_cast<std::uint32_t>(std::ranges::count_if(calls, [bot](const auto& x) {
    return x.second.bot_number == bot && x.second.what.kind == call_kind::long_poll;
  }));
}

void registrar_state::stop_bots(leaving_batch& batch) {
  batch.stopping = true;
  for (auto bot : bots_in(batch.shards)) {
    auto known = ports.names->find(bots.at(bot).token, now());
    let_go(bot, true); // From here on nobody can start it.
    if (!known || !known->actor)
      continue;
    batch.running.insert(known->actor->address());
    self->monitor(known->actor);
    if (!batch.planned)
      caf::anon_send_exit(known->actor, caf::exit_reason::kill);
  }
}

void registrar_state::on_down(const caf::down_msg& x) {
  for (auto& batch : mine->batches)
    batch->running.erase(x.source);
  if (mine->watched.erase(x.source) != 0) {
    std::vector<std::uint64_t> lost;
    for (const auto& [number, one] : mine->passed)
      if (one.desk == x.source)
        lost.push_back(number);
    for (auto number : lost)
      fail_passed(number, caf::make_error(caf::sec::request_receiver_down));
  }
  settle_shards();
}

/// Unless it was answered before.
void registrar_state::fail_passed(std::uint64_t number, caf::error why) {
  auto one = mine->passed.extract(number);
  if (one.empty())
    return;
  --busy;
  one.mapped().fail(std::move(why));
}

/// Reads the bots of all shards that are ours and not here yet, in one pass.
void registrar_state::read_shards() {
  if (mine->reading)
    return;
  auto busy_ones = busy_shards();
  bool any = false;
  for (std::size_t i = 0; i < shard_count; ++i)
    // What is under way from an earlier time of ours ends first: it may know an older row.
    if (auto& place = mine->places[i];
        place.wanted && place.now == shard_stage::away && !busy_ones.test(i)) {
      place.now = shard_stage::loading;
      any = true;
    }
  if (!any && restored)
    return;
  mine->reading = true;
  load_rates([this, any] { any ? load_bots(0) : end_loading(); });
}

/// Whether a stored bot is to be served as it was read just now.
bool registrar_state::is_awaited(bot_id bot) const {
  return !mine || mine->places[shard_of(bot)].now == shard_stage::loading;
}

std::vector<std::uint16_t> registrar_state::loading_shards() const {
  std::vector<std::uint16_t> result;
  for (std::size_t i = 0; mine && i < shard_count; ++i)
    if (mine->places[i].now == shard_stage::loading)
      result.push_back(static_cast<std::uint16_t>(i));
  return result;
}

void registrar_state::end_reading() {
  mine->reading = false;
  for (auto& place : mine->places)
    if (place.now == shard_stage::loading)
      place.now = shard_stage::here;
  answer_shards();
  read_shards();
}

/// What a node did not hear of a tenant's rate it reads, sooner or later.
void registrar_state::reread_rates() {
  self->run_delayed(cfg.rates_every, [this] { load_rates([this] { reread_rates(); }); });
}

live_list registrar_state::live(const live_query& x) const {
  live_list result;
  for (auto bot : x.bots) {
    if (!bots.contains(bot))
      continue;
    auto& one = result.bots.emplace_back();
    one.bot = bot;
    auto known = ports.names->find(bot);
    one.passive = known && known->phase == bot_phase::passive;
    auto rest = ports.found->updates ? ports.found->updates->book.paused(bot) : std::nullopt;
    if (rest) {
      one.rests_until = rest->until;
      one.rests_because = std::move(rest->reason);
    }
  }
  return result;
}

} // namespace troupe::registering
