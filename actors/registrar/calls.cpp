#include "actors/registrar/state.hpp"
#include "messages/rate_governor.hpp"
#include "messages/supervisor.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/telegram/methods.hpp"
#include "runtime/telegram/params.hpp"
#include "runtime/updates/settings.hpp"

#include <boost/json.hpp>

#include <caf/send.hpp>

#include <algorithm>

/// Bot API requests of the registrar's own, through bot, governor and pool.
namespace troupe::registering {
namespace {

using caf::expected;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A bot that is being restarted is looked for again after this pause.
constexpr caf::timespan lookup_pause = milliseconds{25};

/// A poll waits at most so many seconds for an update, and its answer is given up that much later.
constexpr std::int64_t longest_poll = 50;
constexpr auto poll_margin = seconds{25};

constexpr const char* own_updates =
  R"({"ok":false,"error_code":409,"description":"Conflict: Troupe receives this bot's updates; )"
  R"(change its `delivery` instead, or call this method on the gateway"})";

/// What getMe said; nothing when that is no answer of it.
std::optional<bot_face> face_of(const method_answer& x) {
  boost::system::error_code ec;
  auto document = boost::json::parse(x.body, ec);
  auto* all = ec ? nullptr : document.if_object();
  auto* result = all != nullptr ? all->if_contains("result") : nullptr;
  auto* me = result != nullptr ? result->if_object() : nullptr;
  if (me == nullptr)
    return std::nullopt;
  auto text = [me](const char* key) -> std::string {
    auto* value = me->if_contains(key);
    auto* string = value != nullptr ? value->if_string() : nullptr;
    std::string result{string != nullptr ? std::string{string->data(), string->size()} : ""};
    std::erase_if(result,
                  [](unsigned char c) { return c < 0x20 || c == 0x7f; }); // No database likes NUL.
    return result;
  };
  bot_face face;
  if (auto* id = me->if_contains("id"); id != nullptr && id->is_int64())
    face.id = id->get_int64();
  face.username = text("username");
  face.name = text("first_name");
  return face;
}

/// What the answer to getMe says of a token that claims to be this bot's.
expected<bot_face> read_face(const expected<method_answer>& said, bot_id claimed) {
  if (!said)
    return caf::make_error(store_refusal::upstream_failed);
  if (said->status == 401 || said->status == 404)
    return caf::make_error(store_refusal::token_rejected);
  auto face = said->status == 200 ? face_of(*said) : std::nullopt;
  if (!face)
    return caf::make_error(store_refusal::upstream_failed);
  if (face->id != claimed)
    return caf::make_error(store_refusal::token_rejected);
  return std::move(*face);
}

} // namespace

// -- who a token's bot is -------------------------------------------------------------------------

void registrar_state::probe(const std::string& token, bot_id claimed, tenant_id tenant,
                            caf::timespan patience, std::function<void(expected<bot_face>)> then) {
  // No client's token has this digest: whatever clients get with the token, they get it without
  // this bot.
  auto digest = token_hash(ports.token_key, token + "/probe/" + std::to_string(next_call++));
  auto home = provisional_bot_id(digest);
  api_call x;
  x.token = digest;
  x.request.path = "/bot" + token + "/getMe";
  x.then = [this, claimed, then](expected<method_answer> said) {
    auto face = read_face(said, claimed);
    if (!face) {
      end_probe(claimed);
      return then(std::move(face));
    }
    // What it took of the bot's budget, it took of the bot's own from now on.
    merge_budgets(probes.at(claimed).first, claimed, [this, claimed, then, face] {
      end_probe(claimed);
      then(face);
    });
  };
  auto shard = ports.found->bots_of(home);
  auto put = ports.names->put(digest, home, tenant, false, now());
  if (put.evicted)
    caf::anon_send(ports.found->bots_of(put.evicted->home), stop_bot{put.evicted->home});
  if (!put.accepted || !shard) {
    ports.names->erase(digest.key, home);
    return then(caf::make_error(store_refusal::unavailable));
  }
  probes[claimed] = {home, digest.key};
  start_bot what;
  what.bot = home;
  what.tenant = tenant;
  what.proven = false;
  what.token_hash = digest.key;
  self->request(shard, caf::infinite, what)
    .then(
      [this, x = std::move(x), patience](const caf::strong_actor_ptr&) {
        begin_call(x, telegram::find_method("getMe"), patience);
      },
      [this, claimed, then](const caf::error&) {
        end_probe(claimed);
        then(caf::make_error(store_refusal::unavailable));
      });
}

