#pragma once
#include "actors/store/work.hpp"

namespace troupe::storage {

struct sql_threads_config {
  store::database_options database;
  std::size_t readers = 2;
  std::size_t group = 256;      ///< Writes in one commit at most.
  std::size_t log_pages = 4000; ///< SQLite: with so many in the log they go to their places.
};

/// Threads of its own: one that writes, several that read, each with a connection of its
/// own. What waits when the writer is free is committed together; when one of them
/// breaks a rule, each is run alone, so that none suffers for another. Its end waits for what runs.
[[nodiscard]] std::shared_ptr<sql_port> make_sql_threads(sql_threads_config config);

} // namespace troupe::storage
