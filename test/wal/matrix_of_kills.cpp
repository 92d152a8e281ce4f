// Processes that are killed while they append.

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <iostream>
#include <string>

#include "wal/kill_cycles.hpp"

namespace nori::wal_test {

BOOST_AUTO_TEST_SUITE(kills)

BOOST_AUTO_TEST_CASE(what_was_acknowledged_survives_a_kill_and_nothing_else_appears) {
  random_source random;
  std::size_t kills = 0;
  std::size_t acknowledged = 0;
  const std::chrono::milliseconds budget(scaled(9000) / 3);
  for (const std::string policy : {"always", "batch", "os"}) {
    const auto until = std::chrono::steady_clock::now() + budget;
    while (std::chrono::steady_clock::now() < until) {
      kills::killed_log log(policy, random);
      // The same log is killed several times over.
      for (int life = 0; life < 3; ++life) log.live_and_die();
      kills += log.kills;
      acknowledged += log.acknowledged;
    }
  }
  std::cout << kills << " kills, " << acknowledged << " acknowledged appends, 0 lost\n";
  BOOST_TEST(kills > 0u);
}

// The check above is worth what it finds.
BOOST_AUTO_TEST_CASE(an_acknowledgement_before_the_append_is_found) {
  random_source random;
  bool found = false;
  for (int i = 0; i < 200 && !found; ++i) {
    try {
      kills::killed_log("os", random, true).live_and_die();
    } catch (const test::violation&) {
      found = true;
    }
  }
  BOOST_TEST(found);
}

BOOST_AUTO_TEST_CASE(at_full_speed_every_acknowledged_record_survives_a_kill) {
  random_source random;
  for (std::size_t round = 0; round < scaled(15); ++round) kills::kill_at_full_speed(random);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
