// Recovery that is itself cut off.

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <unordered_set>

#include <nori/testing/simulated_disk.hpp>

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
    simulated_disk killed = world_.disk.after_kill(1);
    if (!seen_.insert(killed.image_hash() ^ killed.pending().sectors << 40).second) return;
    ++kills;
    const std::size_t durable = world_.model.durable;
    killed.on_operation([&](const disk_event&) {
      for (const power_cut& how : {power_cut::nothing_arrives(), power_cut::any()}) {
        simulated_disk again = killed.after_power_cut(how, 1);
        ++cuts;
        asio::io_context io;
        BOOST_REQUIRE_GE(world_.model.prefix(recover(again, io, settings(again)).records), durable);
      }
    });
    asio::io_context io;
    const std::size_t found = world_.model.prefix(recover(killed, io, settings(killed)).records);
    killed.on_operation(nullptr);
    BOOST_REQUIRE_GE(found, world_.model.written);
  }

  std::size_t kills = 0;
  std::size_t cuts = 0;

 private:
  [[nodiscard]] config settings(const simulated_disk& on) const {
    config made = world_.settings();
    made.storage = on.storage();
    return made;
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
      for (unsigned handlers = 0; handlers != 4; ++handlers) {
        world.run_some(1);
        looks.look();
      }
    }
    BOOST_TEST(world.log().current_position().segment_id >= 3u);
    BOOST_TEST(looks.kills > 50u);
    BOOST_TEST_MESSAGE(looks.kills << " kills, " << looks.cuts << " power cuts");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
