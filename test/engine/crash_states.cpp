// The engine over sectors that a crash tears apart: whatever subset of the pending ones arrives,
// what was acknowledged is recovered, and nothing else comes with it.

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <string>

#include "crash_log.hpp"
#include "engine_test.hpp"

using namespace nori;
using namespace nori::engine;
using namespace nori::engine::test;

BOOST_AUTO_TEST_SUITE(crash_states)

BOOST_AUTO_TEST_CASE(any_crash_leaves_a_prefix_with_all_that_was_acknowledged) {
  random_source random;
  const std::size_t logs = scaled(100);
  for (const bool synchronous : {true, false}) {
    crash_log::figures sum;
    for (std::size_t i = 0; i != logs; ++i) {
      crash_log log(random, synchronous);
      try {
        live(log, random, 1);
      } catch (const violation& broken) {
        BOOST_FAIL(broken.what() << ", in log " << i << (synchronous ? ", always" : ", unsynced"));
      }
      sum += log.counted();
    }
    BOOST_TEST_MESSAGE((synchronous ? "always: " : "unsynced: ")
                       << logs << " logs, " << sum.crashes << " crashes, " << sum.states
                       << " different states, " << sum.reopened << " reopened, " << sum.torn
                       << " of them torn");
    BOOST_TEST(sum.states > 10 * logs);
    BOOST_TEST(sum.torn > sum.reopened / 10);
  }
}

// The checks above are worth what they find.
BOOST_AUTO_TEST_CASE(planted_bugs_are_found) {
  random_source random;
  for (const crash_control& each : crash_controls) {
    const std::string found = found_by_crashes(each, random, 2000);
    BOOST_TEST(!found.empty(), each.name);
    BOOST_TEST_MESSAGE(each.name << ": " << found);
  }
}

BOOST_AUTO_TEST_SUITE_END()
