#pragma once
#include "runtime/etcd/port.hpp"
#include "tests/simulation/agenda.hpp"

#include <map>
#include <optional>

namespace troupe::simulation::clustered {

struct universe;

/// One etcd that never forgets: keys, leases by true time, transactions, watches.
class etcd_server {
public:
  explicit etcd_server(universe& world) : world_(world) {}

  [[nodiscard]] etcd::result execute(const etcd::request& what);
  [[nodiscard]] const etcd::entry* find(const std::string& key) const;

  std::uint64_t watch(std::size_t node, std::uint64_t life, const etcd::watch_spec& what,
                      std::function<void(etcd::watch_news)> then);
  void unwatch(std::uint64_t id) { watchers_.erase(id); }
  void forget(std::size_t node);

  /// It was away, or has another leader: every lease begins anew.
  void renew_leases();
  /// Changes until now are not told any more.
  void compact() { kept_from_ = at_ + 1; }

private:
  struct lease {
    std::chrono::seconds ttl{0};
    time_point ends{};
  };
  struct watcher {
    std::size_t node = 0;
    std::uint64_t life = 0;
    etcd::watch_spec what;
    std::function<void(etcd::watch_news)> then;
    bool woken = false;
  };

  etcd::result run(const etcd::txn& what);
  etcd::reply carry_out(const etcd::operation& what);
  [[nodiscard]] bool holds(const etcd::compare& x) const;
  void write(const etcd::put& x);
  std::int64_t remove(const std::string& from, const std::string& to);
  void end_lease(etcd::lease_id id);
  void watch_lease(etcd::lease_id id);
  void changed(etcd::entry now, bool deleted);
  void wake(std::uint64_t id);
  void tell(std::uint64_t id);
  void commit();

  universe& world_;
  std::map<std::string, etcd::entry> keys_;
  std::map<etcd::lease_id, lease> leases_;
  std::map<std::uint64_t, watcher> watchers_;
  std::vector<etcd::change> past_;
  etcd::revision at_ = 1;
  bool dirty_ = false; ///< The revision that is being made has changes.
  etcd::revision kept_from_ = 0;
  etcd::lease_id last_lease_ = 7'000;
  std::uint64_t last_watch_ = 0;
};

/// A node's way to it.
class etcd_client final : public etcd::port {
public:
  etcd_client(universe& world, std::size_t node, std::uint64_t life)
    : world_(world), node_(node), life_(life) {}

  void perform(etcd::request what, std::chrono::milliseconds limit,
               std::function<void(etcd::result)> then) override;
  std::uint64_t watch(etcd::watch_spec what, std::function<void(etcd::watch_news)> then) override;
  void unwatch(std::uint64_t id) override;
  void close() override {}

private:
  universe& world_;
  std::size_t node_;
  std::uint64_t life_;
};

} // namespace troupe::simulation::clustered
