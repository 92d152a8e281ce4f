#ifndef NORI_BENCH_RAW_APPEND_LOOPS_HPP
#define NORI_BENCH_RAW_APPEND_LOOPS_HPP

#include <cstdint>
#include <filesystem>
#include <string>

#include <nori/config.hpp>

#include "common/measure.hpp"

// What the best sequence of system calls does with the same bytes and the same promise, on one
// thread, without an API, a segment that ends, or anybody waiting. The measure of everything else.

namespace nori::bench::raw {

struct append_job {
  std::filesystem::path dir;  ///< where the files go: empty
  std::string body;
  std::size_t frame_bytes = 0;
  std::uint64_t records_per_write = 1;  ///< always: the size of a group commit
  std::uint64_t records_per_call = 1;   ///< os and batch: how many are timed together
  std::uint64_t file_bytes = 0;         ///< zero-filled before the turn; overwritten in circles
  bool direct = true;
  fsync_policy policy = fsync_policy::always();
  double rate = 0;  ///< records/s that are asked for, whether or not it keeps up; 0: what it can

  append_job() = default;
};

/// How a durable write is made.
enum class durable_write : std::uint8_t {
  uring,      ///< an io_uring write with RWF_DSYNC
  pwritev2,   ///< the same by a system call
  fdatasync,  ///< a write, then fdatasync
};
[[nodiscard]] const char* text_of(durable_write how, bool direct) noexcept;

/// always: frames `records_per_write` records, writes them durably, waits, and so on. Each write
/// begins with the last, partial block of the one before. Latencies are of one write.
void write_durably(const append_job& job, durable_write how, turn& now);

/// The fastest way of doing so here: a few short turns each.
[[nodiscard]] durable_write fastest_durable_write(const append_job& job, bool io_uring,
                                                  double seconds);

/// What most logs do: appends to a file that grows. Under always `records_per_write` records in a
/// buffered write, then fdatasync; otherwise a write for each call, and under batch an fdatasync
/// when the window has passed.
void write_growing(const append_job& job, turn& now);

/// os and batch: frames into a shared mapping, from which pieces of 256 KiB go to the file, four in
/// flight; under batch, what was framed is written and synced whenever the window has passed.
/// Latencies are of records_per_call records; about every 64th record is timed.
void write_staged(const append_job& job, turn& now);

}  // namespace nori::bench::raw

#endif
