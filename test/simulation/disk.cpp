// What simulated_disk promises, seen through a log and through its storage.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <nori/testing/simulated_disk.hpp>
#include <nori/wal.hpp>

#include "storage/storage_source.hpp"
#include "support/code_of.hpp"
#include "support/random_source.hpp"

namespace nori::simulate {

namespace {

namespace asio = boost::asio;
using testing::disk_event;
using testing::disk_fault;
using testing::disk_operation;
using testing::failed_sync;
using testing::power_cut;
using testing::simulated_disk;
using testing::simulated_disk_options;

/// A directory of a disk, used from plain code.
class opened_disk {
 public:
  explicit opened_disk(std::uint64_t seed, simulated_disk_options options = {})
      : disk(seed, options) {
    open();
  }
  ~opened_disk() { on.reset(); }

  void open() {
    run([this]() -> asio::awaitable<void> {
      storage::open_options place;
      place.dir = "dir";
      on = co_await storage::open_from(disk.storage(), place, strand);
    });
  }
  template <typename Function>
  void run(Function what) {
    std::exception_ptr failure;
    asio::co_spawn(strand, std::move(what), [&](std::exception_ptr error) { failure = error; });
    disk.run(context);
    if (failure) std::rethrow_exception(failure);
  }
  /// Creates a file of one block.
  void make(std::string name, char content, bool synced) {
    std::memset(block.data(), content, block.size());
    run([&]() -> asio::awaitable<void> {
      const storage::file_ptr made = co_await on->open(name, storage::open_mode::create);
      co_await storage::write_at(*on, made, 0, block.data(), block.size(), false, name);
      if (synced) co_await storage::sync(*on, made, name);
    });
  }
  void overwrite(std::string name, char content, bool durable) {
    std::memset(block.data(), content, block.size());
    run([&]() -> asio::awaitable<void> {
      const storage::file_ptr to = co_await on->open(name, storage::open_mode::write);
      co_await storage::write_at(*on, to, 0, block.data(), block.size(), durable, name);
    });
  }
  int sync(std::string name) {
    try {
      run([&]() -> asio::awaitable<void> {
        const storage::file_ptr what = co_await on->open(name, storage::open_mode::write);
        co_await storage::sync(*on, what, name);
      });
    } catch (const boost::system::system_error& failed) {
      return failed.code().value();
    }
    return 0;
  }
  void sync_directory() {
    run([&]() -> asio::awaitable<void> { co_await on->sync_directory(); });
  }
  [[nodiscard]] bool is(const simulated_disk& of, const std::string& name, char content) const {
    return of.bytes_of("dir/" + name) == std::string(4096, content);
  }

