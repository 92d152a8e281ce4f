#ifndef NORI_TESTING_SIMULATED_DISK_HPP
#define NORI_TESTING_SIMULATED_DISK_HPP

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nori/config.hpp>
#include <nori/testing/disk_fault.hpp>

namespace nori::testing {

namespace asio = boost::asio;

class disk_state;

struct simulated_disk_options {
  /// Files opened for writing bypass the page cache, as on most file systems.
  bool direct_io = true;
  /// Operations in flight take effect in an order that the seed decides; otherwise in the order in
  /// which they were started.
  bool reorders = true;
  /// ENOSPC beyond it; 0: no limit.
  std::uint64_t space_bytes_max = 0;
  /// What the clock shows first.
  std::chrono::system_clock::time_point starts_at{std::chrono::hours(24 * 365 * 50)};
};

/// A disk in memory that fails when it is told to, loses what was not synced when its power is cut,
/// and has a clock of its own: for tests of a service that uses nori::wal or nori::event_store.
///
///     nori::testing::simulated_disk disk(seed);
///     nori::config options("log");
///     options.storage = disk.storage();
///     // ... open the log, append, and at some time:
///     disk.cut_power();
///     // ... open it again, and look what is there.
///
/// It holds directories by path and outlives the logs that use it. What a log does on it, on one
/// io_context that one thread runs, follows from the seed alone: the order in which operations take
/// effect, what a power cut leaves, the ids of logs.
///
/// A file has what the device has, and what its readers see; the difference is pending, sector by
/// sector (512 bytes). Syncing the file makes it durable. A directory has entries that are durable
/// and others that are pending until the directory is synced.
///
/// @par Time
/// The timers of logs and stores (the window of fsync_policy::batch, the mark of an idle log) and
/// the times that they record come from the disk's clock, which only advance() and run() move.
/// @par Thread safety
/// Every function is safe to call from any thread, but run() and run_until(), which run the context
/// on the caller's.
class simulated_disk {
 public:
  explicit simulated_disk(std::uint64_t seed, simulated_disk_options options = {});
  simulated_disk(simulated_disk&&) noexcept;
  simulated_disk& operator=(simulated_disk&&) noexcept;
  /// Storages that are still open keep working on what the disk held.
  ~simulated_disk();

  /// For config::storage and snapshot_config::storage.
  [[nodiscard]] std::shared_ptr<storage_source> storage() const;

  // --- crashes

  /// The power fails. What was pending arrives or is lost, as `how` says. Whoever has a directory
  /// open gets EIO from now on, and holds no lock any more.
  void cut_power(const power_cut& how = power_cut::any());
  /// The process is killed: the page cache survives; operations in flight may have happened or not.
  /// For whoever has a directory open, as cut_power.
  void kill();
  /// Cuts the power when the operation of this number is about to happen (see disk_event::number);
  /// 0: not any more.
  void cut_power_before(std::uint64_t number, power_cut how = power_cut::any());
  /// It was cut, by cut_power_before() or cut_power().
  [[nodiscard]] bool power_was_cut() const;

  /// What a power cut would have to choose from now.
  [[nodiscard]] pending_changes pending() const;
  /// A disk as this one would be after a power cut now, which leaves this one as it is.
  [[nodiscard]] simulated_disk after_power_cut(const power_cut& how, std::uint64_t seed) const;
  /// A disk as this one would be after a kill now.
  [[nodiscard]] simulated_disk after_kill(std::uint64_t seed) const;
  /// Equal for disks whose durable contents are equal, and different for others, as far as 64 bits
  /// can tell.
  [[nodiscard]] std::uint64_t image_hash() const;

  // --- faults

  void fail(disk_fault what);
  /// Every write transfers at most so many bytes (in whole blocks where it is direct); 0: all.
  void shorten_writes(std::size_t bytes);
  /// Operations of this kind that are started from now on wait until release(), and do not keep
  /// their context running.
  void hold(disk_operation what, std::string name = {});
  void release();
  /// All of the above end.
  void clear_faults();
  void after_failed_sync(failed_sync how);
  /// Ends the read-only state that a failed sync left.
  void remount();
  void limit_space(std::uint64_t bytes_max);

  // --- damage, done to the device and to what its readers see. Throws std::out_of_range where
  // there is no such byte.

  void flip_bit(const std::filesystem::path& file, std::uint64_t offset, unsigned bit);
  /// Replaces bytes; their sector becomes durable.
  void overwrite(const std::filesystem::path& file, std::uint64_t offset, std::string_view bytes);
  void truncate(const std::filesystem::path& file, std::uint64_t bytes);
  /// Takes a file away for good, gives it another name, or makes one of these bytes.
  void remove(const std::filesystem::path& file);
  void rename(const std::filesystem::path& from, const std::filesystem::path& to);
  void put(const std::filesystem::path& file, std::string_view bytes);

  // --- looking

  /// Names in a directory, in their order; none where there is no such directory.
  [[nodiscard]] std::vector<std::string> files(const std::filesystem::path& directory) const;
  [[nodiscard]] bool holds(const std::filesystem::path& file) const;
  /// What readers of a file see.
  [[nodiscard]] std::string bytes_of(const std::filesystem::path& file) const;
  /// How many operations have begun.
  [[nodiscard]] std::uint64_t operations() const;
  /// Called before each operation takes effect, on the thread that performs it. It may call this
  /// disk's functions.
  void on_operation(std::function<void(const disk_event&)> call);

  // --- time

  [[nodiscard]] std::chrono::system_clock::time_point now() const;
  /// Time passes: timers that are due by then go off, in their order. Their handlers run when their
  /// context does.
  void advance(std::chrono::nanoseconds by);
  /// Runs `on`, letting time pass from one timer to the next whenever nothing else is left to run,
  /// until nothing is left at all.
  void run(asio::io_context& on);
  /// The same until `condition()`. Returns whether it holds.
  bool run_until(asio::io_context& on, const std::function<bool()>& condition);

 private:
  explicit simulated_disk(std::shared_ptr<disk_state> state) noexcept;
  friend class disk_state;

  std::shared_ptr<disk_state> state_;
};

}  // namespace nori::testing

#endif
