#include "actors/webhooks/state.hpp"
#include "runtime/log/log.hpp"

#include <chrono>

namespace troupe::keeping {
namespace {

using namespace std::chrono_literals;

/// Whose codes are tried in one minute, of one bot.
constexpr std::size_t most_senders = 100;

std::string_view words_for(code_verdict x) {
  switch (x) {
  case code_verdict::verified:
    return "Thank you: this bot is yours, and it works from now on.";
  case code_verdict::wrong:
    return "This is not the code that the bot waits for. Please look at it once more.";
  case code_verdict::too_many_attempts:
    return "Too many wrong codes were sent. Please ask for a new code.";
  case code_verdict::expired:
    return "This code is too old. Please ask for a new one.";
  case code_verdict::no_code:
    return {}; // Nobody asked for a proof: whoever writes may be anybody.
  }
  return {};
}

} // namespace

void webhooks_state::try_code(const code_received& x) {
  auto found = bots.find(x.bot);
  if (found == bots.end() || found->second.phase != bot_phase::pending)
    return;
  auto& tried = codes[x.bot];
  if (tried.since == time_point{} || now() - tried.since >= 1min)
    tried = {now(), {}, 0};
  // Whoever guesses learns nothing. Many follow links with "/start" to a bot: its owner shall not
  // have to wait for them.
  if (tried.by.size() >= most_senders && !tried.by.contains(x.sender))
    return;
  if (++tried.by[x.sender] > cfg.codes_per_minute)
    return;
  auto registrar = ports.found->updates->registrar.get();
  if (!registrar)
    return; // It is sent again, by whoever wants an answer.
  self->request(registrar, caf::infinite, verification_try{x.bot, x.code, x.sender})
    .then([this, x](code_verdict verdict) { tell_verdict(x, verdict); },
          [x](const caf::error& why) {
            log::event(log::level::warning, "bot.code-not-tried", name,
                       {{"bot", x.bot}, {"reason", caf::to_string(why)}},
                       "A code could not be checked; its sender may send it again.");
          });
}

void webhooks_state::tell_verdict(const code_received& x, code_verdict verdict) {
  log::event(log::level::info, "bot.code-tried", name,
             {{"bot", x.bot}, {"verdict", to_string(verdict)}}, "A pending bot was sent a code.");
  auto words = words_for(verdict);
  // The bot does not flood anybody.
  auto tried = codes.find(x.bot);
  if (verdict == code_verdict::verified)
    codes.erase(x.bot);
  else if (!words.empty() && tried != codes.end()
           && ++tried->second.answered > cfg.codes_per_minute)
    words = {};
  auto registrar = ports.found->updates->registrar.get();
  if (words.empty() || !registrar || x.chat == 0)
    return;
  method_call what;
  what.bot = x.bot;
  what.method = "sendMessage";
  what.body = message_to(x.chat, words);
  what.patience = cfg.patience;
  what.own = true;
  self->request(registrar, caf::infinite, std::move(what))
    .then([](const method_answer&) {},
          [x](const caf::error& why) {
            log::event(log::level::warning, "bot.code-not-answered", name,
                       {{"bot", x.bot}, {"reason", caf::to_string(why)}},
                       "The sender of a code could not be told.");
          });
}

} // namespace troupe::keeping
