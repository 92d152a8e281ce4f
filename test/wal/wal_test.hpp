#ifndef NORI_TEST_WAL_WAL_TEST_HPP
#define NORI_TEST_WAL_WAL_TEST_HPP

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/wal.hpp>

#include "format/segment_header.hpp"
#include "support/code_of.hpp"
#include "support/faulty_storage.hpp"
#include "support/files.hpp"
#include "support/position_text.hpp"
#include "support/random_source.hpp"
#include "support/run.hpp"
#include "support/scratch_directory.hpp"
#include "wal/log.hpp"

namespace nori {

inline std::ostream& operator<<(std::ostream& out, errc code) {
  return out << make_error_code(code).message();
}

}  // namespace nori

namespace nori::wal_test {

using test::bytes_of_file;
using test::code_of;
using test::faults;
using test::flip_bit;
using test::operation;
using test::overwrite;
using test::random_source;
using test::run;
using test::run_until;
using test::scaled;
using test::scratch_directory;
using test::task;
using test::write_file;

inline constexpr std::uint64_t small_segment = segment_bytes_lowest;

/// A record as it was read, with bytes of its own.
struct found {
  position at;
  std::string key;
  std::string value;

  friend bool operator==(const found&, const found&) = default;
  friend std::ostream& operator<<(std::ostream& out, const found& one) {
    return out << one.at << ' ' << one.key << ' ' << one.value.size() << " bytes";
  }
};

/// By position.
inline std::vector<found> sorted(std::vector<found> all) {
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  return all;
}

/// Everything a reader gives until it ends.
inline asio::awaitable<std::vector<found>> read_rest(reader* from) {
  std::vector<found> all;
  for (;;) {
    const std::span<const entry> some = co_await from->next_batch();
    if (some.empty()) co_return all;
    for (const entry& each : some) {
      all.push_back({each.at, std::string(each.key), std::string(each.value)});
    }
  }
}

/// A log in a directory of its own, used from plain test code: each call runs the context until it
/// is done.
class log_in_scratch {
 public:
  explicit log_in_scratch(fsync_policy fsync = fsync_policy::always()) {
    options.dir = scratch.path() / "log";
    options.fsync = fsync;
    options.segment_bytes_max = std::uint64_t{1} << 20;
    options.buffer_bytes_max = std::size_t{256} << 10;
  }
  ~log_in_scratch() {
    wal_.reset();
    wind_down();
  }

  recovery_info open() {
    wal::opened opened = run(io, wal::open(options));
    wal_.emplace(std::move(opened.log));
    return opened.recovered;
  }
  recovery_info open(faults& through) {
    wal::opened opened =
        run(io, log::open(options, through.storage_in(options.dir, options.backend,
                                                      options.access == access::read_only)));
    wal_.emplace(std::move(opened.log));
    return opened.recovered;
  }

  [[nodiscard]] wal& operator*() { return *wal_; }
  [[nodiscard]] wal* operator->() { return &*wal_; }

  position append(std::string_view key, std::string_view value) {
    record_view what;
    what.key = key;
    what.value = value;
    return run(io, wal_->append(what));
  }
  void close() {
    run(io, wal_->close());
    wal_.reset();
  }
  /// As a killed process leaves it, except that what was submitted is completed.
  void crash() {
    wal_.reset();
    wind_down();
  }
  recovery_info reopen() {
    crash();
    return open();
  }

  std::vector<found> read_all(position from = {}, read_options how = {}) {
    reader reading = wal_->read_from(from, how);
    return run(io, read_rest(&reading));
  }

  /// Runs what the context still has, so that nothing works in the directory any more.
  void wind_down() {
    const auto deadline = std::chrono::steady_clock::now() + test::patience;
    io.restart();
    io.run_until(deadline);
  }

  [[nodiscard]] std::filesystem::path file_of(std::uint64_t segment_id) const {
    return options.dir / format::segment_file_name(segment_id);
  }

  scratch_directory scratch;
  asio::io_context io;
  config options;

 private:
  std::optional<wal> wal_;
};

/// Every file of a directory, byte for byte.
using snapshot = std::map<std::string, std::string>;

inline snapshot snapshot_of(const std::filesystem::path& dir) {
  snapshot all;
  for (const auto& each : std::filesystem::directory_iterator(dir)) {
    if (each.is_regular_file()) all[each.path().filename().string()] = bytes_of_file(each.path());
  }
  return all;
}

inline void restore(const std::filesystem::path& dir, const snapshot& all) {
  std::filesystem::remove_all(dir);
  std::filesystem::create_directory(dir);
  std::filesystem::permissions(dir, std::filesystem::perms::owner_all);
  for (const auto& [name, bytes] : all) write_file(dir / name, bytes);
}

/// Every policy with every backend.
struct flavour {
  fsync_policy fsync;
  nori::backend backend;

  friend std::ostream& operator<<(std::ostream& out, const flavour& of) {
    constexpr std::string_view policies[] = {"always", "batch", "os"};
    return out << policies[static_cast<int>(of.fsync.which())] << " on "
               << (of.backend == nori::backend::uring ? "uring" : "threads");
  }
};

inline const std::vector<flavour>& flavours() {
  using std::chrono::milliseconds;
  static const std::vector<flavour> all{
      {fsync_policy::always(), backend::uring},
      {fsync_policy::batch(milliseconds(5)), backend::uring},
      {fsync_policy::os(), backend::uring},
      {fsync_policy::always(), backend::threads},
      {fsync_policy::batch(milliseconds(5)), backend::threads},
      {fsync_policy::os(), backend::threads},
  };
  return all;
}

inline const std::vector<flavour>& policies() {
  static const std::vector<flavour> three(flavours().begin(), flavours().begin() + 3);
  return three;
}

inline std::string numbered(std::string_view stem, std::size_t number) {
  return std::string(stem) + std::to_string(number);
}

/// Appends `count` records with values of `bytes` that tell them apart.
inline std::vector<found> fill(log_in_scratch& log, std::size_t count, std::size_t bytes) {
  std::vector<found> all;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = numbered("key", i);
    const std::string value(bytes, static_cast<char>('a' + i % 26));
    const position at = log.append(key, value);
    all.push_back({at, key, value});
  }
  return all;
}

}  // namespace nori::wal_test

#endif
