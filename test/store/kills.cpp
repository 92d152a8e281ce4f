// Processes that are killed while they use a store.

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <iostream>

#include "store/kill_cycles.hpp"

namespace nori::store_test {

BOOST_AUTO_TEST_SUITE(kills)

BOOST_AUTO_TEST_CASE(what_was_acknowledged_survives_kills_and_all_answers_agree) {
  random_source random;
  const std::chrono::milliseconds budget(scaled(15'000) / 3);
  for (const char* const policy : {"always", "batch", "os"}) {
    kills::torture one(policy, random);
    const auto until = std::chrono::steady_clock::now() + budget;
    do {
      one.live_and_die();
    } while (std::chrono::steady_clock::now() < until);
    std::cout << policy << ": " << one.kills << " kills, " << one.acknowledged
              << " acknowledged appends, 0 lost; " << one.in_doubt << " in doubt; " << one.events()
              << " events, " << one.deleted() << " of them deleted\n";
    BOOST_TEST(one.kills > 0u);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
