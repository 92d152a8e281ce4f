#ifndef NORI_TEST_SUPPORT_FAULTY_STORAGE_HPP
#define NORI_TEST_SUPPORT_FAULTY_STORAGE_HPP

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/storage.hpp"
#include "wal/log.hpp"

namespace nori::test {

enum class operation : std::uint8_t {
  read,
  write,
  durable_write,  ///< counted as a write, too
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

class faulty_storage;

/// What goes wrong in the storages that were made with it, and what they did. Outlives them.
///
/// A rule or a count for a name holds for files whose name contains it at that time; an empty one
/// for all. Safe to use from any thread.
class faults {
 public:
  /// The k-th operation of this kind from now on (1: the next) fails with `error`, without having
  /// any effect; with `for_ever` so do all that follow.
  void fail(operation what, int error, std::string name = {}, std::uint64_t kth = 1,
            bool for_ever = false);
  /// Every write says that it transferred at most so many bytes; 0: all of them. Where writes must
  /// be whole blocks, the rest of the last block is written, too.
  void shorten_writes(std::size_t bytes);
  /// Reads, writes and syncs of this kind that are started from now on have their effect, and don't
  /// complete until release().
  void hold(operation what, std::string name = {});
  void release();
  void clear();

  /// A sync that fails takes along what was written since the last one: the page cache shows it,
  /// later syncs succeed, the device does not have it. `dir` is where the files are.
  void lie_after_failed_sync(std::filesystem::path dir);
  /// Makes the files what the device has; the power was cut. Of what the device never got, the old
  /// bytes come back. The staging file is lost.
  void cut_power();

  [[nodiscard]] std::uint64_t count(operation what, const std::string& name = {}) const;
  [[nodiscard]] std::size_t held() const;

  struct event {
    operation what;
    std::string name;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::int64_t result = 0;  ///< of reads, writes and syncs that have completed
  };
  /// In the order in which they were started.
  [[nodiscard]] std::vector<event> events() const;

  /// For log::open: real files in `dir`, seen through these faults.
  [[nodiscard]] log::storage_factory storage_in(std::filesystem::path dir,
                                                nori::backend backend = nori::backend::automatic,
                                                bool read_only = false);

 private:
  friend class faulty_storage;

  struct rule {
    operation what;
    std::string name;
    int error;
    std::uint64_t left;
    bool for_ever;
  };
  using block_key = std::pair<std::string, std::uint64_t>;
  using blocks = std::map<block_key, std::vector<std::byte>>;

  /// Counts it; returns the errno it shall fail with, or 0.
  int begin(operation what, const std::string& name, std::uint64_t offset = 0,
            std::uint64_t bytes = 0);
  [[nodiscard]] bool holds(operation what, const std::string& name) const;
  void before_write(const std::string& name, std::uint64_t offset, std::uint64_t bytes);
  void synced(const std::string& name, bool failed);
  void overlay(const std::string& name, const storage::io_request& read) const;
  void renamed(const std::string& from, const std::string& to);

  mutable std::mutex mutex_;
  std::vector<rule> rules_;
  std::vector<std::pair<operation, std::string>> holds_;
  std::vector<event> events_;
  std::vector<std::weak_ptr<faulty_storage>> storages_;
  std::size_t write_bytes_max_ = 0;
  std::filesystem::path lies_in_;
  blocks unsynced_;  ///< what the device has where the page cache has something newer
  blocks lost_;      ///< the same, and no sync will change it
};

}  // namespace nori::test

#endif
