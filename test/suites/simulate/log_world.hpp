#ifndef NORI_TEST_SUITES_SIMULATE_LOG_WORLD_HPP
#define NORI_TEST_SUITES_SIMULATE_LOG_WORLD_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nori/testing/simulated_disk.hpp>
#include <nori/wal.hpp>

#include "suites/simulate/suite.hpp"

namespace nori::simulate {

namespace asio = boost::asio;

using values = std::vector<std::string>;

/// What was appended to a log, in order, and what was promised of it.
struct log_model {
  struct batch {
    values records;
    bool absent = false;        ///< the append said that nothing was written
    std::uint64_t segment = 0;  ///< that it lies in, once that is known
  };
  std::vector<batch> batches;
  std::size_t durable = 0;       ///< so many of the first ones survive a power cut
  std::size_t written = 0;       ///< and so many a killed process; what the next open() has to find
  std::uint64_t deleted_to = 0;  ///< segments before this one may be gone

  /// Counts the batches that `found` consists of; throws violation where it is anything but a
  /// prefix of them.
  /// Of those that may be gone the first ones may be missing; `start` becomes their number.
  [[nodiscard]] std::size_t prefix(const values& found, std::size_t* start = nullptr) const;
  /// How many records the first `count` batches have that are there.
  [[nodiscard]] std::size_t records_of(std::size_t count) const;
  /// The log goes on with the first `count` but for the first `start`, all of which are durable.
  void go_on_with(std::size_t count, std::size_t start = 0);

 private:
  [[nodiscard]] std::size_t gone_at_most() const;
  [[nodiscard]] std::size_t prefix_from(std::size_t start, const values& found) const;
};

/// A log on a simulated disk, and coroutines that use it.
class log_world {
 public:
  log_world(std::uint64_t seed, fsync_policy policy);
  ~log_world();
  log_world(const log_world&) = delete;
  log_world& operator=(const log_world&) = delete;

  /// Opens it, and reads it; what is found must be what the model says.
  void open();
  /// Starts an append of a batch.
  void append(values records);
  /// Starts a sync().
  void sync();
  /// Starts deleting whatever lies before the newest segment.
  void delete_old();
  void close();
  /// Runs some handlers, or all there are, without letting time pass. False: there were not as
  /// many.
  bool run_some(std::size_t handlers);
  void run_ready();
  /// Runs everything until no append and no sync is on its way, and lets time pass, `patience` at
  /// most. Returns whether none is.
  [[nodiscard]] bool settle(std::chrono::seconds patience);
  /// The log is dropped (after a crash of the disk), and everything that hangs on it ends.
  void drop();
  /// Appends, syncs and deletions that have not ended.
  [[nodiscard]] std::size_t running() const noexcept { return running_; }
  [[nodiscard]] bool is_open() const noexcept { return log_.has_value(); }
  [[nodiscard]] wal& log() { return *log_; }

  [[nodiscard]] config settings() const;

  coin random;
  testing::simulated_disk disk;
  asio::io_context io;
  log_model model;
  const fsync_policy policy;
  recovery_mode recovery = recovery_mode::strict;
  std::size_t buffer_bytes = buffer_bytes_lowest;

 private:
  asio::awaitable<void> append_batch(std::size_t index);
  asio::awaitable<void> sync_all();
  asio::awaitable<void> delete_before_newest();
  void begin(asio::awaitable<void> what);
  void acknowledge(std::size_t count, bool durable);

  std::optional<wal> log_;
  std::vector<bool> done_;  ///< by batch, of always
  std::size_t running_ = 0;
};

/// What recovery finds on a disk, and what it reports. Opens and drops a log there; throws what
/// opening and reading throw; `opened` becomes true where opening did not.
struct found_log {
  values records;
  std::vector<bool> ends_batch;
  std::vector<position> at;
  position end;  ///< of the last record
  recovery_info info;
};
[[nodiscard]] found_log recover(testing::simulated_disk& on, asio::io_context& io,
                                const config& settings, bool* opened = nullptr);

/// Runs a coroutine to its end; throws violation where it never comes to one.
void finish(testing::simulated_disk& on, asio::io_context& io, asio::awaitable<void> what);

}  // namespace nori::simulate

#endif
