#include "runtime/telegram/methods.hpp"

#include "runtime/telegram/method_table.hpp"

#include <algorithm>

namespace troupe::telegram {

namespace {

constexpr std::size_t slot_count = 1024;
static_assert(slot_count > 4 * 200, "keep the hash table sparse: probes stay short");

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr std::uint32_t hash(std::string_view name) noexcept { // FNV-1a over the lower-cased name.
  std::uint32_t result = 2166136261u;
  for (char c : name)
    result = (result ^ static_cast<std::uint8_t>(lower(c))) * 16777619u;
  return result ^ (result >> 15);
}

constexpr bool same(std::string_view x, std::string_view y) noexcept {
  if (x.size() != y.size())
    return false;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (lower(x[i]) != lower(y[i]))
      return false;
  return true;
}

struct slot {
  std::string_view name;
  std::uint16_t index = unknown_method;
};

constexpr std::uint16_t index_of(std::string_view canonical) {
  for (std::size_t i = 1; i < method_table.size(); ++i)
    if (method_table[i].name == canonical)
      return static_cast<std::uint16_t>(i);
  throw "an alias names no method";
}

consteval std::array<slot, slot_count> make_slots() {
  std::array<slot, slot_count> result{};
  auto add = [&result](std::string_view name, std::uint16_t index) {
    auto at = hash(name) % slot_count;
    for (; result[at].index != unknown_method; at = (at + 1) % slot_count)
      if (same(result[at].name, name))
        throw "a method is listed twice";
    result[at] = {name, index};
  };
  for (std::size_t i = 1; i < method_table.size(); ++i)
    add(method_table[i].name, static_cast<std::uint16_t>(i));
  for (const auto& [alias, name] : method_aliases)
    add(alias, index_of(name));
  return result;
}

constexpr auto slots = make_slots();

constexpr std::size_t longest_name = 64;

} // namespace

std::span<const method_info> methods() noexcept {
  return method_table;
}

std::uint16_t find_method(std::string_view name) noexcept {
  if (name.empty() || name.size() > longest_name)
    return unknown_method;
  for (auto at = hash(name) % slot_count; slots[at].index != unknown_method;
       at = (at + 1) % slot_count)
    if (same(slots[at].name, name))
      return slots[at].index;
  return unknown_method;
}

bool is_method_name(std::string_view name) noexcept {
  auto fits = [](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() < longest_name && std::ranges::all_of(name, fits);
}

const method_info& method(std::uint16_t index) noexcept {
  return method_table[index < method_table.size() ? index : unknown_method];
}

} // namespace troupe::telegram
