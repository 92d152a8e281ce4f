#ifndef NORI_TEST_SUITES_SIMULATE_SUBSETS_HPP
#define NORI_TEST_SUITES_SIMULATE_SUBSETS_HPP

#include <cstddef>
#include <vector>

#include "suites/simulate/suite.hpp"

namespace nori::simulate {

/// Calls visit(std::vector<bool>) for all subsets of up to `all_up_to` things; of more: none, all,
/// some prefixes, some with one missing, some of one alone, and `random_count` of the others. There
/// are too many prefixes where a buffer is pending: of those, up to 24.
template <typename Visit>
void for_each_subset(coin& random, std::size_t count, std::size_t all_up_to,
                     std::size_t random_count, Visit visit) {
  std::vector<bool> arrived(count);
  if (count <= all_up_to) {
    for (std::size_t mask = 0; mask != std::size_t{1} << count; ++mask) {
      for (std::size_t i = 0; i != count; ++i) arrived[i] = (mask >> i & 1) != 0;
      visit(arrived);
    }
    return;
  }
  constexpr std::size_t tried_max = 24;
  const std::size_t step = count / tried_max + 1;
  for (std::size_t i = random.below(step); i < count; i += step) {
    std::vector<bool> prefix(count);
    for (std::size_t k = 0; k != i; ++k) prefix[k] = true;
    visit(prefix);
    std::vector<bool> missing(count, true);
    missing[i] = false;
    visit(missing);
    missing.flip();
    visit(missing);
  }
  for (std::size_t n = 0; n != random_count; ++n) {
    const std::size_t odds = 1 + random.below(15);
    for (std::size_t i = 0; i != count; ++i) arrived[i] = random.below(16) < odds;
    visit(arrived);
  }
}

}  // namespace nori::simulate

#endif
