#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What etcd can be asked. Revisions count the changes of the whole store; they, leases and
/// versions are never negative.
/// Source: etcd 3.4's API, api_reference_v3 and its JSON gateway.
namespace troupe::etcd {

using revision = std::int64_t;
using lease_id = std::int64_t; ///< 0: none.

/// A key and what is under it.
struct entry {
  std::string key{};
  std::string value{};
  revision created = 0;     ///< The store's when the key came to be: a fencing token.
  revision modified = 0;    ///< The store's when it was last written.
  std::int64_t version = 0; ///< Writes since it came to be.
  lease_id lease = 0;       ///< It goes with this lease.
  friend bool operator==(const entry&, const entry&) = default;
};

/// The end of the range of all keys that begin with `prefix`.
[[nodiscard]] std::string prefix_end(std::string_view prefix);

/// Reads what is under one key, or under all from `key` to before `range_end`. Linearizable.
struct range {
  std::string key{};
  std::string range_end{}; ///< Empty: the one key.
  revision at = 0;         ///< 0: now.
  std::int64_t limit = 0;  ///< 0: all. More than that are counted in `reply::count`.
  bool keys_only = false;
};

struct put {
  std::string key{};
  std::string value{};
  lease_id lease = 0;
};

/// Deletes a key, or a range of them.
struct erase {
  std::string key{};
  std::string range_end{};
};

/// A condition of a transaction.
struct compare {
  enum class part : std::uint8_t { created, modified, version, lease, value };
  enum class relation : std::uint8_t { equal, greater, less, not_equal };

  std::string key{};
  part of = part::created;
  relation is = relation::equal;
  std::int64_t number = 0; ///< For all but the value. A key that is not there has 0 everywhere.
  std::string value{};
};

using operation = std::variant<range, put, erase>;

/// If all of `when` holds, does `then`, else `otherwise`: at once, as one revision.
struct txn {
  std::vector<compare> when{};
  std::vector<operation> then{};
  std::vector<operation> otherwise{};
};

/// @pre ttl is at least a second; etcd may make it longer (`reply::ttl` says)
struct lease_grant {
  std::chrono::seconds ttl{5};
};

struct lease_keep_alive {
  lease_id id = 0;
};

/// Ends a lease at once, and deletes its keys.
struct lease_revoke {
  lease_id id = 0;
};

using request = std::variant<range, put, erase, txn, lease_grant, lease_keep_alive, lease_revoke>;

/// The answer to any of them; what does not apply is empty.
struct reply {
  revision at = 0;              ///< The store's, when it answered.
  std::vector<entry> entries{}; ///< Of a range.
  std::int64_t count = 0;       ///< Keys in the range, or deleted.
  bool succeeded = false;       ///< Of a transaction: its conditions held.
  std::vector<reply> parts{};   ///< One per operation of the transaction that was done.
  lease_id lease = 0;
  std::chrono::seconds ttl{0}; ///< Of the lease; 0 after a keep-alive: there is no such lease.
};

enum class status : std::uint8_t {
  done,
  refused,     ///< By etcd, for a reason that holds at every member: `code`.
  unavailable, ///< No member could be asked; nothing was changed.
  unknown,     ///< It was sent, and whether it was carried out is not known.
};

[[nodiscard]] std::string_view to_string(status x) noexcept;

/// The codes of gRPC by which etcd refuses, as far as somebody asks for them.
inline constexpr int code_invalid_argument = 3;
inline constexpr int code_not_found = 5;  ///< Such as a lease that expired.
inline constexpr int code_compacted = 11; ///< A revision that is not kept any more.

struct result {
  status what = status::unavailable;
  int code = 0;         ///< Of gRPC, when refused; 0: none was given.
  std::string reason{}; ///< A sentence for the log, when it is not done. Holds no value.
  reply value;
  /// When the request that was answered began to be sent: whatever time etcd counts from it ends no
  /// earlier than counted from here. On the monotonic clock of this machine.
  std::chrono::steady_clock::time_point sent{};
};

/// What a watch follows.
struct watch_spec {
  std::string key{};
  std::string range_end{}; ///< Empty: the one key.
  revision from = 0;       ///< The first of interest; 0: what comes after it has started.
};

struct change {
  entry now; ///< A deleted key has no value and no creation.
  bool deleted = false;
};

struct watch_news {
  enum class kind : std::uint8_t {
    started,     ///< Follows from `at` on; told after each interruption too.
    changed,     ///< `changes`, in the order of revisions; `at` is the last one's.
    interrupted, ///< Goes on elsewhere, by itself; no change is lost.
    compacted,   ///< The end: changes before `at` are lost. Read afresh, watch from there.
    refused,     ///< The end: etcd does not want to.
  };
  kind what = kind::started;
  revision at = 0;
  std::vector<change> changes{};
  std::string reason{}; ///< When interrupted or refused.
};

} // namespace troupe::etcd
