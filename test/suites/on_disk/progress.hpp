#ifndef NORI_TEST_SUITES_ON_DISK_PROGRESS_HPP
#define NORI_TEST_SUITES_ON_DISK_PROGRESS_HPP

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <stdexcept>
#include <utility>

#include "workload.hpp"

namespace nori::suites {

/// Which groups of a lane are acknowledged and durable: both are prefixes, whatever order the
/// appends complete in. `Place` is where the log or store says that a group ends.
template <typename Place>
class lane_progress {
 public:
  lane_progress(fsync_policy::kind policy, bool lies, std::uint64_t from)
      : policy_(policy), lies_(lies), acknowledged_(from), durable_(from) {}

  void acknowledge(std::uint64_t group, Place last) {
    done_.emplace(group, last);
    while (!done_.empty() && done_.begin()->first == acknowledged_) {
      // Always: acknowledged is durable, and nothing else has to say so.
      if (policy_ != fsync_policy::kind::always) {
        waiting_.push_back({done_.begin()->second, clock::now()});
      }
      done_.erase(done_.begin());
      ++acknowledged_;
    }
    if (policy_ == fsync_policy::kind::always || lies_) durable_ = acknowledged_;
  }

  /// What lies before `end` is durable.
  void durable_before(const Place& end) {
    while (!waiting_.empty() && waiting_.front().last < end) {
      waiting_.pop_front();
      durable_ = acknowledged_ - waiting_.size();
    }
    if (lies_) durable_ = acknowledged_;
  }

  /// Under batch: what is not durable was appended within the window, and a while that a sync may
  /// take on the slowest disk here.
  void check_window() const {
    if (policy_ != fsync_policy::kind::batch || waiting_.empty()) return;
    if (clock::now() - waiting_.front().acknowledged > sync_window + patience) {
      throw std::runtime_error("what was appended is not durable long after the window");
    }
  }

  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t durable() const { return durable_; }

 private:
  using clock = std::chrono::steady_clock;
  struct waiting {
    Place last;
    clock::time_point acknowledged;
  };
  static constexpr std::chrono::seconds patience{20};

  fsync_policy::kind policy_;
  bool lies_;
  std::uint64_t acknowledged_;
  std::uint64_t durable_;
  std::map<std::uint64_t, Place> done_;
  std::deque<waiting> waiting_;
};

}  // namespace nori::suites

#endif
