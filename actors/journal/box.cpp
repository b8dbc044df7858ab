#include "actors/journal/state.hpp"

#include <caf/send.hpp>

/// Updates of bots that another node has: put into the store's box, from where the owner of the
/// bot's shard takes them.
namespace troupe::journal {

/// Updates of one bot that are taken out at once.
constexpr std::size_t taken_at_once = 200;

void journal_state::complete(std::vector<stored_update>& what) const {
  auto at = wall();
  for (auto& one : what) {
    if (one.received == 0)
      one.received = at;
    auto latest = one.received + lifetime_ms();
    one.expires = one.expires == 0 ? latest : std::min(one.expires, latest);
  }
}

// -- in -------------------------------------------------------------------------------------------

void journal_state::append_to_box(update_append& x, promise<append_result> to) {
  auto n = static_cast<std::uint32_t>(x.updates.size());
  if (n == 0)
    return to.deliver(append_result{});
  for (auto& one : x.updates)
    if (!store::is_text(one.body.str()))
      return to.deliver(caf::make_error(store_refusal::invalid));
  if (!has_room(x.updates)) {
    counts.refused += n;
    return to.deliver(unavailable());
  }
  complete(x.updates);
  now_wait(x.updates);
  boxing.push_back({x.bot, std::move(x.updates), std::move(to)});
  write_box();
}

/// An append whose bot is not ours after all. What came from the box is there still.
void journal_state::reroute(waiting_append&& what) {
  if (what.places.empty()) {
    boxing.push_back(std::move(what));
    return write_box();
  }
  wait_no_more(what.updates);
  looking.erase(what.bot);
}

void journal_state::write_box() {
  if (writing_box || boxing.empty())
    return;
  writing_box = true;
  auto what = std::make_shared<std::vector<waiting_append>>();
  std::uint64_t bytes = 0;
  for (std::size_t n = 0; !boxing.empty() && n < cfg.group_updates && bytes <= cfg.group_bytes;) {
    n += boxing.front().updates.size();
    bytes += bytes_of(boxing.front().updates);
    what->push_back(std::move(boxing.front()));
    boxing.pop_front();
  }
  auto failed = std::make_shared<caf::error>();
  auto fresh = std::make_shared<std::vector<std::optional<std::size_t>>>();
  storage::work one;
  one.how = storage::work::kind::write;
  one.run = [what, failed, fresh, most = cfg.max_pending](store::unit& u) {
    *failed = {};
    fresh->clear();
    for (auto& from : *what) {
      std::vector<store::new_update> rows;
      for (auto& x : from.updates)
        rows.push_back({0, from.bot, x.id, store::content_hash(x.body.str()), kind_name(x.kind),
                        x.key.kind != 0, x.key.id, x.urgent, x.received, x.expires, x.body.str()});
      fresh->push_back(store::put_in_box(u, rows, most));
    }
  };
  one.fail = [failed](caf::error why) { *failed = std::move(why); };
  submit(std::move(one), [this, what, failed, fresh] {
    writing_box = false;
    boxed(*what, *failed, *fresh);
    write_box();
  });
}

void journal_state::boxed(std::vector<waiting_append>& what, const caf::error& why,
                          const std::vector<std::optional<std::size_t>>& fresh) {
  std::unordered_set<bot_id> filled;
  for (std::size_t i = 0; i < what.size(); ++i) {
    auto& one = what[i];
    auto n = static_cast<std::uint32_t>(one.updates.size());
    wait_no_more(one.updates);
    if (why || !fresh[i]) {
      counts.refused += n;
      one.to.deliver(why ? why
                         : caf::make_error(ec::journal_full, refusal{std::chrono::seconds{1}}));
      continue;
    }
    auto stored = static_cast<std::uint32_t>(*fresh[i]);
    one.to.deliver(append_result{stored, n - stored});
    filled.insert(one.bot);
  }
  for (auto bot : filled)
    if (mine(bot)) // It came to us meanwhile.
      look_in_box(bot);
    else if (auto desk = ports.cluster->desk_of(bot))
      // Not without a sender: a desk listens to those alone whose node it knows.
      desk->enqueue(caf::strong_actor_ptr{self->ctrl()}, caf::make_message_id(),
                    caf::make_message(box_filled{bot}), self->context());
}

// -- out ------------------------------------------------------------------------------------------

/// What the box has of the bot joins what waits to be stored, as far as the bot may have more. It
/// leaves the box with the group that stores it.
void journal_state::look_in_box(bot_id bot) {
  auto& hold = held[shard_of(bot)];
  if (!ports.cluster || !ready || stopping || hold.revision == 0 || hold.leaving)
    return;
  auto* known = find(bot);
  auto waiting = known == nullptr ? 0 : known->count() + known->coming;
  if (waiting >= cfg.max_pending || waiting_updates >= cfg.max_waiting
      || waiting_bytes >= cfg.max_waiting_bytes || looking.contains(bot))
    return;
  // What is being read is not counted yet: few at a time, so that it stays within the same bound.
  if (box_reads >= std::max<std::uint64_t>(cfg.max_waiting_bytes / (cfg.group_bytes + 1), 1)) {
    to_look.insert(bot);
    return;
  }
  looking.insert(bot);
  ++box_reads;
  auto limit = std::min<std::size_t>(cfg.max_pending - waiting, taken_at_once);
  read(
    [bot, limit, bytes = cfg.group_bytes](store::unit& u) {
      return store::look_in_box(u, bot, limit, bytes);
    },
    [this, bot, term = hold.term](const caf::error& why, std::vector<store::update_record>& rows) {
      --box_reads;
      auto& hold = held[shard_of(bot)];
      if (why || rows.empty() || hold.revision == 0 || hold.term != term || hold.leaving) {
        looking.erase(bot);
        return look_on();
      }
      waiting_append one;
      one.bot = bot;
      for (auto& x : rows) {
        one.places.push_back(x.seq);
        x.seq = 0;
        one.updates.push_back(update_of(std::move(x)));
      }
      auto n = static_cast<std::uint32_t>(one.updates.size());
      queue(bot).coming += n;
      now_wait(one.updates);
      appends.push_back(std::move(one));
      write();
      look_on();
    });
}

/// Bots whose turn it was not. If there is no room for what they have, the next walk finds it.
void journal_state::look_on() {
  for (auto bot : std::exchange(to_look, {}))
    look_in_box(bot);
}

/// Of all shards that we have: a notification may be lost.
void journal_state::look_in_boxes() {
  next_walk = now() + cfg.box_every;
  if (std::exchange(walking_box, true))
    return;
  read([](store::unit& u) { return store::bots_in_box(u); },
       [this](const caf::error& why, const std::vector<bot_id>& bots) {
         walking_box = false;
         if (!why)
           for (auto bot : bots)
             look_in_box(bot);
       });
}

} // namespace troupe::journal
