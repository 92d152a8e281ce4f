#ifndef NORI_BENCH_WORKLOAD_LOG_READS_HPP
#define NORI_BENCH_WORKLOAD_LOG_READS_HPP

#include <cstdint>
#include <filesystem>
#include <functional>

#include "common/measure.hpp"
#include "common/options.hpp"

namespace nori::bench {

/// Which function of the reader is called.
enum class read_call : std::uint8_t { next, next_batch };

/// Writes a log of `records` records to `dir`, under fsync_policy::os, and closes it.
void write_log(const log_options& options, std::uint64_t records, const std::filesystem::path& dir);

/// Reads the log in `dir` from its start to its end, again and again, for one turn.
/// @throws std::runtime_error where it does not give `records` records.
[[nodiscard]] turn_result read_log(const log_options& options, std::uint64_t records,
                                   const std::filesystem::path& dir, read_call call,
                                   double seconds);

/// The same, once, however long it takes; `before` is called when the log is open.
[[nodiscard]] turn_result read_log_once(const log_options& options, std::uint64_t records,
                                        const std::filesystem::path& dir, read_call call,
                                        const std::function<void()>& before);

}  // namespace nori::bench

#endif
