#ifndef NORI_BENCH_WORKLOAD_STORE_APPENDS_HPP
#define NORI_BENCH_WORKLOAD_STORE_APPENDS_HPP

#include <cstdint>
#include <filesystem>

#include "common/measure.hpp"
#include "workload/store_filling.hpp"

namespace nori::bench {

/// Coroutines on one io_context, each with a stream of its own. Every append is conditional: on the
/// revision that the stream should have, and on there being no newer event with the stream's tag
/// than the writer's last one.
struct conditional_load {
  log_options log;
  std::uint64_t writers = 64;
  std::uint64_t batch = 1;  ///< events in one append
};

/// One turn on a new store in `dir`, under fsync_policy::always.
[[nodiscard]] turn_result append_conditionally(const conditional_load& load,
                                               const std::filesystem::path& dir, double seconds);

}  // namespace nori::bench

#endif
