#pragma once
#include "tests/sandbox/call.hpp"

namespace troupe::sandbox {

/// A kind of media: what its parameter is called and what its object shows besides the file.
struct media_kind {
  std::string_view method; ///< Empty: not sent on its own.
  std::string_view name;   ///< Parameter, and member of the message.
  std::string_view folder;
  std::string_view more; ///< JSON members of its object, with leading comma.
};

[[nodiscard]] const media_kind* find_media_kind(std::string_view name) noexcept;

/// Where an InputFile comes from: `reference` is a file_id, a URL or attach://…, or empty for a
/// part of the body named `field`. Nullopt: there is no such file.
[[nodiscard]] std::optional<stored_file> take_file(const call& c, std::string_view folder,
                                                   std::string_view field,
                                                   std::string_view reference);

/// The members of a message that show the file: `,"photo":[…]`.
[[nodiscard]] std::string media_members(const media_kind& kind, const stored_file& file);

/// `{"file_id":…,"file_unique_id":…,"file_size":…` without the closing brace.
[[nodiscard]] std::string file_members(const stored_file& file);

/// The caption and its entities as members. False: `c` has been answered.
bool read_caption(const call& c, std::string_view caption, std::string_view mode,
                  std::string_view entities, std::string& members);

} // namespace troupe::sandbox
