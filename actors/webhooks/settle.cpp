#include "actors/webhooks/state.hpp"
#include "runtime/log/log.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe::keeping {
namespace {

using namespace std::chrono_literals;

/// A registrar or store that is being restarted is asked again after this pause.
constexpr caf::timespan restart_pause = 500ms;

/// So many failures in a row raise an alert.
constexpr std::uint32_t failures_of_alert = 3;

/// A delivery that failed so lately is one of the webhook as it is.
constexpr std::int64_t lately = 15 * 60 * 1000;

std::string own_url(std::string_view base, bot_id bot) {
  while (base.ends_with('/'))
    base.remove_suffix(1);
  return base.empty() ? std::string{} : std::string{base} + "/webhook/" + std::to_string(bot);
}

} // namespace

intake_mode webhooks_state::mode_of(const updates::intake_settings& how) const {
  if (how.mode != intake_mode::automatic)
    return how.mode;
  return cfg.public_url.empty() ? intake_mode::polling : intake_mode::webhook;
}

bool webhooks_state::is_ours(const look& x) const {
  const auto& url = x.info.url;
  return !url.empty()
         && (url == own_url(cfg.public_url, x.bot) || url == own_url(cfg.former_url, x.bot));
}

void webhooks_state::call(const look_ptr& x, std::string method, form body,
                          std::function<void(const method_answer&)> then) {
  auto registrar = ports.found->updates->registrar.get();
  if (!registrar)
    return refused(x, caf::make_error(caf::sec::request_receiver_down));
  method_call what;
  what.bot = x->bot;
  what.method = std::move(method);
  what.body = std::move(body.body);
  what.content_type = std::move(body.content_type);
  what.patience = cfg.patience;
  what.own = true;
  self->request(registrar, caf::infinite, std::move(what))
    .then(
      [this, x, then](const method_answer& said) {
        if (!find(*x))
          return finish(x, {});
        if (said.status == 200 && is_ok(said.body))
          return then(said);
        failed(x, description_of(said.body));
      },
      [this, x](const caf::error& why) { refused(x, why); });
}

void webhooks_state::settle(const look_ptr& x) {
  call(x, "getWebhookInfo", {}, [this, x](const method_answer& said) {
    auto info = read_info(said.body);
    if (!info)
      return failed(x, "getWebhookInfo: an answer that is none");
    x->info = std::move(*info);
    auto& bot = *find(*x);
    bool tells = !x->info.last_error.empty() || x->info.pending > 0;
    if (bot.more || tells) {
      auto& view = details(bot).view;
      view.pending = x->info.pending;
      view.last_error = x->info.last_error;
      view.last_error_at = x->info.last_error_at;
      view.checked = ports.found->updates->wall();
    }
    decide(x);
  });
}

void webhooks_state::decide(const look_ptr& x) {
  const auto& how = x->how->intake;
  auto mode = mode_of(how);
  bool ours = is_ours(*x);
  bool foreign = !x->info.url.empty() && !ours;
  if (x->released) {
    // Taken over by deleting it, when the bot is polled; whatever its settings say by now.
    bool deleted = x->info.url.empty() && mode == intake_mode::polling;
    auto over = [this, x] { finish(x, {}); };
    return ours || deleted ? give_back(x, over) : over();
  }
  if (mode == intake_mode::none) {
    stop_polling(x->bot, *find(*x));
    auto over = [this, x] { settled(x, intake_state::none); };
    return ours ? give_back(x, over) : over();
  }
  if (mode == intake_mode::webhook && cfg.public_url.empty())
    return failed(x, "updates.mode is \"webhook\", and the node has no webhook.public-url");
  if (foreign && !how.take_over)
    return elsewhere(x);
  if (foreign)
    return remember(x, [this, x, mode] {
      log::event(log::level::warning, "webhook.taken-over", name,
                 {{"bot", x->bot}, {"url", shown_url(x->info.url)}},
                 "A bot's webhook led elsewhere; it was told to be taken over.");
      if (mode == intake_mode::webhook)
        make_ours(x);
      else
        make_none(x, [this, x] { poll(x); });
    });
  if (mode == intake_mode::polling)
    return ours ? make_none(x, [this, x] { poll(x); }) : poll(x);
  // Telegram tells of its last delivery only; a wrong secret shows there and nowhere else, as does
  // a certificate of before the node got another one.
  auto says = [&](std::string_view what) {
    return x->info.last_error.find(what) != std::string::npos;
  };
  bool rejected = (says("403") || (!cfg.certificate.empty() && says("certificate verify failed")))
                  && x->info.last_error_at > ports.found->updates->wall() - lately;
  bool good = x->info.url == own_url(cfg.public_url, x->bot) && !rejected
              && fits(x->info, how, !cfg.certificate.empty());
  if (good) {
    stop_polling(x->bot, *find(*x));
    return settled(x, intake_state::webhook);
  }
  make_ours(x);
}

