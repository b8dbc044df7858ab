#pragma once
#include <filesystem>

/// Putting another database in the place of one, so that a crash at any instruction leaves the old
/// one or the new one: never none, never one with the other's log. Nobody may have it open.
namespace troupe::system {

/// Brings what was written to a file, or a directory's names, to the disk.
/// @throws std::runtime_error when that fails
void sync_path(const std::filesystem::path& path);

/// Prepares `target`'s replacement by a copy of `source`: from its return on the exchange is decided,
/// and `finish_exchange` carries it out, now or after a crash. @throws std::runtime_error; then
/// nothing is changed
void begin_exchange(const std::filesystem::path& source, const std::filesystem::path& target);

/// Carries out an exchange that was decided and is not done: what was there, with its log, becomes
/// `target`.before-restore. @returns whether there was one. @throws std::runtime_error; then it can be
/// called again
bool finish_exchange(const std::filesystem::path& target);

} // namespace troupe::system
