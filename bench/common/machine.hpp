#ifndef NORI_BENCH_COMMON_MACHINE_HPP
#define NORI_BENCH_COMMON_MACHINE_HPP

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace nori::bench {

/// Where a figure was taken: without it, it says nothing.
struct machine {
  std::string file_system;  ///< "ext4"
  std::string device;       ///< "vda", or empty when there is none
  std::string kernel;
  std::string cpu;
  unsigned cores = 0;
  std::string compiler;
  double load = 0;         ///< average of the last minute, before the measurement
  bool in_memory = false;  ///< the file system is lost with the power
  bool direct_io = false;
  bool io_uring = false;
  std::uint64_t free_bytes = 0;

  machine() = default;
};

/// Creates and removes a file in `scratch` to find out about direct I/O.
[[nodiscard]] machine describe_machine(const std::filesystem::path& scratch);

/// What may make the figures worthless or misleading, a sentence each.
[[nodiscard]] std::vector<std::string> warnings_about(const machine& here);

/// CPU time that others on this machine take from now on.
class other_programs {
 public:
  other_programs() noexcept;
  /// How many cores they kept busy, on average, since construction.
  [[nodiscard]] double cores() const noexcept;

 private:
  double others_before_;
  std::chrono::steady_clock::time_point begin_;
};

[[nodiscard]] std::uint64_t free_bytes(const std::filesystem::path& dir) noexcept;
/// Memory of this program that is resident, bytes.
[[nodiscard]] std::uint64_t resident_bytes() noexcept;
/// The most that ever was.
[[nodiscard]] std::uint64_t resident_bytes_max() noexcept;
/// CPU time of this program, all threads, user and system.
[[nodiscard]] double cpu_seconds() noexcept;

}  // namespace nori::bench

#endif
