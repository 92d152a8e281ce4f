#ifndef NORI_TESTING_DISK_FAULT_HPP
#define NORI_TESTING_DISK_FAULT_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nori::testing {

/// What is done to a simulated disk.
enum class disk_operation : std::uint8_t {
  any,  ///< in a fault: every one of the others
  read,
  write,
  durable_write,  ///< a write that is synced by itself; a fault of `write` means it, too
  sync,
  open,
  size,
  allocate,
  truncate,
  rename,
  remove,
  sync_directory,
  list,
  map_ring,
  lock,
  unlock,
};

/// An operation, as it is about to happen or has happened.
struct disk_event {
  std::uint64_t number = 0;  ///< the first operation of a disk is 1
  disk_operation what = disk_operation::any;
  std::string directory;
  std::string name;  ///< of the file; empty where there is none
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// One thing that goes wrong.
struct disk_fault {
  enum class kind : std::uint8_t {
    error,        ///< fails with `error` and has no effect (a sync: see after_failed_sync)
    lost,         ///< a write that says it succeeded and changed nothing
    misdirected,  ///< a write that went to another place of its file: `distance_bytes` further on
    garbage,      ///< a write that left arbitrary bytes
    torn,         ///< a write of which a part arrived, and which fails with `error`
  };

  disk_operation what = disk_operation::any;
  /// Files whose name contains it, at the time of the operation; empty: all.
  std::string name = {};
  kind how = kind::error;
  int error = EIO;
  std::uint64_t kth = 1;  ///< counted from now on, among the operations that it is about
  bool for_ever = false;  ///< so do all that follow
  std::uint64_t distance_bytes = 4096;
};

/// What a failed sync leaves, as measured on ext4 and XFS.
enum class failed_sync : std::uint8_t {
  /// What was not synced is marked clean and is not on the device: a later sync succeeds, a read
  /// through the page cache shows it, a power cut takes it.
  lies,
  /// The same, and from then on every change is refused with EROFS, until remount().
  read_only,
  /// Nothing was lost, and the next sync would make it durable.
  keeps,
};

/// What of the pending changes a power cut lets arrive: those that were not synced, and those of
/// writes in flight.
///
/// Sectors (and the lengths of files) arrive in any combination; changes of a directory in their
/// order, as file systems with a journal have it, so that it is a number of the oldest ones.
struct power_cut {
  enum class kind : std::uint8_t { none, all, random, chosen };

  kind how = kind::random;
  std::vector<bool> sectors = {};  ///< of chosen: one for each of pending_changes::sectors
  std::size_t entries = 0;         ///< of chosen

  [[nodiscard]] static power_cut nothing_arrives() { return {kind::none}; }
  [[nodiscard]] static power_cut everything_arrives() { return {kind::all}; }
  /// The disk's seed decides.
  [[nodiscard]] static power_cut any() { return {kind::random}; }
  [[nodiscard]] static power_cut these(std::vector<bool> sectors, std::size_t entries) {
    return {kind::chosen, std::move(sectors), entries};
  }
};

/// How much a power cut has to choose from.
struct pending_changes {
  std::size_t sectors = 0;  ///< sectors and lengths of files
  std::size_t entries = 0;  ///< creations, renamings and removals
};

}  // namespace nori::testing

#endif
