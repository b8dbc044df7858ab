#pragma once
#include "runtime/api/ask.hpp"
#include "runtime/api/key_gate.hpp"
#include "runtime/api/limits.hpp"
#include "runtime/api/ports.hpp"
#include "runtime/api/scrape.hpp"

#include <caf/actor_cast.hpp>

#include <atomic>

/// What the routes share. Private to this folder.
namespace troupe::api {

struct context {
  explicit context(ports from)
    : p(std::move(from)), seen(p.instruments), requests(p.limits.requests_per_minute),
      creations(p.limits.creations_per_minute), failures(p.limits.failures_per_minute) {}

  /// The limits as they are now. On any thread, for each request.
  const api_limits& limits() {
    if (!p.live)
      return p.limits;
    auto& now = p.live->get();
    if (known_limits.exchange(&now) != &now) {
      requests.set(now.requests_per_minute);
      creations.set(now.creations_per_minute);
      failures.set(now.failures_per_minute);
    }
    return now;
  }

  ports p;
  scrape seen;
  quota requests;  ///< By user.
  quota creations; ///< By address, as the next.
  quota failures;  ///< Keys that were wrong.
  key_gate keys;   ///< Of addresses whose failures are used up.
  std::atomic<const api_limits*> known_limits{nullptr};

  /// Asks whoever `getter` leads to for its report.
  template <class Report, class Getter>
  question<Report> report_of(const Getter& getter, net::http_executor io, std::uint32_t limit) {
    return ask<Report>(*p.system, io, handle(getter), get_report{limit}, p.answer_timeout);
  }

  template <class Answer, class Request>
  question<Answer> ask_store(net::http_executor io, Request what) {
    return ask<Answer>(*p.system, io, handle(p.store), std::move(what), p.answer_timeout);
  }

  template <class Answer, class Request>
  question<Answer> ask_journal(net::http_executor io, Request what) {
    return ask<Answer>(*p.system, io, handle(p.journal), std::move(what), p.answer_timeout);
  }

  /// Where the store has much to do, or waits for somebody.
  template <class Answer, class Request>
  question<Answer> ask_store_long(net::http_executor io, Request what) {
    return ask<Answer>(*p.system, io, handle(p.store), std::move(what), p.long_timeout);
  }

  /// With the long timeout: the registrar asks the Bot API.
  template <class Answer, class Request>
  question<Answer> ask_registrar(net::http_executor io, Request what) {
    return ask<Answer>(*p.system, io, handle(p.registrar), std::move(what), p.long_timeout);
  }

  template <class Getter>
  static caf::strong_actor_ptr handle(const Getter& getter) {
    return getter ? caf::actor_cast<caf::strong_actor_ptr>(getter()) : nullptr;
  }
};

} // namespace troupe::api
