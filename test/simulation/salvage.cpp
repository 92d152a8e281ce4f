// What is saved of a damaged log whose newest records are in the staging file.

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

#include <nori/testing/simulated_disk.hpp>

#include "format/segment_header.hpp"
#include "suites/simulate/log_world.hpp"

namespace nori::simulate {

namespace {

using testing::simulated_disk;

constexpr std::size_t record_bytes = 1000;

std::string record_of(std::uint64_t number) {
  return "record " + std::to_string(number) + ' ' + std::string(record_bytes, 'r');
}

/// A log under os that was killed.
class killed_log {
 public:
  killed_log() : world_(5, fsync_policy::os()) {
    world_.buffer_bytes = 16 * segment_bytes_lowest;
    world_.open();
  }
  void append(std::uint64_t records) {
    for (; records != 0; --records) {
      world_.append({record_of(count++)});
      world_.run_ready();
    }
  }
  void append_until_segment(std::uint64_t id) {
    while (world_.log().current_position().segment_id < id) append(1);
  }
  void sync() {
    world_.sync();
    BOOST_REQUIRE(world_.settle(std::chrono::seconds(5)));
  }
  [[nodiscard]] simulated_disk killed() { return world_.disk.after_kill(1); }

  [[nodiscard]] found_log open(simulated_disk& on, recovery_mode how,
                               fsync_policy policy = fsync_policy::os()) {
    config settings = world_.settings();
    settings.storage = on.storage();
    settings.recovery = how;
    settings.fsync = policy;
    asio::io_context io;
    return recover(on, io, settings);
  }

  std::uint64_t count = 0;

 private:
  log_world world_;
};

void flip(simulated_disk& on, const std::string& file, std::uint64_t number) {
  const std::string name = "log/" + file;
  const std::size_t at = on.bytes_of(name).find(record_of(number).substr(0, 12));
  BOOST_REQUIRE_NE(at, std::string::npos);
  on.flip_bit(name, at + 500, 3);
}

void require_first(const found_log& found, std::uint64_t records) {
  BOOST_REQUIRE_EQUAL(found.records.size(), records);
  for (std::uint64_t i = 0; i != records; ++i) BOOST_REQUIRE_EQUAL(found.records[i], record_of(i));
}

bool is_there(const simulated_disk& on, const std::string& end) {
  const auto files = on.files("log");
  return std::any_of(files.begin(), files.end(),
                     [&](const std::string& name) { return name.ends_with(end); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(salvage_with_a_staging_file)

// Record 3 is whole in the staging file alone, record 6 nowhere.
BOOST_AUTO_TEST_CASE(what_the_staging_file_has_before_the_damage_is_kept) {
  killed_log log;
  log.append(10);
  log.sync();
  log.append(5);
  simulated_disk disk = log.killed();
  flip(disk, format::segment_file_name(1), 3);
  flip(disk, "staging", 6);
  flip(disk, format::segment_file_name(1), 6);
  BOOST_CHECK_THROW(static_cast<void>(log.open(disk, recovery_mode::strict)),
                    boost::system::system_error);
  const found_log saved = log.open(disk, recovery_mode::salvage, fsync_policy::always());
  require_first(saved, 6);
  BOOST_TEST(saved.info.corruption_detected);
  BOOST_TEST(is_there(disk, "-staging"));
  require_first(log.open(disk, recovery_mode::strict, fsync_policy::always()), 6);
  require_first(log.open(disk, recovery_mode::strict), 6);
}

// The header of the next segment is in the staging file alone, and what follows is damaged there.
BOOST_AUTO_TEST_CASE(that_may_reach_into_the_next_segment) {
  killed_log log;
  log.append_until_segment(2);
  const std::uint64_t in_second = log.count - 1;
  log.append(3);
  log.sync();
  log.append(3);
  simulated_disk disk = log.killed();
  disk.overwrite("log/" + format::segment_file_name(2), 0,
                 std::string(format::segment_header_bytes, '\0'));
  flip(disk, format::segment_file_name(2), in_second + 2);
  flip(disk, "staging", in_second + 2);
  BOOST_CHECK_THROW(static_cast<void>(log.open(disk, recovery_mode::strict)),
                    boost::system::system_error);
  require_first(log.open(disk, recovery_mode::salvage), in_second + 2);
  require_first(log.open(disk, recovery_mode::strict), in_second + 2);
}

BOOST_AUTO_TEST_CASE(what_it_holds_of_a_segment_behind_the_damage_is_set_aside) {
  killed_log log;
  log.append_until_segment(3);
  log.sync();
  log.append(3);
  simulated_disk disk = log.killed();
  disk.remove("log/" + format::segment_file_name(2));
  const found_log saved = log.open(disk, recovery_mode::salvage);
  BOOST_TEST(!saved.records.empty());
  require_first(saved, saved.records.size());
  const auto files = disk.files("log");
  const auto staging = std::find_if(files.begin(), files.end(), [](const std::string& name) {
    return name.starts_with("salvaged-") && name.ends_with("-staging");
  });
  BOOST_REQUIRE(staging != files.end());
  BOOST_TEST(disk.bytes_of("log/" + *staging).find(record_of(log.count - 1)) != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
