#include "messages/all_ids.hpp"
#include "tests/simulation/machine.hpp"
#include "tests/simulation/mutants.hpp"
#include "tests/simulation/run.hpp"
#include "tests/simulation/shrink.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>

namespace {

using namespace troupe::simulation;

struct options {
  std::uint64_t first = 1;
  std::uint64_t count = 1;
  double seconds = 0; ///< Above 0: as many seeds as fit.
  bool one = false;   ///< A replay.
  std::uint64_t most_steps = run_options{}.most_steps;
  cut only;            ///< Of each seed.
  bool twice = false;  ///< Each seed a second time, on another machine as it were, to compare; a
                       ///< replay on that one.
  run_options planted; ///< For `twice`: it has to see that the machine's are used.
  bool keep_going = false; ///< One line for each seed that breaks a promise.
  bool complete = false;   ///< Every kind of fault has to happen, and every actor to be killed.
  std::string mutation;    ///< One to be found, or of a replay; in troupe-simulation alone.
  bool list = false;       ///< The names of all mutations.
};

machine_state another_machine(std::uint64_t seed) {
  return {11 * 86'400 + 12'345, 7'654, seed};
}

int explain(const char* program, std::uint64_t seed, const result& x) {
  std::cout << "seed " << seed << " breaks a promise (" << x.broken << "): " << x.how
            << "\n  after " << x.steps << " messages, " << x.seconds << " s\n";
  auto less = shrink(seed, x.broken);
  std::cout << "  with less: " << less.how.how << "\n";
  for (const auto& one : chosen(make_plan(seed).faults, less.kept.faults))
    std::cout << "    " << to_string(one) << '\n';
  std::cout << "  replay: " << program << ' ' << options_of(seed, less) << std::endl;
  return 1;
}

int replay(const options& how) {
  auto what = plan_of(how.first, how.only);
  std::cout << describe(what) << '\n';
  if (how.twice)
    set_machine(another_machine(how.first));
  auto x = run(what, {how.most_steps, true});
  std::cout << "trace " << std::hex << x.trace << std::dec << ", " << x.steps << " messages, "
            << x.seconds << " s, " << x.sends << " requests, " << x.updates << " updates, "
            << x.lives << " lives\n";
  for (const auto& [name, n] : x.endings)
    std::cout << "  " << name << ": " << n << '\n';
  if (!x.broken.empty())
    std::cout << "broken (" << x.broken << "): " << x.how << '\n';
  return x.broken.empty() ? 0 : 1;
}

#ifdef TROUPE_SIMULATION_MUTANTS
/// The first seed with which a mutation breaks its promise, and without which nothing is broken.
std::uint64_t find(std::size_t which, std::uint64_t most) {
  for (std::uint64_t i = 0; i <= most; ++i) {
    auto seed = i == 0 ? seed_of_mutation(which) : i;
    mutate(which);
    auto x = run(make_plan(seed));
    if (!is_found(which, x.broken))
      continue;
    mutate_nothing();
    if (auto sound = run(make_plan(seed)); !sound.broken.empty())
      continue;
    std::cout << "seed " << seed << " (" << x.broken << "): " << x.how << std::endl;
    return seed;
  }
  std::cout << "not found" << std::endl;
  return 0;
}

/// What a seed prints that fails breaks the same promise, again and again, and is smaller.
bool shrinks(std::size_t which, std::uint64_t seed) {
  mutate(which);
  auto all = run(make_plan(seed));
  auto less = shrink(seed, all.broken);
  auto whole = make_plan(seed);
  auto part = plan_of(seed, less.kept);
  auto again = run(part, {less.how.steps + 1, false}); // It may break on the way to the next one.
  std::cout << "  shrunk to " << part.faults.size() << " faults of " << whole.faults.size() << ", "
            << part.calls.size() + part.updates.size() << " calls and updates of "
            << whole.calls.size() + whole.updates.size() << ": " << options_of(seed, less)
            << std::endl;
  return again.broken == all.broken && again.steps == less.how.steps
         && part.faults.size() <= whole.faults.size() && part.calls.size() <= whole.calls.size()
         && part.faults.size() + part.calls.size() < whole.faults.size() + whole.calls.size();
}

/// Switches a mutation on. @param name without "mutation:" @returns which it is
std::optional<std::size_t> choose(const std::string& name) {
  for (std::size_t i = 0; i < mutation_count(); ++i)
    if (mutate(i) == "mutation:" + name)
      return i;
  mutate_nothing();
  std::cerr << "there is no mutation " << name << "; see --list-mutations\n";
  return std::nullopt;
}

/// A mutation must be found by a seed, and be shrunk. @param most seeds to try
int hunt(const std::string& name, std::uint64_t most) {
  auto which = choose(name);
  if (!which)
    return 2;
  auto seed = find(*which, most);
  return seed != 0 && shrinks(*which, seed) ? 0 : 1;
}

int list_mutations() {
  for (std::size_t i = 0; i < mutation_count(); ++i)
    std::cout << mutate(i).substr(std::string_view{"mutation:"}.size()) << '\n';
  return 0;
}
#endif

/// The same seed where the clocks and the entropy are others, in a process that has had a run of
/// it: its caches are filled. @returns what differs
std::string compare(const plan& what, const result& first, const run_options& planted) {
  set_machine(another_machine(what.seed));
  auto again = run(what, planted);
  set_machine({});
  if (again.trace == first.trace && again.steps == first.steps && again.endings == first.endings)
    return {};
  return "seed " + std::to_string(what.seed) + " has two histories: " + std::to_string(first.steps)
         + " and " + std::to_string(again.steps) + " messages; --seed=" + std::to_string(what.seed)
         + " tells one, with --twice the other";
}

void add(result& sum, const result& x) {
  sum.steps += x.steps;
  sum.seconds += x.seconds;
  sum.sends += x.sends;
  sum.updates += x.updates;
  sum.lives += x.lives;
  for (const auto& [name, n] : x.endings)
    sum.endings[name] += n;
  for (const auto& [name, n] : x.faults)
    sum.faults[name] += n;
  sum.started.insert(x.started.begin(), x.started.end());
}

void print(const char* what, const std::map<std::string, std::uint64_t>& all) {
  std::cout << "  " << what << ": ";
  const char* between = "";
  for (const auto& [name, n] : all)
    std::cout << std::exchange(between, ", ") << name << ' ' << n;
  std::cout << '\n';
}

/// @returns false when something never happened
bool complete(const result& sum) {
  bool all = true;
  auto need = [&](const std::string& what) {
    if (sum.faults.contains(what))
      return;
    all = false;
    std::cout << "never happened: " << what << '\n';
  };
  for (auto name : trouble_names)
    need(name);
  for (auto name :
       {"store: full", "store: unavailable", "evicted", "evicted for its place", "no place",
        "called: sendMessage", "store: broke before a commit", "store: broke after a commit",
        "upstream: 429", "upstream: 502", "upstream: hung", "upstream: broke before the request",
        "upstream: broke after the request", "tenant: not reached", "tenant: refused",
        "tenant: silent", "killed: the root"})
    need(name);
  for (const auto& name : sum.started)
    need("killed: " + name);
  return all;
}

int many(const char* program, const options& how) {
  using clock = std::chrono::steady_clock;
  auto began = clock::now();
  auto passed = [began] { return std::chrono::duration<double>(clock::now() - began).count(); };
  result sum;
  std::uint64_t seeds = 0;
  std::uint64_t broken = 0;
  for (; how.seconds > 0 ? passed() < how.seconds : seeds < how.count; ++seeds) {
    auto seed = how.first + seeds;
    auto what = plan_of(seed, how.only);
    auto x = run(what, how.planted);
    if (!x.broken.empty() && how.keep_going) {
      ++broken;
      std::cout << "seed " << seed << " (" << x.broken << "): " << x.how << std::endl;
      continue;
    }
    if (!x.broken.empty())
      return explain(program, seed, x);
    if (auto why = how.twice ? compare(what, x, how.planted) : std::string{}; !why.empty()) {
      std::cout << why << std::endl;
      return 1;
    }
    add(sum, x);
  }
  std::cout << seeds << " seeds, " << std::fixed << std::setprecision(1)
            << static_cast<double>(seeds) / passed() << " seeds/s, " << sum.seconds / 3600
            << " simulated hours, " << sum.steps << " messages, " << sum.sends << " requests, "
            << sum.updates << " updates, " << sum.lives << " lives of the node\n";
  print("calls", sum.endings);
  print("faults", sum.faults);
  return broken != 0 || (how.complete && !complete(sum)) ? 1 : 0;
}

} // namespace

int main(int argc, char** argv) {
  options how;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    auto equals = name.find('=');
    auto given = equals == name.npos ? std::string{} : name.substr(equals + 1);
    name.resize(std::min(equals, name.size()));
    auto value = [&] {
      return equals != std::string::npos ? given
             : i + 1 < argc              ? std::string{argv[++i]}
                                         : std::string{};
    };
    if (name == "--seed")
      how.first = std::stoull(value()), how.one = true;
    else if (name == "--first")
      how.first = std::stoull(value());
    else if (name == "--seeds")
      how.count = std::stoull(value());
    else if (name == "--seconds")
      how.seconds = std::stod(value());
    else if (name == "--steps")
      how.most_steps = std::stoull(value());
    else if (name == "--faults")
      how.only.faults = value();
    else if (name == "--load-until")
      how.only.load_until = std::stoll(value());
    else if (name == "--keep-going")
      how.keep_going = true;
    else if (name == "--complete")
      how.complete = true;
    else if (name == "--twice")
      how.twice = true;
    else if (name == "--plant" && (given == "clock" || given == "entropy"))
      (given == "clock" ? how.planted.own_clock : how.planted.own_entropy) = true;
    else if (name == "--mutation")
      how.mutation = value();
    else if (name == "--list-mutations")
      how.list = true;
    else {
      std::cerr
        << "[--seed=N [--steps=M] [--faults=LIST] [--load-until=MS]] | [--first=N] "
           "[--seeds=K | --seconds=S] [--twice [--plant=clock|entropy]] [--complete] "
           "[--keep-going]\n"
           "troupe-simulation: [--mutation=NAME [--seed=N | --seeds=K]] | --list-mutations\n";
      return 2;
    }
  }
  troupe::init_message_types();
#ifdef TROUPE_SIMULATION_MUTANTS
  if (how.list)
    return list_mutations();
  if (!how.mutation.empty() && !how.one)
    return hunt(how.mutation, how.count);
  mutate_nothing();
  if (!how.mutation.empty())
    return choose(how.mutation) ? replay(how) : 2;
#endif
  return how.one ? replay(how) : many(argv[0], how);
}
