#ifndef NORI_BENCH_COMMON_LISTS_HPP
#define NORI_BENCH_COMMON_LISTS_HPP

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/options.hpp"
#include "common/quantities.hpp"

namespace nori::bench {

/// "a,b,c", each read by `parse`. @throws std::invalid_argument
template <typename Parse>
[[nodiscard]] auto parse_list(std::string_view text, Parse parse) {
  std::vector<std::invoke_result_t<Parse, std::string_view>> made;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    made.push_back(parse(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  if (made.empty()) throw std::invalid_argument("expected values with commas between them");
  return made;
}

/// Of a whole log.
[[nodiscard]] inline std::uint64_t parse_log_bytes(std::string_view text) {
  return within(parse_bytes(text), std::uint64_t{64} << 10, std::uint64_t{1} << 40);
}

}  // namespace nori::bench

#endif
