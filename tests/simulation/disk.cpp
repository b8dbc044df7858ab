#include "tests/simulation/disk.hpp"

#include "runtime/store/error.hpp"
#include "runtime/store/migrations.hpp"
#include "runtime/store/tenants.hpp"
#include "tests/simulation/outside.hpp"

namespace troupe::simulation {
namespace {

/// What is stored, and when, is part of the history.
store::database opened(outside& world) {
  store::database_options how;
  how.where = {store::backend::sqlite, ":memory:"};
  auto ready = std::make_shared<bool>(false);
  how.trace = [&world, ready](std::string_view, std::span<const store::parameter> with) {
    for (const auto& x : with)
      if (*ready && x.kind == store::parameter::type::integer)
        world.verdict.note(static_cast<std::uint64_t>(x.integer));
      else if (*ready)
        for (char c : x.text)
          world.verdict.note(static_cast<unsigned char>(c));
  };
  store::database db{how};
  store::migrate(db);
  db.write([&world](store::unit& u) {
    for (std::size_t i = 1; i < world.what.tenant_rps.size(); ++i) { // There is a first one.
      store::tenant x;
      x.name = "tenant-" + std::to_string(i + 1);
      x.rps = world.what.tenant_rps[i];
      static_cast<void>(store::add_tenant(u, x));
    }
  });
  *ready = true;
  return db;
}

caf::error unavailable() {
  return caf::make_error(store_refusal::unavailable, refusal{std::chrono::seconds{1}});
}

} // namespace

disk::disk(outside& world) : world_(world), db_(opened(world)) {}

disk::~disk() = default;

void disk::submit(storage::work what) {
  bool write = what.how == storage::work::kind::write;
  lines_[write ? 1 : 0].push_back(std::move(what));
  if (!running_[write ? 1 : 0])
    run_next(write);
}

void disk::run_next(bool write) {
  auto& line = lines_[write ? 1 : 0];
  running_[write ? 1 : 0] = !line.empty();
  if (line.empty())
    return;
  auto takes = world_.some(50, write ? 3000 : 500);
  if (world_.sky.store_slow)
    takes = world_.some(1000, 4'000'000);
  world_.later(takes, [this, write, era = era_] {
    if (era != era_)
      return;
    auto& waiting = lines_[write ? 1 : 0];
    auto one = std::move(waiting.front());
    waiting.pop_front();
    run(one);
    one.told->add(one.id);
    run_next(write);
  });
}

void disk::run(storage::work& what) {
  auto& luck = world_.luck;
  bool write = what.how == storage::work::kind::write;
  world_.verdict.note(write ? 11 : 7);
  if (what.expires <= world_.now)
    return what.fail(unavailable());
  bool full = world_.sky.store_fails && world_.sky.store_full;
  auto trouble = world_.sky.store_fails && !full ? luck.below(10) : 10;
  if (trouble < 4)
    ++world_.happened["store: unavailable"];
  if (trouble < 4)
    return what.fail(unavailable());
  bool unknown = write && trouble < 7; // The connection broke in COMMIT.
  if (unknown)
    ++world_.happened[trouble < 5 ? "store: broke before a commit" : "store: broke after a commit"];
  if (unknown && trouble < 5)
    return what.fail(caf::make_error(store_refusal::outcome_unknown));
  try {
    if (what.how == storage::work::kind::outside) {
      what.alone();
    } else if (write) {
      if (full)
        ++world_.happened["store: full"];
      db_.write([&](store::unit& u) {
        what.run(u);
        if (full) // What was done so far is undone.
          throw store::store_error(store::fault::disk_full, "the disk is full");
      });
      ++commits_;
    } else {
      db_.read([&](store::unit& u) { what.run(u); });
    }
    if (unknown)
      what.fail(caf::make_error(store_refusal::outcome_unknown));
  } catch (const store::store_error& x) {
    what.fail(storage::refusal_of(x));
  } catch (const std::exception&) {
    what.fail(caf::make_error(store_refusal::failed));
  }
}

void disk::vanish() {
  ++era_;
  for (auto write : {false, true}) {
    auto& line = lines_[write ? 1 : 0];
    // The one that ran may have been committed all the same.
    if (write && running_[1] && !line.empty() && world_.luck.chance(500)) {
      try {
        db_.write([&](store::unit& u) { line.front().run(u); });
      } catch (const store::store_error&) {
        // Undone, then.
      }
    }
    line.clear();
    running_[write ? 1 : 0] = false;
  }
}

} // namespace troupe::simulation
