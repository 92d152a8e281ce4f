// Recovery that is itself cut off.

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <nori/testing/simulated_disk.hpp>

#include "format/segment_header.hpp"
#include "suites/simulate/log_world.hpp"
#include "support/random_source.hpp"

namespace nori::simulate {

namespace {

using testing::disk_event;
using testing::power_cut;
using testing::simulated_disk;

/// The process is killed, and then, before each operation of the next opening, the power is cut.
class killed_and_cut {
 public:
  explicit killed_and_cut(log_world& world) : world_(world) {}

  void look() {
    const std::size_t durable = world_.model.durable;
    for (const power_cut& how : {power_cut::nothing_arrives(), power_cut::any()}) {
      simulated_disk cut = world_.disk.after_power_cut(how, 1);
      BOOST_REQUIRE_GE(found_on(cut), durable);
    }
    simulated_disk killed = world_.disk.after_kill(1);
    if (!seen_.insert(killed.image_hash() ^ killed.pending().sectors << 40).second) return;
    ++kills;
    killed.on_operation([&](const disk_event&) {
      for (const power_cut& how : {power_cut::nothing_arrives(), power_cut::any()}) {
        simulated_disk again = killed.after_power_cut(how, 1);
        ++cuts;
        BOOST_REQUIRE_GE(found_on(again), durable);
      }
    });
    const std::size_t found = found_on(killed);
    killed.on_operation(nullptr);
    BOOST_REQUIRE_GE(found, world_.model.written);
    // Whatever it was opened with is durable by now.
    simulated_disk at_last = killed.after_power_cut(power_cut::nothing_arrives(), 1);
    BOOST_REQUIRE_GE(found_on(at_last), found);
  }

  std::size_t kills = 0;
  std::size_t cuts = 0;

 private:
  [[nodiscard]] std::size_t found_on(simulated_disk& disk) const {
    config settings = world_.settings();
    settings.storage = disk.storage();
    asio::io_context io;
    return world_.model.prefix(recover(disk, io, settings).records);
  }

  log_world& world_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(recovery_is_cut_off)

// A segment may be whole in the page cache alone while the staging file already holds the next one:
// the header of that must not be there before all of it is.
BOOST_AUTO_TEST_CASE(a_power_cut_after_a_kill_leaves_a_log_that_opens_and_reads) {
  for (const fsync_policy policy :
       {fsync_policy::os(), fsync_policy::batch(std::chrono::milliseconds(5))}) {
    test::random_source random;
    log_world world(random(), policy);
    world.open();
    killed_and_cut looks(world);
    // Through two rotations.
    const std::string record(3000, 'r');
    for (std::uint64_t i = 0; i != 60; ++i) {
      world.append({std::to_string(i) + record});
      if (i % 16 == 9) world.sync();
      for (unsigned handlers = 0; handlers != 4; ++handlers) {
        world.run_some(1);
        if (random.below(10) < test::scaled(10)) looks.look();
      }
    }
    BOOST_TEST(world.log().current_position().segment_id >= 3u);
    BOOST_TEST(looks.kills > test::scaled(50));
    BOOST_TEST_MESSAGE(looks.kills << " kills, " << looks.cuts << " power cuts");
  }
}

// Of a segment that was just begun the header may be in the buffer alone, or on its way.
BOOST_AUTO_TEST_CASE(what_is_left_after_deleting_is_a_log_by_itself) {
  for (const fsync_policy policy :
       {fsync_policy::os(), fsync_policy::batch(std::chrono::milliseconds(5)),
        fsync_policy::always()}) {
    test::random_source random;
    log_world world(random(), policy);
    world.buffer_bytes = 16 * segment_bytes_lowest;  // so that more of it is in the buffer alone
    world.open();
    killed_and_cut looks(world);
    const std::string record(3000, 'r');
    std::uint64_t newest = 1;
    std::uint64_t deletions = 0;
    for (std::uint64_t i = 0; i != 60; ++i) {
      world.append({std::to_string(i) + record});
      const std::uint64_t now = world.log().current_position().segment_id;
      if (std::exchange(newest, now) != now) {
        world.delete_old();
        ++deletions;
        for (unsigned handlers = 0; handlers != 50; ++handlers) {
          if (handlers % 5 == 0 && random.below(10) < test::scaled(10)) looks.look();
          if (!world.run_some(1)) world.disk.advance(std::chrono::milliseconds(5));
        }
      }
      world.run_some(2);
      if (i % 16 == 0) looks.look();
    }
    BOOST_TEST(deletions >= 2u);
    BOOST_TEST(world.log().first_position().segment_id >= 2u);
  }
}

// Its block is not written again by what comes next where the mark ends one.
BOOST_AUTO_TEST_CASE(the_mark_of_a_close_that_was_killed_is_durable_once_the_log_is_open) {
  std::size_t marks_at_a_block = 0;
  for (std::size_t pad = 0; pad < format::block_bytes; pad += 8) {
    log_world world(11, fsync_policy::always());
    world.open();
    world.append({std::string(100 + pad, 'a')});
    BOOST_REQUIRE(world.settle(std::chrono::seconds(1)));
    constexpr std::uint64_t mark_bytes = 32;
    const std::uint64_t end = world.log().current_position().offset + mark_bytes;
    if (end % format::block_bytes != 0) continue;
    std::vector<simulated_disk> killed;
    world.disk.on_operation([&](const disk_event& each) {
      if (each.name.ends_with(".segment")) killed.push_back(world.disk.after_kill(killed.size()));
    });
    world.close();
    world.disk.on_operation(nullptr);
    for (simulated_disk& disk : killed) {
      config settings = world.settings();
      settings.storage = disk.storage();
      asio::io_context io;
      std::optional<wal> log;
      const auto append = [](config how, std::optional<wal>* into) -> asio::awaitable<void> {
        wal::opened opened = co_await wal::open(how);
        into->emplace(std::move(opened.log));
        static_cast<void>(co_await (*into)->append({.value = "acknowledged"}));
      };
      finish(disk, io, append(settings, &log));
      simulated_disk cut = disk.after_power_cut(power_cut::nothing_arrives(), 1);
      settings.storage = cut.storage();
      asio::io_context after;
      BOOST_TEST(recover(cut, after, settings).records.size() == 2u);
      ++marks_at_a_block;
    }
  }
  BOOST_TEST(marks_at_a_block != 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
