// The engine over sectors that a crash tears apart: whatever subset of the pending ones arrives,
// what was acknowledged is recovered, and nothing else comes with it.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "crash_log.hpp"
#include "engine_test.hpp"

using namespace nori;
using namespace nori::engine;
using namespace nori::engine::test;
using format::block_bytes;
using format::segment_header_bytes;

namespace {

/// One log through several lives. After every event, or one in so many, all crashes are looked at.
void live(crash_log& log, random_source& random, std::size_t one_in) {
  for (std::size_t lives = 1 + random.below(4); lives != 0; --lives) {
    for (std::size_t steps = 1 + random.below(60); steps != 0; --steps) {
      log.happen();
      if (random.below(one_in) == 0) log.check_crashes();
    }
    log.crash_and_reopen();
  }
}

void add(crash_log::figures& sum, const crash_log::figures& more) {
  sum.crashes += more.crashes;
  sum.states += more.states;
  sum.reopened += more.reopened;
  sum.torn += more.torn;
}

}  // namespace

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
      add(sum, log.counted());
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
  struct control {
    planted_bug bug;
    bool synchronous;
    const char* name;
  };
  const control controls[] = {
      {planted_bug::skips_sync, true, "a durable write that is not synced"},
      {planted_bug::skips_sync, false, "a sync that does nothing"},
      {planted_bug::acknowledges_written, false, "acknowledging what is only written"},
      {planted_bug::keeps_epoch, true, "going on in the old epoch"},
      {planted_bug::keeps_torn_frame, false, "leaving a torn frame that starts a block"},
      {planted_bug::ignores_marks, false, "a watermark ahead of what is durable"},
  };
  for (const control& each : controls) {
    std::string found;
    int logs = 0;
    for (; logs != 2000 && found.empty(); ++logs) {
      crash_log log(random, each.synchronous, each.bug);
      try {
        live(log, random, 8);
      } catch (const violation& broken) {
        found = broken.what();
      }
    }
    BOOST_TEST(!found.empty(), each.name);
    BOOST_TEST_MESSAGE(each.name << ": " << found << " (after " << logs << " logs)");
  }
}

BOOST_AUTO_TEST_SUITE_END()
