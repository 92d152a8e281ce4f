#ifndef NORI_BENCH_COMMON_PROGRESS_HPP
#define NORI_BENCH_COMMON_PROGRESS_HPP

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace nori::bench {

/// A bar with the time that is left, on standard error where that is a terminal.
class progress {
 public:
  /// What the steps are measured in. Of bytes nobody knows beforehand how long they take.
  enum class unit : std::uint8_t { seconds, bytes };

  /// How many seconds, or bytes, all steps together were planned to take.
  explicit progress(double planned, unit of = unit::seconds);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// What the steps from now on belong to, such as "always, 100 B".
  void name(std::string_view part) { part_ = part; }

  void begin(std::string_view step);
  /// The step that began is over, of which so much had been planned.
  void end(double planned);

 private:
  const bool shown_;
  const double planned_;
  const unit unit_;
  double done_ = 0;
  std::string part_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace nori::bench

#endif
