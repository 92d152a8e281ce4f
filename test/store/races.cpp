// Linearizability of expected revisions, through kills: every append and every look at a head
// happened at one moment between its call and its return, and what was in doubt happened once or
// not at all.

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <iostream>

#include "store/race_history.hpp"

namespace nori::store_test {

BOOST_AUTO_TEST_SUITE(races)

BOOST_AUTO_TEST_CASE(what_racing_writers_were_told_is_what_one_writer_could_have_done) {
  random_source random;
  const std::chrono::milliseconds budget(scaled(6000) / 3);
  for (const char* const policy : {"always", "batch", "os"}) {
    raced_store store(policy, random);
    const auto until = std::chrono::steady_clock::now() + budget;
    do {
      store.live_and_die();
    } while (std::chrono::steady_clock::now() < until);
    const race_history& was = store.history;
    std::cout << policy << ": " << store.kills << " kills, " << was.done << " appends, "
              << was.conflicts << " conflicts, " << was.in_doubt << " in doubt\n";
    BOOST_TEST(was.done > 0U);
    BOOST_TEST(was.conflicts > 0U);
  }
}

// The check above is worth what it finds.
BOOST_AUTO_TEST_CASE(planted_bugs_of_races_are_found) {
  random_source random;
  for (const race_bug bug : {race_bug::blind, race_bug::stale, race_bug::late}) {
    BOOST_CHECK_THROW(
        {
          raced_store store("os", random, bug);
          for (int lives = 0; lives != 10; ++lives) store.live_and_die();
        },
        nori::test::violation);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
