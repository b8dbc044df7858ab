#include "tests/simulation/cluster/etcd.hpp"

#include "tests/simulation/cluster/universe.hpp"

#include <algorithm>

namespace troupe::simulation::clustered {

using namespace std::chrono_literals;

namespace {

bool within(const std::string& key, const std::string& from, const std::string& to) {
  return to.empty() ? key == from : key >= from && key < to;
}

bool repeatable(const etcd::request& x) {
  return std::holds_alternative<etcd::range>(x) || std::holds_alternative<etcd::lease_keep_alive>(x)
         || std::holds_alternative<etcd::lease_revoke>(x);
}

etcd::result said_of(etcd::status what, int code = 0) {
  etcd::result result;
  result.what = what;
  result.code = code;
  return result;
}

std::int64_t part_of(const etcd::entry* x, etcd::compare::part which) {
  using enum etcd::compare::part;
  if (x == nullptr)
    return 0;
  switch (which) {
  case created:
    return x->created;
  case modified:
    return x->modified;
  case version:
    return x->version;
  default:
    return x->lease;
  }
}

} // namespace

const etcd::entry* etcd_server::find(const std::string& key) const {
  auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : &found->second;
}

bool etcd_server::holds(const etcd::compare& x) const {
  const auto* there = find(x.key);
  auto order = x.of == etcd::compare::part::value
                 ? (there == nullptr ? std::string{} : there->value) <=> x.value
                 : part_of(there, x.of) <=> x.number;
  switch (x.is) {
  case etcd::compare::relation::equal:
    return order == 0;
  case etcd::compare::relation::greater:
    return order > 0;
  case etcd::compare::relation::less:
    return order < 0;
  default:
    return order != 0;
  }
}

void etcd_server::changed(etcd::entry now, bool deleted) {
  dirty_ = true;
  now.modified = at_ + 1;
  world_.key_changed(now, deleted);
  past_.push_back({std::move(now), deleted});
}

void etcd_server::write(const etcd::put& x) {
  auto& there = keys_[x.key];
  if (there.created == 0)
    there = {x.key, {}, at_ + 1, 0, 0, 0};
  there.value = x.value;
  there.modified = at_ + 1;
  ++there.version;
  there.lease = x.lease;
  changed(there, false);
}

std::int64_t etcd_server::remove(const std::string& from, const std::string& to) {
  std::int64_t result = 0;
  for (auto i = keys_.lower_bound(from); i != keys_.end() && within(i->first, from, to); ++result) {
    changed({i->first, {}, 0, 0, 0, 0}, true);
    i = keys_.erase(i);
  }
  return result;
}

etcd::reply etcd_server::carry_out(const etcd::operation& what) {
  etcd::reply result;
  if (const auto* x = std::get_if<etcd::range>(&what)) {
    for (auto i = keys_.lower_bound(x->key);
         i != keys_.end() && within(i->first, x->key, x->range_end); ++i)
      result.entries.push_back(i->second);
    result.count = static_cast<std::int64_t>(result.entries.size());
  } else if (const auto* y = std::get_if<etcd::put>(&what)) {
    write(*y);
  } else {
    const auto& z = std::get<etcd::erase>(what);
    result.count = remove(z.key, z.range_end);
  }
  return result;
}

etcd::result etcd_server::run(const etcd::txn& what) {
  auto result = said_of(etcd::status::done);
  result.value.succeeded =
    std::ranges::all_of(what.when, [this](const auto& x) { return holds(x); });
  const auto& todo = result.value.succeeded ? what.then : what.otherwise;
  for (const auto& one : todo)
    if (const auto* x = std::get_if<etcd::put>(&one);
        x != nullptr && x->lease != 0 && !leases_.contains(x->lease))
      return said_of(etcd::status::refused, etcd::code_not_found);
  for (const auto& one : todo)
    result.value.parts.push_back(carry_out(one));
  return result;
}

/// What was changed is one revision, and is told.
void etcd_server::commit() {
  if (!std::exchange(dirty_, false))
    return;
  ++at_;
  for (const auto& [id, x] : watchers_)
    wake(id);
}

etcd::result etcd_server::execute(const etcd::request& what) {
  auto result = said_of(etcd::status::done);
  auto one = [&](const auto& x) {
    etcd::txn all;
    all.then.emplace_back(x);
    result = run(all);
    if (!result.value.parts.empty())
      result.value = result.value.parts.front();
  };
  if (const auto* x = std::get_if<etcd::txn>(&what)) {
    result = run(*x);
  } else if (const auto* x = std::get_if<etcd::lease_grant>(&what)) {
    auto id = ++last_lease_;
    leases_[id] = {x->ttl, world_.now + x->ttl};
    watch_lease(id);
    result.value.lease = id;
    result.value.ttl = x->ttl;
  } else if (const auto* x = std::get_if<etcd::lease_keep_alive>(&what)) {
    auto found = leases_.find(x->id);
    result.value.lease = x->id;
    if (found != leases_.end()) {
      found->second.ends = world_.now + found->second.ttl;
      result.value.ttl = found->second.ttl;
    }
  } else if (const auto* x = std::get_if<etcd::lease_revoke>(&what)) {
    end_lease(x->id);
  } else if (const auto* x = std::get_if<etcd::range>(&what)) {
    one(*x);
  } else if (const auto* x = std::get_if<etcd::put>(&what)) {
    one(*x);
  } else {
    one(std::get<etcd::erase>(what));
  }
  commit();
  result.value.at = at_;
  return result;
}

void etcd_server::end_lease(etcd::lease_id id) {
  if (leases_.erase(id) == 0)
    return;
  for (auto i = keys_.begin(); i != keys_.end();)
    if (i->second.lease == id) {
      changed({i->first, {}, 0, 0, 0, 0}, true);
      i = keys_.erase(i);
    } else {
      ++i;
    }
}

void etcd_server::watch_lease(etcd::lease_id id) {
  world_.plans.at(leases_.at(id).ends, [this, id] {
    auto found = leases_.find(id);
    if (found == leases_.end())
      return;
    if (found->second.ends > world_.now || world_.etcd_away) {
      found->second.ends = std::max(found->second.ends, world_.now + 100ms);
      return watch_lease(id);
    }
    end_lease(id);
    commit();
  });
}

void etcd_server::renew_leases() {
  for (auto& [id, x] : leases_)
    x.ends = world_.now + x.ttl;
}

// -- watches --------------------------------------------------------------------------------------

std::uint64_t etcd_server::watch(std::size_t node, std::uint64_t life, const etcd::watch_spec& what,
                                 std::function<void(etcd::watch_news)> then) {
  watchers_[++last_watch_] = {node, life, what, std::move(then), false};
  wake(last_watch_);
  return last_watch_;
}

void etcd_server::forget(std::size_t node) {
  std::erase_if(watchers_, [node](const auto& x) { return x.second.node == node; });
}

void etcd_server::wake(std::uint64_t id) {
  auto& x = watchers_.at(id);
  if (!std::exchange(x.woken, true))
    world_.later(world_.way_to_etcd(x.node), [this, id] { tell(id); });
}

void etcd_server::tell(std::uint64_t id) {
  auto found = watchers_.find(id);
  if (found == watchers_.end())
    return;
  auto& x = found->second;
  x.woken = false;
  if (!world_.reaches_etcd(x.node)) {
    x.woken = true;
    return world_.later(50ms, [this, id] { tell(id); });
  }
  etcd::watch_news news;
  news.what = etcd::watch_news::kind::changed;
  if (x.what.from < kept_from_ && x.what.from <= at_) {
    news.what = etcd::watch_news::kind::compacted;
    news.at = kept_from_;
  } else {
    auto first = std::ranges::lower_bound(past_, x.what.from, {},
                                          [](const auto& one) { return one.now.modified; });
    for (; first != past_.end(); ++first)
      if (within(first->now.key, x.what.key, x.what.range_end))
        news.changes.push_back(*first);
    news.at = at_;
    x.what.from = at_ + 1;
    if (news.changes.empty())
      return;
  }
  world_.deliver(x.node, x.life, [then = x.then, news] { then(news); });
  if (news.what == etcd::watch_news::kind::compacted)
    watchers_.erase(id);
}

// -- a node's way ---------------------------------------------------------------------------------

void etcd_client::perform(etcd::request what, std::chrono::milliseconds limit,
                          std::function<void(etcd::result)> then) {
  if (world_.lives[node_] != life_)
    return; // The process is gone.
  // What is on its way may arrive when this is gone with its node.
  auto sent = world_.local_now(node_);
  auto& world = world_;
  auto node = node_;
  auto open = std::make_shared<bool>(true);
  auto end = [&world, node, life = life_, open, sent, then = std::move(then)](etcd::result said) {
    if (!std::exchange(*open, false))
      return;
    said.sent = sent;
    world.deliver(node, life, [then, said] { then(said); });
  };
  // Who is asked once may have been heard.
  auto lost = repeatable(what) ? etcd::status::unavailable : etcd::status::unknown;
  world.later(limit, [end, lost] { end(said_of(lost)); });
  world.later(world.way_to_etcd(node), [&world, node, what = std::move(what), end] {
    if (world.etcd_away)
      return end(said_of(etcd::status::unavailable));
    if (!world.reaches_etcd(node))
      return;
    auto said = world.etcd.execute(what);
    world.later(world.way_to_etcd(node), [&world, node, said, end] {
      if (world.reaches_etcd(node))
        end(said);
    });
  });
}

std::uint64_t etcd_client::watch(etcd::watch_spec what,
                                 std::function<void(etcd::watch_news)> then) {
  return world_.etcd.watch(node_, life_, what, std::move(then));
}

void etcd_client::unwatch(std::uint64_t id) {
  world_.etcd.unwatch(id);
}

} // namespace troupe::simulation::clustered
