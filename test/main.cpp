#include <cstdlib>

#include <boost/test/unit_test.hpp>

#include "support/child_process.hpp"

namespace {

bool name_it() {
  boost::unit_test::framework::master_test_suite().p_name.value = "nori";
  return true;
}

}  // namespace

// Boost.Test takes a killed child for a failure of its parent, and hides a crash from the
// sanitizers, unless it is told to leave signals alone.
int main(int argc, char* argv[]) {
  if (const int status = nori::test::run_as_child(argc, argv); status >= 0) return status;
  ::setenv("BOOST_TEST_CATCH_SYSTEM_ERRORS", "no", 0);
  ::setenv("BOOST_TEST_COLOR_OUTPUT", "no", 0);
  ::setenv("BOOST_TEST_REPORT_LEVEL", "short", 0);
  return boost::unit_test::unit_test_main(name_it, argc, argv);
}