void registrar_state::end_probe(bot_id claimed) {
  auto ended = probes.extract(claimed);
  if (ended.empty())
    return;
  auto [home, key] = ended.mapped();
  ports.names->erase(key, home);
  if (auto shard = ports.found->bots_of(home))
    caf::anon_send(shard, stop_bot{home});
}

void registrar_state::merge_budgets(bot_id from, bot_id to, std::function<void()> then) {
  auto again = [=, this] {
    self->run_delayed(lookup_pause, [=, this] { merge_budgets(from, to, then); });
  };
  auto governor = ports.found->rate_governor.get();
  if (!governor) // Being restarted.
    return again();
  // It may be dead, and nobody know it yet: then its successor is told.
  self->request(governor, caf::infinite, identity_proven{from, to})
    .then(then, [again](const caf::error&) { again(); });
}

// -- calls ----------------------------------------------------------------------------------------

/// However it ends: what its calls hold goes back, or their bots would keep it until they give a
/// call up that nobody is heard of again.
registrar_state::~registrar_state() {
  outcome how;
  how.what = failure::aborted;
  for (const auto& [id, x] : calls) {
    if (!x.bot)
      continue;
    if (x.exchanges()) {
      caf::anon_send(x.bot, call_done{id, x.held, how});
    } else {
      caf::anon_send(x.bot, call_cancelled{id});
      caf::anon_send(x.bot, call_done{id, {}, how}); // Its grant may have been on the way.
    }
  }
  while (!probes.empty())
    end_probe(probes.begin()->first);
}

caf::result<method_answer> registrar_state::call_method(const method_call& x) {
  auto found = bots.find(x.bot);
  if (found == bots.end() || (x.tenant != 0 && found->second.tenant != x.tenant))
    return caf::make_error(restored ? store_refusal::not_found : store_refusal::unavailable);
  auto token = ports.vault->find(x.bot);
  if (!token || calls.size() >= cfg.max_busy)
    return caf::make_error(store_refusal::unavailable);
  auto method = telegram::find_method(x.method);
  bool named = !x.method.empty() && std::ranges::all_of(x.method, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_';
  });
  const auto& known = telegram::method(method);
  // Polls wait for longer than a request of the API may.
  bool poll = known.has(telegram::method_trait::long_poll);
  if (!named || (poll && !x.own))
    return caf::make_error(store_refusal::invalid);
  if (known.has(telegram::method_trait::local))
    return method_answer{200, "application/json", R"({"ok":true,"result":true})"};
  if (!x.own && known.has(telegram::method_trait::delivery) && receives_updates(x.bot))
    return method_answer{409, "application/json", own_updates};
  auto promise = self->make_response_promise<method_answer>();
  api_call call;
  call.bot_number = x.bot;
  call.token = found->second.token;
  call.request.path = "/bot" + *token + '/' + x.method;
  call.request.body = x.body;
  call.request.content_type = x.content_type;
  call.what.own = x.own;
  if (poll)
    make_poll(call);
  call.then = [promise](expected<method_answer> said) mutable {
    if (said)
      promise.deliver(std::move(*said));
    else
      promise.deliver(std::move(said.error()));
  };
  begin_call(std::move(call), method, x.patience);
  return promise;
}

/// Whether the node receives the bot's updates: then nobody else tells Telegram where they go.
bool registrar_state::receives_updates(bot_id bot) const {
  auto entry = ports.found->updates ? ports.found->updates->book.find(bot) : nullptr;
  return entry && entry->intake.mode != updates::intake_mode::none;
}

void registrar_state::make_poll(api_call& x) const {
  x.what.kind = call_kind::long_poll;
  boost::system::error_code ec;
  auto said = boost::json::parse(x.request.body, ec);
  auto* all = ec ? nullptr : said.if_object();
  auto* timeout = all != nullptr ? all->if_contains("timeout") : nullptr;
  auto wait = timeout != nullptr && timeout->is_int64()
                ? std::clamp<std::int64_t>(timeout->get_int64(), 0, longest_poll)
                : 0;
  x.limit = seconds{wait} + poll_margin;
}

void registrar_state::begin_call(api_call x, std::uint16_t method, caf::timespan patience) {
  const auto& about = telegram::method(method);
  auto id = next_call++;
  x.what.id = id;
  x.what.method = method;
  x.what.repeatable = about.repeatable();
  x.what.produces_message = about.has(telegram::method_trait::produces_message);
  if (!x.request.body.empty()) {
    telegram::call_params seen;
    telegram::read_body(x.request.body, x.request.content_type, {}, seen);
    x.what.chat = seen.chat;
    x.what.paid_broadcast = seen.paid_broadcast;
  }
  x.deadline = now() + (patience.count() > 0 ? patience : cfg.patience);
  calls.emplace(id, std::move(x));
  try_call(id);
}

