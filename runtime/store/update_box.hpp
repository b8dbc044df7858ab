#pragma once
#include "runtime/store/updates.hpp"

/// The box: updates that a node took for a bot of another's. Anybody puts in, without a fence; the
/// bot's owner alone takes out, and stores them among the others in the same unit.
namespace troupe::store {

/// Puts updates of one bot in, in this order, all or none. Those that are there (same update_id,
/// same content) stay as they are. What `new_update` says of marks and numbers is not read.
/// @param most that the box may have of the bot. An empty box takes what is larger
/// @returns how many were not there; nothing: they do not fit
[[nodiscard]] std::optional<std::size_t> put_in_box(unit& u, std::span<const new_update> what,
                                                    std::size_t most);

/// Bots that have something in it, by id.
[[nodiscard]] std::vector<bot_id> bots_in_box(unit& u);

/// What it has of a bot, oldest first: `seq` is the place. No further ones when bodies have more
/// than `max_bytes` together.
[[nodiscard]] std::vector<update_record> look_in_box(unit& u, bot_id bot, std::size_t limit,
                                                     std::uint64_t max_bytes);

/// Takes them out. @returns those that were there, sorted
[[nodiscard]] std::vector<std::int64_t> take_from_box(unit& u,
                                                      std::span<const std::int64_t> places);

} // namespace troupe::store
