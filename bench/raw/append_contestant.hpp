#ifndef NORI_BENCH_RAW_APPEND_CONTESTANT_HPP
#define NORI_BENCH_RAW_APPEND_CONTESTANT_HPP

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/machine.hpp"
#include "common/measure.hpp"
#include "raw/append_loops.hpp"

namespace nori::bench::raw {

/// The best loop of system calls for some appends, ready to take turns with them.
struct append_contestant {
  contestant side;
  std::string loop;                     ///< what it does, as a sentence
  std::uint64_t records_per_write = 0;  ///< always only
};

/// Of `job` the directory, direct and records_per_write are found here; `group` is the number of
/// records that wait for one durable write. Trying out how it is written takes up to `seconds`.
[[nodiscard]] append_contestant make_append_contestant(append_job job, std::uint64_t group,
                                                       const machine& here,
                                                       const std::filesystem::path& scratch,
                                                       double seconds);

/// What most logs do, on a file that grows; see write_growing.
[[nodiscard]] append_contestant make_growing_contestant(append_job job, std::uint64_t group,
                                                        const std::filesystem::path& scratch);

}  // namespace nori::bench::raw

#endif
