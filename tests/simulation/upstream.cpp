#include "tests/simulation/upstream.hpp"

#include "tests/simulation/outside.hpp"

#include "runtime/telegram/methods.hpp"

#include <algorithm>
#include <utility>

namespace troupe::simulation {
namespace {

using namespace std::chrono_literals;

outcome broke(failure how) {
  outcome x;
  x.what = how;
  return x;
}

} // namespace

void upstream::close(std::uint64_t session, std::uint16_t) {
  closed_.insert(session);
  open_.erase(session);
  if (auto found = busy_.find(session); found != busy_.end()) {
    auto x = found->second;
    world_.later(world_.some(1, 500), [this, x] { end(x, broke(failure::aborted)); });
  }
}

void upstream::close_all(std::uint32_t epoch) {
  oldest_ = epoch;
  std::vector<std::uint64_t> all;
  for (const auto& [session, x] : busy_)
    if (net::session_epoch(session) < epoch)
      all.push_back(session);
  for (auto session : all)
    close(session, 0);
}

void upstream::perform(const lease& on, net::api_request what, std::chrono::milliseconds limit,
                       ended then) {
  exchange_facts facts;
  auto slash = what.path.rfind('/');
  facts.token = what.path.substr(4, slash - 4);
  facts.method = what.path.substr(slash + 1);
  facts.body = std::move(what.body);
  if (telegram::bot* known = world_.telegram.by_token(facts.token); known == nullptr)
    world_.verdict.fail("budgets", "a request with a token that nobody has");
  if (troupe::telegram::method(troupe::telegram::find_method(facts.method))
        .has(troupe::telegram::method_trait::long_poll))
    facts.kind = call_kind::long_poll;
  if (troupe::telegram::method(troupe::telegram::find_method(facts.method))
        .has(troupe::telegram::method_trait::produces_message))
    if (auto chat = telegram::chat_in(facts.body); chat != 0)
      ++world_.happened["called: " + facts.method], facts.charged = {chat, chat < 0};
  exchange(on, std::move(facts), limit, std::move(then));
}

void upstream::exchange(const lease& on, exchange_facts what, duration limit, ended then) {
  if (busy_.contains(on.session))
    return world_.verdict.fail("leases", "one session was leased to two");
  auto x = std::make_shared<exchange_state>();
  x->on = on;
  x->what = std::move(what);
  x->then = std::move(then);
  x->began = world_.now;
  busy_.emplace(on.session, x);
  if (auto& verdict = world_.verdict; x->what.kind == call_kind::request)
    verdict.leased(world_.now, 2 * world_.slack_since(verdict.places_changed()));
  bool gone = closed_.contains(on.session) || net::session_epoch(on.session) < oldest_;
  bool breaks = world_.sky.upstream_breaks && world_.luck.chance(250);
  if (breaks)
    ++world_.happened["upstream: broke before the request"];
  if (gone || breaks) { // Before anything was written.
    world_.later(world_.some(10, 5000), [this, x] { end(x, broke(failure::not_sent)); });
    return;
  }
  bool connected = !open_.insert(on.session).second;
  if (connected)
    write(x);
  else
    world_.later(world_.some(200, 30'000), [this, x] { write(x); });
  world_.later(limit, [this, x] { end(x, broke(failure::timeout)); });
}

void upstream::write(const exchange_ptr& x) {
  if (!x->then)
    return;
  x->written = true;
  // It arrives, whatever becomes of the node now.
  arrive(x);
}

void upstream::arrive(const exchange_ptr& x) {
  auto* who = world_.telegram.by_token(x->what.token);
  if (who == nullptr)
    return end(x, broke(failure::broken));
  if (x->what.kind == call_kind::request) {
    world_.verdict.sent(who->how->id, x->what.charged, x->on.permitted_at, world_.now,
                        world_.slack);
    if (world_.tell)
      world_.tell("bot " + std::to_string(who->how->id) + " sends " + x->what.method
                  + ", permitted at "
                  + std::to_string((x->on.permitted_at - 1'000'000'000'000) / 1000) + " us");
  }
  auto& sky = world_.sky;
  auto& luck = world_.luck;
  if (sky.upstream_floods && luck.chance(400) && x->what.kind == call_kind::request) {
    auto wait = luck.between(1, 4);
    ++world_.happened["upstream: 429"];
    return respond(x, {429,
                       R"({"ok":false,"error_code":429,"description":"Too Many Requests",)"
                       R"("parameters":{"retry_after":)"
                         + std::to_string(wait) + "}}",
                       wait});
  }
  if (sky.upstream_fails && luck.chance(sky.failing)) {
    ++world_.happened["upstream: 502"];
    return respond(x, {502, R"({"ok":false,"error_code":502,"description":"Bad Gateway"})", 0});
  }
  if (sky.upstream_breaks && luck.chance(300)) {
    ++world_.happened["upstream: broke after the request"];
    if (luck.chance(500)) // Carried out, and nobody hears of it.
      world_.telegram.ask(x->what.token, x->what.method, x->what.body, [](const auto&) {});
    if (x->what.client_call != 0 && luck.chance(500)) {
      auto method = troupe::telegram::find_method(x->what.method);
      world_.verdict.carried_out(x->what.client_call,
                                 !troupe::telegram::method(method).repeatable());
    }
    world_.later(world_.some(100, 50'000), [this, x] { end(x, broke(failure::broken)); });
    return;
  }
  if (x->what.client_call != 0) {
    auto method = troupe::telegram::find_method(x->what.method);
    world_.verdict.carried_out(x->what.client_call, !troupe::telegram::method(method).repeatable());
  }
  world_.telegram.ask(x->what.token, x->what.method, x->what.body,
                      [this, x](telegram_answer said) { respond(x, std::move(said)); });
}

void upstream::respond(const exchange_ptr& x, telegram_answer said) {
  auto takes = world_.some(1000, 80'000);
  if (world_.sky.upstream_hangs)
    takes = world_.luck.chance(300) ? duration{10min} : world_.some(100'000, 40'000'000);
  if (world_.sky.upstream_hangs)
    ++world_.happened["upstream: hung"];
  world_.later(takes, [this, x, said = std::move(said)] {
    outcome how;
    how.status = said.status;
    how.reusable = true;
    how.latency = world_.now - x->began;
    how.retry_after = std::chrono::seconds{said.retry_after};
    end(x, how, {said.status, "application/json", said.body});
  });
}

void upstream::give_up(std::uint64_t session) {
  auto found = busy_.find(session);
  if (found == busy_.end())
    return;
  auto x = found->second;
  auto how = broke(failure::aborted);
  how.unsent = !x->written;
  end(x, how);
}

void upstream::end(const exchange_ptr& x, outcome how, net::api_answer what) {
  if (!x->then)
    return;
  auto then = std::exchange(x->then, nullptr);
  busy_.erase(x->on.session);
  if (x->what.kind == call_kind::long_poll && how.what != failure::none && x->written)
    world_.telegram.poll_lost(x->what.token);
  if (!how.reusable)
    open_.erase(x->on.session);
  if (how.latency.count() == 0)
    how.latency = world_.now - x->began;
  then(how, std::move(what));
}

std::size_t upstream::busy() const noexcept {
  return static_cast<std::size_t>(std::count_if(
    busy_.begin(), busy_.end(), [this](const auto& x) { return !closed_.contains(x.first); }));
}

void upstream::vanish() {
  for (auto& [session, x] : busy_) {
    x->then = nullptr;
    if (x->what.kind == call_kind::long_poll)
      world_.telegram.poll_lost(x->what.token);
  }
  busy_.clear();
  open_.clear();
}

} // namespace troupe::simulation
