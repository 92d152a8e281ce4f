#include "suites/torture/suite.hpp"

#include "engine/crash_log.hpp"

namespace nori::torture {

namespace {

// All crashes of one log through its lives.
void crash_one_log(random_source& random, figures& to, std::chrono::steady_clock::time_point) {
  engine::test::crash_log log(random, random.below(2) == 0);
  engine::test::live(log, random, 1);
  to["crash_states"] += log.counted().states;
  to["recoveries"] += log.counted().reopened;
  to["logs"] += 1;
}

std::vector<control> plant_crash_bugs(random_source& random) {
  std::vector<control> all;
  for (const engine::test::crash_control& each : engine::test::crash_controls) {
    all.push_back({each.name, engine::test::found_by_crashes(each, random, 2000)});
  }
  return all;
}

}  // namespace

const suite engine_crashes{"engine_crashes", crash_one_log, plant_crash_bugs, "lost"};

}  // namespace nori::torture
