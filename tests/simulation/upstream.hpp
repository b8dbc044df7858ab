#pragma once
#include "runtime/net/call_port.hpp"
#include "runtime/net/upstream_port.hpp"
#include "tests/simulation/telegram.hpp"

#include <map>
#include <memory>
#include <set>

namespace troupe::simulation {

/// A request on its way out.
struct exchange_facts {
  std::string token;
  std::string method;
  std::string body;
  call_kind kind = call_kind::request;
  chat_ref charged;
  std::uint64_t client_call = 0; ///< Of the plan, from 1; 0: the node's own.
};

/// Connections to Telegram, and what happens on them.
class upstream final : public net::session_port, public net::call_port {
public:
  using ended = std::function<void(outcome, net::api_answer)>;

  explicit upstream(outside& world) : world_(world) {}

  void close(std::uint64_t session, std::uint16_t lane) override;
  void close_all(std::uint32_t epoch) override;
  void perform(const lease& on, net::api_request what, std::chrono::milliseconds limit,
               ended then) override;

  /// What a gateway's connection does with its grant.
  void exchange(const lease& on, exchange_facts what, duration limit, ended then);
  /// The client of the exchange on this session is gone.
  void give_up(std::uint64_t session);

  /// The process is gone, its connections with it. What was written arrives all the same.
  void vanish();

  /// Sessions in use, without those that the pool has closed: their exchanges end soon.
  [[nodiscard]] std::size_t busy() const noexcept;

private:
  struct exchange_state {
    lease on;
    exchange_facts what;
    ended then; ///< Empty: it is over, for the node.
    time_point began;
    bool written = false;
  };
  using exchange_ptr = std::shared_ptr<exchange_state>;

  void write(const exchange_ptr& x);
  void arrive(const exchange_ptr& x);
  void respond(const exchange_ptr& x, telegram_answer said);
  void end(const exchange_ptr& x, outcome how, net::api_answer what = {});

  outside& world_;
  std::map<std::uint64_t, exchange_ptr> busy_; ///< By session.
  std::set<std::uint64_t> open_;
  std::set<std::uint64_t> closed_;
  std::uint32_t oldest_ = 0;
};

} // namespace troupe::simulation
