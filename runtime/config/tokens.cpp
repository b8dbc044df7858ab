#include "runtime/config/tokens.hpp"
#include "runtime/log/mask.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace troupe::config {
namespace {

constexpr std::string_view blanks = " \t\r\n";
constexpr std::string_view allowed =
  "; allowed are digits, a colon and 35 characters of A-Z a-z 0-9 _ -";

std::string_view trimmed(std::string_view text) {
  auto begin = std::min(text.find_first_not_of(blanks), text.size());
  auto end = text.find_last_not_of(blanks) + 1;
  return begin < end ? text.substr(begin, end - begin) : std::string_view{};
}

std::string_view number_of(std::string_view token) {
  return token.substr(0, token.find(':'));
}

void add_token(std::string_view token, const std::string& where, bot_settings& to,
               std::vector<std::string>& problems) {
  if (!is_token(token)) {
    problems.push_back(where + ": not a bot token" + std::string{allowed});
    return;
  }
  for (auto& known : to.tokens) {
    if (known.reveal() == token)
      return;
    if (number_of(known.reveal()) == number_of(token)) {
      problems.push_back(where + ": bot " + std::string{number_of(token)}
                         + " has another token already");
      return;
    }
  }
  to.tokens.emplace_back(std::string{token});
}

} // namespace

bool is_token(std::string_view text) noexcept {
  auto colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos || text.size() - colon - 1 != 35 || colon > 19)
    return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                     log::detail::is_digit)
         && std::all_of(text.begin() + static_cast<std::ptrdiff_t>(colon) + 1, text.end(),
                        log::detail::is_token_char);
}

bool is_master_key(std::string_view text) noexcept {
  auto is_base64 = [](char c) {
    return c == '+' || c == '/' || (log::detail::is_token_char(c) && c != '-' && c != '_');
  };
  // 32 bytes are 42 characters, one that carries four bits, and one of padding.
  return text.size() == 44 && text[43] == '='
         && std::string_view{"AEIMQUYcgkosw048"}.find(text[42]) != std::string_view::npos
         && std::all_of(text.begin(), text.begin() + 42, is_base64);
}

std::vector<std::string> read_tokens(bot_settings& to, std::string_view from_environment) {
  std::vector<std::string> problems;
  if (!to.tokens_file.empty()) {
    std::ifstream in{to.tokens_file};
    std::error_code failed;
    if (!in || std::filesystem::is_directory(to.tokens_file, failed)) // It opens like a file.
      problems.push_back("bot.conf: bot.tokens-file = \"" + to.tokens_file
                         + "\" is not allowed; allowed is a readable file");
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      auto token = trimmed(line);
      if (!token.empty() && token.front() != '#')
        add_token(token, to.tokens_file + ':' + std::to_string(number), to, problems);
    }
  }
  int number = 0;
  while (!from_environment.empty()) {
    auto end = std::min(from_environment.find(','), from_environment.size());
    auto token = trimmed(from_environment.substr(0, end));
    ++number;
    if (!token.empty())
      add_token(token, "environment: TROUPE_BOT_TOKENS, entry " + std::to_string(number), to,
                problems);
    from_environment.remove_prefix(std::min(end + 1, from_environment.size()));
  }
  return problems;
}

} // namespace troupe::config
