#pragma once
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <string_view>

/// How the fuzz targets let one of our HTTP parsers read: in pieces, as a socket brings them.
namespace troupe::fuzz {

/// Puts `text` into the parser, `step` more bytes at a time, until `done()`, an error or the end.
/// @returns the error; none when it waits for more
template <class Parser, class Done>
boost::beast::error_code feed(Parser& parser, std::string_view text, std::size_t step, Done done) {
  std::size_t begin = 0;
  for (std::size_t end = 0; !done() && end < text.size();) {
    end = std::min(end + step, text.size());
    while (begin < end && !done()) {
      boost::beast::error_code ec;
      auto used = parser.put(boost::asio::buffer(text.data() + begin, end - begin), ec);
      begin += used;
      if (ec && ec != boost::beast::http::error::need_more)
        return ec;
      if (ec || used == 0)
        break;
    }
  }
  return {};
}

} // namespace troupe::fuzz