void webhooks_state::make_ours(const look_ptr& x) {
  auto& bot = *find(*x);
  bool drifted = bot.state == intake_state::webhook;
  stop_polling(x->bot, bot); // A poll and a webhook never go together.
  auto body = set_webhook(own_url(cfg.public_url, x->bot), ports.secret->of(x->bot), x->how->intake,
                          cfg.certificate);
  call(x, "setWebhook", std::move(body), [this, x, drifted](const method_answer&) {
    if (drifted) {
      ++repaired;
      log::event(log::level::warning, "webhook.repaired", name,
                 {{"bot", x->bot}, {"url", shown_url(x->info.url)}},
                 "Somebody had changed a bot's webhook; it is as it was.");
    } else {
      log::event(log::level::info, "webhook.set", name, {{"bot", x->bot}},
                 "Telegram sends a bot's updates here.");
    }
    settled(x, intake_state::webhook);
  });
}

/// No webhook; what waits at Telegram stays.
void webhooks_state::make_none(const look_ptr& x, std::function<void()> then) {
  call(x, "deleteWebhook", {R"({"drop_pending_updates":false})"}, [this, x, then](const auto&) {
    log::event(log::level::info, "webhook.deleted", name, {{"bot", x->bot}},
               "Telegram sends a bot's updates nowhere now.");
    then();
  });
}

void webhooks_state::give_back(const look_ptr& x, std::function<void()> then) {
  recall(x, [this, x, then](const std::string& before) {
    auto body = put_back(before);
    if (!body)
      return x->info.url.empty() ? then() : make_none(x, then);
    call(x, "setWebhook", std::move(*body), [x, then](const auto&) {
      log::event(log::level::info, "webhook.put-back", name, {{"bot", x->bot}},
                 "A bot's webhook leads where it did before; its secret token must be set anew.");
      then();
    });
  });
}

void webhooks_state::recall(const look_ptr& x, std::function<void(std::string)> then) {
  auto store = ports.store ? ports.store() : store_actor{};
  if (!store)
    return failed(x, "the store does not answer", restart_pause);
  self->request(store, caf::infinite, bot_lookup{0, {x->bot}})
    .then(
      [this, x, then](const bot_batch& said) {
        if (!find(*x))
          return finish(x, {});
        then(said.bots.empty() ? "" : updates::webhook_before(said.bots.front().settings));
      },
      [this, x](const caf::error&) { failed(x, "the store does not answer", restart_pause); });
}

void webhooks_state::remember(const look_ptr& x, std::function<void()> then) {
  auto store = ports.store ? ports.store() : store_actor{};
  if (!store)
    return failed(x, "the store does not answer", restart_pause);
  auto no_store = [this, x](const caf::error&) {
    failed(x, "the store does not answer", restart_pause);
  };
  self->request(store, caf::infinite, bot_lookup{0, {x->bot}})
    .then(
      [this, x, then, no_store](const bot_batch& said) {
        auto registrar = ports.found->updates->registrar.get();
        if (!find(*x))
          return finish(x, {});
        if (said.bots.empty() || !registrar)
          return no_store({});
        const auto& row = said.bots.front();
        auto before = remembered(x->info);
        auto known = updates::webhook_before(row.settings);
        // What somebody else set meanwhile is no part of what was there before.
        bool drifted = !known.empty() && find(*x)->state == intake_state::webhook;
        if (known == before || drifted)
          return then();
        bot_change what;
        what.tenant = row.tenant;
        what.bot = row.id;
        what.version = row.version;
        what.name = row.name;
        what.rps = row.rps;
        what.concurrent = row.concurrent;
        what.settings = updates::with_webhook_before(row.settings, before);
        self->request(registrar, caf::infinite, std::move(what))
          .then(
            [this, x, then](const bot_row&) {
              if (!find(*x))
                return finish(x, {});
              then();
            },
            no_store);
      },
      no_store);
}

void webhooks_state::poll(const look_ptr& x) {
  auto& bot = *find(*x);
  bot.polled = true;
  if (auto poller = ports.found->updates->poller.get())
    caf::anon_send(poller, poll_bot{x->bot, bot.tenant, allowed_json(x->how->intake)});
  settled(x, intake_state::polling);
}

void webhooks_state::stop_polling(bot_id bot, kept_bot& x) {
  if (!std::exchange(x.polled, false))
    return;
  if (auto poller = ports.found->updates->poller.get())
    caf::anon_send(poller, poll_stop{bot});
}

// -- ends of a look -------------------------------------------------------------------------------

