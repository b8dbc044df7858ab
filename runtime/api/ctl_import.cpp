#include "runtime/api/ctl_line.hpp"
#include "runtime/api/ctl_progress.hpp"
#include "runtime/api/import_file.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

// troupectl import: many bots at once. It may be broken off and run again: who is registered
// already is passed over.
namespace troupe::api {
namespace {

namespace json = boost::json;

constexpr std::int64_t most_at_once = 32;
constexpr unsigned attempts = 4;

enum class outcome { registered, existed, refused, unreachable };

struct result {
  outcome what = outcome::unreachable;
  std::string why;
};

/// What all workers share.
struct work {
  const ctl_call& from;
  import_reader rows;
  progress shown;
  std::mutex mutex{}; ///< Guards what follows, `rows`, `shown` and the streams of `from`.
  std::uint64_t registered = 0;
  std::uint64_t existed = 0;
  json::array refused{};
  bool told_to_wait = false;
  std::string broken_off{}; ///< Why no further row is begun; empty while rows are.

  std::uint64_t done() const { return registered + existed + refused.size(); }
};

/// Rows of the file at `path`, at most; 0 when they cannot be counted.
std::uint64_t count_rows(const std::string& path) {
  if (path == "-")
    return 0;
  std::ifstream in{path};
  try {
    import_reader rows{in};
    std::uint64_t count = 0;
    while (rows.next())
      ++count;
    return count;
  } catch (const std::runtime_error&) {
    return 0; // Who reads it to import it says why.
  }
}

std::string code_of(const fetched& answer) {
  boost::system::error_code failed;
  auto value = json::parse(answer.body, failed);
  auto* object = failed ? nullptr : value.if_object();
  auto* code = object == nullptr ? nullptr : object->if_contains("code");
  return code == nullptr || !code->is_string() ? std::string{} : std::string{code->get_string()};
}

void wait(work& all, std::chrono::seconds pause, bool quota) {
  if (quota) {
    std::lock_guard guard{all.mutex};
    if (!std::exchange(all.told_to_wait, true)) {
      all.shown.clear();
      all.from.world.err << "troupectl: the node limits how many bots are registered a minute "
                            "(api.creations-per-minute, api.user-rpm); this goes at that pace\n";
    }
  }
  std::this_thread::sleep_for(pause);
}

/// Repeating is safe: a registration that was carried out unseen is found as one that is there.
result enter(work& all, const json::object& body) {
  std::string why;
  for (unsigned attempt = 1; attempt <= attempts;) {
    try {
      auto answer = reach_node(all.from, "POST", "/v1/bots", &body);
      if (answer.status == 201)
        return {outcome::registered, {}};
      why = reason(answer);
      if (answer.status == 429) {
        wait(all, std::max(answer.retry_after, std::chrono::seconds{1}), true);
        continue; // As often as it says: a minute's quota is no failure.
      }
      if (answer.status == 409 && code_of(answer) == "duplicate")
        return {outcome::existed, {}};
      if (answer.status < 500)
        return {answer.status == 401 || answer.status == 403 ? outcome::unreachable
                                                             : outcome::refused,
                why};
    } catch (const std::runtime_error& failed) {
      why = failed.what();
    }
    if (attempt++ < attempts)
      wait(all, std::chrono::seconds{1 << (attempt - 2)}, false);
  }
  return {outcome::unreachable, why};
}

void note(work& all, const import_row& row, const result& became) {
  std::lock_guard guard{all.mutex};
  switch (became.what) {
  case outcome::registered:
    ++all.registered;
    break;
  case outcome::existed:
    ++all.existed;
    break;
  case outcome::unreachable:
    all.broken_off = became.why;
    break;
  case outcome::refused:
    all.refused.push_back(json::object{{"line", row.line}, {"bot", row.bot}, {"why", became.why}});
    all.shown.clear();
    all.from.world.err << "line " << row.line << (row.bot.empty() ? "" : " (bot " + row.bot + ")")
                       << ": " << became.why << '\n';
  }
  all.shown.show(all.done());
}

void register_rows(work& all) {
  for (;;) {
    std::optional<import_row> row;
    {
      std::lock_guard guard{all.mutex};
      if (!all.broken_off.empty() || !(row = all.rows.next()))
        return;
    }
    if (row->problem.empty()) {
      if (all.from.has("tenant") && !row->body.contains("tenant"))
        row->body["tenant"] = all.from.number("tenant");
      if (all.from.has("trusted"))
        row->body["trusted"] = true;
    }
    note(all, *row,
         !row->problem.empty()   ? result{outcome::refused, row->problem}
         : all.from.has("check") ? result{outcome::registered, {}}
                                 : enter(all, row->body));
  }
}

int finish(work& all) {
  all.shown.clear();
  auto checked = all.from.has("check");
  json::object summary{{checked ? "readable" : "registered", all.registered},
                       {"existed", all.existed},
                       {"refused", all.refused},
                       {"complete", all.broken_off.empty()}};
  if (!shown_as_json(all.from, summary))
    all.from.world.out << (checked ? "readable " : "registered ") << all.registered
                       << ", there already " << all.existed << ", refused " << all.refused.size()
                       << '\n';
  if (!all.broken_off.empty())
    throw std::runtime_error{all.broken_off
                             + " The rest was not begun: run it again, who is registered already "
                               "is passed over."};
  return all.refused.empty() ? 0 : 1;
}

int import(const ctl_call& from) {
  auto& path = from.words[0];
  auto parallel = from.has("parallel") ? from.number("parallel") : 4;
  if (parallel < 1 || parallel > most_at_once)
    throw usage_error{"--parallel: allowed is 1 to 32"};
  if (from.has("tenant"))
    (void)from.number("tenant");
  std::ifstream file;
  if (path != "-") {
    file.open(path);
    if (!file)
      throw std::runtime_error{"cannot read " + path};
  }
  auto& in = path == "-" ? from.world.in : file;
  std::optional<import_reader> rows;
  try {
    rows.emplace(in);
  } catch (const std::runtime_error& wrong) {
    throw usage_error{path + ": " + wrong.what()};
  }
  work all{from, std::move(*rows), {from.world.err, from.world.watched, count_rows(path)}, {}};
  {
    std::vector<std::jthread> workers;
    for (std::int64_t i = 0; i < parallel; ++i)
      workers.emplace_back([&all] { register_rows(all); });
  }
  return finish(all);
}

constexpr command import_command_table[] = {
  {"import", "FILE", "tenant= trusted parallel= check",
   "register the bots of a file (CSV with a column token, or a JSON object a line; -: standard "
   "input); --check: only read it",
   import},
};

} // namespace

std::span<const command> import_commands() {
  return import_command_table;
}

} // namespace troupe::api
