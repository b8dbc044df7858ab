#define CAF_SUITE event_hub
#include "runtime/registry/event_hub.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <thread>

namespace troupe::event_hub_suite {

SCENARIO("who watches a bot is woken and takes what happened to it") {
  event_hub hub;
  int made = 0;
  auto data = [&made] {
    ++made;
    return std::string{"{}"};
  };
  hub.publish(7, "call", data);
  CHECK_EQ(made, 0); // Nobody watches: nothing is made.
  int woken = 0;
  auto watcher = hub.watch(7, [&woken] { ++woken; });
  hub.publish(8, "call", data);
  CHECK_EQ(woken, 0);
  hub.publish(7, "call", data);
  hub.publish(7, "phase", data);
  CHECK_EQ(woken, 1); // Until it takes.
  std::uint64_t missed = 1;
  auto events = watcher->take(missed);
  CHECK_EQ(missed, 0u);
  CHECK_EQ(events.size(), 2u);
  CHECK_EQ(events.at(0).type, "call");
  CHECK_EQ(events.at(1).type, "phase");
  CHECK(events.at(0).number < events.at(1).number);
  hub.publish(7, "call", data);
  CHECK_EQ(woken, 2);
  watcher.reset();
  hub.publish(7, "call", data); // Sees that it has gone.
  CHECK(!hub.watched());
}

SCENARIO("who does not take in time learns how many it missed") {
  event_hub hub;
  auto watcher = hub.watch(7, {});
  for (std::size_t i = 0; i < event_hub::most_kept + 25; ++i)
    hub.publish(7, "call", [] { return std::string{"{}"}; });
  std::uint64_t missed = 0;
  CHECK_EQ(watcher->take(missed).size(), event_hub::most_kept);
  CHECK_EQ(missed, 25u);
  CHECK_EQ(watcher->take(missed).size(), 0u);
  CHECK_EQ(missed, 0u);
}

SCENARIO("who watches learns when something may have happened that nobody told") {
  event_hub hub;
  hub.doubt(); // Nobody watches.
  int woken = 0;
  auto one = hub.watch(7, [&woken] { ++woken; });
  auto other = hub.watch(8, [&woken] { ++woken; });
  for (std::size_t i = 0; i < event_hub::most_kept + 25; ++i)
    hub.publish(7, "call", [] { return std::string{"{}"}; });
  woken = 0;
  hub.doubt();
  CHECK_EQ(woken, 2);
  hub.publish(7, "call", [] { return std::string{"{}"}; });
  std::uint64_t missed = 0;
  CHECK_EQ(one->take(missed).size(), event_hub::most_kept);
  CHECK_EQ(missed, event_hub::unknown);
  CHECK(other->take(missed).empty());
  CHECK_EQ(missed, event_hub::unknown);
  CHECK(one->take(missed).empty()); // Once.
  CHECK_EQ(missed, 0u);
}

SCENARIO("events of many threads all arrive") {
  event_hub hub;
  auto watcher = hub.watch(7, {});
  std::size_t got = 0;
  std::uint64_t lost = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&hub] {
      for (int i = 0; i < 2000; ++i)
        hub.publish(7, "call", [] { return std::string{"{}"}; });
    });
  for (auto& x : threads)
    x.join();
  std::uint64_t missed = 0;
  got += watcher->take(missed).size();
  lost += missed;
  CHECK_EQ(got + lost, 8000u);
}

SCENARIO("who looks and leaves again and again on a quiet node leaves nothing behind") {
  event_hub hub;
  auto stays = hub.watch(1, {});
  for (int i = 0; i < 10'000; ++i)
    (void)hub.watch(i % 3, {}); // Lets go at once; no event ever comes.
  CHECK(hub.known() <= 2);
  hub.publish(1, "call", [] { return std::string{"{}"}; });
  CHECK_EQ(hub.known(), 1u);
  std::uint64_t missed = 0;
  CHECK_EQ(stays->take(missed).size(), 1u);
}

} // namespace troupe::event_hub_suite
