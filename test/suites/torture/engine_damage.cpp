#include "suites/torture/suite.hpp"

#include "engine/faults.hpp"

namespace nori::torture {

namespace {

using engine::test::check_faults;
using engine::test::recovery_bug;

constexpr std::size_t faults_each = 100;

void damage_one_log(random_source& random, figures& to, std::chrono::steady_clock::time_point) {
  const auto found = check_faults(random, faults_each);
  to["faults"] += found.all();
  to["refused"] += found.refused;
  to["harmless"] += found.harmless;
}

std::vector<control> plant_recovery_bugs(random_source& random) {
  const auto find = [&random](recovery_bug bug) {
    for (int logs = 0; logs != 200; ++logs) check_faults(random, faults_each, bug);
  };
  return {
      planted("recovery takes all damage for a torn tail",
              [&] { find(recovery_bug::ignores_proof); }),
      planted("recovery does not read sealed segments", [&] { find(recovery_bug::trusts_sealed); }),
      planted("recovery takes every torn tail for damage",
              [&] { find(recovery_bug::always_suspects); }),
  };
}

}  // namespace

const suite engine_damage{"engine_damage", damage_one_log, plant_recovery_bugs, "silent"};

}  // namespace nori::torture
