#define CAF_SUITE registry
#include "messages/updates.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/registry/live_value.hpp"
#include "runtime/registry/services.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/test/bdd_dsl.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <numeric>
#include <random>
#include <thread>
#include <unordered_map>

namespace troupe::registry_suite {

using namespace std::literals;

namespace {

using clock_type = directory::clock;
constexpr siphash_key test_key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

std::string counting_bytes(std::size_t n) {
  std::string result;
  for (std::size_t i = 0; i < n; ++i)
    result += static_cast<char>(i);
  return result;
}

std::string bytes_of(std::uint64_t x) {
  std::string result;
  for (int i = 0; i < 8; ++i, x >>= 8)
    result += static_cast<char>(x & 0xff);
  return result;
}

/// An independent implementation: OpenSSL's.
std::string openssl_siphash(std::string_view input, std::size_t size) {
  auto* mac = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  auto* ctx = EVP_MAC_CTX_new(mac);
  OSSL_PARAM params[]{OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_END};
  auto key = counting_bytes(16);
  std::string result(size, '\0');
  std::size_t written = 0;
  auto raw = [](auto& s) { return reinterpret_cast<unsigned char*>(s.data()); };
  std::string in{input};
  bool good = EVP_MAC_init(ctx, raw(key), key.size(), params) == 1
              && EVP_MAC_update(ctx, raw(in), in.size()) == 1
              && EVP_MAC_final(ctx, raw(result), &written, size) == 1;
  EVP_MAC_CTX_free(ctx);
  EVP_MAC_free(mac);
  return good ? result : "";
}

token_digest digest(std::uint64_t n) {
  return token_hash(test_key, std::to_string(n) + ":AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

bot_actor::behavior_type idle_bot(bot_actor::pointer) {
  return {[](const call&) { return grant{}; },
          [](const attempt_failed&) { return grant{}; },
          [](const call_done&) {},
          [](const call_cancelled&) {},
          [](const answer_streams&) {},
          [](const breaker_change&) {},
          [](const bot_command&) {},
          [](const updates_ready&) {},
          [](const pull_request&) { return pull_answer{}; },
          [](const pull_cancel&) {},
          [](const passivate&) { return passivation{}; },
          [](const get_report&) { return bot_report{}; }};
}

struct fixture : test_coordinator_fixture<> {
  clock_type::time_point now{1h};
};

} // namespace

SCENARIO("the token hash is SipHash-2-4") {
  // The published vectors of the reference implementation: key 00..0f, input 00, 01, …
  CHECK_EQ(siphash64(test_key, ""), 0x726fdb47dd0e0e31u);
  CHECK_EQ(siphash64(test_key, counting_bytes(15)), 0xa129ca6149be45e5u);
  CHECK_EQ(siphash128(test_key, "").key, 0xe6a825ba047f81a3u);
  CHECK_EQ(siphash128(test_key, "").check, 0x930255c71472f66du);
  for (std::size_t n = 0; n < 70; ++n) {
    auto input = counting_bytes(n);
    auto wide = siphash128(test_key, input);
    CHECK_EQ(bytes_of(siphash64(test_key, input)), openssl_siphash(input, 8));
    CHECK_EQ(bytes_of(wide.key) + bytes_of(wide.check), openssl_siphash(input, 16));
  }
}

SCENARIO("a provisional id is negative and another one for each token") {
  CHECK_LT(provisional_bot_id(digest(1)), 0);
  CHECK_NE(provisional_bot_id(digest(1)), provisional_bot_id(digest(2)));
  CHECK_LT(provisional_bot_id({~std::uint64_t{0}, 0}), 0);
  CHECK_LT(provisional_bot_id({0, 0}), -1);
}

SCENARIO("the flat index behaves like a map") {
  flat_index index;
  std::unordered_map<std::uint64_t, std::uint32_t> model;
  std::mt19937_64 random{7};
  bool same = true;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    auto key = random() % 3000; // Small, so that chains form and break up.
    if (random() % 2 == 0) {
      index.set(key, i);
      model[key] = i;
    } else {
      same = same && index.erase(key) == (model.erase(key) == 1);
    }
    auto probe = random() % 3000;
    auto found = index.find(probe);
    auto expected = model.find(probe);
    same = same && found.has_value() == (expected != model.end())
           && (!found || *found == expected->second) && index.size() == model.size();
  }
  CHECK(same);
}

SCENARIO("the index of places behaves like a map") {
  place_index index;
  std::vector<std::uint64_t> keys(3000, 0); // By place; each has its own, and others later.
  auto key_at = [&](std::uint32_t place) { return keys[place]; };
  std::unordered_map<std::uint64_t, std::uint32_t> model;
  std::vector<std::uint32_t> free(keys.size());
  std::iota(free.begin(), free.end(), 0u);
  std::mt19937_64 random{8};
  bool same = true;
  for (int i = 0; i < 200'000; ++i) {
    auto key = random() % 3000; // Small, so that chains form and break up.
    if (random() % 2 == 0 && !model.contains(key)) {
      auto place = free.back();
      free.pop_back();
      keys[place] = key;
      index.add(place, key_at);
      model[key] = place;
    } else if (auto found = model.find(key); found != model.end()) {
      free.push_back(found->second);
      same = same && index.erase(key, key_at);
      model.erase(found);
    } else {
      same = same && !index.erase(key, key_at);
    }
    auto probe = random() % 3000;
    auto found = index.find(probe, key_at);
    auto expected = model.find(probe);
    same = same && found.has_value() == (expected != model.end())
           && (!found || *found == expected->second) && index.size() == model.size();
  }
  CHECK(same);
}

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a slot gives what was published last") {
  service_slot<bot_actor> slot;
  CHECK(!slot.get());
  auto first = sys.spawn(idle_bot);
  auto second = sys.spawn(idle_bot);
  slot.publish(first);
  CHECK_EQ(slot.get(), first);
  slot.publish(second);
  CHECK_EQ(slot.get(), second);
  slot.publish({});
  CHECK(!slot.get());
  anon_send_exit(first, caf::exit_reason::user_shutdown);
  anon_send_exit(second, caf::exit_reason::user_shutdown);
}

SCENARIO("readers of a slot never see a torn or dead handle while it is published anew") {
  service_slot<bot_actor> slot;
  std::vector<bot_actor> actors;
  for (int i = 0; i < 4; ++i)
    actors.push_back(sys.spawn(idle_bot));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      while (!stop)
        if (auto x = slot.get(); x && std::ranges::find(actors, x) == actors.end())
          ++wrong;
    });
  for (int i = 0; i < 20'000; ++i)
    slot.publish(actors[static_cast<std::size_t>(i) % 4]);
  stop = true;
  for (auto& reader : readers)
    reader.join();
  CHECK_EQ(wrong.load(), 0u);
  for (auto& x : actors)
    anon_send_exit(x, caf::exit_reason::user_shutdown);
}

