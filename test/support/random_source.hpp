#ifndef NORI_TEST_SUPPORT_RANDOM_SOURCE_HPP
#define NORI_TEST_SUPPORT_RANDOM_SOURCE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace nori::test {

/// Randomness whose seed is printed; NORI_TEST_SEED repeats a run.
class random_source {
 public:
  random_source() : random_source(choose_seed()) {
    std::cout << "NORI_TEST_SEED=" << seed_ << std::endl;
  }
  /// For who reports the seed himself.
  explicit random_source(std::uint64_t seed) : seed_(seed), engine_(seed) {}

  std::uint64_t operator()() { return engine_(); }
  /// In [0, end).
  std::size_t below(std::size_t end) {
    if (end == 0) throw std::logic_error("random_source::below(0): there is no such number");
    return static_cast<std::size_t>(engine_() % end);
  }
  std::vector<std::byte> bytes(std::size_t count) {
    std::vector<std::byte> result(count);
    for (std::byte& b : result) b = static_cast<std::byte>(engine_());
    return result;
  }
  std::string text(std::size_t count) {
    std::string result(count, ' ');
    for (char& c : result) c = static_cast<char>(engine_());
    return result;
  }

 private:
  static std::uint64_t choose_seed() {
    const char* const given = std::getenv("NORI_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  }

  std::uint64_t seed_;
  std::mt19937_64 engine_;
};

/// `count` repetitions, or the share of them that NORI_TEST_SCALE asks for; one at least.
/// Sanitizers make everything slower.
inline std::size_t scaled(std::size_t count) {
  static const double scale = [] {
    const char* const given = std::getenv("NORI_TEST_SCALE");
    return given != nullptr ? std::strtod(given, nullptr) : 1.0;
  }();
  return std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(count) * scale));
}

}  // namespace nori::test

#endif
