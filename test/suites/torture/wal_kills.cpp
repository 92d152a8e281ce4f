#include "suites/torture/suite.hpp"

#include "wal/kill_cycles.hpp"

namespace nori::torture {

namespace {

using wal_test::kills::killed_log;

void kill_one_log(random_source& random, figures& to, std::chrono::steady_clock::time_point until) {
  if (random.below(4) == 0) {
    wal_test::kills::kill_at_full_speed(random);
    to["kill_cycles"] += 1;
    return;
  }
  constexpr const char* policies[] = {"always", "batch", "os"};
  killed_log log(policies[random.below(3)], random);
  for (std::size_t lives = 1 + random.below(5); lives != 0; --lives) {
    log.live_and_die();
    to["kill_cycles"] += 1;
    if (std::chrono::steady_clock::now() > until) break;
  }
  to["acknowledged"] += log.acknowledged;
}

std::vector<control> plant_early_acknowledgement(random_source& random) {
  return {planted("a record is acknowledged before it is appended", [&] {
    for (int logs = 0; logs != 200; ++logs) killed_log("os", random, true).live_and_die();
  })};
}

}  // namespace

const suite wal_kills{"wal_kills", kill_one_log, plant_early_acknowledgement, "lost"};

}  // namespace nori::torture
