#pragma once
#include <string_view>

namespace troupe::sandbox {

/// One part of a multipart/form-data body; views into it.
struct part {
  std::string_view name;
  std::string_view file_name;
  std::string_view content_type;
  std::string_view content;
  bool is_file = false; ///< It has a file name.
};

/// The boundary named by a Content-Type, quoted or not; empty if there is none.
[[nodiscard]] std::string_view multipart_boundary(std::string_view content_type) noexcept;

/// Calls `take` for every part, in order. Takes headers without blanks and quotes, as some client
/// libraries write them. False if the body does not end with its last boundary.
template <class F>
bool read_parts(std::string_view body, std::string_view boundary, F take);

namespace multipart_details {

/// Takes the next part off `body`, which begins right after a boundary. False: there is none.
bool next_part(std::string_view& body, std::string_view boundary, part& result);
/// Moves `body` behind the first boundary. False: there is none.
bool skip_preamble(std::string_view& body, std::string_view boundary);
bool at_end(std::string_view body) noexcept;

} // namespace multipart_details

template <class F>
bool read_parts(std::string_view body, std::string_view boundary, F take) {
  using namespace multipart_details;
  if (!skip_preamble(body, boundary))
    return false;
  while (!at_end(body)) {
    part x;
    if (!next_part(body, boundary, x))
      return false;
    take(x);
  }
  return true;
}

} // namespace troupe::sandbox
