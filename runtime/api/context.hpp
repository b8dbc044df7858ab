#pragma once
#include "runtime/api/ask.hpp"
#include "runtime/api/key_gate.hpp"
#include "runtime/api/limits.hpp"
#include "runtime/api/ports.hpp"
#include "runtime/api/scrape.hpp"
#include "runtime/api/shared_limits.hpp"
#include "runtime/registry/cluster_view.hpp"

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include <atomic>

/// What the routes share. Private to this folder.
namespace troupe::api {

struct context : std::enable_shared_from_this<context> {
  explicit context(ports from)
    : p(std::move(from)), seen(p.instruments), requests(p.limits.requests_per_minute),
      creations(p.limits.creations_per_minute), failures(p.limits.failures_per_minute) {}

  ~context() {
    if (peer)
      caf::anon_send_exit(peer, caf::exit_reason::user_shutdown);
  }

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

  quota& quota_of(quota_kind kind) noexcept {
    return kind == quota_kind::requests    ? requests
           : kind == quota_kind::creations ? creations
                                           : failures;
  }
  [[nodiscard]] const quota& quota_of(quota_kind kind) const noexcept {
    return const_cast<context*>(this)->quota_of(kind);
  }

  ports p;
  scrape seen;
  quota requests;  ///< By user.
  quota creations; ///< By address, as the next.
  quota failures;  ///< Keys that were wrong.
  /// Null in a node by itself, as the next.
  std::unique_ptr<shared_limits> shared;
  api_peer_actor peer;
  key_gate keys; ///< Of addresses whose failures are used up.
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

  /// The desk of another node that has the bot, empty when nobody there can be asked; nothing: the
  /// bot is this node's.
  [[nodiscard]] std::optional<caf::actor> abroad(bot_id bot) const {
    if (!p.cluster || p.cluster->owns(bot))
      return std::nullopt;
    return p.cluster->desk_of(bot);
  }

  /// Asks a part of this node, or that of the node that has the bot.
  template <class Answer, class Getter, class Request>
  question<Answer> ask_of(net::http_executor io, bot_id bot, peer_part part, const Getter& here,
                          Request what) {
    auto desk = abroad(bot);
    if (!desk)
      return ask<Answer>(*p.system, io, handle(here), std::move(what), p.answer_timeout);
    return ask_desk<Answer>(io, *desk, part, std::move(what));
  }
  template <class Answer, class Request>
  question<Answer> ask_desk(net::http_executor io, const caf::actor& desk, peer_part part,
                            Request what) {
    return ask<Answer>(*p.system, io, caf::actor_cast<caf::strong_actor_ptr>(desk),
                       peer_request{part, caf::make_message(std::move(what))}, p.answer_timeout);
  }

  template <class Answer, class Request>
  question<Answer> ask_journal(net::http_executor io, Request what) {
    auto bot = what.bot;
    return ask_of<Answer>(io, bot, peer_part::journal, p.journal, std::move(what));
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
