#ifndef NORI_TEST_SUPPORT_VIOLATION_HPP
#define NORI_TEST_SUPPORT_VIOLATION_HPP

#include <source_location>
#include <stdexcept>
#include <string>

namespace nori::test {

/// A promise that was not kept. Thrown by checks that test cases and nori-torture share: a test
/// case fails by it, a suite reports it.
struct violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void must(bool holds, const char* fact) {
  if (!holds) throw violation(fact);
}
/// Where the line says enough.
inline void must(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  throw violation(std::string(where.file_name()) + ":" + std::to_string(where.line()) + ": " +
                  where.function_name());
}

}  // namespace nori::test

#endif
