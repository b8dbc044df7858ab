#pragma once
#include "runtime/rules/program.hpp"
#include "runtime/rules/words.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

namespace troupe::rules {

/// A value within a bot's rules that knows where it stands, so that what is wrong has a name.
class reader {
public:
  reader(const boost::json::value& value, std::string path)
    : value_(&value), path_(std::move(path)) {}

  [[noreturn]] void fail(std::string_view why) const {
    throw bad_rules{path_ + ": " + std::string{why}};
  }

  [[nodiscard]] bool is_text() const noexcept { return value_->is_string(); }
  [[nodiscard]] bool is_object() const noexcept { return value_->is_object(); }
  [[nodiscard]] std::size_t size() const { return object().size(); }

  /// Fails when the object has a member of another name.
  void only(std::initializer_list<std::string_view> names) const {
    for (const auto& [key, unused] : object())
      if (std::find(names.begin(), names.end(), std::string_view{key.data(), key.size()})
          == names.end())
        member(key, unused).fail("there is no such member");
  }

  [[nodiscard]] std::optional<reader> find(std::string_view name) const {
    auto found = object().find(boost::json::string_view{name.data(), name.size()});
    if (found == object().end())
      return std::nullopt;
    return member(found->key(), found->value());
  }

  /// Calls `f(reader)` for each of a list's elements.
  template <class F>
  void each(F f) const {
    if (!value_->is_array())
      fail("is a list");
    std::size_t i = 0;
    for (const auto& x : value_->get_array())
      f(reader{x, path_ + "[" + std::to_string(i++) + "]"});
  }

  /// The same for a list that is not empty, or for the value itself when it is no list.
  template <class F>
  void one_or_more(F f) const {
    if (!value_->is_array())
      return f(*this);
    if (value_->get_array().empty())
      fail("is empty");
    each(f);
  }

  /// Text of at most so many UTF-16 units.
  [[nodiscard]] std::string_view text(std::size_t limit) const {
    if (!value_->is_string())
      fail("is text");
    const auto& x = value_->get_string();
    std::string_view result{x.data(), x.size()};
    if (utf16_units(result) > limit)
      fail("has at most " + std::to_string(limit) + " characters");
    return result;
  }
  [[nodiscard]] std::string_view filled_text(std::size_t limit) const {
    auto result = text(limit);
    if (result.find_first_not_of(" \t\r\n") == result.npos)
      fail("is empty");
    return result;
  }

  [[nodiscard]] std::int64_t integer(std::int64_t least, std::int64_t most) const {
    auto x = value_->is_int64() ? value_->get_int64() : least - 1;
    if (x < least || x > most)
      fail("is a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return x;
  }

  [[nodiscard]] bool boolean() const {
    if (!value_->is_bool())
      fail("is true or false");
    return value_->get_bool();
  }

  template <class T>
  [[nodiscard]] T one_of(std::initializer_list<std::pair<std::string_view, T>> choices) const {
    std::string names;
    for (const auto& [name, choice] : choices) {
      if (value_->is_string() && value_->get_string() == boost::json::string_view{name.data(), name.size()})
        return choice;
      names += (names.empty() ? "\"" : ", \"") + std::string{name} + "\"";
    }
    fail("is one of " + names);
  }

private:
  [[nodiscard]] const boost::json::object& object() const {
    if (!value_->is_object())
      fail("is an object");
    return value_->get_object();
  }
  [[nodiscard]] reader member(boost::json::string_view key, const boost::json::value& x) const {
    return {x, path_ + "." + std::string{key.data(), key.size()}};
  }

  const boost::json::value* value_;
  std::string path_;
};

} // namespace troupe::rules
