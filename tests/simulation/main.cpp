#include "messages/all_ids.hpp"
#include "tests/simulation/mutants.hpp"
#include "tests/simulation/run.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>

namespace {

using namespace troupe::simulation;

struct options {
  std::uint64_t first = 1;
  std::uint64_t count = 1;
  double seconds = 0; ///< Above 0: as many seeds as fit.
  bool one = false;   ///< A replay.
  std::uint64_t most_steps = run_options{}.most_steps;
  std::string only;   ///< Indices of the faults to keep, "0,3,7"; "none"; empty: all.
  bool twice = false; ///< Each seed a second time, to compare.
  std::string mutation; ///< Of a replay with mutants.
};

std::vector<fault> chosen(const std::vector<fault>& all, const std::string& only) {
  std::vector<fault> result;
  for (std::size_t at = 0; at < only.size() && only != "none";) {
    auto end = std::min(only.find(',', at), only.size());
    auto i = std::stoul(only.substr(at, end - at));
    if (i < all.size())
      result.push_back(all[i]);
    at = end + 1;
  }
  return result;
}

plan plan_of(std::uint64_t seed, const std::string& only) {
  auto x = make_plan(seed);
  if (!only.empty())
    x.faults = chosen(x.faults, only);
  return x;
}

std::string joined(const std::vector<std::size_t>& which) {
  std::string text;
  for (auto i : which)
    text += (text.empty() ? "" : ",") + std::to_string(i);
  return text.empty() ? "none" : text;
}

/// Leaves out faults, halves first, then smaller parts, as long as the same promise breaks.
std::string shrink(std::uint64_t seed, const std::string& broken) {
  std::vector<std::size_t> kept(make_plan(seed).faults.size());
  for (std::size_t i = 0; i < kept.size(); ++i)
    kept[i] = i;
  for (auto part = (kept.size() + 1) / 2; part > 0; part = part == 1 ? 0 : (part + 1) / 2)
    for (std::size_t at = 0; at < kept.size();) {
      auto fewer = kept;
      auto from = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(from, from + static_cast<std::ptrdiff_t>(std::min(part, fewer.size() - at)));
      if (run(plan_of(seed, joined(fewer))).broken == broken)
        kept = fewer;
      else
        at += part;
    }
  return joined(kept);
}

int explain(const char* program, std::uint64_t seed, const result& x) {
  std::cout << "seed " << seed << " breaks a promise (" << x.broken << "): " << x.how
            << "\n  after " << x.steps << " messages, " << x.seconds << " s\n";
  auto only = shrink(seed, x.broken);
  auto less = run(plan_of(seed, only));
  std::cout << "  with fewer faults: " << less.how << "\n";
  auto all = make_plan(seed).faults;
  for (const auto& one : chosen(all, only))
    std::cout << "    " << to_string(one) << '\n';
  std::cout << "  replay: " << program << " --seed " << seed << " --faults " << only << " --steps "
            << less.steps << std::endl;
  return 1;
}

int replay(const options& how) {
  auto x = run(plan_of(how.first, how.only), {how.most_steps, true});
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
/// Each mutation must be found by a seed. @param most seeds to try
int hunt(std::uint64_t most) {
  int missed = 0;
  for (std::size_t i = 0; i < mutation_count(); ++i) {
    std::cout << mutate(i) << ": " << std::flush;
    std::string found;
    for (std::uint64_t seed = 1; seed <= most && found.empty(); ++seed)
      if (auto x = run(make_plan(seed)); !x.broken.empty())
        found = "seed " + std::to_string(seed) + " (" + x.broken + "): " + x.how;
    missed += found.empty() ? 1 : 0;
    std::cout << (found.empty() ? "not found" : found) << std::endl;
  }
  return missed == 0 ? 0 : 1;
}
#endif

int many(const char* program, const options& how) {
  using clock = std::chrono::steady_clock;
  auto began = clock::now();
  auto passed = [began] { return std::chrono::duration<double>(clock::now() - began).count(); };
  result sum;
  std::uint64_t seeds = 0;
  for (; how.seconds > 0 ? passed() < how.seconds : seeds < how.count; ++seeds) {
    auto seed = how.first + seeds;
    auto x = run(plan_of(seed, how.only));
    if (!x.broken.empty())
      return explain(program, seed, x);
    if (how.twice)
      if (auto again = run(plan_of(seed, how.only)); again.trace != x.trace) {
        std::cout << "seed " << seed << " has two histories\n";
        return 1;
      }
    sum.steps += x.steps;
    sum.seconds += x.seconds;
    sum.sends += x.sends;
    sum.updates += x.updates;
    sum.lives += x.lives;
    for (const auto& [name, n] : x.endings)
      sum.endings[name] += n;
  }
  std::cout << seeds << " seeds, " << std::fixed << std::setprecision(1)
            << static_cast<double>(seeds) / passed() << " seeds/s, " << sum.seconds / 3600
            << " simulated hours, " << sum.steps << " messages, " << sum.sends << " requests, "
            << sum.updates << " updates, " << sum.lives << " lives of the node\n";
  for (const auto& [name, n] : sum.endings)
    std::cout << "  " << name << ": " << n << '\n';
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  options how;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    auto value = [&] { return i + 1 < argc ? std::string{argv[++i]} : std::string{}; };
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
      how.only = value();
    else if (name == "--twice")
      how.twice = true;
    else if (name == "--mutation")
      how.mutation = value();
    else {
      std::cerr << "simulation [--seed N [--steps M] [--faults LIST]] | [--first N] [--seeds K | "
                   "--seconds S] [--twice]\n";
      return 2;
    }
  }
  troupe::init_message_types();
#ifdef TROUPE_SIMULATION_MUTANTS
  if (!how.one)
    return hunt(how.count);
  for (std::size_t i = 0; i < mutation_count(); ++i)
    if (mutate(i) == how.mutation)
      return replay(how);
#endif
  return how.one ? replay(how) : many(argv[0], how);
}
