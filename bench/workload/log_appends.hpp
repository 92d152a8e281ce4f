#ifndef NORI_BENCH_WORKLOAD_LOG_APPENDS_HPP
#define NORI_BENCH_WORKLOAD_LOG_APPENDS_HPP

#include <cstdint>
#include <filesystem>
#include <string>

#include <nori/config.hpp>

#include "common/measure.hpp"
#include "common/options.hpp"

namespace nori::bench {

/// Coroutines on one io_context, each of which awaits an append, and then the next.
struct append_load {
  log_options log;
  fsync_policy policy = fsync_policy::batch(std::chrono::milliseconds(5));
  std::uint64_t writers = 1;
  std::uint64_t batch = 1;  ///< records in a call of append_batch; 1: append
  double rate = 0;          ///< records/s asked for, of all writers; 0: each as soon as it can

  append_load() = default;

  /// Records that a group commit holds when every writer waits for it.
  [[nodiscard]] std::uint64_t group() const noexcept { return writers * batch; }
};

/// One turn on the log in `dir`, which is made where there is none.
[[nodiscard]] turn_result append_to_log(const append_load& load, const std::filesystem::path& dir,
                                        double seconds);

}  // namespace nori::bench

#endif
