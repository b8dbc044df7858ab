// Files of bots to import: rows are found alike however they are written, bodies hold what the file
// says, and no sentence tells a token.
#include "runtime/api/import_file.hpp"
#include "tests/fuzz/check.hpp"

#include <boost/json.hpp>

#include <sstream>
#include <vector>

using namespace troupe;
namespace json = boost::json;

namespace {

struct reading {
  std::vector<api::import_row> rows;
  std::string refusal;
};

reading read(std::string_view text) {
  std::istringstream in{std::string{text}};
  reading all;
  try {
    api::import_reader rows{in};
    while (auto row = rows.next())
      all.rows.push_back(std::move(*row));
  } catch (const std::runtime_error& why) {
    all.refusal = why.what();
    HOLDS(!all.refusal.empty());
  }
  return all;
}

void check_row(const api::import_row& row, bool quiet) {
  HOLDS(row.line > 0);
  HOLDS(row.problem.empty() != row.body.empty());
  HOLDS(row.bot.find_first_not_of("0123456789") == std::string::npos);
  if (quiet)
    HOLDS(!fuzz::tells(row.problem));
  if (!row.problem.empty())
    return;
  auto token = std::string{row.body.at("token").as_string()};
  HOLDS(row.bot.empty() || token.starts_with(row.bot + ':'));
}

std::string quoted(std::string_view field) {
  std::string all = "\"";
  for (auto c : field)
    all += c == '"' ? "\"\"" : std::string(1, c);
  return all + '"';
}

/// Fields written with quotes are read as they were.
void check_fields(std::string_view text) {
  std::vector<std::string> fields;
  std::string record;
  do {
    auto end = std::min(text.find(';'), text.size());
    fields.emplace_back(text.substr(0, end));
    record += (fields.size() > 1 ? "," : "") + quoted(fields.back());
    text.remove_prefix(std::min(end + 1, text.size()));
  } while (!text.empty());
  auto again = api::csv_fields(record);
  HOLDS(again && *again == fields);
}

/// The same bots as JSON lines are the same bots.
void check_other_form(const reading& all) {
  std::string lines;
  std::vector<std::string> bodies;
  for (auto& row : all.rows)
    if (row.problem.empty() && json::serialize(row.body).size() < 64 * 1024)
      lines += bodies.emplace_back(json::serialize(row.body)) + '\n';
  if (bodies.empty())
    return;
  auto again = read(lines);
  HOLDS(again.refusal.empty() && again.rows.size() == bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i)
    HOLDS(json::serialize(again.rows[i].body) == bodies[i]);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  auto quiet = fuzz::whole_tokens_only(text);
  auto all = read(text);
  if (quiet)
    HOLDS(!fuzz::tells(all.refusal));
  std::size_t line = 0;
  for (auto& row : all.rows) {
    HOLDS(row.line > line);
    line = row.line;
    check_row(row, quiet);
  }
  check_fields(text);
  check_other_form(all);
  return 0;
}
