#pragma once
#include "messages/api_peer.hpp"
#include "runtime/api/limits.hpp"
#include "runtime/net/http_server.hpp"
#include "runtime/registry/cluster_view.hpp"

#include <array>
#include <memory>

/// The API's limits over all nodes of a cluster. Private to this folder.
namespace troupe::api {

struct context;

/// The events of one name are counted by one node: the one that has the shard of the name's hash.
/// Each other one asks it. Where it cannot be asked, a node grants its even part of the limit by
/// itself. A name that has to wait is remembered: until then nobody is asked. Thread-safe.
class shared_limits {
public:
  explicit shared_limits(std::shared_ptr<cluster_view> view) : view_(std::move(view)) {}

  /// How long the name has to wait, as far as it was said before.
  [[nodiscard]] std::optional<duration> wait(quota_kind kind, const std::string& name,
                                             time_point now) const;
  void remember(quota_kind kind, const std::string& name, time_point until);

  /// The desk of the node that counts the name; nothing: this one does. Empty: it cannot be asked.
  [[nodiscard]] std::optional<caf::actor> counter_of(quota_kind kind,
                                                     const std::string& name) const;
  /// An event that only this node knows of, within its part of `limit`.
  std::optional<duration> take_alone(quota_kind kind, const std::string& name, std::uint32_t limit,
                                     time_point now);

private:
  static constexpr std::size_t most_names = 50'000;
  static std::string key_of(quota_kind kind, const std::string& name);

  std::shared_ptr<cluster_view> view_;
  std::array<quota, quota_kind_names.size()> alone_{quota{0}, quota{0}, quota{0}};
  mutable std::mutex mtx_;
  struct text_hash {
    std::uint64_t operator()(const std::string& x) const noexcept {
      return mix(std::hash<std::string>{}(x));
    }
  };
  recent_map<std::string, time_point, text_hash> waiting_; ///< Guarded.
};

/// Takes one event, wherever it is counted. @returns nothing if it may happen, else how long to
/// wait
[[nodiscard]] net::http_task<std::optional<duration>>
take_over_all(context& ctx, net::http_executor io, quota_kind kind, std::string name);

/// How long the name has to wait, as far as this node knows. Takes nothing.
[[nodiscard]] std::optional<duration> wait_over_all(const context& ctx, quota_kind kind,
                                                    const std::string& name);

} // namespace troupe::api
