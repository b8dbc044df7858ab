#pragma once
#include "messages/handles.hpp"

namespace troupe {

/// Refuse new calls from now on; those under way go on.
struct drain {
  bool close_listener = true;
};

struct gateway_report {
  std::uint32_t connections = 0;
  std::uint32_t calls = 0; ///< Under way: from the head's reading to the answer written.
  std::uint64_t accepted_total = 0;
  std::uint64_t calls_total = 0;
};

/// GATEWAY: one per I/O thread. Accepts the clients' connections of its thread, sends their calls
/// to the bots and tells the connections what was granted.
/// Owns: its thread's listener and connections. Blocks: never. Calls: bots, directory.
/// Fails: a restart closes its connections; the pool reclaims nothing, since bots hold the leases:
/// the connections report their leases' end before they close.
///
///   drain: answered once it is heard. get_report → gateway_report.

template <class Inspector>
bool inspect(Inspector& f, drain& x) {
  return f.object(x).fields(f.field("close_listener", x.close_listener));
}

template <class Inspector>
bool inspect(Inspector& f, gateway_report& x) {
  return f.object(x).fields(f.field("connections", x.connections), f.field("calls", x.calls),
                            f.field("accepted_total", x.accepted_total),
                            f.field("calls_total", x.calls_total));
}

} // namespace troupe