SCENARIO("each bot belongs to one shard, and all shards get some") {
  services found{4};
  std::array<int, 4> hits{};
  for (bot_id bot = 1; bot <= 4000; ++bot)
    ++hits[found.shard_of(bot * 1000)];
  for (auto n : hits)
    CHECK_GT(n, 700);
  CHECK_EQ(services{0}.bots.size(), 1u);
}

SCENARIO("a token leads to its bot and to no other") {
  directory names{{}, now};
  CHECK(names.put(digest(7), 7, 3, true, now).accepted);
  auto found = names.find(digest(7), now);
  CAF_REQUIRE(found);
  CHECK_EQ(found->bot, 7);
  CHECK_EQ(found->tenant, 3u);
  CHECK_EQ(found->phase, bot_phase::pending);
  CHECK(!found->actor);
  CHECK(!names.find(digest(8), now));
  THEN("a token with the same 64-bit key but other bits is a stranger") {
    auto forged = digest(7);
    forged.check ^= 1;
    CHECK(!names.find(forged, now));
    CHECK(!names.put(forged, 9, 1, true, now).accepted);
  }
  WHEN("it is put again") {
    auto again = names.put(digest(7), 70, 1, false, now);
    THEN("the first entry stays") {
      CHECK(again.accepted);
      CHECK(again.existed);
      CHECK_EQ(names.find(digest(7), now)->bot, 7);
    }
  }
  WHEN("it is erased") {
    CHECK(names.erase(digest(7).key));
    THEN("nothing leads to it") {
      CHECK(!names.find(digest(7), now));
      CHECK(!names.find(bot_id{7}));
      CHECK_EQ(names.size(), 0u);
      CHECK(!names.erase(digest(7).key));
    }
  }
}

SCENARIO("the directory follows a bot's phases") {
  directory names{{}, now};
  auto token = digest(7);
  names.put(token, 7, 1, true, now);
  auto bot = sys.spawn(idle_bot);
  CHECK(names.attach(token.key, 7, bot, bot_phase::active));
  CHECK_EQ(names.find(bot_id{7})->actor, bot);
  CHECK_EQ(names.by_phase()[static_cast<std::size_t>(bot_phase::active)], 1u);
  CHECK_EQ(names.by_phase()[static_cast<std::size_t>(bot_phase::pending)], 0u);
  CHECK(names.set_phase(token.key, 7, bot_phase::suspended));
  CHECK_EQ(names.find(token, now)->actor, bot);
  CHECK(names.detach(token.key, 7, bot_phase::quarantined));
  CHECK(!names.find(token, now)->actor);
  CHECK_EQ(names.by_phase()[static_cast<std::size_t>(bot_phase::quarantined)], 1u);
  THEN("what concerns another bot is ignored") {
    CHECK(!names.attach(token.key, 8, bot, bot_phase::active));
    CHECK(!names.set_phase(1234, 7, bot_phase::active));
    CHECK(!names.erase(token.key, 8));
    CHECK_EQ(names.find(token, now)->phase, bot_phase::quarantined);
  }
  anon_send_exit(bot, caf::exit_reason::user_shutdown);
}

