#ifndef NORI_BENCH_COMMON_MEASURE_HPP
#define NORI_BENCH_COMMON_MEASURE_HPP

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/histogram.hpp"
#include "common/progress.hpp"

namespace nori::bench {

using clock = std::chrono::steady_clock;

/// Ctrl-C: every loop ends soon, and what was created is removed. Whoever reads the output may go.
class interrupted : public std::exception {
 public:
  [[nodiscard]] const char* what() const noexcept override { return "interrupted"; }
};
void watch_for_interrupts();
void throw_if_interrupted();

enum class phase : std::uint8_t { warm_up, measured, over };

/// Records done by one coroutine or thread: written by it, read by the timekeeper.
struct alignas(64) tally {
  std::atomic<std::uint64_t> records = 0;

  void add(std::uint64_t more) noexcept {
    records.store(records.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
};

/// What one turn of one contestant gave, its warm-up not counted.
struct turn_result {
  double seconds = 0;
  std::uint64_t records = 0;
  std::uint64_t calls = 0;  ///< appends, batches counting once
  double cpu_seconds = 0;
  std::uint64_t allocations = 0;
  std::uint64_t resident = 0;
  histogram latency;  ///< ns
};

/// One turn: tells the loops what phase it is, and counts what they do.
///
/// The thread that calls `keep_time` sleeps; the loops run on others. A loop asks `now()` often
/// and ends when it is over; it adds to its tally as it goes.
class turn {
 public:
  turn(double seconds, std::size_t tallies, std::size_t threads);

  [[nodiscard]] phase now() const noexcept { return phase_.load(std::memory_order_relaxed); }
  [[nodiscard]] tally& tally_of(std::size_t i) noexcept { return tallies_[i]; }

  /// Latencies noted on the calling thread from now on go to histogram `i`.
  void use_histogram(std::size_t i) noexcept;
  /// Of one call; ignored while warming up.
  void note_latency(clock::duration took) noexcept;

  /// Ends the turn early with an error, which keep_time throws.
  void fail(std::exception_ptr why) noexcept;

  /// Sleeps through warm-up and measurement; ends the turn when the disk of `dir` is nearly full.
  void keep_time(const std::filesystem::path& dir);
  /// What keep_time does between its sleeps, for a loop that times itself.
  void begin_measuring();
  void end_measuring();
  /// After the loops have ended.
  [[nodiscard]] turn_result result(std::uint64_t records_per_call);
  [[nodiscard]] bool ended_early() const noexcept { return ended_early_; }

 private:
  void sleep_until(clock::time_point end, const std::filesystem::path& dir);
  [[nodiscard]] std::uint64_t records() const noexcept;

  const double seconds_;
  std::atomic<phase> phase_ = phase::warm_up;
  std::unique_ptr<tally[]> tallies_;
  const std::size_t tally_count_;
  std::vector<histogram> histograms_;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::exception_ptr error_;
  bool ended_early_ = false;
  clock::time_point begin_;
  std::uint64_t records_before_ = 0;
  std::uint64_t allocations_before_ = 0;
  double cpu_before_ = 0;
  turn_result result_;
};

/// What a profiler calls the calling thread.
void name_thread(const char* name) noexcept;

/// Runs `loop` on a thread of its own for one turn.
[[nodiscard]] turn_result take_turn(double seconds, const std::filesystem::path& dir,
                                    std::uint64_t records_per_call,
                                    const std::function<void(turn&)>& loop);

/// Runs `loop` on a thread of its own, once, and measures all of it.
[[nodiscard]] turn_result take_pass(const std::function<void(turn&)>& loop);

/// One side of a comparison: takes a turn of so many seconds.
struct contestant {
  std::string name;
  std::function<turn_result(double seconds)> take;

  contestant(std::string its_name, std::function<turn_result(double)> its_take)
      : name(std::move(its_name)), take(std::move(its_take)) {}
};

/// Turns by round: result[round][contestant]. All contestants share the seconds evenly.
[[nodiscard]] std::vector<std::vector<turn_result>> take_rounds(
    const std::vector<contestant>& contestants, std::uint64_t rounds, double seconds,
    progress& shown);
/// The same, with a bar of its own.
[[nodiscard]] std::vector<std::vector<turn_result>> take_rounds(
    const std::vector<contestant>& contestants, std::uint64_t rounds, double seconds);

/// Median, lowest and highest of some rounds.
struct spread {
  double median = 0;
  double lowest = 0;
  double highest = 0;
};
[[nodiscard]] spread spread_of(std::vector<double> values);

/// The shares at which a distribution of latencies is described, of all rounds together.
inline constexpr std::array curve_quantiles = {0.0,  0.25,  0.5,   0.75,  0.9,    0.95,   0.98,
                                               0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999};

/// What the rounds of one contestant come to.
struct figures {
  spread records_per_s;
  spread p50_ns;
  spread p99_ns;
  spread p999_ns;
  spread p9999_ns;
  spread highest_ns;
  spread cpu_ns_per_record;
  spread allocations_per_call;
  std::uint64_t resident = 0;   ///< at the end of the last round
  std::uint64_t latencies = 0;  ///< how many were noted, all rounds
  std::array<double, curve_quantiles.size()> curve_ns{};
};

[[nodiscard]] figures figures_of(const std::vector<std::vector<turn_result>>& rounds,
                                 std::size_t contestant);

/// Per round, of contestants `a` and `b`: rate and median latency of a over those of b.
struct ratios {
  spread records_per_s;
  spread p50;
  spread cpu;
};
[[nodiscard]] ratios ratios_of(const std::vector<std::vector<turn_result>>& rounds, std::size_t a,
                               std::size_t b);

}  // namespace nori::bench

#endif
