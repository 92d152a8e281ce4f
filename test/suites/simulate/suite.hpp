#ifndef NORI_TEST_SUITES_SIMULATE_SUITE_HPP
#define NORI_TEST_SUITES_SIMULATE_SUITE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/random_source.hpp"
#include "support/violation.hpp"

namespace nori::simulate {

using test::must;
using test::violation;

/// Everything that a world does follows from its seed.
class coin : public test::random_source {
 public:
  using test::random_source::random_source;
  bool one_in(std::size_t n) { return below(n) == 0; }
};

/// How long a suite goes on: until the time is over, and as many worlds as that, whichever is
/// first. One world at least.
struct budget {
  std::chrono::steady_clock::time_point ends = std::chrono::steady_clock::time_point::max();
  std::uint64_t worlds_max = UINT64_MAX;

  [[nodiscard]] static budget seconds(double how_many) {
    budget made;
    made.ends = std::chrono::steady_clock::now() +
                std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                    std::chrono::duration<double>(how_many));
    return made;
  }
  [[nodiscard]] static budget worlds(std::uint64_t how_many) {
    budget made;
    made.worlds_max = how_many;
    return made;
  }
  [[nodiscard]] bool over(std::uint64_t done) const {
    return done != 0 && (done >= worlds_max || std::chrono::steady_clock::now() >= ends);
  }
};

/// What was counted, by name.
using figures = std::map<std::string, std::uint64_t>;

/// One kind of checks. `run_world` does everything that follows from one seed, counts, and throws
/// violation.
struct suite {
  const char* name;
  void (*run_world)(std::uint64_t seed, figures& counted);
};

[[nodiscard]] const std::vector<suite>& suites();
[[nodiscard]] const suite& suite_named(const std::string& name);

/// Worlds with the seeds `seed`, `seed` + 1, ...; a violation says which one broke it. `between` is
/// called after each.
void run(const suite& what, std::uint64_t seed, const budget& until, figures& counted,
         const std::function<void()>& between = {});

void crashes(std::uint64_t seed, figures& counted);
void damage(std::uint64_t seed, figures& counted);
void kth_operation(std::uint64_t seed, figures& counted);
void store(std::uint64_t seed, figures& counted);
void allocations(std::uint64_t seed, figures& counted);
void store_allocations(std::uint64_t seed, figures& counted);

/// Switches each planted bug on, and runs the suites until one of them finds it. Returns how many
/// were missed; prints a line for each. Only in a build with NORI_PLANTED_BUGS.
[[nodiscard]] int run_controls(std::uint64_t seed, double seconds_each);

}  // namespace nori::simulate

#endif
