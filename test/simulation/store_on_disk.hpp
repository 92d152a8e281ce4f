#ifndef NORI_TEST_SIMULATION_STORE_ON_DISK_HPP
#define NORI_TEST_SIMULATION_STORE_ON_DISK_HPP

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nori/store/event_store.hpp>
#include <nori/testing/simulated_disk.hpp>

#include "support/run.hpp"

namespace nori::simulate {

/// A store with the smallest segments on a simulated disk, used from plain test code.
class store_on_disk {
 public:
  store_on_disk() : options("store") {
    options.log.storage = disk.storage();
    options.log.fsync = fsync_policy::always();
    options.log.segment_bytes_max = segment_bytes_lowest;
    options.log.buffer_bytes_max = buffer_bytes_lowest;
  }
  ~store_on_disk() {
    store_.reset();
    disk.on_operation(nullptr);
    disk.clear_faults();
    run_ready();
  }
  store_on_disk(const store_on_disk&) = delete;
  store_on_disk& operator=(const store_on_disk&) = delete;

  /// Each runs what it starts to its end.
  void open() {
    event_store::opened opened = run(event_store::open(options));
    store_.emplace(std::move(opened.store));
  }
  void close() {
    run(store_->close());
    store_.reset();
  }
  append_result append(std::string_view stream, expected_revision expected, const event& what) {
    return run(store_->append(stream, expected, {&what, 1}));
  }
  /// Events of another stream, through more than one segment.
  void fill_segments() {
    const event filler("filler", std::string(2000, 'x'));
    static_assert(80 * 2000 > 2 * segment_bytes_lowest);
    for (int i = 0; i != 80; ++i) append("filler", expected_revision::any(), filler);
  }
  template <typename Result>
  Result run(asio::awaitable<Result> what) {
    test::task<Result> running = start(std::move(what));
    BOOST_REQUIRE(settle([&] { return running.done(); }));
    return running.get();
  }

  template <typename Result>
  [[nodiscard]] test::task<Result> start(asio::awaitable<Result> what) {
    return test::task<Result>(io.get_executor(), std::move(what));
  }
  /// Whether it came true before nothing was left to run.
  template <typename Condition>
  bool settle(Condition condition) {
    io.restart();
    return disk.run_until(io, condition);
  }
  /// What can be run without letting time pass.
  void run_ready() {
    do {
      io.restart();
    } while (io.poll() != 0);
  }

  [[nodiscard]] event_store* operator->() { return &*store_; }

  testing::simulated_disk disk{1};
  asio::io_context io;
  store_config options;

 private:
  std::optional<event_store> store_;
};

}  // namespace nori::simulate

#endif
