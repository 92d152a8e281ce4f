#ifndef ACCOUNT_SERVER_LOAD_LATENCIES_HPP
#define ACCOUNT_SERVER_LOAD_LATENCIES_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace load {

using clock = std::chrono::steady_clock;

/// What came out of one run.
struct figures {
  double per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double all = 0;  ///< operations, those before the time that counts included
};

/// How long each operation took, of those that ended between `from` and `until`.
class latencies {
 public:
  latencies(clock::time_point from, clock::time_point until) : from_(from), until_(until) {}

  [[nodiscard]] bool over() const { return clock::now() >= until_; }
  void add(clock::time_point begun) {
    const clock::time_point now = clock::now();
    ++all_;
    if (now >= from_ && now < until_)
      ms_.push_back(std::chrono::duration<float, std::milli>(now - begun).count());
  }
  [[nodiscard]] figures result() {
    std::sort(ms_.begin(), ms_.end());
    figures made;
    made.all = static_cast<double>(all_);
    if (ms_.empty()) return made;
    const auto at = [&](double share) {
      return static_cast<double>(
          ms_[static_cast<std::size_t>(share * static_cast<double>(ms_.size() - 1))]);
    };
    made.per_second =
        static_cast<double>(ms_.size()) / std::chrono::duration<double>(until_ - from_).count();
    made.p50_ms = at(0.5);
    made.p99_ms = at(0.99);
    return made;
  }

 private:
  clock::time_point from_;
  clock::time_point until_;
  std::vector<float> ms_;
  std::size_t all_ = 0;
};

}  // namespace load

#endif
