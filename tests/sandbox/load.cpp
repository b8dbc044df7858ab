#include "tests/sandbox/load.hpp"

#include "tests/sandbox/text.hpp"

#include <array>

namespace troupe::sandbox {

namespace {

constexpr std::chrono::milliseconds tick{5};

constexpr std::array<std::string_view, 6> phrases{"/start", "hello",    "how are you?",
                                                  "/help",  "what now", "thanks"};

} // namespace

void load_generator::start(order x) {
  std::lock_guard lock{mutex_};
  if (thread_.joinable()) {
    {
      std::lock_guard wake_lock{wake_mutex_};
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  stopping_ = false;
  std::vector<pair> pairs;
  for (std::size_t i = 0; i < x.users; ++i) {
    auto author = world_.make_user("User " + std::to_string(i + 1), {});
    for (auto& b : x.bots)
      pairs.push_back({world_.make_chat(chat_type::personal, b, {author->id}), author});
  }
  made_ = 0;
  running_ = true;
  thread_ = std::thread{[this, x = std::move(x), pairs = std::move(pairs)] { run(x, pairs); }};
}

void load_generator::stop() {
  std::lock_guard lock{mutex_};
  if (!thread_.joinable())
    return;
  {
    std::lock_guard wake_lock{wake_mutex_};
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void load_generator::run(const order& x, const std::vector<pair>& pairs) {
  auto begin = clock::now();
  auto length = std::chrono::duration_cast<clock::duration>(x.length);
  std::unique_lock lock{wake_mutex_};
  for (std::uint64_t done = 0; !pairs.empty() && !stopping_;) {
    auto elapsed = std::min<clock::duration>(clock::now() - begin, length);
    auto due = static_cast<std::uint64_t>(
      std::chrono::duration<double>(elapsed).count() * x.updates_per_second + 0.5);
    lock.unlock();
    for (; done < due; ++done) {
      auto& at = pairs[done % pairs.size()];
      auto text = phrases[done / pairs.size() % phrases.size()];
      message m;
      m.content = text_members("text", "entities", text, find_entities(text));
      world_.user_writes(*at.where, *at.author, std::move(m));
      made_.fetch_add(1, std::memory_order_relaxed);
    }
    lock.lock();
    if (elapsed >= length)
      break;
    wake_.wait_for(lock, tick, [this] { return stopping_; });
  }
  running_ = false;
}

} // namespace troupe::sandbox
