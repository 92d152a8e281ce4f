#ifndef NORI_TEST_SUITES_TORTURE_SUITE_HPP
#define NORI_TEST_SUITES_TORTURE_SUITE_HPP

#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "support/random_source.hpp"

namespace nori::torture {

using test::random_source;

/// Counts of one run of a suite, by name.
using figures = std::map<std::string, std::uint64_t>;

/// What came of a planted bug.
struct control {
  std::string name;
  std::string caught_by;  ///< empty: it was missed
};

/// Something that goes on for as long as it is let, in rounds that each have a seed of their own.
struct suite {
  const char* name;
  /// Does one round, and adds to the figures; throws what a broken promise threw. A long one looks
  /// at `until` now and then.
  void (*round)(random_source& random, figures& to, std::chrono::steady_clock::time_point until);
  /// Plants bugs and looks for them with the same checks.
  std::vector<control> (*controls)(random_source& random);
  /// The figure that is to be 0: a broken promise counts as one.
  const char* broken;
};

[[nodiscard]] const std::vector<suite>& suites();

// Each in a file of its own.
extern const suite wal_kills;
extern const suite store_kills;
extern const suite engine_crashes;
extern const suite engine_damage;
extern const suite linearizability;

/// Runs `find`, which a planted bug should make throw.
template <typename Find>
[[nodiscard]] control planted(const char* name, Find find) {
  try {
    find();
  } catch (const std::exception& broken) {
    return {name, broken.what()};
  }
  return {name, {}};
}

}  // namespace nori::torture

#endif
