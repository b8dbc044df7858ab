#include "actors/bot/inbox.hpp"
#include "runtime/log/log.hpp"
#include "runtime/rules/evaluate.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <map>

namespace troupe::bot {
namespace {

using namespace std::chrono_literals;

/// Updates whose requests are under way at once.
constexpr std::size_t most_at_once = 8;

/// Beyond so many, what was asked for is forgotten of updates that ended otherwise: as dead letters,
/// or because their time was over. Of the others there are no more than the inbox holds.
constexpr std::size_t most_remembered = 200;

/// Whether an update may hold a command for a bot by name: "/help@other".
bool may_name_a_bot(std::string_view body) noexcept {
  return body.find("\"/") != body.npos && body.find('@') != body.npos;
}

/// The bot's own rules answer. The requests of one update are made one after the other; those that
/// were made are not made again when a later one is tried again.
class ruler final : public receiver {
public:
  using receiver::receiver;

  std::size_t places(const updates::update_settings&) const override { return most_at_once; }

  void hand_over(const stored_update& what, std::uint32_t,
                 const updates::update_settings& how) override {
    const auto& program = how.delivery.rules;
    if (!program)
      return in.failed(what.seq, {"the bot has no rules", false, 60s});
    if (auto known = work_.find(what.seq); known != work_.end())
      return go_on(what.seq);
    if (!name_known_ && may_name_a_bot(what.body.str())) {
      ask_name();
      return in.later(what.seq);
    }
    if (work_.size() >= most_remembered)
      std::erase_if(work_, [this](const auto& x) { return !in.under_way(x.first); });
    rules::surroundings around{name_, in.bot.self->clock().now(), what.received};
    work_[what.seq] = {rules::evaluate(*program, what.body.str(), around, rate_), 0};
    go_on(what.seq);
  }

private:
  struct progress {
    std::vector<rules::action> actions;
    std::size_t done = 0;
  };

  template <class F, class G>
  bool call(const std::string& method, const std::string& body, F f, G g) {
    auto registrar = in.services().registrar.get();
    if (!registrar)
      return false;
    method_call what;
    what.tenant = in.bot.spec.tenant;
    what.bot = in.bot.id;
    what.method = method;
    what.body = body;
    what.own = true;
    in.bot.self->request(registrar, caf::infinite, std::move(what)).then(f, g);
    return true;
  }

  void go_on(std::int64_t seq) {
    auto found = work_.find(seq);
    if (found == work_.end()) // It had ended otherwise, while its request was under way.
      return in.later(seq);
    auto& [actions, done] = found->second;
    if (done == actions.size()) {
      work_.erase(found);
      return in.delivered(seq);
    }
    const auto& next = actions[done];
    auto made = call(
      next.method, next.body, [this, seq](const method_answer& x) { answered(seq, x); },
      [this, seq](const caf::error& why) {
        in.failed(seq, {"a call could not be made: " + to_string(why), false, {}});
      });
    if (!made)
      in.later(seq);
  }

  void answered(std::int64_t seq, const method_answer& x) {
    if (x.status == 429 || x.status >= 500)
      return in.failed(seq, {"the Bot API answered " + std::to_string(x.status), true, {}});
    // Of the token, not of what was asked for: the update waits for another one.
    if (x.status == 401)
      return in.failed(seq, {"the Bot API rejects the bot's token", false, {}});
    auto found = work_.find(seq);
    if (x.status != 200 && found != work_.end())
      log::event(log::level::warning, "rules.refused", bot_state::name,
                 {{"bot", in.bot.id},
                  {"method", found->second.actions[found->second.done].method},
                  {"status", std::int64_t{x.status}},
                  {"reason", std::string_view{x.body}.substr(0, 300)}},
                 "The Bot API refused what a bot's rules asked for.");
    if (found != work_.end())
      ++found->second.done;
    go_on(seq);
  }

  void ask_name() {
    if (asking_)
      return;
    auto learn = [this](std::string name) {
      asking_ = false;
      name_known_ = true;
      name_ = std::move(name);
    };
    asking_ = call(
      "getMe", "{}",
      [learn](const method_answer& x) {
        boost::json::error_code err;
        auto value = boost::json::parse(x.body, err);
        const auto* name = err ? nullptr : value.find_pointer("/result/username", err);
        learn(name && name->is_string() ? std::string{name->get_string().c_str()} : std::string{});
      },
      [learn](const caf::error&) { learn({}); }); // Every command is for it, then.
  }

  bool idle() const override { return !asking_; }
  std::chrono::steady_clock::time_point keep_until() const override { return rate_.until(); }

  std::map<std::int64_t, progress> work_; ///< By the update's seq.
  rules::user_rate rate_;
  std::string name_;
  bool name_known_ = false;
  bool asking_ = false;
};

} // namespace

std::unique_ptr<receiver> make_ruler(inbox& to) {
  return std::make_unique<ruler>(to);
}

} // namespace troupe::bot
