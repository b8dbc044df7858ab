#include "runtime/store/connection.hpp"

#include <cstring>

namespace troupe::store {
namespace {

/// How many characters a UTF-8 sequence that starts with `lead` has; 0 if none starts so.
std::size_t sequence_length(unsigned char lead) noexcept {
  if (lead < 0x80)
    return lead == 0 ? 0 : 1;
  if (lead >= 0xc2 && lead <= 0xdf)
    return 2;
  if (lead >= 0xe0 && lead <= 0xef)
    return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

bool is_sequence(std::string_view s) noexcept {
  auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  for (std::size_t i = 1; i < s.size(); ++i)
    if ((at(i) & 0xc0) != 0x80)
      return false;
  // Overlong forms, surrogates, and what lies beyond U+10FFFF (RFC 3629 §4).
  switch (at(0)) {
  case 0xe0:
    return at(1) >= 0xa0;
  case 0xed:
    return at(1) <= 0x9f;
  case 0xf0:
    return at(1) >= 0x90;
  case 0xf4:
    return at(1) <= 0x8f;
  default:
    return true;
  }
}

/// How many characters of ASCII, none of them zero, `text` begins with, in steps of eight.
std::size_t plain_prefix(std::string_view text) noexcept {
  constexpr std::uint64_t high = 0x8080808080808080, ones = 0x0101010101010101;
  std::size_t done = 0;
  for (std::uint64_t eight = 0; done + sizeof eight <= text.size(); done += sizeof eight) {
    std::memcpy(&eight, text.data() + done, sizeof eight);
    // A byte that is zero borrows from the one above it: exact while none is above 0x80.
    if ((eight & high) != 0 || ((eight - ones) & high) != 0)
      break;
  }
  return done;
}

} // namespace

void detail::misread() {
  throw store_error(fault::schema, "a column holds something else than this program stores there");
}

void detail::no_text() {
  throw store_error(fault::constraint, "a text is not UTF-8 or holds a zero byte");
}

bool is_text(std::string_view text) noexcept {
  while (!text.empty()) {
    text.remove_prefix(plain_prefix(text));
    if (text.empty())
      return true;
    auto n = sequence_length(static_cast<unsigned char>(text.front()));
    if (n == 0 || n > text.size() || !is_sequence(text.substr(0, n)))
      return false;
    text.remove_prefix(n);
  }
  return true;
}

statement::statement(soci::session& on, const std::string& sql, const std::vector<parameter>& like,
                     std::size_t width)
  : inputs_(like.size()), cells_(width), nulls_(width, soci::i_ok), statement_(on) {
  for (std::size_t i = 0; i < width; ++i)
    statement_.exchange(soci::into(cells_[i].text, nulls_[i]));
  for (std::size_t i = 0; i < like.size(); ++i) {
    auto& one = inputs_[i];
    one.kind = like[i].kind;
    if (one.kind == parameter::type::integer)
      statement_.exchange(soci::use(one.integer, one.null));
    else
      statement_.exchange(soci::use(one.text, one.null));
  }
  statement_.alloc();
  statement_.prepare(sql);
  statement_.define_and_bind();
}

bool statement::fits(const std::vector<parameter>& given, std::size_t width) const noexcept {
  if (given.size() != inputs_.size() || width != cells_.size())
    return false;
  for (std::size_t i = 0; i < given.size(); ++i)
    if (given[i].kind != inputs_[i].kind)
      return false;
  return true;
}

std::size_t statement::run(std::vector<parameter> given, const row_sink& sink) {
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].kind == parameter::type::text && !is_text(given[i].text))
      detail::no_text();
    inputs_[i].null = given[i].null ? soci::i_null : soci::i_ok;
    inputs_[i].integer = given[i].integer;
    inputs_[i].text = std::move(given[i].text);
  }
  for (bool more = statement_.execute(true); more; more = statement_.fetch()) {
    for (std::size_t i = 0; i < cells_.size(); ++i)
      cells_[i].null = nulls_[i] == soci::i_null;
    if (sink)
      sink(cells_);
  }
  return static_cast<std::size_t>(std::max(0LL, statement_.get_affected_rows()));
}

} // namespace troupe::store
