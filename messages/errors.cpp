#include "messages/errors.hpp"

#include <caf/sec.hpp>

namespace troupe {

bool is_transient(const caf::error& err) noexcept {
  if (err.category() == caf::type_id_v<ec>) {
    switch (static_cast<ec>(err.code())) {
    case ec::quarantined:
    case ec::queue_full:
    case ec::budget_wait_too_long:
    case ec::breaker_open:
    case ec::upstream_open:
    case ec::no_session:
    case ec::draining:
    case ec::deadline_passed:
    case ec::transport_failed:
    case ec::passivated:
      return true;
    default:
      return false;
    }
  }
  return err == caf::sec::request_receiver_down || err == caf::sec::broken_promise
         || err == caf::sec::runtime_error;
}

} // namespace troupe
