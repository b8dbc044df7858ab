#include "actors/store/state.hpp"
#include "runtime/crypto/api_key.hpp"
#include "runtime/crypto/hash.hpp"
#include "runtime/store/analytics.hpp"
#include "runtime/store/idempotency.hpp"
#include "runtime/store/keys.hpp"

#include <algorithm>
#include <filesystem>

#include <unistd.h>

/// What takes more than one work.
namespace troupe::storage {
namespace {

/// How long a key's use need not be written down again.
constexpr caf::timespan mark_pause = std::chrono::minutes{1};

std::string name_of(tenant_id tenant, bot_id bot, const std::string& key) {
  return std::to_string(tenant) + ' ' + std::to_string(bot) + ' ' + key;
}

} // namespace

// -- many ids -------------------------------------------------------------------------------------

struct store_state::lookup {
  bot_lookup what; ///< Sorted, each id once.
  std::size_t next = 0;
  std::size_t failures = 0; ///< Of the chunk that is next, in a row.
  bot_batch result;
  caf::typed_response_promise<bot_batch> promise;
};

caf::result<bot_batch> store_state::look_up(bot_lookup x) {
  if (auto why = refused())
    return *why;
  std::ranges::sort(x.ids);
  x.ids.erase(std::unique(x.ids.begin(), x.ids.end()), x.ids.end());
  auto all = std::make_shared<lookup>();
  all->what = std::move(x);
  all->promise = self->make_response_promise<bot_batch>();
  auto promise = all->promise;
  next_chunk(std::move(all));
  return promise;
}

/// One chunk after the other, so that others' requests run in between.
void store_state::next_chunk(std::shared_ptr<lookup> x) {
  auto& ids = x->what.ids;
  if (x->next >= ids.size())
    return x->promise.deliver(std::move(x->result));
  auto first = ids.begin() + static_cast<std::ptrdiff_t>(x->next);
  auto count = std::min(cfg.lookup_chunk, ids.size() - x->next);
  bot_lookup chunk{x->what.tenant, {first, first + static_cast<std::ptrdiff_t>(count)}};
  ask(std::move(chunk), [this, x, count](answer<bot_batch>& part) {
    if (part) {
      x->failures = 0;
      x->next += count;
      auto& to = x->result;
      std::ranges::move(part->bots, std::back_inserter(to.bots));
      std::ranges::move(part->missing, std::back_inserter(to.missing));
      return next_chunk(x);
    }
    if (part.error() != store_refusal::unavailable || x->failures >= cfg.lookup_retries || ending)
      return x->promise.deliver(std::move(part.error()));
    auto pause = cfg.lookup_pause * (1 << x->failures++);
    self->run_delayed(pause, [this, x] { next_chunk(x); });
  });
}

// -- keys -----------------------------------------------------------------------------------------

caf::result<identity> store_state::identify(const authenticate& x) {
  if (!crypto::api_key_form(x.key.text))
    return caf::make_error(store_refusal::not_found);
  auto hash =
    crypto::keyed_hash(ports.context->lookup, crypto::purpose::api_key, x.key.text);
  if (auto found = identities.find(hash); found != identities.end()) {
    auto& kept = found->second;
    auto expires = kept.whose.key.expires;
    bool valid = expires == 0 || expires > ports.context->now().time_since_epoch().count();
    if (valid && kept.until > now()) {
      mark_used(kept);
      return kept.whose;
    }
    identities.erase(found);
  }
  if (auto why = refused())
    return *why;
  auto promise = self->make_response_promise<identity>();
  ask(x, [this, promise, hash, epoch = identity_epoch](answer<identity>& what) mutable {
    if (what && epoch == identity_epoch) {
      if (identities.size() >= cfg.max_identities)
        identities.clear();
      auto& kept = identities[hash];
      kept.whose = *what;
      kept.until = now() + cfg.identity_lifetime;
      mark_used(kept);
    }
    deliver(promise, what);
  });
  return promise;
}

/// Nobody waits for it, and it may fail.
void store_state::mark_used(kept_identity& x) {
  if (x.mark_again > now() || refused())
    return;
  x.mark_again = now() + mark_pause;
  work what;
  what.how = work::kind::write;
  what.run = [c = ports.context, id = x.whose.key.id](unit& u) {
    store::mark_key_used(u, id, c->now());
  };
  what.fail = [](caf::error) {};
  submit(std::move(what), [] {});
}

// -- idempotent requests --------------------------------------------------------------------------

caf::result<idempotency_answer> store_state::begin(const idempotency_begin& x) {
  if (auto why = refused())
    return *why;
  auto promise = self->make_response_promise<idempotency_answer>();
  try_begin(x, now() + x.patience, promise);
  return promise;
}

void store_state::try_begin(idempotency_begin x, caf::actor_clock::time_point until,
                            caf::typed_response_promise<idempotency_answer> promise) {
  ask(x, [this, x, until, promise](answer<idempotency_answer>& what) mutable {
    if (!what && what.error() == store_refusal::outcome_unknown)
      lose_begun({x.tenant, x.bot, x.key, idempotency_end_kind::lose, {}});
    auto left = until - now();
    bool waits = what && what->what == idempotency_what::running && left > caf::timespan{0};
    if (!waits || ending)
      return deliver(promise, what);
    // Until the one that runs ends here, or elsewhere.
    auto name = name_of(x.tenant, x.bot, x.key);
    auto entry = std::make_shared<waiting_begin>();
    entry->again = [this, x, until, promise] { try_begin(x, until, promise); };
    auto look = [this, name, at = std::weak_ptr{entry}] {
      auto [first, last] = begins.equal_range(name);
      for (auto i = first; i != last; ++i)
        if (auto entry = i->second; entry == at.lock()) {
          begins.erase(i);
          return entry->again();
        }
    };
    entry->timer = self->run_delayed(std::min<caf::timespan>(left, cfg.look_again), look);
    begins.emplace(name, entry);
  });
}

/// It may be written down, and whoever asked does not run it: nobody else would end it.
void store_state::lose_begun(idempotency_end x) {
  self->run_delayed(cfg.look_again, [this, x = std::move(x)] {
    if (ending)
      return;
    ask(x, [this, x](answer<done>& what) {
      if (!what && what.error() != store_refusal::not_found)
        lose_begun(x);
    });
  });
}

caf::result<done> store_state::finish(const idempotency_end& x) {
  if (auto why = refused())
    return *why;
  auto promise = self->make_response_promise<done>();
  ask(x, [this, promise, name = name_of(x.tenant, x.bot, x.key)](answer<done>& what) mutable {
    deliver(promise, what);
    auto [first, last] = begins.equal_range(name);
    std::vector<std::shared_ptr<waiting_begin>> woken;
    for (auto i = first; i != last; ++i)
      woken.push_back(i->second);
    begins.erase(first, last);
    for (auto& one : woken) {
      one->timer.dispose();
      one->again();
    }
  });
  return promise;
}

// -- upkeep ---------------------------------------------------------------------------------------

/// Whoever began a request with the store before this one may not have heard of it: nobody would end
/// it. Whoever did hear ends it all the same (see runtime/store/idempotency.hpp).
void store_state::lose_running() {
  auto failed = std::make_shared<bool>(false);
  work what;
  what.how = work::kind::write;
  what.run = [failed, c = ports.context](unit& u) {
    *failed = false;
    store::lose_requests_of(u, c->node);
  };
  what.fail = [failed](const caf::error&) { *failed = true; };
  submit(std::move(what), [this, failed] {
    if (*failed && !ending)
      self->run_delayed(cfg.look_again, [this] { lose_running(); });
  });
}

void store_state::expire_answers() {
  if (refused()) { // Busier than this is urgent.
    self->run_delayed(cfg.upkeep_every, [this] { expire_answers(); });
    return;
  }
  auto removed = std::make_shared<std::size_t>(0);
  work what;
  what.how = work::kind::write;
  what.run = [removed, c = ports.context, limit = cfg.upkeep_rows](unit& u) {
    *removed = store::expire_requests(u, c->now(), limit);
  };
  what.fail = [removed](const caf::error&) { *removed = 0; };
  submit(std::move(what), [this, removed] {
    auto pause = *removed < cfg.upkeep_rows ? cfg.upkeep_every : cfg.upkeep_pause;
    self->run_delayed(pause, [this] { expire_answers(); });
  });
}

void store_state::expire_usage(bot_id after) {
  if (refused()) {
    self->run_delayed(cfg.upkeep_every, [this, after] { expire_usage(after); });
    return;
  }
  auto last = std::make_shared<std::optional<bot_id>>();
  work what;
  what.how = work::kind::write;
  what.run = [last, after, c = ports.context, limit = cfg.upkeep_rows](unit& u) {
    *last = store::expire_usage(u, after, limit, c->now());
  };
  what.fail = [last](const caf::error&) { last->reset(); }; // The next round begins anew.
  submit(std::move(what), [this, last] {
    self->run_delayed(*last ? cfg.upkeep_pause : cfg.usage_upkeep_every,
                      [this, next = last->value_or(0)] { expire_usage(next); });
  });
}

caf::result<backup_done> store_state::back_up(const backup_request& x) {
  if (auto why = refused())
    return *why;
  if (!ports.context->back_up)
    return caf::make_error(store_refusal::invalid);
  struct ending {
    caf::error why;
    std::uint64_t bytes = 0;
  };
  auto promise = self->make_response_promise<backup_done>();
  auto how = std::make_shared<ending>();
  work what;
  what.how = work::kind::outside;
  what.alone = [c = ports.context, path = x.path, how] {
    std::error_code failed;
    auto parent = std::filesystem::path{path}.parent_path();
    if (!std::filesystem::is_directory(parent, failed)
        || ::access(parent.c_str(), W_OK | X_OK) != 0) {
      how->why = caf::make_error(store_refusal::not_found);
      return;
    }
    if (std::filesystem::exists(std::filesystem::symlink_status(path, failed))) {
      how->why = caf::make_error(store_refusal::duplicate);
      return;
    }
    c->back_up(path);
    how->bytes = std::filesystem::file_size(path);
  };
  what.fail = [how](caf::error why) { how->why = std::move(why); };
  submit(std::move(what), [this, promise, how, x, began = now()] {
    audit_row row;
    row.by = x.by;
    row.action = "store.backup";
    row.subject = "store";
    row.outcome = how->why ? to_string(static_cast<store_refusal>(how->why.code())) : "ok";
    ask(row, [this, promise, how, path = x.path, began](answer<audit_row>& entered) mutable {
      if (how->why)
        return promise.deliver(how->why);
      if (!entered)
        return promise.deliver(std::move(entered.error()));
      promise.deliver(backup_done{path, how->bytes, now() - began});
    });
  });
  return promise;
}

} // namespace troupe::storage
