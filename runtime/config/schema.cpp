#include "runtime/config/schema.hpp"

#include "runtime/config/schema/sections.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

namespace troupe::config {
namespace {

constexpr std::array all_files{
  file_info{"node", "the process: where it keeps its data, how it stops"},
  file_info{"supervisor", "restart budgets and shutdown of the supervision tree"},
  file_info{"bot", "the bots and how many calls each may have under way"},
  file_info{"session-pool", "the connections to the Bot API that all bots share"},
  file_info{"rate-governor", "how many requests may go to the Bot API"},
  file_info{"health", "when a bot or the upstream counts as unwell, and the breakers"},
  file_info{"journal", "updates kept until they are delivered"},
  file_info{"delivery", "how updates reach a bot's owner"},
  file_info{"store", "the database"},
  file_info{"gateway", "the listener that client libraries use as their API root"},
  file_info{"api", "the control API, the metrics and the dashboard"},
  file_info{"webhook", "the listener for updates from Telegram"},
  file_info{"cluster", "several nodes as one"},
  file_info{"log", "structured logs"},
  file_info{"secrets", "keys that seal what is stored"},
};

/// The files' sections, in the order of all_files.
std::vector<option> all_sections() {
  std::vector<option> result;
  for (auto section :
       {node_section, supervisor_section, bot_section, session_pool_section, rate_governor_section,
        health_section, journal_section, delivery_section, store_section, gateway_section,
        api_section, webhook_section, cluster_section, log_section, secrets_section})
    for (const auto& x : section())
      result.push_back(x);
  return result;
}

std::size_t distance(std::string_view x, std::string_view y) {
  std::vector<std::size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= x.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= y.size(); ++j) {
      auto above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (x[i - 1] == y[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[y.size()];
}

} // namespace

std::span<const option> schema() noexcept {
  static const auto all = all_sections();
  return all;
}

std::span<const file_info> files() noexcept {
  return all_files;
}

std::string qualified_name(const option& what) {
  std::string name{what.file};
  name += '.';
  name += what.key;
  return name;
}

const option* find_option(std::string_view qualified) noexcept {
  for (auto& one : schema())
    if (qualified.size() == one.file.size() + 1 + one.key.size() && qualified.starts_with(one.file)
        && qualified[one.file.size()] == '.' && qualified.ends_with(one.key))
      return &one;
  return nullptr;
}

std::string closest_key(std::string_view qualified) {
  if (qualified.size() > 100)
    return {};
  std::string best;
  auto least = qualified.size() / 3 + 1;
  for (auto& one : schema())
    if (auto name = qualified_name(one); distance(qualified, name) < least) {
      least = distance(qualified, name);
      best = name;
    }
  return best;
}

} // namespace troupe::config
