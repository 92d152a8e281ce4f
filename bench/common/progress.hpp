#ifndef NORI_BENCH_COMMON_PROGRESS_HPP
#define NORI_BENCH_COMMON_PROGRESS_HPP

#include <chrono>
#include <string>
#include <string_view>

namespace nori::bench {

/// A bar with the time that is left, on standard error where that is a terminal.
class progress {
 public:
  /// How many seconds all steps together were planned to take.
  explicit progress(double seconds_planned);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// What the steps from now on belong to, such as "always, 100 B".
  void name(std::string_view part) { part_ = part; }

  void begin(std::string_view step);
  /// The step that began is over, of which so many seconds had been planned.
  void end(double seconds_planned);

 private:
  const bool shown_;
  const double planned_;
  double done_ = 0;
  std::string part_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace nori::bench

#endif
