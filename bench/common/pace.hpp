#ifndef NORI_BENCH_COMMON_PACE_HPP
#define NORI_BENCH_COMMON_PACE_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

#include "common/measure.hpp"

namespace nori::bench {

/// When the calls of an open-loop load are due: every 1/rate seconds, whether or not the ones
/// before have completed. A latency counts from then: whoever had to wait for a slow call to end
/// was late, too, and a loop that asks only when it is ready to would never notice.
class pace {
 public:
  /// Of several callers that take turns, this one makes calls `first`, `first + step`, ...
  pace(clock::time_point begin, double calls_per_s, std::uint64_t first, std::uint64_t step)
      : begin_(begin), ns_per_call_(1e9 / calls_per_s), next_(first), step_(step) {}

  [[nodiscard]] clock::time_point due() const noexcept { return due_at(next_); }
  void advance() noexcept { next_ += step_; }

  /// Calls that are due by `now`, up to `most`.
  [[nodiscard]] std::uint64_t due_count(clock::time_point now, std::uint64_t most) const noexcept {
    const double passed = std::chrono::duration<double, std::nano>(now - due()).count();
    if (passed < 0) return 0;
    const double calls = passed / (ns_per_call_ * static_cast<double>(step_)) + 1;
    return calls >= static_cast<double>(most) ? most : static_cast<std::uint64_t>(calls);
  }

 private:
  [[nodiscard]] clock::time_point due_at(std::uint64_t call) const noexcept {
    return begin_ + std::chrono::nanoseconds(
                        static_cast<std::int64_t>(static_cast<double>(call) * ns_per_call_));
  }

  clock::time_point begin_;
  double ns_per_call_;
  std::uint64_t next_;
  std::uint64_t step_;
};

/// Nobody sleeps longer than this at once: a turn may be over meanwhile.
inline constexpr std::chrono::milliseconds pace_nap{20};

/// Sleeps until the next call is due. @returns how many are due, up to `most`; 0: the turn is over.
[[nodiscard]] inline std::uint64_t wait_until_due(const pace& of, const turn& now,
                                                  std::uint64_t most) {
  while (now.now() != phase::over) {
    const auto time = clock::now();
    if (const std::uint64_t due = of.due_count(time, most); due != 0) return due;
    std::this_thread::sleep_until(std::min(of.due(), time + pace_nap));
  }
  return 0;
}

}  // namespace nori::bench

#endif
