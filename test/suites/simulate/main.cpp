// nori-simulate: the suites on the simulated disk, for as long as they are let.
//
//     nori-simulate [--seed N] [--seconds S] [--suite NAME] [--worlds N]
//     nori-simulate --controls [--seed N] [--seconds S]    (S for each)
//
// A world is what follows from one seed; `--worlds 1 --seed N` repeats one. NORI_TEST_SCALE scales
// the number of worlds.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "suites/simulate/suite.hpp"
#include "support/random_source.hpp"

namespace {

using namespace nori::simulate;

constexpr int exit_skipped = 77;

struct options {
  std::uint64_t seed = std::random_device()();
  double seconds = 600;
  std::uint64_t worlds_max = UINT64_MAX;
  std::string suite;
  bool controls = false;
};

options parse(int argc, char* argv[]) {
  options chosen;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--controls") {
      chosen.controls = true;
      continue;
    }
    if (i + 1 == argc) throw std::invalid_argument(std::string(name) + " needs a value");
    const std::string value = argv[++i];
    if (name == "--seed") {
      chosen.seed = std::stoull(value);
    } else if (name == "--seconds") {
      chosen.seconds = std::stod(value);
    } else if (name == "--worlds") {
      chosen.worlds_max = nori::test::scaled(std::stoull(value));
    } else if (name == "--suite") {
      chosen.suite = suite_named(value).name;
    } else {
      throw std::invalid_argument("there is no option " + std::string(name));
    }
  }
  return chosen;
}

void run_suites(const options& chosen, figures& counted) {
  std::vector<suite> picked;
  for (const suite& each : suites()) {
    if (chosen.suite.empty() || chosen.suite == each.name) picked.push_back(each);
  }
  const auto began = std::chrono::steady_clock::now();
  const auto progress = [&] {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    static auto last = began;
    if (std::chrono::steady_clock::now() - last < std::chrono::seconds(1)) return;
    last = std::chrono::steady_clock::now();
    std::cout << "progress " << std::min(1.0, took.count() / chosen.seconds) << std::endl;
  };
  for (const suite& each : picked) {
    budget until = budget::seconds(chosen.seconds / static_cast<double>(picked.size()));
    until.worlds_max = chosen.worlds_max;
    run(each, chosen.seed, until, counted, progress);
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  try {
    const options chosen = parse(argc, argv);
    if (chosen.controls) {
      const int missed = run_controls(chosen.seed, chosen.seconds);
      return missed < 0 ? exit_skipped : (missed == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    figures counted;
    std::cerr << "seed " << chosen.seed << std::endl;
    run_suites(chosen, counted);
    // Had there been any, this would not be reached.
    counted["lost"] = 0;
    counted["silent"] = 0;
    counted["false_alarms"] = 0;
    std::cout << "progress 1" << std::endl;
    for (const auto& [name, count] : counted) {
      std::cout << "figure " << name << ' ' << count << std::endl;
    }
    return EXIT_SUCCESS;
  } catch (const std::exception& broken) {
    std::cerr << broken.what() << std::endl;
    return EXIT_FAILURE;
  }
}
