#define CAF_SUITE net_io_gate

#include "runtime/net/io_gate.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <atomic>
#include <optional>
#include <thread>

namespace troupe::io_gate_suite {

using namespace troupe::net;
namespace asio = boost::asio;

namespace {

/// Posts while its context ends.
template <int N>
struct last_word final : asio::execution_context::service {
  static inline asio::execution_context::id id;
  explicit last_word(asio::execution_context& of) : service(of) {}
  void shutdown() override {
    taken = gate->post([kept = token] {});
    left = token.use_count() - 1;
  }

  std::shared_ptr<io_gate> gate;
  std::shared_ptr<int> token = std::make_shared<int>();
  static inline std::optional<bool> taken;
  static inline long left = 0;
};

} // namespace

SCENARIO("a context that ends takes nothing any more before it destroys what waits in it") {
  std::weak_ptr<int> young;
  {
    asio::io_context io;
    asio::execution_context& base = io;
    auto& older = asio::use_service<last_word<1>>(base);
    older.gate = io_gate::of(io);
    auto& younger = asio::use_service<last_word<2>>(base);
    younger.gate = older.gate;
    young = younger.token;
    CHECK(io_gate::of(io) == older.gate);
  }
  CHECK(last_word<2>::taken == true); // It began to end, and destroys this with the rest.
  CHECK_EQ(last_word<2>::left, 1);
  CHECK(young.expired());
  CHECK(last_word<1>::taken == false);
  CHECK_EQ(last_word<1>::left, 0);
}

SCENARIO("a gate outlives its context and is closed then") {
  std::shared_ptr<io_gate> gate;
  int ran = 0;
  {
    asio::io_context io;
    gate = io_gate::of(io);
    CHECK(gate->post([&] { ++ran; }));
    io.run();
  }
  CHECK_EQ(ran, 1);
  CHECK(!gate->post([&] { ++ran; }));
  CHECK_EQ(ran, 1);
}

SCENARIO("whoever posts from another thread meets no context that is half gone") {
  for (int round = 0; round < 200; ++round) {
    auto token = std::make_shared<int>();
    auto io = std::make_unique<asio::io_context>(1);
    std::atomic<bool> posts{false};
    std::thread other{[&posts, token, gate = io_gate::of(*io)] {
      while (gate->post([token] {}))
        posts = true, posts.notify_one();
    }};
    posts.wait(false);
    io->poll_one();
    io.reset();
    other.join();
    CHECK_EQ(token.use_count(), 1);
  }
}

} // namespace troupe::io_gate_suite
