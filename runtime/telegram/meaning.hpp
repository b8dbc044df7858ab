#pragma once
#include <string>
#include <string_view>

namespace troupe::telegram {

/// A call of the Bot API as it came.
struct call_text {
  std::string_view method;
  std::string_view query{};
  std::string_view body{};
  std::string_view content_type{};
  std::string_view content_encoding{};
};

/// What a call asks for, whichever way it is written: equal texts for calls that mean the same.
/// Method names in any case are one; so are a parameter in the query, in a form, in JSON and in a
/// multipart part; their order, a boundary and the blanks of a JSON object do not matter. Files are
/// their names and contents. A body that cannot be read (another kind, compressed, malformed,
/// nested too deeply) means only itself, byte for byte: then calls that mean the same may have two
/// texts, but never the other way round.
[[nodiscard]] std::string meaning_of(const call_text& call);

} // namespace troupe::telegram
