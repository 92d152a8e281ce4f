#ifndef NORI_TEST_STORE_STORE_TEST_HPP
#define NORI_TEST_STORE_STORE_TEST_HPP

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/store/event_store.hpp>

#include "support/random_source.hpp"
#include "support/run.hpp"
#include "support/scratch_directory.hpp"

namespace nori::store_test {

using nori::test::random_source;
using nori::test::run;
using nori::test::run_until;
using nori::test::scaled;
using nori::test::scratch_directory;
using nori::test::task;

/// An event as it was read, with bytes of its own.
struct found {
  std::string stream;
  std::uint64_t revision = 0;
  std::uint64_t global = 0;
  std::string type;
  std::string data;
  std::string metadata;
  std::vector<std::string> tags;
  std::uint32_t version = 1;
  uuid id{};
  uuid correlation_id{};
  uuid causation_id{};
  event_time at{};

  explicit found(const recorded_event& of)
      : stream(of.stream),
        revision(of.revision),
        global(of.global_position),
        type(of.type),
        data(of.data),
        metadata(of.metadata),
        tags(of.tags.begin(), of.tags.end()),
        version(of.version),
        id(of.id),
        correlation_id(of.correlation_id),
        causation_id(of.causation_id),
        at(of.recorded_at) {}

  friend bool operator==(const found&, const found&) = default;
  friend std::ostream& operator<<(std::ostream& out, const found& one) {
    return out << one.global << ' ' << one.stream << '@' << one.revision << ' ' << one.type << ' '
               << one.data.size() << " bytes";
  }
};

inline asio::awaitable<std::vector<found>> read_rest(event_reader* from) {
  std::vector<found> all;
  for (;;) {
    const std::span<const recorded_event> some = co_await from->next_batch();
    if (some.empty()) co_return all;
    for (const recorded_event& each : some) all.emplace_back(each);
  }
}

/// A store in a directory of its own, used from plain test code: each call runs the context until
/// it is done.
class store_in_scratch {
 public:
  explicit store_in_scratch(fsync_policy fsync = fsync_policy::os()) {
    options.log.dir = scratch.path() / "store";
    options.log.fsync = fsync;
    options.log.segment_bytes_max = segment_bytes_lowest;
    options.log.buffer_bytes_max = std::size_t{256} << 10;
    options.index_cache_bytes = std::size_t{1} << 20;
  }
  ~store_in_scratch() {
    store_.reset();
    wind_down();
  }

  store_recovery_info open() {
    event_store::opened opened = run(io, event_store::open(options));
    store_.emplace(std::move(opened.store));
    return opened.recovered;
  }
  [[nodiscard]] event_store& operator*() { return *store_; }
  [[nodiscard]] event_store* operator->() { return &*store_; }

  append_result append(std::string_view stream, expected_revision expected,
                       const std::vector<event>& events) {
    return run(io, store_->append(stream, expected, std::span<const event>(events)));
  }
  append_result append(std::string_view stream, expected_revision expected, std::string type,
                       std::string data) {
    return append(stream, expected, {event(std::move(type), std::move(data))});
  }
  append_result append(append_request what) { return run(io, store_->append(std::move(what))); }
  std::vector<found> read_stream(std::string stream, read_events how = {}) {
    event_reader reader = store_->read_stream(std::move(stream), std::move(how));
    return run(io, read_rest(&reader));
  }
  std::vector<found> read_all(read_events how = {}) {
    event_reader reader = store_->read_all(std::move(how));
    return run(io, read_rest(&reader));
  }
  std::optional<std::uint64_t> head(std::string stream) {
    return run(io, store_->head(std::move(stream)));
  }

  void close() {
    run(io, store_->close());
    store_.reset();
  }
  /// As a killed process leaves it, except that what was submitted is completed.
  void crash() {
    store_.reset();
    wind_down();
  }
  store_recovery_info reopen() {
    crash();
    return open();
  }
  store_recovery_info close_and_open() {
    close();
    return open();
  }
  /// Runs what the context still has, so that nothing works in the directory any more.
  void wind_down() {
    const auto deadline = std::chrono::steady_clock::now() + nori::test::patience;
    io.restart();
    io.run_until(deadline);
  }
  /// Runs until every complete segment has its index file.
  void settle_indexes() {
    run(io, store_->sync());
    read_events last;
    last.order = direction::backwards;
    last.limit = 1;
    event_reader newest = store_->read_all(last);
    const std::optional<recorded_event> event = run(io, newest.next());
    if (!event) return;
    const std::string active = numbered_file(event->at.segment_id);
    run_until(io,
              [&] { return files_before(active, ".index") >= files_before(active, ".segment"); });
  }
  [[nodiscard]] std::size_t index_files() const { return files_before("~", ".index"); }
  [[nodiscard]] std::size_t segment_files() const { return files_before("~", ".segment"); }

  scratch_directory scratch;
  asio::io_context io;
  store_config options;

 private:
  static std::string numbered_file(std::uint64_t segment_id) {
    std::string digits = std::to_string(segment_id);
    return std::string(20 - digits.size(), '0') + digits;
  }
  [[nodiscard]] std::size_t files_before(std::string_view name, std::string_view suffix) const {
    std::size_t files = 0;
    for (const auto& each : std::filesystem::directory_iterator(options.log.dir)) {
      const std::string found = each.path().filename().string();
      files += found < name && found.ends_with(suffix) ? 1 : 0;
    }
    return files;
  }

  std::optional<event_store> store_;
};

inline std::string numbered(std::string_view stem, std::uint64_t number) {
  return std::string(stem) + std::to_string(number);
}

}  // namespace nori::store_test

#endif
