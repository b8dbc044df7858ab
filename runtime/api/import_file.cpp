#include "runtime/api/import_file.hpp"

#include "runtime/log/mask.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace troupe::api {
namespace {

namespace json = boost::json;
using namespace std::string_view_literals;

constexpr std::size_t longest_row = 64 * 1024;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::array known_columns{"token"sv,      "name"sv,    "tenant"sv,  "rps"sv,
                                   "concurrent"sv, "trusted"sv, "updates"sv, "delivery"sv};

/// What of a token may be shown: the number before its colon.
std::string bot_of(std::string_view token) {
  auto end = token.find_first_not_of("0123456789");
  return end == token.npos || token[end] != ':' ? std::string{} : std::string{token.substr(0, end)};
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == text.npos;
}

bool has_open_quote(std::string_view text) {
  return std::count(text.begin(), text.end(), '"') % 2 == 1;
}

json::parse_options strict() {
  json::parse_options one;
  one.max_depth = 32;
  return one;
}

/// One field's value under its column. @throws std::runtime_error with a sentence
void put_field(json::object& body, const std::string& column, const std::string& text) {
  auto is = [&](auto... names) { return ((column == names) || ...); };
  if (is("token", "name")) {
    body[column] = text;
  } else if (is("trusted")) {
    if (text != "true" && text != "false")
      throw std::runtime_error{"trusted must be true or false."};
    body[column] = text == "true";
  } else if (is("updates", "delivery")) {
    boost::system::error_code failed;
    auto value = json::parse(text, failed, {}, strict());
    if (failed || !value.is_object())
      throw std::runtime_error{column + " must be a JSON object."};
    body[column] = std::move(value);
  } else {
    std::int64_t number = 0;
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc{} || end != text.data() + text.size() || number < 0)
      throw std::runtime_error{column + " must be a number."};
    if (is("tenant")) {
      body[column] = number;
      return;
    }
    auto& limits = body["limits"];
    if (!limits.is_object())
      limits = json::object{};
    limits.get_object()[column] = number;
  }
}

} // namespace

std::optional<std::vector<std::string>> csv_fields(std::string_view record) {
  std::vector<std::string> all(1);
  for (std::size_t i = 0; i <= record.size();) {
    auto& field = all.back();
    if (i < record.size() && record[i] == '"') {
      for (++i;; ++i) {
        auto quote = record.find('"', i);
        if (quote == record.npos)
          return std::nullopt;
        field += record.substr(i, quote - i);
        i = quote + 1;
        if (i == record.size() || record[i] != '"')
          break;
        field += '"';
      }
      if (i < record.size() && record[i] != ',')
        return std::nullopt;
    } else {
      auto end = std::min(record.find(',', i), record.size());
      field = record.substr(i, end - i);
      if (field.find('"') != field.npos)
        return std::nullopt;
      i = end;
    }
    if (i == record.size())
      break;
    all.emplace_back();
    ++i;
  }
  return all;
}

import_reader::import_reader(std::istream& in) : in_(in) {
  // Nothing else that may stand here begins with its first byte.
  if (in_.peek() == static_cast<unsigned char>(byte_order_mark[0]))
    in_.ignore(static_cast<std::streamsize>(byte_order_mark.size()));
  in_ >> std::ws;
  if (in_.peek() == std::char_traits<char>::eof())
    throw std::runtime_error{"there is nothing in it"};
  json_ = in_.peek() == '{';
  if (!json_)
    read_head();
}

bool import_reader::read_line(text_line& to) {
  auto& buffer = *in_.rdbuf();
  bool any = false;
  for (auto c = buffer.sbumpc(); c != std::char_traits<char>::eof(); c = buffer.sbumpc()) {
    any = true;
    if (c == '\n')
      break;
    if (to.text.size() < longest_row)
      to.text += static_cast<char>(c);
    else
      to.too_long = true;
  }
  line_ += any ? 1 : 0;
  return any;
}

/// A line, or in CSV as many as a quoted field reaches over; `line` is where it begins.
bool import_reader::read_record(text_line& to, std::size_t& line) {
  to = {};
  if (!read_line(to))
    return false;
  line = line_;
  while (!json_ && !to.too_long && has_open_quote(to.text)) {
    to.text += '\n';
    if (!read_line(to))
      break;
  }
  if (to.text.ends_with('\r'))
    to.text.pop_back();
  return true;
}

void import_reader::read_head() {
  text_line head;
  std::size_t line = 0;
  read_record(head, line);
  auto fields = head.too_long ? std::nullopt : csv_fields(head.text);
  if (!fields)
    throw std::runtime_error{"it begins with neither a JSON object nor the names of columns"};
  for (auto& one : *fields) {
    if (std::find(known_columns.begin(), known_columns.end(), one) == known_columns.end())
      throw std::runtime_error{"there is no column \"" + log::mask_tokens(one).substr(0, 60)
                               + "\"; allowed are token, name, tenant, rps, concurrent, trusted, "
                                 "updates and delivery, named in the first line"};
    if (std::count(fields->begin(), fields->end(), one) > 1)
      throw std::runtime_error{"two columns are called " + one};
  }
  if (std::find(fields->begin(), fields->end(), "token") == fields->end())
    throw std::runtime_error{"no column is called token"};
  columns_ = std::move(*fields);
}

void import_reader::fill_json(const std::string& text, import_row& row) const {
  boost::system::error_code failed;
  auto value = json::parse(text, failed, {}, strict());
  if (failed || !value.is_object()) {
    row.problem = "It is no JSON object.";
    return;
  }
  auto* token = value.get_object().if_contains("token");
  if (token == nullptr || !token->is_string()) {
    row.problem = "It has no token.";
    return;
  }
  row.bot = bot_of(token->get_string());
  row.body = std::move(value.get_object());
}

void import_reader::fill_csv(const std::string& text, import_row& row) const {
  auto fields = csv_fields(text);
  if (!fields) {
    row.problem = "A quote is not where it may be.";
    return;
  }
  if (fields->size() != columns_.size()) {
    row.problem = "It has " + std::to_string(fields->size()) + " fields; "
                  + std::to_string(columns_.size()) + " columns are named.";
    return;
  }
  try {
    for (std::size_t i = 0; i < fields->size(); ++i)
      if (!(*fields)[i].empty())
        put_field(row.body, columns_[i], (*fields)[i]);
  } catch (const std::runtime_error& wrong) {
    row.problem = wrong.what();
  }
  auto* token = row.body.if_contains("token");
  if (token != nullptr)
    row.bot = bot_of(token->get_string());
  else if (row.problem.empty())
    row.problem = "It has no token.";
  boost::system::error_code failed;
  if (row.problem.empty() && (json::parse(json::serialize(row.body), failed), failed))
    row.problem = "It is no UTF-8.";
  if (!row.problem.empty())
    row.body.clear();
}

std::optional<import_row> import_reader::next() {
  text_line record;
  import_row row;
  do {
    if (!read_record(record, row.line))
      return std::nullopt;
  } while (is_blank(record.text));
  if (record.too_long)
    row.problem = "It is longer than 64 KiB.";
  else if (json_)
    fill_json(record.text, row);
  else
    fill_csv(record.text, row);
  return row;
}

} // namespace troupe::api
