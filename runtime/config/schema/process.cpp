#include "runtime/config/schema/sections.hpp"

// Settings of the process itself: node, supervisor, log, secrets.
namespace troupe::config {
namespace {

const std::array of_node{
  option{"node", "name", AT(node.name), "Written as `node` into every log line; empty: left out."},
  option{"node", "data-dir", AT(node.data_dir),
         "Directory for what the node keeps; created with mode 0700 when missing."},
  option{"node",
         "drain-timeout",
         AT(node.drain_timeout),
         "After SIGTERM, calls under way may finish for so long.",
         {},
         0,
         hour},
  option{"node", "demo-faults", AT(node.demo_faults),
         "For demonstrations: a request with the header `X-Troupe-Crash: bot` kills its bot's "
         "actor, with "
         "`connection` its own connection fails while it has a session."},
  option{"node", "threads", AT(node.threads),
         "Actor worker threads beside the I/O threads (gateway.threads).", "threads", 1, 256},
};

const std::array of_supervisor{
  option{"supervisor", "intensity", AT(supervisor.intensity),
         "A service that crashes more often than this within `period` ends its supervisor.",
         "restarts", 0, 1000},
  option{"supervisor",
         "period",
         AT(supervisor.period),
         "Time in which `intensity` counts.",
         {},
         second,
         day},
  option{"supervisor",
         "shutdown-deadline",
         AT(supervisor.shutdown_deadline),
         "A child that was asked to stop is killed after this.",
         {},
         ms,
         hour},
  option{"supervisor",
         "restart-delay",
         AT(supervisor.restart_delay),
         "Pause before a crashed child starts again.",
         {},
         0,
         minute},
  option{"supervisor", "bot-intensity", AT(supervisor.bot_intensity),
         "A bot that crashes more often than this within `bot-period` is quarantined.", "restarts",
         0, 1000},
  option{"supervisor",
         "bot-period",
         AT(supervisor.bot_period),
         "Time in which `bot-intensity` counts.",
         {},
         second,
         day},
  option{"supervisor",
         "quarantine",
         AT(supervisor.quarantine),
         "A bot's first quarantine; every further one is twice as long. The default never exceeds "
         "quarantine-max.",
         {},
         second,
         day},
  option{"supervisor",
         "quarantine-max",
         AT(supervisor.quarantine_max),
         "The longest quarantine.",
         {},
         second,
         30 * day},
};

const std::array of_log{
  option{"log",
         "level",
         AT(log.level),
         "The least severe lines that are written.",
         {},
         0,
         0,
         form::choice,
         "debug|info|warning|error",
         live},
  option{"log",
         "format",
         AT(log.format),
         "auto: human on a terminal, JSON otherwise.",
         {},
         0,
         0,
         form::choice,
         "auto|json|human",
         live},
  changes_live(option{"log",
                      "file",
                      AT(log.file),
                      "Lines are appended to this file; SIGHUP reopens it. Empty: standard error.",
                      {},
                      0,
                      0}),
};

const std::array of_secrets{
  option{"secrets",
         "master-key-file",
         AT(secrets.master_key_file),
         "File with the key that seals stored tokens: 32 bytes in base64. The environment variable "
         "TROUPE_MASTER_KEY is used first.",
         {},
         0,
         0,
         form::any,
         {},
         file_only},
};

} // namespace

std::span<const option> node_section() noexcept {
  return of_node;
}

std::span<const option> supervisor_section() noexcept {
  return of_supervisor;
}

std::span<const option> log_section() noexcept {
  return of_log;
}

std::span<const option> secrets_section() noexcept {
  return of_secrets;
}

} // namespace troupe::config
