#ifndef NORI_CONFIG_HPP
#define NORI_CONFIG_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>

namespace nori {

class meter;
class storage_source;

/// When an append completes and what a power cut can take. See the promises in README.md.
class fsync_policy {
 public:
  enum class kind : std::uint8_t { always, batch, os };

  /// An append completes when it is durable.
  [[nodiscard]] static constexpr fsync_policy always() noexcept { return {kind::always, {}}; }

  /// An append completes when it is written; everything is synced at most `window` after it was
  /// appended, also when the log falls idle.
  [[nodiscard]] static constexpr fsync_policy batch(std::chrono::milliseconds window) noexcept {
    return {kind::batch, window};
  }

  /// An append completes when it is written; the operating system decides when it is durable.
  [[nodiscard]] static constexpr fsync_policy os() noexcept { return {kind::os, {}}; }

  [[nodiscard]] constexpr kind which() const noexcept { return kind_; }
  /// Only of batch; zero otherwise.
  [[nodiscard]] constexpr std::chrono::milliseconds window() const noexcept { return window_; }

  friend constexpr bool operator==(const fsync_policy&, const fsync_policy&) = default;

 private:
  constexpr fsync_policy(kind which, std::chrono::milliseconds window) noexcept
      : kind_(which), window_(window) {}

  kind kind_;
  std::chrono::milliseconds window_;
};

/// How the log reaches the disk.
enum class backend : std::uint8_t {
  automatic,  ///< uring where the kernel allows it, else threads
  uring,      ///< an io_uring of the log's own
  threads,    ///< blocking calls on two threads of the log's own
  simulated,  ///< memory; what config::storage brings along, and never chosen otherwise
};

/// What `open` does about damaged acknowledged data. A torn tail is not damage: it is always cut.
enum class recovery_mode : std::uint8_t {
  strict,   ///< refuses with errc::corruption and changes nothing on disk
  salvage,  ///< keeps the longest valid prefix, moves the damaged bytes aside, reports both
};

/// How much of the log `open` reads. Readers verify everything they read in any case.
enum class verification : std::uint8_t {
  active_segment,  ///< the headers, and every byte of the segment that is appended to
  everything,      ///< every byte of the log: takes as long as reading it
};

enum class access : std::uint8_t {
  read_write,
  read_only,  ///< takes no lock, repairs nothing, works on a read-only file system
};

inline constexpr std::uint64_t segment_bytes_lowest = std::uint64_t{64} << 10;
inline constexpr std::uint64_t segment_bytes_highest = std::uint64_t{4} << 30;
inline constexpr std::size_t buffer_bytes_lowest = std::size_t{64} << 10;
inline constexpr std::size_t buffer_bytes_highest = std::size_t{1} << 30;
inline constexpr std::size_t record_bytes_highest = std::size_t{256} << 20;

/// How a log is opened. `wal::open` refuses a bad value with errc::invalid_config and its name.
///
/// Not an aggregate on purpose: g++ 12 destroys an owning aggregate twice when it is written as a
/// temporary within a co_await expression.
struct config {
  config() = default;
  explicit config(std::filesystem::path directory) : dir(std::move(directory)) {}

  /// Created with mode 0700 when missing (its parent must exist). One log per directory.
  std::filesystem::path dir = "wal";
  /// Size at which the next segment begins. 64 KiB to 4 GiB.
  std::uint64_t segment_bytes_max = std::uint64_t{128} << 20;
  fsync_policy fsync = fsync_policy::batch(std::chrono::milliseconds(5));
  /// Allocate a whole segment at once. Otherwise the file grows a piece at a time.
  bool preallocate = true;
  /// Bytes appended and not yet in their segment, framing included; past it appends wait. A power
  /// of two, 64 KiB to 1 GiB. All of it is resident memory (under batch and os: of the page cache).
  std::size_t buffer_bytes_max = std::size_t{8} << 20;
  /// Largest key and value together, before compression. At most half of buffer_bytes_max and of
  /// segment_bytes_max, and 256 MiB; 0 stands for that (wal::config() has the figure).
  std::size_t record_bytes_max = 0;
  nori::backend backend = nori::backend::automatic;
  recovery_mode recovery = recovery_mode::strict;
  verification verify = verification::active_segment;
  nori::access access = nori::access::read_write;
  /// Stored in each segment; for the caller's use.
  std::uint32_t node_id = 0;
  /// Where measurements go, or null.
  std::shared_ptr<nori::meter> meter;
  /// Where `dir` is: null stands for the file system, nori::testing::simulated_disk has another.
  std::shared_ptr<nori::storage_source> storage;
};

}  // namespace nori

#endif
