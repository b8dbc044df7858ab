#include "messages/all_ids.hpp"
#include "tests/simulation/cluster/run.hpp"
#include "tests/simulation/cluster/shrink.hpp"
#ifdef TROUPE_SIMULATION_MUTANTS
#include "tests/simulation/cluster/mutants.hpp"
#endif

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

namespace {

using namespace troupe::simulation::clustered;

struct options {
  std::uint64_t first = 1;
  std::uint64_t count = 1;
  double seconds = 0;      ///< Above 0: as many seeds as fit.
  bool one = false;        ///< A replay.
  bool twice = false;      ///< Each seed again: both must have one history.
  bool complete = false;   ///< Every kind of fault has to happen.
  bool keep_going = false; ///< A line for each seed that fails, and for each what it used.
  cut only;
  std::string mutation;
};

int replay(const options& how) {
  auto what = plan_of(how.first, how.only);
  for (const auto& x : what.faults)
    std::cout << describe(x) << '\n';
  auto x = run(what, {true});
  std::cout << "trace " << std::hex << x.trace << std::dec << ", " << x.steps << " messages, "
            << x.seconds << " s, " << x.sends << " requests";
  if (x.used >= 0)
    std::cout << ", budget used at rest: " << x.used * 100 << " %";
  std::cout << '\n';
  if (!x.broken.empty())
    std::cout << "broken (" << x.broken << "): " << x.how << '\n';
  return x.broken.empty() ? 0 : 1;
}

void explain(const std::string& program, std::uint64_t seed, const result& x) {
  std::cout << "seed " << seed << " breaks a promise (" << x.broken << "): " << x.how << std::endl;
  auto less = shrink(seed, x.broken);
  for (const auto& one : plan_of(seed, less).faults)
    std::cout << "    " << describe(one) << '\n';
  std::cout << "  replay: " << program << ' ' << options_of(seed, less) << std::endl;
}

int many(const std::string& program, const options& how) {
  auto begin = std::chrono::steady_clock::now();
  auto took = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  std::map<std::string, std::uint64_t> happened;
  std::map<std::string, std::uint64_t> endings;
  double simulated = 0;
  double least = 1;
  std::uint64_t seeds = 0;
  std::uint64_t failed = 0;
  std::uint64_t sends = 0;
  std::uint64_t steps = 0;
  for (auto seed = how.first; how.seconds > 0 ? took() < how.seconds : seeds < how.count; ++seed) {
    auto x = run(make_plan(seed));
    if (how.keep_going) {
      std::cout << "seed " << seed << ": " << make_plan(seed).budget << "/s";
      if (x.used >= 0)
        std::cout << ", " << x.used * 100 << " % used";
      if (!x.broken.empty())
        std::cout << ", breaks a promise (" << x.broken << "): " << x.how;
      std::cout << std::endl;
    } else if (!x.broken.empty()) {
      explain(program, seed, x);
      return 1;
    }
    failed += x.broken.empty() ? 0 : 1;
    if (how.twice)
      if (auto again = run(make_plan(seed)); again.trace != x.trace || again.steps != x.steps) {
        std::cout << "seed " << seed << " has two histories\n";
        return 1;
      }
    ++seeds;
    simulated += x.seconds;
    sends += x.sends;
    steps += x.steps;
    if (x.used >= 0)
      least = std::min(least, x.used);
    for (const auto& [name, n] : x.happened)
      happened[name] += n;
    for (const auto& [name, n] : x.endings)
      endings[name] += n;
  }
  std::cout << seeds << " seeds, " << static_cast<double>(seeds) / took() << " a second, "
            << simulated / 3600 << " hours simulated, " << steps << " messages, " << sends
            << " requests; budget used at rest: at least " << least * 100 << " %\n";
  for (const auto& [name, n] : endings)
    std::cout << "  call: " << name << ": " << n << '\n';
  for (const auto& [name, n] : happened)
    std::cout << "  " << name << ": " << n << '\n';
  std::vector<std::string> all{trouble_names.begin(), trouble_names.end()};
  all.insert(all.end(), {"connections lost", "pasts found", "pasts missing"});
  if (how.complete)
    for (const auto& name : all)
      if (!happened.contains(name)) {
        std::cout << "never: " << name << '\n';
        return 1;
      }
  return failed == 0 ? 0 : 1;
}

#ifdef TROUPE_SIMULATION_MUTANTS
/// The first seed with which a mutation breaks its promise, and without which nothing is broken;
/// and the smaller plan breaks the same promise.
int hunt(const std::string& name, std::uint64_t most) {
  for (const auto& one : mutations()) {
    if (one.name != "mutation:" + name)
      continue;
    for (std::uint64_t seed = 1; seed <= most; ++seed) {
      mutate(&one);
      auto x = run(make_plan(seed));
      if (x.broken.empty() || std::string{one.promises}.find(x.broken) == std::string::npos)
        continue;
      mutate(nullptr);
      if (!run(make_plan(seed)).broken.empty())
        continue;
      mutate(&one);
      std::cout << "seed " << seed << " (" << x.broken << "): " << x.how << std::endl;
      auto less = shrink(seed, x.broken);
      auto small = plan_of(seed, less);
      auto whole = make_plan(seed);
      std::cout << "  shrunk to " << small.faults.size() << " faults of " << whole.faults.size()
                << ", " << small.calls.size() << " calls of " << whole.calls.size() << ": "
                << options_of(seed, less) << std::endl;
      return run(small).broken == x.broken && small.calls.size() < whole.calls.size() ? 0 : 1;
    }
    std::cout << "not found\n";
    return 1;
  }
  std::cerr << "there is no mutation " << name << '\n';
  return 2;
}
#endif

} // namespace

int main(int argc, char** argv) {
  troupe::init_message_types();
  options how;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    std::string value;
    if (auto at = name.find('='); at != std::string::npos) {
      value = name.substr(at + 1);
      name.resize(at);
    } else if (name != "--twice" && name != "--complete" && name != "--keep-going"
               && i + 1 < argc) {
      value = argv[++i];
    }
    if (name == "--seed")
      how.first = std::stoull(value), how.one = true;
    else if (name == "--first")
      how.first = std::stoull(value);
    else if (name == "--seeds")
      how.count = std::stoull(value);
    else if (name == "--seconds")
      how.seconds = std::stod(value);
    else if (name == "--faults")
      how.only.faults = value;
    else if (name == "--load-until")
      how.only.load_until = std::stoll(value);
    else if (name == "--twice")
      how.twice = true;
    else if (name == "--complete")
      how.complete = true;
    else if (name == "--keep-going")
      how.keep_going = true;
    else if (name == "--mutation")
      how.mutation = value;
    else {
      std::cerr << "unknown: " << name << '\n';
      return 2;
    }
  }
#ifdef TROUPE_SIMULATION_MUTANTS
  if (!how.mutation.empty() && !how.one)
    return hunt(how.mutation, how.count);
  for (const auto& one : mutations())
    if (one.name == "mutation:" + how.mutation)
      mutate(&one);
#endif
  return how.one ? replay(how) : many(argv[0], how);
}
