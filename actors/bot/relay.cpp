#include "actors/bot/inbox.hpp"
#include "messages/delivery.hpp"
#include "messages/registrar.hpp"
#include "runtime/log/log.hpp"
#include "runtime/telegram/methods.hpp"
#include "runtime/telegram/params.hpp"

#include <algorithm>
#include <cctype>

namespace troupe::bot {
namespace {

using namespace std::chrono_literals;

/// A receiver that says that it is gone is left alone for so long.
constexpr caf::timespan gone_pause = 1h;

/// Longer than a receiver may ask for with Retry-After.
constexpr caf::timespan longest_hold = 1h;

/// Answers that say "not now" rather than "not this": none of an update's attempts.
bool says_not_now(std::uint16_t status) noexcept {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

/// How long a method that an answer asks for may wait and take.
constexpr caf::timespan reply_patience = 30s;

/// The method that an answer asks for; empty: none, or one that is ignored there.
std::string asked_method(const relay_result& x) {
  if (x.body.empty())
    return {};
  telegram::call_params params;
  telegram::read_body(x.body, x.content_type, {}, params);
  auto name = params.method;
  std::string small = name;
  std::transform(small.begin(), small.end(), small.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto& known = telegram::method(telegram::find_method(name));
  bool ignored = small.starts_with("get") || known.has(telegram::method_trait::delivery)
                 || known.has(telegram::method_trait::local);
  return ignored ? std::string{} : name;
}

class relay final : public receiver {
public:
  using receiver::receiver;

  std::size_t places(const updates::update_settings& how) const override {
    return how.delivery.relay.max_connections;
  }

  void hand_over(const stored_update& what, std::uint32_t attempt,
                 const updates::update_settings& how) override {
    auto seq = what.seq;
    auto delivery = in.services().delivery.get();
    if (!delivery)
      return in.later(seq);
    in.bot.self
      ->request(delivery, caf::infinite,
                relay_request{in.bot.id, in.bot.spec.tenant, ++requests_, attempt, what.body})
      .then([this, seq, to = how.delivery.relay.url](
              relay_result& x) { ended(seq, std::move(x), to); },
            // The service died with it, or has no place: nobody's fault but the node's.
            [this, seq](const caf::error&) { in.later(seq); });
  }

private:
  void ended(std::int64_t seq, relay_result x, const std::string& url) {
    attempt_note why;
    switch (x.how) {
    case relay_end::answered:
      return answered(seq, std::move(x), url);
    case relay_end::not_relayed: // Its entry has changed: the inbox sees that, too.
      return in.later(seq);
    case relay_end::not_sent:
    case relay_end::forbidden:
      why.counted = false; // The receiver never had it.
      break;
    case relay_end::broken:
    case relay_end::timeout:
      break;
    }
    why.reason = x.reason.empty() ? to_string(x.how) : std::move(x.reason);
    note(why.reason, url);
    in.failed(seq, std::move(why));
  }

  /// getWebhookInfo tells of it.
  void note(const std::string& reason, const std::string& url) {
    in.services().book.set_error(in.bot.id, {in.wall(), reason, url});
  }

  void answered(std::int64_t seq, relay_result x, const std::string& url) {
    if (x.status >= 200 && x.status < 300) {
      reply(std::move(x));
      return in.delivered(seq);
    }
    attempt_note why;
    why.reason = "the receiver answered " + std::to_string(x.status);
    note(why.reason, url);
    why.counted = !says_not_now(x.status);
    if (x.retry_after.count() > 0)
      why.hold = std::min(x.retry_after, longest_hold);
    if (x.status == 410) {
      why.counted = false;
      in.pause(gone_pause, why.reason);
    }
    in.failed(seq, std::move(why));
  }

  /// The answer may be a method call (Bot API, "Making requests when getting updates"). What becomes
  /// of it nobody learns; it does not undo the delivery.
  void reply(relay_result x) {
    method_call what;
    what.method = asked_method(x);
    auto registrar = in.services().registrar.get();
    if (what.method.empty() || !registrar)
      return;
    what.tenant = in.bot.spec.tenant;
    what.bot = in.bot.id;
    what.body = std::move(x.body);
    what.content_type = std::move(x.content_type);
    what.patience = reply_patience;
    // The inbox may be gone when it is answered.
    in.bot.self->request(registrar, caf::infinite, std::move(what))
      .then([](const method_answer&) {},
            [bot = in.bot.id](const caf::error& why) {
              auto reason = to_string(why);
              log::event(log::level::info, "reply.failed", bot_state::name,
                         {{"bot", bot}, {"reason", std::string_view{reason}}},
                         "A method that a receiver's answer asked for was not called.");
            });
  }

  std::uint64_t requests_ = 0;
};

} // namespace

std::unique_ptr<receiver> make_relay(inbox& to) {
  return std::make_unique<relay>(to);
}

} // namespace troupe::bot