void registrar_state::try_call(call_id id) {
  auto found = calls.find(id);
  if (found == calls.end())
    return;
  auto& x = found->second;
  auto left = std::max<caf::timespan>(x.deadline - now(), caf::timespan{0});
  if (!x.failed) {
    auto known = ports.names->find(x.token, now());
    if (known && !known->actor && known->phase == bot_phase::passive && left.count() > 0)
      return activate(id, known->home);
    if (!known || !known->actor) {
      auto phase = known ? known->phase : bot_phase::stopped;
      auto why = !known                             ? ec::unknown_bot
                 : phase == bot_phase::unauthorized ? ec::unauthorized
                 : phase == bot_phase::suspended    ? ec::suspended
                 : phase == bot_phase::quarantined  ? ec::quarantined
                 : x.no_place                       ? ec::too_many_bots
                                                    : ec::stopped;
      bool soon = why == ec::stopped || why == ec::too_many_bots;
      if (!soon || left.count() == 0)
        return end_call(id, caf::make_error(why));
      self->run_delayed(lookup_pause, [this, id] { try_call(id); });
      return;
    }
    x.bot = known->actor;
  }
  auto granted = [this, id](const grant& got) { on_grant(id, got); };
  auto refused = [this, id](caf::error& why) { on_refusal(id, std::move(why)); };
  if (x.failed) {
    x.failed->patience = left;
    self->request(x.bot, caf::infinite, *x.failed).then(granted, refused);
  } else {
    x.what.patience = left;
    self->request(x.bot, caf::infinite, x.what).then(granted, refused);
  }
}

/// The call's bot is idle: it comes back for it.
void registrar_state::activate(call_id id, bot_id home) {
  auto again = [this, id] { try_call(id); };
  auto later = [this, id, again](const caf::error& why) {
    if (auto found = calls.find(id); found != calls.end())
      found->second.no_place = why == ec::too_many_bots;
    self->run_delayed(lookup_pause, again);
  };
  if (auto shard = ports.found->bots_of(home))
    self->request(shard, caf::infinite, activate_bot{home, false})
      .then([again](const caf::strong_actor_ptr&) { again(); }, later);
  else
    later({});
}

void registrar_state::on_grant(call_id id, const grant& granted) {
  auto& x = calls.at(id);
  x.held = granted.session;
  ports.upstream->perform(
    granted.session, x.request, x.limit.count() > 0 ? x.limit : cfg.request_timeout,
    [me = caf::weak_actor_ptr{self->ctrl()}, id](const outcome& how, net::api_answer what) {
      if (auto strong = me.lock())
        caf::anon_send(
          caf::actor_cast<registrar_impl>(strong), id, how,
          method_answer{what.status, std::move(what.content_type), std::move(what.body)});
    });
}

void registrar_state::on_refusal(call_id id, caf::error why) {
  auto& x = calls.at(id);
  if (x.failed) { // The attempt before stands.
    tell_end(x, x.failed->how);
    if (x.failed->how.what == failure::none)
      return end_call(id, std::move(x.last));
    // Certainly not carried out: whoever asked may do so again.
    return end_call(id, x.sent ? caf::make_error(ec::transport_failed)
                               : caf::make_error(ec::transport_failed, refusal{seconds{1}}));
  }
  // The bot died with the call, and nothing was sent: its successor gets it.
  if (why.category() == caf::type_id_v<caf::sec> && now() < x.deadline) {
    self->run_delayed(lookup_pause, [this, id] { try_call(id); });
    return;
  }
  end_call(id, std::move(why));
}

void registrar_state::on_exchange(call_id id, const outcome& how, method_answer& what) {
  auto found = calls.find(id);
  if (found == calls.end())
    return;
  auto& x = found->second;
  bool answered = how.what == failure::none;
  if (answered && how.status != 429 && how.status < 500) {
    caf::anon_send(x.bot, call_done{id, x.held, how});
    tell_end(x, how);
    return end_call(id, std::move(what));
  }
  x.sent = x.sent || (how.what != failure::not_sent && how.status != 429);
  x.last = std::move(what);
  x.failed = attempt_failed{id, x.held, how};
  try_call(id);
}

void registrar_state::tell_end(const api_call& x, const outcome& how) const {
  auto known = ports.names->find(x.token, now());
  if (ports.ended && known)
    ports.ended(known->home, x.what, how);
}

void registrar_state::end_call(call_id id, expected<method_answer> what) {
  auto ended = calls.extract(id);
  ended.mapped().then(std::move(what));
  settle_shards();
}

} // namespace troupe::registering
