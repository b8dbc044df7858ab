#pragma once
#include <string>
#include <string_view>

/// The members of a JSON object as the Bot API's server reads them. For the files of this folder
/// and the sandbox.
namespace troupe::telegram {

/// One parameter of a JSON body.
struct json_member {
  std::string_view name;      ///< Without its quotes, escapes and all.
  std::string_view value;     ///< A string's without its quotes; anything else as it stands there.
  bool name_escaped = false;  ///< The name holds a backslash.
  bool is_text = false;       ///< The value is a string.
  bool value_escaped = false; ///< It is one with a backslash.
};

/// Goes through a JSON object's members one by one. Takes what the official server takes
/// (td, HttpReader::parse_json_parameters), which is more than RFC 8259 has: any bytes in strings,
/// any escapes, numbers like 01, a comma before the closing brace; and what stands before a fault
/// counts. Who decides about a call by its parameters must see those that the server will see.
class json_members {
public:
  explicit json_members(std::string_view text) noexcept
    : at_(text.data()), end_(text.data() + text.size()) {}

  /// @returns false at the object's end and at a fault
  [[nodiscard]] bool next(json_member& out) noexcept;

  /// Whether all of the text was one object, after `next` returned false.
  [[nodiscard]] bool is_whole() const noexcept { return whole_; }

private:
  void blanks() noexcept;
  bool take(char what) noexcept;
  bool string(std::string_view& out, bool& escaped) noexcept;
  bool skip(int depth) noexcept;
  bool skip_all(char close, bool named, int depth) noexcept;

  const char* at_;
  const char* end_;
  bool begun_ = false;
  bool whole_ = false;
};

/// What stands between a string's quotes, with its escapes undone.
[[nodiscard]] std::string unescaped_json(std::string_view raw);

} // namespace troupe::telegram
