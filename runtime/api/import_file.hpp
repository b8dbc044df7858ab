#pragma once
#include <boost/json/object.hpp>

#include <istream>
#include <optional>
#include <string>
#include <vector>

/// Files of bots that are to be registered, as `troupectl import` reads them.
namespace troupe::api {

/// One bot of a file, or what is wrong with its place there.
struct import_row {
  std::size_t line = 0;     ///< Where it begins, from 1.
  std::string bot;          ///< The number before its token's colon; empty if there is none.
  boost::json::object body; ///< As `POST /v1/bots` takes it; empty if there is a problem.
  std::string problem;      ///< A sentence that tells no token; empty if there is none.
};

/// Reads JSON Lines (on each line an object as `POST /v1/bots` takes it) or, if the first character
/// is no brace, CSV as in RFC 4180, whose first line names the columns: `token` and any of `name`,
/// `tenant`, `rps`, `concurrent`, `trusted`, `updates`, `delivery` (JSON in the last two). Empty
/// lines and empty fields are passed over. Memory is bounded by the longest row allowed, 64 KiB.
class import_reader {
public:
  /// @throws std::runtime_error with a sentence for people: nothing is there, no column is called
  /// `token`, or a column is unknown
  explicit import_reader(std::istream& in);

  /// The next bot. What is wrong with a row stands in it and does not end the reading.
  std::optional<import_row> next();

private:
  struct text_line {
    std::string text;
    bool too_long = false;
  };

  bool read_line(text_line& to);
  bool read_record(text_line& to, std::size_t& line);
  void read_head();
  void fill_json(const std::string& text, import_row& row) const;
  void fill_csv(const std::string& text, import_row& row) const;

  std::istream& in_;
  std::size_t line_ = 0; ///< Lines read so far.
  bool json_ = false;
  std::vector<std::string> columns_;
};

/// The fields of one record of CSV. @returns nothing when a quote is not where it may be
[[nodiscard]] std::optional<std::vector<std::string>> csv_fields(std::string_view record);

} // namespace troupe::api
