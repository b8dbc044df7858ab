#include "runtime/net/io_gate.hpp"

namespace troupe::net {
namespace {

/// Asio shuts a context's services down, the youngest first, before its scheduler, the oldest,
/// destroys what is left in it.
class gate_service final : public boost::asio::execution_context::service {
public:
  static inline boost::asio::execution_context::id id;

  explicit gate_service(boost::asio::execution_context& of)
    : service(of), gate(std::make_shared<io_gate>(static_cast<boost::asio::io_context&>(of))) {}

  const std::shared_ptr<io_gate> gate;

private:
  void shutdown() override { gate->close(); }
};

} // namespace

std::shared_ptr<io_gate> io_gate::of(boost::asio::io_context& io) {
  return boost::asio::use_service<gate_service>(static_cast<boost::asio::execution_context&>(io))
    .gate;
}

} // namespace troupe::net
