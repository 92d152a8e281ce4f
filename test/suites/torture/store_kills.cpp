#include "suites/torture/suite.hpp"

#include "store/kill_cycles.hpp"

namespace nori::torture {

namespace {

void kill_one_store(random_source& random, figures& to,
                    std::chrono::steady_clock::time_point until) {
  constexpr const char* policies[] = {"always", "batch", "os"};
  store_test::kills::torture one(policies[random.below(3)], random);
  for (std::size_t lives = 1 + random.below(25); lives != 0; --lives) {
    one.live_and_die();
    to["kill_cycles"] += 1;
    if (std::chrono::steady_clock::now() > until) break;
  }
  to["acknowledged"] += one.acknowledged;
  to["in_doubt"] += one.in_doubt;
}

std::vector<control> plant_lies(random_source& random) {
  using store_test::kills::lie;
  const auto told = [&random](const char* name, lie planted_lie) {
    return planted(name, [&random, planted_lie] {
      store_test::kills::torture("always", random).live_and_die(planted_lie);
    });
  };
  return {told("an append is told as done that was not made", lie::append),
          told("a checkpoint is told as saved that was not", lie::checkpoint),
          told("a snapshot is told as saved that was not", lie::snapshot)};
}

}  // namespace

const suite store_kills{"store_kills", kill_one_store, plant_lies, "lost"};

}  // namespace nori::torture
