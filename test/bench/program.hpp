#ifndef NORI_TEST_BENCH_PROGRAM_HPP
#define NORI_TEST_BENCH_PROGRAM_HPP

#include <string>
#include <string_view>
#include <vector>

namespace nori::test {

/// What the built nori-bench did.
struct program_run {
  int status = 0;  ///< its exit status, or 128 and the signal
  std::string out;
  std::string err;
};
[[nodiscard]] program_run run_bench(const std::vector<std::string>& arguments,
                                    const std::string& program = NORI_BENCH_PROGRAM);

/// Why `page` is not well-formed: elements that are not closed in order, attributes without quotes,
/// a bare & or <. Empty: it is.
[[nodiscard]] std::string why_malformed(std::string_view page);

[[nodiscard]] std::string text_of_file(const std::string& path);

}  // namespace nori::test

#endif
