#pragma once
#include "runtime/api/ask.hpp"
#include "runtime/api/ports.hpp"
#include "runtime/api/scrape.hpp"

#include <caf/actor_cast.hpp>

/// What the routes share. Private to this folder.
namespace troupe::api {

struct context {
  explicit context(ports from) : p(std::move(from)), seen(p.instruments) {}

  ports p;
  scrape seen;

  /// Asks whoever `getter` leads to for its report.
  template <class Report, class Getter>
  question<Report> report_of(const Getter& getter, net::http_executor io, std::uint32_t limit) {
    caf::strong_actor_ptr whom;
    if (getter)
      whom = caf::actor_cast<caf::strong_actor_ptr>(getter());
    return ask<Report>(*p.system, io, std::move(whom), get_report{limit}, p.answer_timeout);
  }
};

} // namespace troupe::api
