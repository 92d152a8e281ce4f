// Faults in acknowledged data: flipped bits, zeroed, overwritten and misplaced blocks. Recovery
// refuses wherever a later frame was written when the damaged one was known to be durable, and
// never makes anything up.

#include <boost/test/unit_test.hpp>

#include <cstddef>

#include "engine_test.hpp"
#include "faults.hpp"

using namespace nori;
using namespace nori::engine;
using namespace nori::engine::test;

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(damage_to_acknowledged_data_is_never_taken_for_a_crash) {
  random_source random;
  fault_figures sum;
  for (std::size_t logs = scaled(300); logs != 0; --logs) sum += check_faults(random, 100);
  BOOST_TEST_MESSAGE(sum.all() << " faults: " << sum.refused << " refused, " << sum.harmless
                               << " harmless, " << sum.ambiguous
                               << " in the last frames, which nothing vouches for yet");
  BOOST_TEST(sum.refused > 10 * sum.ambiguous);
}

// The check above is worth what it finds.
BOOST_AUTO_TEST_CASE(planted_bugs_of_recovery_are_found) {
  random_source random;
  for (const recovery_bug bug :
       {recovery_bug::ignores_proof, recovery_bug::trusts_sealed, recovery_bug::always_suspects}) {
    BOOST_CHECK_THROW(
        {
          for (int logs = 0; logs != 200; ++logs) check_faults(random, 100, bug);
        },
        violation);
  }
}

BOOST_AUTO_TEST_SUITE_END()
