// A slice of each suite of nori-simulate, which goes on for as long as it is let.

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <string_view>

#include "suites/simulate/suite.hpp"
#include "support/allocations.hpp"
#include "support/random_source.hpp"

namespace nori::simulate {

namespace {

struct slice {
  const char* suite;
  std::size_t worlds;  ///< a few seconds
  friend std::ostream& operator<<(std::ostream& out, const slice& of) { return out << of.suite; }
};

const std::vector<slice> slices{
    {"crashes", 20}, {"damage", 20},     {"kth_operation", 6},
    {"store", 30},   {"allocations", 1}, {"store_allocations", 1},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(simulation)

// In this world a sync failed and the process was killed: the page cache had the header of the
// segment, the device did not, and opening wrote everything again but that.
BOOST_AUTO_TEST_CASE(a_header_that_a_failed_sync_lost_is_there_after_opening) {
  figures counted;
  try {
    crashes(871'495'862, counted);
  } catch (const violation& broken) {
    BOOST_FAIL(broken.what());
  }
  BOOST_TEST(counted["crash_states"] > 0u);
}

BOOST_DATA_TEST_CASE(all_promises_hold, boost::unit_test::data::make(slices), tried) {
  test::random_source random;
  figures counted;
  if (std::string_view(tried.suite).ends_with("allocations") && !test::memory_can_run_out()) {
    BOOST_TEST_MESSAGE("SKIP " << tried.suite << ": operator new is a sanitizer's; "
                               << "simulate_allocations has its own");
    return;
  }
  try {
    run(suite_named(tried.suite), random() % 1'000'000'000,
        budget::worlds(test::scaled(tried.worlds)), counted);
  } catch (const violation& broken) {
    BOOST_FAIL(broken.what());
  }
  for (const auto& [name, count] : counted) BOOST_TEST_MESSAGE(name << ": " << count);
  BOOST_TEST(counted["worlds"] != 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