void webhooks_state::settled(const look_ptr& x, intake_state state) {
  if (auto* bot = find(*x)) {
    resolve(x->bot, *bot);
    if (bot->more) {
      bot->more->failures = 0;
      bot->more->view.reason.clear();
      bot->more->view.elsewhere = state == intake_state::none ? shown_url(x->info.url) : "";
      if (bot->more->view.last_error.empty() && bot->more->view.elsewhere.empty())
        bot->more.reset();
    }
    bot->state = state;
  }
  finish(x, cfg.check_every);
}

void webhooks_state::elsewhere(const look_ptr& x) {
  auto& bot = *find(*x);
  stop_polling(x->bot, bot);
  auto& more = details(bot);
  more.failures = 0;
  more.view.elsewhere = shown_url(x->info.url);
  more.view.reason =
    "Telegram's webhook of this bot leads elsewhere; updates.take_over replaces it";
  bot.state = intake_state::elsewhere;
  raise(x->bot, bot, "webhook.elsewhere", "its webhook leads to " + more.view.elsewhere,
        "A bot's updates go elsewhere; nobody said to take them over.");
  finish(x, cfg.check_every);
}

void webhooks_state::failed(const look_ptr& x, const std::string& why, caf::timespan retry) {
  auto* bot = find(*x);
  if (bot == nullptr || x->released) {
    if (x->released)
      log::event(log::level::warning, "webhook.not-released", name,
                 {{"bot", x->bot}, {"reason", std::string_view{why}}},
                 "A bot is removed, and its webhook stays as it is at Telegram.");
    return finish(x, {});
  }
  auto& more = details(*bot);
  more.view.reason = why;
  if (retry.count() > 0)
    return finish(x, retry);
  ++more.failures;
  if (bot->state != intake_state::polling) // Polls tell themselves whether they go on.
    bot->state = intake_state::failing;
  log::event(
    log::level::warning, "webhook.failed", name,
    {{"bot", x->bot}, {"reason", std::string_view{why}}, {"attempt", std::int64_t{more.failures}}},
    "A bot's webhook is not as it should be; it is tried again.");
  if (more.failures >= failures_of_alert)
    raise(x->bot, *bot, "webhook.failing", why, "A bot's updates do not come in.");
  backoff pauses;
  pauses.first = cfg.first_retry;
  pauses.longest = cfg.last_retry;
  finish(x, pauses.delay(more.failures, random()));
}

void webhooks_state::refused(const look_ptr& x, const caf::error& why) {
  auto* bot = find(*x);
  if (bot == nullptr)
    return finish(x, {});
  if (why == ec::suspended || why == ec::unauthorized || why == ec::quarantined) {
    if (!x->released)
      bot->state = intake_state::resting; // The registrar tells when it goes on; look all the same.
    return finish(x, cfg.check_every);
  }
  if (why.category() == caf::type_id_v<caf::sec> || why == store_refusal::unavailable)
    return failed(x, "a part of the node restarts", restart_pause);
  failed(x, "Telegram cannot be asked: " + caf::to_string(why));
}

void webhooks_state::finish(const look_ptr& x, caf::timespan next) {
  if (std::exchange(x->over, true))
    return;
  --running;
  if (auto* bot = find(*x)) {
    bot->busy = false;
    if (x->released) {
      // Until it is gone, or served anew.
    } else if (std::exchange(bot->again, false)) {
      bot->queued = true;
      urgent.push_back(x->bot);
    } else if (next.count() > 0) {
      // Spread, so that what began together does not stay together.
      auto spread = next >= cfg.check_every ? 0.9 + 0.2 * random() : 1.0;
      auto wait = std::chrono::duration<double>(next) * spread;
      schedule_in(x->bot, *bot, std::chrono::duration_cast<caf::timespan>(wait));
    }
  }
  if (x->released)
    x->released();
  pump();
}

void webhooks_state::raise(bot_id bot, kept_bot& x, std::string_view alert, std::string_view reason,
                           std::string_view note) {
  if (std::exchange(details(x).alerted, true))
    return;
  log::event(
    log::level::error, "alert.raised", name,
    {{"bot", bot}, {"tenant", std::int64_t{x.tenant}}, {"alert", alert}, {"reason", reason}}, note);
}

void webhooks_state::resolve(bot_id bot, kept_bot& x) {
  if (!x.more || !std::exchange(x.more->alerted, false))
    return;
  std::string_view alert =
    x.state == intake_state::elsewhere ? "webhook.elsewhere" : "webhook.failing";
  log::event(log::level::info, "alert.resolved", name,
             {{"bot", bot}, {"tenant", std::int64_t{x.tenant}}, {"alert", alert}},
             "A bot's updates come in as its settings say, or it is gone.");
}

} // namespace troupe::keeping
