#include "suites/torture/suite.hpp"

#include "store/race_history.hpp"

namespace nori::torture {

namespace {

using store_test::races::race_bug;
using store_test::races::raced_store;

void race_for_one_store(random_source& random, figures& to,
                        std::chrono::steady_clock::time_point until) {
  constexpr const char* policies[] = {"always", "batch", "os"};
  raced_store store(policies[random.below(3)], random);
  for (std::size_t lives = 1 + random.below(8); lives != 0; --lives) {
    store.live_and_die();
    to["kill_cycles"] += 1;
    if (std::chrono::steady_clock::now() > until) break;
  }
  to["appends"] += store.history.done;
  to["conflicts"] += store.history.conflicts;
  to["in_doubt"] += store.history.in_doubt;
}

std::vector<control> plant_race_bugs(random_source& random) {
  const auto find = [&random](race_bug bug) {
    for (int stores = 0; stores != 5; ++stores) {
      raced_store store("os", random, bug);
      for (int lives = 0; lives != 5; ++lives) store.live_and_die();
    }
  };
  return {
      planted("an expected revision is not compared", [&] { find(race_bug::blind); }),
      planted("a conflict tells of an older revision", [&] { find(race_bug::stale); }),
      planted("a head is told that was read before the question", [&] { find(race_bug::late); }),
  };
}

}  // namespace

const suite linearizability{"linearizability", race_for_one_store, plant_race_bugs, "violations"};

}  // namespace nori::torture
