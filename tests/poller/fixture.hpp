#pragma once
#include "messages/cluster.hpp"
#include "messages/journal.hpp"
#include "messages/registrar.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/registry/services.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/settings.hpp"

#include <caf/send.hpp>
#include <caf/test/dsl.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <map>

namespace troupe::intake_tests {

using namespace std::chrono_literals;

/// What the registrar is asked, and what it answers.
struct registrar_notes {
  std::vector<method_call> calls;
  /// By method; what is not scripted waits in `open`.
  std::map<std::string, std::deque<caf::expected<method_answer>>> script;
  std::vector<std::pair<method_call, caf::typed_response_promise<method_answer>>> open;
  std::vector<bot_served> served;
  bool restored = true; ///< `served` is all of them.
  std::vector<bot_change> changes;
  std::vector<verification_try> tries;
  code_verdict verdict = code_verdict::verified;
  std::function<void()> next; ///< Runs in the actor, whose promises nobody else may fulfil.
};

inline registrar_actor::behavior_type fake_registrar(registrar_actor::pointer self,
                                                     std::shared_ptr<registrar_notes> notes) {
  auto no_row = [] { return caf::make_error(store_refusal::not_found); };
  return {
    [=](const bot_register&) -> caf::result<bot_row> { return no_row(); },
    [=](const bot_order&) -> caf::result<bot_row> { return no_row(); },
    [=](const bot_rotate&) -> caf::result<bot_row> { return no_row(); },
    [=](const bot_change& x) -> caf::result<bot_row> {
      notes->changes.push_back(x);
      return bot_row{};
    },
    [=](const bot_remove&) -> caf::result<bot_row> { return no_row(); },
    [](const virtual_token_make&) { return made_virtual_token{}; },
    [](const virtual_token_revoke&) { return done{}; },
    [=](const tenant_put&) -> caf::result<tenant_row> { return no_row(); },
    [](const tenant_remove&) { return done{}; },
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [](const tenant_changed&) { return done{}; },
    [](const live_query&) { return live_list{}; },
    [=](const verification_try& x) {
      notes->tries.push_back(x);
      return notes->verdict;
    },
    [=](const method_call& x) -> caf::result<method_answer> {
      notes->calls.push_back(x);
      auto& said = notes->script[x.method];
      if (said.empty()) {
        auto promise = self->make_response_promise<method_answer>();
        notes->open.emplace_back(x, promise);
        return promise;
      }
      auto next = std::move(said.front());
      said.pop_front();
      if (!next)
        return next.error();
      return std::move(*next);
    },
    [=](served_query) {
      return served_list{notes->served, notes->restored};
    },
    [=](get_report) {
      if (auto next = std::exchange(notes->next, nullptr))
        next();
      return registrar_report{};
    },
  };
}

struct journal_notes {
  std::vector<update_append> appended;
  std::deque<caf::error> refusals; ///< The next ones.
  bool full = false;
};

inline journal_actor::behavior_type fake_journal(journal_actor::pointer,
                                                 std::shared_ptr<journal_notes> notes) {
  return {
    [=](const update_append& x) -> caf::result<append_result> {
      if (!notes->refusals.empty()) {
        auto why = notes->refusals.front();
        notes->refusals.pop_front();
        return why;
      }
      notes->appended.push_back(x);
      return append_result{static_cast<std::uint32_t>(x.updates.size()), 0};
    },
    [](const update_fetch&) { return update_page{}; },
    [](const update_ends&) {},
    [](const update_confirm&) { return confirm_result{}; },
    [](const journal_attach&) { return pending_count{}; },
    [](const journal_forget&) {},
    [=](const pending_query&) {
      pending_count x;
      x.full = notes->full;
      return x;
    },
    [](const dead_letter_query&) { return dead_letter_page{}; },
    [](const dead_letter_replay&) { return replay_result{}; },
    [](const journal_limits&) {},
    [](const get_report&) { return journal_report{}; },
    [](const pasts_keep&) { return done{}; },
    [](const pasts_ask&) { return pasts_kept{}; },
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [](const box_filled&) {},
  };
}

inline method_answer ok(std::string result) {
  return {200, "application/json", R"({"ok":true,"result":)" + std::move(result) + "}"};
}
inline method_answer error(std::uint16_t status, std::string description,
                           std::string parameters = {}) {
  return {status, "application/json",
          R"({"ok":false,"error_code":)" + std::to_string(status) + R"(,"description":")"
            + description + '"' + parameters + "}"};
}

struct fixture : test_coordinator_fixture<> {
  fixture() {
    found->updates = std::make_shared<update_services>();
    found->updates->wall = [this] { return wall; };
    registrar = sys.spawn(fake_registrar, notes);
    journal = sys.spawn(fake_journal, kept);
    found->updates->registrar.publish(registrar);
    found->updates->journal.publish(journal);
  }
  ~fixture() override {
    notes->open.clear();
    found->updates->registrar.publish({});
    found->updates->journal.publish({});
    for (auto& x : {caf::actor_cast<caf::actor>(registrar), caf::actor_cast<caf::actor>(journal)})
      caf::anon_send_exit(x, caf::exit_reason::kill);
    sched.run();
  }

  void put(bot_id bot, std::string_view settings = "{}") {
    found->updates->book.put(
      bot, std::make_shared<const updates::update_settings>(updates::read_settings(settings)));
  }
  void answer(std::string method, caf::expected<method_answer> what) {
    notes->script[std::move(method)].push_back(std::move(what));
  }
  /// Answers the oldest call that waits, of this bot.
  void answer_open(caf::expected<method_answer> what, bot_id bot = 0) {
    auto found = std::find_if(notes->open.begin(), notes->open.end(),
                              [bot](auto& x) { return bot == 0 || x.first.bot == bot; });
    if (found == notes->open.end())
      CAF_FAIL("no call waits");
    auto promise = found->second;
    notes->open.erase(found);
    notes->next = [promise, what]() mutable {
      if (what)
        promise.deliver(std::move(*what));
      else
        promise.deliver(std::move(what.error()));
    };
    caf::anon_send(registrar, get_report{});
    sched.run();
  }
  void pass(caf::timespan time) {
    wall += std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    advance_time(time);
    sched.run();
  }
  std::vector<std::string> methods() const {
    std::vector<std::string> result;
    for (auto& x : notes->calls)
      result.push_back(x.method);
    return result;
  }
  const method_call& last() const {
    if (notes->calls.empty())
      CAF_FAIL("no call was made");
    return notes->calls.back();
  }

  std::shared_ptr<registrar_notes> notes = std::make_shared<registrar_notes>();
  std::shared_ptr<journal_notes> kept = std::make_shared<journal_notes>();
  std::shared_ptr<services> found = std::make_shared<services>();
  std::shared_ptr<directory> names = std::make_shared<directory>();
  std::int64_t wall = 1'700'000'000'000; ///< Long past: nobody reads the system's.
  registrar_actor registrar;
  journal_actor journal;
};

} // namespace troupe::intake_tests
