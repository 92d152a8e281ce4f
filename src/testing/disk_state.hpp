#ifndef NORI_TESTING_DISK_STATE_HPP
#define NORI_TESTING_DISK_STATE_HPP

#include <nori/testing/simulated_disk.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/storage_source.hpp"
#include "testing/disk_image.hpp"

namespace nori::testing {

class simulated_storage;

/// The faults that are planned for a disk.
class fault_plan {
 public:
  void add(disk_fault what) { faults_.push_back(std::move(what)); }
  void clear();
  /// What goes wrong with this operation, which counts.
  [[nodiscard]] std::optional<disk_fault> next(disk_operation what, const std::string& name);
  [[nodiscard]] bool holds(disk_operation what, const std::string& name) const;
  [[nodiscard]] bool reads_fail() const;

  std::vector<std::pair<disk_operation, std::string>> holds_on;
  std::size_t write_bytes_max = 0;
  failed_sync after_failed_sync = failed_sync::lies;

 private:
  static bool matches(disk_operation rule, disk_operation what) noexcept;
  std::vector<disk_fault> faults_;
};

/// Memory for rings, used again: mapping it twice takes longer than recovering a small log.
class ring_pool {
 public:
  [[nodiscard]] std::unique_ptr<storage::ring_memory> take(std::size_t bytes);
  void give_back(std::unique_ptr<storage::ring_memory> ring);

 private:
  std::mutex mutex_;
  std::map<std::size_t, std::vector<std::unique_ptr<storage::ring_memory>>> free_;
};

/// The disk behind simulated_disk. Members are guarded by the mutex.
class disk_state final : public storage_source, public std::enable_shared_from_this<disk_state> {
 public:
  disk_state(std::uint64_t seed, simulated_disk_options chosen);

  // --- storage_source
  boost::asio::awaitable<std::shared_ptr<storage::storage>> open(
      storage::open_options options, storage::completion_executor executor) override;

  std::mutex mutex;
  disk_image image;
  fault_plan faults;
  std::mt19937_64 random;
  simulated_disk_options options;
  std::shared_ptr<ring_pool> rings = std::make_shared<ring_pool>();
  std::uint64_t operations = 0;
  std::function<void(const disk_event&)> hook;
  std::uint64_t cut_before = 0;  ///< 0: never
  power_cut cut_how;
  bool was_cut = false;
  bool read_only = false;
  std::vector<std::weak_ptr<simulated_storage>> storages;
  std::map<std::pair<std::string, std::string>, const simulated_storage*> locks;

  // The clock.
  std::chrono::nanoseconds elapsed{};
  std::uint64_t alarms = 0;

  /// Whoever has it open is cut off from it. With `cut` the power fails, otherwise the process is
  /// killed. Without the mutex.
  void end_of_process(const power_cut* cut);
  /// A copy in which operations in flight have left pending changes.
  [[nodiscard]] std::shared_ptr<disk_state> copy(std::uint64_t seed);
  /// With the mutex.
  [[nodiscard]] std::vector<std::shared_ptr<simulated_storage>> open_storages_locked();
  void advance(std::chrono::nanoseconds by);
  /// When the next timer is due, counted from the disk's beginning; none: there is none.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> next_alarm();

  [[nodiscard]] simulated_file_ptr find_locked(const std::filesystem::path& file);
};

}  // namespace nori::testing

#endif
