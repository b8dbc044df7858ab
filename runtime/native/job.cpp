#include "runtime/native/job.hpp"

#include "runtime/log/log.hpp"

#include <boost/json.hpp>

namespace troupe::native {
namespace {

namespace json = boost::json;

/// The chat that an update came from: of its message, or of the message that it is about.
const json::value* chat_of(const json::value& update) {
  if (!update.is_object())
    return nullptr;
  for (const auto& [key, what] : update.get_object()) {
    const auto* from = what.if_object();
    if (!from)
      continue;
    if (const auto* message = from->if_contains("message"); message && message->is_object())
      from = &message->get_object();
    const auto* chat = from->if_contains("chat");
    if (chat && chat->is_object())
      return chat->get_object().if_contains("id");
  }
  return nullptr;
}

} // namespace

bool job::run(clock::time_point until) {
  deadline_ = until;
  try {
    order_.to->on({order_.id, order_.kind, order_.body.str(), order_.attempt}, *this);
  } catch (const std::exception& x) {
    end({run_end::threw, x.what()});
    return true;
  } catch (...) {
    end({run_end::threw, "what is no std::exception"});
    return true;
  }
  one_less();
  return false;
}

void job::end(run_result how) {
  if (!ended_.exchange(true))
    order_.done(std::move(how));
}

void job::write_off() {
  written_off_ = true;
  end({run_end::overran, "the handler did not return in time"});
}

void job::check() const {
  if (written_off_)
    throw overrun{};
}

void job::one_less() {
  if (--open_ == 0)
    end({});
}

void job::make(std::string method, std::string json, std::function<void(answer)> then) {
  check();
  ++open_;
  order_.call(std::move(method), std::move(json),
              [self = shared_from_this(), then = std::move(then)](answer x) {
                then(std::move(x));
                self->one_less();
              });
}

void job::send(std::string method, std::string json) {
  make(method, std::move(json), [self = shared_from_this(), method](const answer& x) {
    if (x.ok())
      return;
    log::event(log::level::warning, "native.call-failed", "troupe.native",
               {{"bot", self->order_.bot},
                {"handler", self->order_.name},
                {"method", method},
                {"status", std::int64_t{x.status}},
                {"reason", x.error}},
               "A handler's call was not carried out.");
  });
}

std::future<answer> job::call(std::string method, std::string json) {
  auto promise = std::make_shared<std::promise<answer>>();
  auto result = promise->get_future();
  make(std::move(method), std::move(json),
       [promise](answer x) { promise->set_value(std::move(x)); });
  return result;
}

void job::reply(std::string_view text) {
  check();
  json::error_code err;
  auto update = json::parse(order_.body.str(), err);
  const auto* chat = err ? nullptr : chat_of(update);
  if (!chat)
    return;
  json::object body{{"chat_id", *chat}, {"text", json::string_view{text.data(), text.size()}}};
  send("sendMessage", json::serialize(body));
}

void job::log(importance how, std::string_view text) {
  constexpr log::level levels[]{log::level::info, log::level::warning, log::level::error};
  log::event(levels[static_cast<std::size_t>(how)], "native.note", "troupe.native",
             {{"bot", order_.bot}, {"handler", order_.name}}, text);
}

} // namespace troupe::native