  simulated_disk disk;
  asio::io_context context;
  storage::completion_executor strand = storage::make_completion_executor(context.get_executor());
  std::shared_ptr<storage::storage> on;
  struct alignas(4096) aligned {
    std::array<char, 4096> bytes;
    char* data() { return bytes.data(); }
    std::size_t size() const { return bytes.size(); }
  } block{};
};

using names = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_SUITE(simulated_disks)

BOOST_AUTO_TEST_CASE(a_name_is_durable_once_its_directory_is_synced) {
  opened_disk in(1);
  in.make("a", 'a', true);
  BOOST_TEST(in.disk.after_power_cut(power_cut::nothing_arrives(), 1).files("dir") == names{});
  BOOST_TEST(in.disk.after_power_cut(power_cut::everything_arrives(), 1).files("dir") ==
             names{"a"});
  in.sync_directory();
  BOOST_TEST(in.disk.after_power_cut(power_cut::nothing_arrives(), 1).files("dir") == names{"a"});
  in.run([&]() -> asio::awaitable<void> { co_await in.on->rename("a", "b"); });
  BOOST_TEST(in.disk.files("dir") == names{"b"});
  BOOST_TEST(in.disk.after_power_cut(power_cut::nothing_arrives(), 1).files("dir") == names{"a"});
}

BOOST_AUTO_TEST_CASE(sectors_that_were_not_synced_arrive_as_they_are_told_to) {
  opened_disk in(1);
  in.make("a", 'a', true);
  in.sync_directory();
  in.overwrite("a", 'b', false);
  BOOST_TEST(in.disk.pending().sectors == 8U);
  for (std::size_t mask = 0; mask != 256; ++mask) {
    std::vector<bool> arrived(8);
    std::string expected;
    for (std::size_t i = 0; i != 8; ++i) {
      arrived[i] = (mask >> i & 1) != 0;
      expected += std::string(512, arrived[i] ? 'b' : 'a');
    }
    const simulated_disk after = in.disk.after_power_cut(power_cut::these(arrived, 0), 1);
    BOOST_TEST((after.bytes_of("dir/a") == expected));
  }
  in.overwrite("a", 'c', true);
  BOOST_TEST(in.disk.pending().sectors == 0U);
  BOOST_TEST(in.is(in.disk.after_power_cut(power_cut::nothing_arrives(), 1), "a", 'c'));
}

BOOST_AUTO_TEST_CASE(a_sync_that_failed_lies_afterwards) {
  for (const failed_sync how : {failed_sync::lies, failed_sync::read_only, failed_sync::keeps}) {
    opened_disk in(1);
    in.disk.after_failed_sync(how);
    in.make("a", 'a', true);
    in.sync_directory();
    in.overwrite("a", 'b', false);
    disk_fault fault;
    fault.what = disk_operation::sync;
    in.disk.fail(fault);
    BOOST_TEST(in.sync("a") == EIO);
    if (how == failed_sync::read_only) {
      BOOST_TEST(in.sync("a") == EROFS);
      continue;
    }
    // Believed, it would be lost.
    BOOST_TEST(in.sync("a") == 0);
    BOOST_TEST(in.is(in.disk, "a", 'b'));
    const char kept = how == failed_sync::keeps ? 'b' : 'a';
    BOOST_TEST(in.is(in.disk.after_power_cut(power_cut::everything_arrives(), 1), "a", kept));
    std::string direct(4096, ' ');
    in.run([&]() -> asio::awaitable<void> {
      const storage::file_ptr file = co_await in.on->open("a", storage::open_mode::read_direct);
      co_await storage::read_at(*in.on, file, 0, in.block.data(), in.block.size(), "a");
    });
    BOOST_TEST(in.block.bytes[0] == kept);
  }
}

BOOST_AUTO_TEST_CASE(room_is_limited_and_given_back) {
  simulated_disk_options options;
  options.space_bytes_max = 8192;
  opened_disk in(1, options);
  in.make("a", 'a', true);
  in.make("b", 'b', true);
  BOOST_CHECK_EXCEPTION(in.make("c", 'c', true), boost::system::system_error,
                        [](const auto& e) { return e.code().value() == ENOSPC; });
  in.run([&]() -> asio::awaitable<void> {
    co_await in.on->remove("a");
    co_await in.on->sync_directory();
  });
  in.overwrite("c", 'c', true);
  BOOST_TEST(in.is(in.disk, "c", 'c'));
}

BOOST_AUTO_TEST_CASE(writes_go_wrong_as_they_are_told_to) {
  for (const auto how : {disk_fault::kind::lost, disk_fault::kind::garbage, disk_fault::kind::torn,
                         disk_fault::kind::misdirected}) {
    opened_disk in(3);
    in.make("a", 'a', true);
    in.sync_directory();
    disk_fault fault;
    fault.what = disk_operation::write;
    fault.how = how;
    in.disk.fail(fault);
    if (how == disk_fault::kind::torn) {
      BOOST_CHECK_THROW(in.overwrite("a", 'b', true), boost::system::system_error);
    } else {
      in.overwrite("a", 'b', true);
    }
    const std::string now = in.disk.bytes_of("dir/a");
    if (how == disk_fault::kind::lost) BOOST_TEST((now == std::string(4096, 'a')));
    if (how == disk_fault::kind::garbage) BOOST_TEST((now != std::string(4096, 'b')));
    if (how == disk_fault::kind::torn) BOOST_TEST(now.size() == 4096U);
    if (how == disk_fault::kind::misdirected) {
      BOOST_TEST((now == std::string(4096, 'a') + std::string(4096, 'b')));
    }
  }
}

BOOST_AUTO_TEST_CASE(after_a_power_cut_who_was_there_is_cut_off) {
  opened_disk in(1);
  in.make("a", 'a', true);
  in.sync_directory();
  in.disk.cut_power();
  BOOST_TEST(in.disk.power_was_cut());
  BOOST_TEST(in.sync("a") == EIO);
  in.open();
  BOOST_TEST(in.sync("a") == 0);
}

// The same seed gives the same world, to the byte.
BOOST_AUTO_TEST_CASE(everything_follows_from_the_seed) {
  test::random_source random;
  const std::uint64_t seed = random();
  const auto history = [](std::uint64_t its_seed) {
    std::vector<std::string> all;
    simulated_disk disk(its_seed);
    disk.on_operation([&](const disk_event& each) {
      all.push_back(each.name + ' ' + std::to_string(static_cast<int>(each.what)) + ' ' +
                    std::to_string(each.offset) + ' ' + std::to_string(each.bytes));
    });
    asio::io_context io;
    std::optional<wal> log;
    struct work {
      static asio::awaitable<void> open(config options, std::optional<wal>* into) {
        wal::opened opened = co_await wal::open(options);
        into->emplace(std::move(opened.log));
      }
      static asio::awaitable<void> append(wal* to, std::size_t bytes) {
        const std::string value(bytes, 'v');
        record_view what;
        what.value = value;
        co_await to->append(what);
      }
    };
    config options("log");
    options.storage = disk.storage();
    options.segment_bytes_max = segment_bytes_lowest;
    options.buffer_bytes_max = buffer_bytes_lowest;
    asio::co_spawn(io, work::open(options, &log), [](std::exception_ptr) {});
    disk.run(io);
    for (std::size_t i = 0; i != 40; ++i) {
      asio::co_spawn(io, work::append(&*log, 500 * i), [](std::exception_ptr) {});
    }
    disk.run(io);
    disk.cut_power();
    log.reset();
    disk.run(io);
    all.push_back(std::to_string(disk.image_hash()));
    return all;
  };
  const auto first = history(seed);
  BOOST_TEST(first.size() > 20U);
  BOOST_TEST((first == history(seed)));
  BOOST_TEST((first != history(seed + 1)));
}

// The window of fsync_policy::batch, without waiting for it.
BOOST_AUTO_TEST_CASE(time_passes_when_it_is_told_to) {
  simulated_disk disk(1);
  asio::io_context io;
  std::optional<wal> log;
  position at;
  struct work {
    static asio::awaitable<void> run(config options, std::optional<wal>* log, position* at) {
      wal::opened opened = co_await wal::open(options);
      log->emplace(std::move(opened.log));
      record_view what;
      what.value = "value";
      *at = co_await (*log)->append(what);
    }
  };
  config options("log");
  options.storage = disk.storage();
  options.fsync = fsync_policy::batch(std::chrono::hours(1));
  asio::co_spawn(io, work::run(options, &log, &at), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  const auto ready = [&] {
    io.restart();
    while (io.poll() != 0) io.restart();
  };
  ready();
  BOOST_REQUIRE(log.has_value());
  BOOST_TEST((log->backend() == backend::simulated));
  disk.advance(std::chrono::minutes(59));
  ready();
  BOOST_TEST((log->durable_position() <= at));
  const auto before = disk.now();
  disk.advance(std::chrono::minutes(1));
  BOOST_TEST((disk.now() - before == std::chrono::minutes(1)));
  ready();
  BOOST_TEST((log->durable_position() > at));
  log.reset();
  ready();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
