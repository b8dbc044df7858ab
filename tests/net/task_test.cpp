#define CAF_SUITE net_task
#include "runtime/net/awaited.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <memory>
#include <stdexcept>
#include <string>

namespace troupe::task_suite {

using namespace troupe::net;
using boost::system::error_code;

namespace {

task<int> doubled(int x) {
  co_return 2 * x;
}

task<int> summed(int n) { // Each step ends before the next begins: no stack may pile up.
  int sum = 0;
  for (int i = 0; i < n; ++i)
    sum += co_await doubled(1);
  co_return sum;
}

task<int> broken() {
  throw std::runtime_error{"broken"};
  co_return 0;
}

task<void> keep(std::shared_ptr<int> held, steady_timer& timer) {
  co_await awaited{[&timer](auto handler) { timer.async_wait(std::move(handler)); }};
  ++*held;
}

task<void> nest(std::shared_ptr<int> held, steady_timer& timer) {
  co_await keep(held, timer);
  ++*held;
}

/// Two ends of a TCP connection over loopback, on `io`.
struct tcp_pair {
  explicit tcp_pair(asio::io_context& io) : near(io.get_executor()), far(io.get_executor()) {
    tcp_acceptor acceptor{io.get_executor(), {asio::ip::address_v4::loopback(), 0}};
    near.connect(acceptor.local_endpoint());
    far = acceptor.accept();
  }
  tcp_socket near, far;
};

task<void> send_all(tcp_socket& to, std::string_view head, std::string_view body, io_result& how) {
  how = co_await written{to, head, body};
}

task<void> read_all(tcp_socket& from, std::string& into, std::size_t wanted) {
  std::array<char, 4096> buffer;
  while (into.size() < wanted) {
    auto got = co_await read_some(from, asio::buffer(buffer));
    if (got.ec || got.n == 0)
      co_return;
    into.append(buffer.data(), got.n);
  }
}

auto fine = [](std::exception_ptr) {};

} // namespace

SCENARIO("a task's result and exceptions reach who awaits it") {
  GIVEN("tasks within tasks") {
    WHEN("ten thousand of them end one after the other") {
      int sum = 0;
      spawn([](int& out) -> task<void> { out = co_await summed(10'000); }(sum), fine);
      THEN("the sum is right and the stack was enough") {
        CHECK_EQ(sum, 20'000);
      }
    }
    WHEN("an inner one throws") {
      std::string what;
      spawn([]() -> task<void> { co_await broken(); }(),
            [&what](std::exception_ptr failure) {
              try {
                std::rethrow_exception(failure);
              } catch (const std::runtime_error& x) {
                what = x.what();
              }
            });
      THEN("the outermost one's end is told") {
        CHECK_EQ(what, "broken");
      }
    }
  }
}

SCENARIO("a task that still waits when its io_context ends is destroyed with all that await it") {
  GIVEN("a task that waits for a timer within another") {
    WHEN("the timer fires") {
      auto held = std::make_shared<int>(0);
      asio::io_context io;
      steady_timer timer{io.get_executor(), std::chrono::milliseconds{1}};
      spawn(nest(held, timer), fine);
      io.run();
      THEN("both went on") {
        CHECK_EQ(*held, 2);
        CHECK_EQ(held.use_count(), 1);
      }
    }
    WHEN("the io_context is destroyed first") {
      auto held = std::make_shared<int>(0);
      auto io = std::make_unique<asio::io_context>();
      auto timer = std::make_unique<steady_timer>(io->get_executor(), std::chrono::hours{1});
      spawn(nest(held, *timer), fine);
      CHECK(held.use_count() > 1);
      timer.reset(); // Its handler is queued now, and never run.
      io.reset();
      THEN("neither went on, and nothing is held any more") {
        CHECK_EQ(*held, 0);
        CHECK_EQ(held.use_count(), 1);
      }
    }
  }
}

SCENARIO("what the socket does not take at once is written when there is room") {
  GIVEN("a TCP connection whose other end reads nothing yet") {
    const std::string head = "head ", body(8 << 20, 'x');
    WHEN("eight megabytes are written") {
      asio::io_context io;
      tcp_pair both{io};
      io_result how;
      bool ended = false;
      spawn(send_all(both.near, head, body, how), [&ended](std::exception_ptr) { ended = true; });
      CHECK(!ended);
      std::string seen;
      spawn(read_all(both.far, seen, head.size() + body.size()), fine);
      io.run();
      THEN("all arrive in order once they are read") {
        CHECK(ended);
        CHECK(!how.ec);
        CHECK_EQ(how.n, head.size() + body.size());
        CHECK(seen == head + body);
      }
    }
    WHEN("a little is written") {
      asio::io_context io;
      tcp_pair both{io};
      io_result how;
      bool ended = false;
      spawn(send_all(both.near, head, "body", how), [&ended](std::exception_ptr) { ended = true; });
      THEN("it is written without waiting") {
        CHECK(ended);
        CHECK_EQ(how.n, 9u);
      }
    }
    WHEN("the other end is reset while the rest waits") {
      asio::io_context io;
      tcp_pair both{io};
      io_result how;
      bool ended = false;
      spawn(send_all(both.near, head, body, how), [&ended](std::exception_ptr) { ended = true; });
      both.far.set_option(asio::socket_base::linger{true, 0});
      both.far.close();
      io.run();
      THEN("the writer learns it, and how much was taken before") {
        CHECK(ended);
        CHECK(static_cast<bool>(how.ec));
        CHECK(how.n > 0u && how.n < body.size());
      }
    }
    WHEN("the socket was closed before") {
      asio::io_context io;
      tcp_pair both{io};
      io_result how;
      bool ended = false;
      both.near.close();
      spawn(send_all(both.near, head, "body", how), [&ended](std::exception_ptr) { ended = true; });
      THEN("that is an error, and nothing was written") {
        CHECK(ended);
        CHECK(static_cast<bool>(how.ec));
        CHECK_EQ(how.n, 0u);
      }
    }
  }
}

} // namespace troupe::task_suite