SCENARIO("adopted bots are bounded, and an idle one gives way") {
  directory names{{.unproven = 2, .unproven_idle = 30s}, now};
  CHECK(names.put(digest(1), -11, 1, false, now).accepted);
  CHECK(names.put(digest(2), -12, 1, false, now).accepted);
  CHECK(!names.put(digest(3), -13, 1, false, now + 1s).accepted);
  CHECK(names.put(digest(4), 4, 1, true, now + 1s).accepted);
  CHECK_EQ(names.unproven(), 2u);
  WHEN("one is used and the other idle for 30 s") {
    CHECK(names.find(digest(1), now + 20s));
    CHECK(!names.put(digest(3), -13, 1, false, now + 29s).accepted);
    auto put = names.put(digest(3), -13, 1, false, now + 30s);
    THEN("the idle one makes room") {
      CHECK(put.accepted);
      CAF_REQUIRE(put.evicted);
      CHECK_EQ(put.evicted->home, -12);
      CHECK(!names.find(digest(2), now + 30s));
      CHECK(names.find(digest(1), now + 30s));
      CHECK_EQ(names.unproven(), 2u);
    }
  }
}

SCENARIO("a proven bot goes by its number, keeps its home, and makes room") {
  directory names{{.unproven = 1, .unproven_idle = 30s}, now};
  CHECK(names.put(digest(1), -11, 1, false, now).accepted);
  CHECK(!names.put(digest(3), -13, 1, false, now).accepted);
  CHECK(names.prove(digest(1).key, 1));
  CHECK(!names.find(bot_id{-11}));
  auto found = names.find(bot_id{1});
  CAF_REQUIRE(found);
  CHECK_EQ(found->home, -11);
  CHECK(found->proven);
  CHECK(names.set_phase(digest(1).key, -11, bot_phase::active));
  CHECK(names.put(digest(3), -13, 1, false, now).accepted);
  CHECK(!names.prove(digest(9).key, 9));
}

SCENARIO("one id claimed by two tokens leads to the newer, and stays right when one goes") {
  directory names{{}, now};
  names.put(digest(1), 7, 1, true, now);
  names.put(digest(2), 7, 1, true, now);
  CHECK_EQ(names.find(bot_id{7})->token_key, digest(2).key);
  names.erase(digest(1).key);
  CHECK_EQ(names.find(bot_id{7})->token_key, digest(2).key);
  names.erase(digest(2).key);
  CHECK(!names.find(bot_id{7}));
}

SCENARIO("an entry needs less than 120 bytes") {
  directory names{{}, now};
  // Just after the tables doubled is the worst moment: look at many sizes.
  std::size_t worst = 0;
  for (std::uint64_t n = 1; n <= 120'000; ++n) {
    names.put({n * 0x9E3779B97F4A7C15u, n}, static_cast<bot_id>(n), 1, true, now);
    if (n >= 20'000 && n % 500 == 0)
      worst = std::max(worst, names.bytes() / n);
  }
  CAF_MESSAGE("at most " << worst << " bytes an entry");
  CHECK_LT(worst, 120u);
}

SCENARIO("lookups and changes run side by side") {
  directory names{{}, now};
  for (std::uint64_t n = 1; n <= 500; ++n)
    names.put(digest(n), static_cast<bot_id>(n), 1, true, now);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      for (std::uint64_t n = 1; !stop; n = n % 500 + 1) {
        auto by_token = names.find(digest(n), now);
        auto by_id = names.find(static_cast<bot_id>(n));
        // Those up to 100 come and go; the others must always be there.
        if ((n > 100 && (!by_token || !by_id))
            || (by_token && by_token->bot != static_cast<bot_id>(n))
            || (by_id && by_id->token_key != digest(n).key))
          ++wrong;
      }
    });
  for (int round = 0; round < 100; ++round)
    for (std::uint64_t n = 1; n <= 100; ++n) {
      names.erase(digest(n).key);
      names.put(digest(n), static_cast<bot_id>(n), 1, true, now);
      names.set_phase(digest(n).key, static_cast<bot_id>(n), bot_phase::active);
    }
  stop = true;
  for (auto& reader : readers)
    reader.join();
  CHECK_EQ(wrong.load(), 0u);
  CHECK_EQ(names.size(), 500u);
}

SCENARIO("a live value keeps what its readers may still look at, and equal values once") {
  live_value<std::string> live{"first"};
  auto& first = live.get();
  for (int i = 0; i < 1000; ++i) {
    live.publish("second");
    CHECK_EQ(live.get(), "second");
    live.publish("first");
    CHECK_EQ(&live.get(), &first);
  }
  CHECK_EQ(live.kept(), 2u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::registry_suite
