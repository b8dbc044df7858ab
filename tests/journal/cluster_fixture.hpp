#pragma once
#include "tests/journal/fixture.hpp"
#include "tests/store/samples.hpp"

namespace troupe::journal_tests {

/// Several journals on one store, as of several nodes. `use` says which of them is asked.
struct cluster_fixture : fixture {
  struct node {
    std::shared_ptr<inline_sql> sql;
    std::shared_ptr<cluster_view> view;
    journal_actor journal;
  };

  /// Bots 1 to `count` are registered.
  void start_nodes(store::test_store& on, std::size_t how_many, bot_id count = 10) {
    end_nodes();
    bots.clear();
    options = on.options();
    revision = 100;
    auto db = on.open();
    db.write([&](store::unit& u) {
      for (bot_id bot = 1; bot <= count; ++bot)
        (void)store::add_bot(u, store::sample_bot(bot), store::sample_token(bot));
    });
    for (std::size_t i = 0; i < how_many; ++i) {
      auto& one = nodes.emplace_back();
      one.sql = std::make_shared<inline_sql>(on);
      start_node(i);
    }
  }
  /// Anew, with a view that owns nothing unless it is given.
  void start_node(std::size_t i, std::shared_ptr<cluster_view> view = {}) {
    auto& one = nodes[i];
    one.view = view ? view : std::make_shared<cluster_view>();
    journal_ports ports;
    ports.sql = one.sql;
    ports.now = [this] { return wall; };
    ports.cluster = one.view;
    ports.bot = [this](bot_id id) {
      auto found = bots.find(id);
      return found == bots.end() ? bot_actor{} : caf::actor_cast<bot_actor>(found->second.actor);
    };
    one.journal = spawn_journal(sys, config, std::move(ports));
    sched.run();
  }
  void kill_node(std::size_t i) {
    if (nodes[i].journal)
      caf::anon_send_exit(nodes[i].journal, caf::exit_reason::kill);
    nodes[i].journal = journal_actor{};
    journal = journal_actor{};
    sched.run();
  }
  void end_nodes() {
    for (std::size_t i = 0; i < nodes.size(); ++i)
      kill_node(i);
    nodes.clear();
    stop();
  }
  ~cluster_fixture() override { end_nodes(); }

  fixture& use(std::size_t i) {
    journal = nodes[i].journal;
    return *this;
  }
  /// The node is told that the bot's shard is its own, under a revision of its own.
  std::shared_ptr<asked<done>> give(std::size_t to, bot_id bot) {
    nodes[to].view->set_fence(shard_of(bot), ++revision);
    return use(to).post<done>(shards_gained{{{shard_of(bot), revision}}});
  }
  std::shared_ptr<asked<done>> take(std::size_t from, bot_id bot, bool planned) {
    nodes[from].view->set_fence(shard_of(bot), 0);
    return use(from).post<done>(shards_lost{{shard_of(bot)}, planned});
  }
  /// What nobody but the owner may change.
  std::vector<std::int64_t> fenced_rows() {
    return {rows("updates"), rows("update_marks"), rows("dead_letters"), rows("fresh_marks")};
  }

  std::vector<node> nodes;
  std::int64_t revision = 100;
};

} // namespace troupe::journal_tests
