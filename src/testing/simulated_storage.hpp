#ifndef NORI_TESTING_SIMULATED_STORAGE_HPP
#define NORI_TESTING_SIMULATED_STORAGE_HPP

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/parked_handler.hpp"
#include "storage/storage.hpp"
#include "storage/workers.hpp"
#include "testing/disk_state.hpp"

namespace nori::testing {

/// An open file of a simulated disk.
class simulated_handle final : public storage::file {
 public:
  simulated_handle(simulated_file_ptr of, storage::open_mode mode, bool direct) noexcept
      : file(std::move(of)), opened_as(mode), direct_(direct) {}
  [[nodiscard]] bool direct() const noexcept override { return direct_; }
  [[nodiscard]] bool writable() const noexcept {
    return opened_as == storage::open_mode::write || opened_as == storage::open_mode::create;
  }
  [[nodiscard]] static simulated_handle& from(storage::file& of) noexcept {
    return static_cast<simulated_handle&>(of);
  }

  const simulated_file_ptr file;
  const storage::open_mode opened_as;

 private:
  const bool direct_;
};

/// One opener's way to a directory of a simulated disk.
///
/// Whatever is started waits in a queue. One operation at a time is taken out of it, on the
/// executor, and takes effect and completes there: nothing happens within start().
class simulated_storage final : public storage::storage,
                                public storage::clock,
                                public std::enable_shared_from_this<simulated_storage> {
 public:
  simulated_storage(std::shared_ptr<disk_state> disk, std::string path, bool read_only,
                    nori::storage::completion_executor executor);
  ~simulated_storage() override;

  [[nodiscard]] nori::backend which() const noexcept override { return backend::simulated; }
  [[nodiscard]] nori::storage::clock* simulated_clock() noexcept override { return this; }
  [[nodiscard]] std::uint32_t random_word() override;

  void start(nori::storage::io_request& first) noexcept override;
  [[nodiscard]] std::size_t read_cached(const nori::storage::file_ptr& from, std::uint64_t offset,
                                        void* to, std::size_t bytes) noexcept override;

  [[nodiscard]] asio::awaitable<nori::storage::file_ptr> open(
      std::string name, nori::storage::open_mode mode) override;
  [[nodiscard]] asio::awaitable<std::uint64_t> size(nori::storage::file_ptr of) override;
  [[nodiscard]] asio::awaitable<void> allocate(nori::storage::file_ptr of, std::uint64_t offset,
                                               std::uint64_t bytes) override;
  [[nodiscard]] asio::awaitable<void> truncate(nori::storage::file_ptr of,
                                               std::uint64_t bytes) override;
  [[nodiscard]] asio::awaitable<void> rename(std::string from, std::string to) override;
  [[nodiscard]] asio::awaitable<void> remove(std::string name) override;
  [[nodiscard]] asio::awaitable<void> sync_directory() override;
  [[nodiscard]] asio::awaitable<std::vector<nori::storage::directory_entry>> list() override;
  [[nodiscard]] asio::awaitable<std::unique_ptr<nori::storage::ring_memory>> map_ring(
      std::string name, std::size_t bytes) override;
  [[nodiscard]] asio::awaitable<bool> lock(std::string lock_name) override;
  [[nodiscard]] asio::awaitable<void> unlock() override;
  void shutdown() noexcept override;

  // --- storage::clock
  [[nodiscard]] std::chrono::system_clock::time_point wall() const noexcept override;
  [[nodiscard]] std::uint64_t set(std::unique_ptr<nori::storage::alarm> what,
                                  std::chrono::nanoseconds after) override;
  [[nodiscard]] void* alarm_memory(std::size_t bytes) override;
  void cancel(std::uint64_t which) noexcept override;

  // --- for the disk

  /// Everything fails from now on.
  void cut_off() noexcept;
  /// What is held goes on.
  void release();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Visits the writes that were started and have not taken effect, oldest first.
  template <typename Visit>
  void for_each_write_in_flight(Visit visit) {
    const std::lock_guard lock(mutex_);
    for (const std::vector<entry>* list : {&queue_, &held_}) {
      for (const entry& each : *list) {
        if (each.io != nullptr && each.io->kind == nori::storage::io_kind::write) visit(*each.io);
      }
    }
  }
  [[nodiscard]] std::optional<std::chrono::nanoseconds> next_alarm() const;
  /// Rings the oldest one that is due at `now`; false: there is none.
  bool ring(std::chrono::nanoseconds now) noexcept;

 private:
  // Something other than a transfer, that a coroutine waits for.
  class call {
   public:
    call(disk_operation its_kind, std::string its_name)
        : what(its_kind), name(std::move(its_name)) {}
    /// With the disk's mutex. `error`: it fails with that instead.
    virtual void perform(int error) noexcept = 0;

    const disk_operation what;
    const std::string name;
    nori::storage::parked_handler parked;

   protected:
    ~call() = default;
  };
  template <typename Function, typename Result>
  class waiting_call;
  struct entry {
    nori::storage::io_request* io = nullptr;
    call* other = nullptr;
    friend bool operator==(const entry&, const entry&) = default;
  };

  template <typename Function>
  asio::awaitable<std::invoke_result_t<Function&>> queued(disk_operation what, std::string name,
                                                          Function function);
  [[nodiscard]] bool submit(entry what) noexcept;
  void schedule_locked();
  void drain();
  void announce(const entry& chosen);
  void work_on(const entry& chosen);
  [[nodiscard]] std::int64_t perform_locked(nori::storage::io_request& io);
  [[nodiscard]] std::int64_t write_locked(const nori::storage::io_request& io,
                                          simulated_handle& to);
  [[nodiscard]] std::int64_t sync_locked(simulated_handle& of);
  [[nodiscard]] simulated_directory& directory_locked();
  [[nodiscard]] simulated_file_ptr create_locked(const std::string& name);
  void check_change_locked(const char* call, const std::string& name) const;
  void check_space_locked(const simulated_file& of, std::uint64_t bytes) const;
  [[nodiscard]] std::string name_of(const nori::storage::file_ptr& of) const;
  void drop(const entry& what) noexcept;

  const std::shared_ptr<disk_state> disk_;
  const std::string path_;
  const bool read_only_;
  /// Given up when it ends: this may outlive the context.
  std::optional<nori::storage::completion_executor> executor_;

  // Taken after the disk's, where both are.
  mutable std::mutex mutex_;
  std::condition_variable drained_;
  std::vector<entry> queue_;
  std::vector<entry> held_;
  std::map<std::pair<std::chrono::nanoseconds, std::uint64_t>,
           std::unique_ptr<nori::storage::alarm>>
      alarms_;
  bool scheduled_ = false;
  bool working_ = false;
  std::thread::id worker_;
  bool ended_ = false;
  bool cut_off_ = false;
};

}  // namespace nori::testing

#endif
