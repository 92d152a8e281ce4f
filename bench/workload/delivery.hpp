#ifndef NORI_BENCH_WORKLOAD_DELIVERY_HPP
#define NORI_BENCH_WORKLOAD_DELIVERY_HPP

#include <cstdint>
#include <filesystem>

#include "common/measure.hpp"
#include "common/options.hpp"

namespace nori::bench {

/// One turn: a coroutine appends events to a store under fsync_policy::always, one after the other,
/// and a live subscription on the same io_context gives them. A record is an event that was given;
/// its latency counts from when its append had completed, and is 0 where it was given before.
[[nodiscard]] turn_result deliver(const log_options& options, const std::filesystem::path& dir,
                                  double seconds);

}  // namespace nori::bench

#endif
