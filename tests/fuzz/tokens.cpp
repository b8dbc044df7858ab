// Bots' own tokens, virtual ones, API keys, codes: their forms, and the table of virtual tokens
// against a simple model of it.
#include "runtime/config/tokens.hpp"
#include "runtime/crypto/api_key.hpp"
#include "runtime/crypto/codes.hpp"
#include "runtime/log/mask.hpp"
#include "runtime/registry/virtual_tokens.hpp"
#include "runtime/telegram/token.hpp"
#include "tests/fuzz/check.hpp"

#include <charconv>
#include <map>

using namespace troupe;

namespace {

/// Randomness from the input: the same bytes give the same token.
crypto::random_source source_of(std::string_view bytes) {
  return [bytes, at = std::size_t{0}](std::span<std::uint8_t> out) mutable {
    for (auto& x : out) {
      auto given = bytes.empty() ? 0u : static_cast<unsigned char>(bytes[at % bytes.size()]);
      x = static_cast<std::uint8_t>(given + at++ * 131); // Never the same byte for ever.
    }
  };
}

bool looks_like_token(std::string_view text) {
  auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || text.size() != colon + 36)
    return false;
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  auto is_letter = [&](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  };
  return std::all_of(text.begin(), text.begin() + static_cast<long>(colon), is_digit)
         && std::all_of(text.begin() + static_cast<long>(colon) + 1, text.end(), is_letter);
}

void check_forms(std::string_view text) {
  auto token = telegram::bot_token::parse(text);
  std::int64_t number = 0;
  auto digits = text.substr(0, std::min(text.find(':'), text.size()));
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  bool in_range = ec == std::errc{} && number > 0 && end == digits.data() + digits.size();
  HOLDS(token.has_value() == (looks_like_token(text) && in_range));
  HOLDS(!token || config::is_token(text));
  if (token) {
    HOLDS(token->reveal() == text && token->id() == number);
    auto hidden = text.substr(text.find(':') + 1);
    HOLDS(token->masked().find(hidden) == std::string::npos);
    for (std::string_view frame : {"", "/bot", "%", "\n", "x", "9"})
      HOLDS(log::mask_tokens(std::string{frame}.append(text)).find(hidden) == std::string::npos);
  }
  if (fuzz::whole_tokens_only(text))
    HOLDS(!fuzz::tells(log::mask_tokens(text)));
  auto masked = log::mask_tokens(text);
  HOLDS(!log::holds_token(masked));
  HOLDS(log::holds_token(text) == (masked != text));
  HOLDS(log::mask_tokens(masked) == masked);
  if (crypto::api_key_form(text)) {
    HOLDS(text.size() == crypto::api_key_length);
    HOLDS(text.starts_with(crypto::api_key_prefix(text)));
    auto cut = text.substr(0, text.size() - 1);
    HOLDS(!crypto::api_key_form(cut));
  }
  if (auto code = crypto::read_verification_code(text); !code.empty())
    HOLDS(crypto::read_verification_code(code) == code && code.size() == 10);
  if (auto bytes = crypto::from_base64(text))
    HOLDS(crypto::to_base64(crypto::as_bytes(*bytes)) == text);
  if (auto bytes = crypto::from_base64url(text))
    HOLDS(crypto::to_base64url(crypto::as_bytes(*bytes)) == text);
}

void check_made(std::string_view text) {
  auto source = source_of(text);
  auto bot = crypto::random_id(source);
  HOLDS(bot > 0);
  auto token = crypto::make_virtual_token(bot, source);
  auto parsed = telegram::bot_token::parse(token.reveal());
  HOLDS(parsed && parsed->id() == bot);
  HOLDS(log::mask_tokens(token.reveal()) == std::to_string(bot) + ":***");
  for (auto kind : {crypto::api_key_kind::operator_key, crypto::api_key_kind::tenant_key}) {
    auto key = crypto::make_api_key(kind, source);
    HOLDS(crypto::api_key_form(key.reveal()) == kind);
    auto wrong = key.reveal(); // One mistyped character is noticed.
    auto at = text.empty() ? 8 : 6 + static_cast<unsigned char>(text[0]) % (wrong.size() - 6);
    wrong[at] = wrong[at] == 'a' ? 'b' : 'a';
    HOLDS(!crypto::api_key_form(wrong));
  }
  auto code = crypto::make_verification_code(source);
  HOLDS(crypto::read_verification_code(code) == code);
}

/// Four bytes a step: what to do, bot, token, time.
void check_table(std::string_view steps) {
  using clock = virtual_tokens::wall_time;
  auto hash = [](std::string_view token) { return "#" + std::string{token}; };
  virtual_tokens table{hash};
  std::map<std::string, virtual_tokens::entry> model; // By token.
  for (; steps.size() >= 4; steps.remove_prefix(4)) {
    auto byte = [steps](std::size_t i) { return static_cast<unsigned char>(steps[i]); };
    bot_id bot = 1 + byte(1) % 5;
    std::string token = "token-" + std::to_string(byte(2) % 11);
    clock now{std::chrono::seconds{byte(3)}};
    switch (byte(0) % 8) {
    default: {
      // An id and a token belong together, and to one bot, as in the store.
      virtual_tokens::entry one{byte(2) % 11, 1 + byte(2) % 11 % 5, {"getme"}, std::nullopt};
      if (byte(3) % 3 == 0)
        one.expires = clock{std::chrono::seconds{byte(1)}};
      model[token] = one;
      table.put(hash(token), one);
      break;
    }
    case 5: {
      auto found = std::find_if(model.begin(), model.end(), [&](const auto& x) {
        return x.second.bot == bot && x.second.id == byte(2) % 11;
      });
      HOLDS(table.erase(bot, byte(2) % 11) == (found != model.end()));
      if (found != model.end())
        model.erase(found);
      break;
    }
    case 6:
      std::erase_if(model, [bot](const auto& x) { return x.second.bot == bot; });
      table.erase_all(bot);
      break;
    case 7:
      if (byte(1) == 0)
        model.clear(), table.clear();
      break;
    }
    HOLDS(table.size() == model.size());
    auto known = model.find(token);
    auto found = table.find(token, now);
    bool valid = known != model.end()
                 && (!known->second.expires || *known->second.expires > now);
    HOLDS(found.has_value() == valid);
    HOLDS(!found || (found->bot == known->second.bot && found->id == known->second.id));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  check_forms(text);
  check_made(text);
  check_table(text);
  return 0;
}
