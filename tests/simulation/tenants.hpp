#pragma once
#include "runtime/relay/port.hpp"
#include "tests/simulation/agenda.hpp"

#include <map>

namespace troupe::simulation {

struct outside;

/// The tenants' receivers behind their URLs.
class tenants final : public relay::port {
public:
  explicit tenants(outside& world) : world_(world) {}

  void perform(relay::post what, std::function<void(relay_result)> then) override;
  void abandon(std::uint64_t id) override;
  void close_all() override;
  void set(const relay::port_limits&) override {}
  [[nodiscard]] std::size_t open() const override { return running_.size(); }

  void vanish() { running_.clear(); }

private:
  void end(std::uint64_t id, std::uint64_t run, relay_result what);
  void ask_for_method(relay_result& how, const std::string& body);
  void receive(const std::string& body, bool take, bool counts);

  outside& world_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::function<void(relay_result)>> running_;
  std::uint64_t runs_ = 0; ///< Another delivery actor gives the same ids again.
};

} // namespace troupe::simulation
