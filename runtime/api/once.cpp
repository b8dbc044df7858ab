#include "runtime/api/once.hpp"
#include "runtime/api/ask.hpp"
#include "runtime/api/errors.hpp"
#include "runtime/registry/request_end.hpp"

#include <caf/stateful_actor.hpp>

#include <atomic>

namespace troupe::api {


namespace {

/// A single call, from its key's beginning to its end.
struct once_state {
  static inline const char* name = "troupe.api.once";

  struct settings {
    std::shared_ptr<question<once_answer>::box> box;
    std::function<store_actor()> store;
    registrar_actor registrar;
    idempotency_begin first;
    method_call what;
    caf::timespan answer_timeout;
    caf::timespan long_timeout;
  };

  once_state(caf::event_based_actor* self, settings from) : self(self), my(std::move(from)) {}

  caf::behavior make_behavior() {
    auto store = my.store ? my.store() : store_actor{};
    if (!store) {
      tell(caf::make_error(caf::sec::invalid_argument));
      return {};
    }
    // However long it takes: a key whose beginning nobody heard of would have no end.
    self->request(store, caf::infinite, my.first)
      .then([this](idempotency_answer& x) { on_begin(x); },
            [this](caf::error& why) {
              tell(std::move(why));
              self->quit();
            });
    self->run_delayed(my.long_timeout, [this] { be_late(); });
    return {[](caf::ok_atom) {}};
  }

  void be_late() {
    once_answer x;
    x.what = idempotency_what::running;
    tell(begun ? caf::expected<once_answer>{std::move(x)}
               : caf::expected<once_answer>{caf::make_error(caf::sec::request_timeout)});
  }

  void on_begin(idempotency_answer& x) {
    if (x.what != idempotency_what::started) {
      tell(once_answer{x.what, {x.status, std::move(x.content_type), std::move(x.body)}, {}});
      return self->quit();
    }
    if (*told || !my.box->is_wanted() || !my.registrar) {
      auto why = my.registrar ? caf::sec::request_timeout : caf::sec::invalid_argument;
      return end(idempotency_end_kind::forget, {}, caf::make_error(why));
    }
    begun = true;
    self->request(my.registrar, caf::infinite, my.what)
      .then([this](method_answer& said) { end(ending_of(said.status), std::move(said), {}); },
            [this](caf::error& why) {
              auto how = may_have_happened(why) ? idempotency_end_kind::lose
                                                : idempotency_end_kind::forget;
              end(how, {}, std::move(why));
            });
  }

  /// Whatever else goes wrong does so before anything is sent.
  static bool may_have_happened(const caf::error& why) {
    if (why == ec::transport_failed)
      return !why.context().match_elements<refusal>();
    return is_silence(why) || why == store_refusal::outcome_unknown;
  }

  /// The answer is given when it is kept, so that a repetition gets the same; but nobody waits for
  /// long for a store that cannot keep it now.
  void end(idempotency_end_kind how, method_answer said, caf::error why) {
    idempotency_end last{my.first.tenant, my.first.bot, my.first.key, how, {}};
    last.answer.status = said.status;
    last.answer.content_type = said.content_type;
    last.answer.body = said.body;
    once_answer x;
    x.said = std::move(said);
    x.why = std::move(why);
    if (how == idempotency_end_kind::lose)
      x.what = idempotency_what::outcome_unknown;
    auto answer = [told = told, box = my.box, x](const caf::error&) {
      if (!told->exchange(true))
        box->deliver(x);
    };
    tell_end(self->system(), my.store, std::move(last), answer);
    self->run_delayed(my.answer_timeout, [this, answer] {
      answer({});
      self->quit();
    });
  }

  void tell(caf::expected<once_answer> x) {
    if (!told->exchange(true))
      my.box->deliver(std::move(x));
  }

  caf::event_based_actor* self;
  settings my;
  std::shared_ptr<std::atomic<bool>> told = std::make_shared<std::atomic<bool>>(false);
  bool begun = false;
};

} // namespace

question<once_answer> ask_once(const context& ctx, net::http_executor io, idempotency_begin first,
                               method_call what) {
  auto box = std::make_shared<question<once_answer>::box>(io);
  once_state::settings all;
  all.box = box;
  all.store = ctx.p.store;
  if (ctx.p.registrar)
    all.registrar = ctx.p.registrar();
  all.first = std::move(first);
  all.what = std::move(what);
  all.answer_timeout = ctx.p.answer_timeout;
  all.long_timeout = ctx.p.long_timeout;
  ctx.p.system->spawn<caf::stateful_actor<once_state>, caf::hidden>(std::move(all));
  return question<once_answer>{std::move(box)};
}

} // namespace troupe::api
