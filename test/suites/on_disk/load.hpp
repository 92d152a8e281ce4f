#ifndef NORI_TEST_SUITES_ON_DISK_LOAD_HPP
#define NORI_TEST_SUITES_ON_DISK_LOAD_HPP

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "account.hpp"
#include "progress.hpp"
#include "workload.hpp"

namespace nori::suites {

/// How much of this process is in memory.
[[nodiscard]] std::uint64_t resident_bytes();

/// Appends that arrive at a rate, whether or not those before are done. Of a log in a context that
/// nobody else runs.
class load {
 public:
  load(const workload& what, const std::string& dir);
  load(const load&) = delete;
  load& operator=(const load&) = delete;
  ~load();

  /// As many as can be, `at_once` under way. Returns how many were done in a second.
  std::uint64_t saturate(std::size_t at_once, std::chrono::milliseconds time);
  /// `per_second` arrive; whoever finds `waiting_max` others under way goes away again. Ends after
  /// `time`, or as soon as `enough()` says so.
  void arrive(std::uint64_t per_second, std::size_t waiting_max, std::chrono::milliseconds time,
              std::function<bool()> enough = {});
  /// Waits until none is under way. Throws `broken` where that takes longer than `patience`.
  void drain(std::chrono::seconds patience);

  /// As after a killed process: everything that was submitted is completed.
  void abandon();

  /// What was promised until now.
  [[nodiscard]] account told() const;
  /// Of the appends that ended since the last call: the one in the middle.
  std::chrono::microseconds take_median_latency();
  [[nodiscard]] std::uint64_t resident_most() const { return resident_most_; }
  void forget_resident() { resident_most_ = 0; }
  [[nodiscard]] std::uint64_t turned_away() const { return turned_away_; }

 private:
  using clock = std::chrono::steady_clock;

  [[nodiscard]] static asio::awaitable<void> append_one(load* to);
  void one_arrives(std::size_t waiting_max);
  void try_one();
  void note_failure(std::exception_ptr error);
  void run_until(const std::function<bool()>& done);

  asio::io_context io_;
  workload what_;
  wal log_;
  std::uint64_t next_ = 0;
  std::uint64_t arrived_ = 0;
  lane_progress<position> progress_;
  std::size_t under_way_ = 0;
  std::uint64_t turned_away_ = 0;
  std::uint64_t resident_most_ = 0;
  std::vector<std::chrono::microseconds> latencies_;
  std::exception_ptr failure_;
};

}  // namespace nori::suites

#endif
