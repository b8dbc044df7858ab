#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

/// Which of many members leaves memory next. Pure values: no clock; each operation is O(1).
namespace troupe::passivation_order {

using member = std::uint32_t;
using time_point = std::chrono::steady_clock::time_point;

/// An order in which members are asked to leave. One that is asked (`next`) stands outside of the
/// order until it has said that it stays (`used`) or is gone (`remove`).
class order {
public:
  order() = default;
  virtual ~order() = default;
  order(const order&) = delete;
  order& operator=(const order&) = delete;

  /// A new member, used for the first time.
  virtual void add(member who, time_point at) = 0;
  /// It was used so many times since it was last heard of, last at `at`; it is (back) in line.
  virtual void used(member who, std::uint32_t times, time_point at) = 0;
  /// Unknown ones are ignored.
  virtual void remove(member who) = 0;
  /// Takes a member out of line, as `next` does. Unknown ones are ignored.
  virtual void take(member who) = 0;
  /// Whom to ask now.
  virtual std::optional<member> next() = 0;
  /// With how many members the bound is reached.
  virtual void resize(std::size_t) {}
  [[nodiscard]] virtual bool contains(member who) const = 0;
  [[nodiscard]] virtual std::size_t size() const = 0; ///< Those asked included.
};

/// Who was unused for longest goes first, by the times that were told. Since these are told when a
/// member is asked, one that is used once in a while may be asked up to twice as late as its last
/// use says.
class idle final : public order {
public:
  void add(member who, time_point at) override;
  void used(member who, std::uint32_t times, time_point at) override;
  void remove(member who) override;
  void take(member who) override;
  std::optional<member> next() override;
  /// The same, if it was last used at `by` or before.
  std::optional<member> next(time_point by);
  [[nodiscard]] bool contains(member who) const override { return places_.contains(who); }
  [[nodiscard]] std::size_t size() const override { return places_.size(); }

private:
  struct entry {
    member who;
    time_point last;
  };
  struct place {
    std::list<entry>::iterator at;
    bool asked;
  };
  std::list<entry> line_; ///< The next one first.
  std::list<entry> asked_;
  std::unordered_map<member, place> places_;
};

/// Least recently used first.
class lru final : public order {
public:
  void add(member who, time_point at) override;
  void used(member who, std::uint32_t times, time_point at) override;
  void remove(member who) override;
  void take(member who) override;
  std::optional<member> next() override;
  [[nodiscard]] bool contains(member who) const override { return places_.contains(who); }
  [[nodiscard]] std::size_t size() const override { return places_.size(); }

private:
  struct place {
    std::list<member>::iterator at;
    bool asked;
  };
  std::list<member> line_; ///< The next one first.
  std::list<member> asked_;
  std::unordered_map<member, place> places_;
};

/// Segmented LRU: who is used again moves to a protected segment, whose least recently used one
/// falls back when it is full. Members leave from the other segment first, so many members that are
/// used once each (a scan) push out each other and none that is protected.
/// Source: Karedla, Love, Wherry, "Caching strategies to improve disk system performance".
class slru final : public order {
public:
  /// @param most With so many members the bound is reached: four fifths of them are protected.
  explicit slru(std::size_t most) { slru::resize(most); }

  void add(member who, time_point at) override;
  void used(member who, std::uint32_t times, time_point at) override;
  void remove(member who) override;
  void take(member who) override;
  std::optional<member> next() override;
  void resize(std::size_t most) override;
  [[nodiscard]] bool contains(member who) const override { return places_.contains(who); }
  [[nodiscard]] std::size_t size() const override { return places_.size(); }

private:
  enum class segment : std::uint8_t { probation, safe };
  struct place {
    std::list<member>::iterator at;
    segment of;
    bool asked;
  };
  std::list<member>& line(segment of) { return of == segment::safe ? safe_ : probation_; }
  void fall_back();

  std::size_t most_safe_ = 0;
  std::list<member> probation_; ///< The next one first.
  std::list<member> safe_;
  std::list<member> asked_;
  std::unordered_map<member, place> places_;
};

} // namespace troupe::passivation_order
