// What is saved of a damaged log whose newest records are in the staging file.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

#include <nori/testing/simulated_disk.hpp>

#include "format/segment_header.hpp"
#include "simulation/killed_log.hpp"

namespace nori::simulate {

namespace {

using testing::simulated_disk;

found_log open_under(killed_log& log, simulated_disk& on, recovery_mode how,
                     fsync_policy policy = fsync_policy::os()) {
  config settings = log.settings();
  settings.fsync = policy;
  return log.open(on, settings, how);
}

void flip(simulated_disk& on, const std::string& file, std::uint64_t number) {
  damage_record(on, "log/" + file, number);
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
  BOOST_CHECK_THROW(static_cast<void>(open_under(log, disk, recovery_mode::strict)),
                    boost::system::system_error);
  const found_log saved = open_under(log, disk, recovery_mode::salvage, fsync_policy::always());
  require_first(saved, 6);
  BOOST_TEST(saved.info.corruption_detected);
  BOOST_TEST(is_there(disk, "-staging"));
  require_first(open_under(log, disk, recovery_mode::strict, fsync_policy::always()), 6);
  require_first(open_under(log, disk, recovery_mode::strict), 6);
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
  BOOST_CHECK_THROW(static_cast<void>(open_under(log, disk, recovery_mode::strict)),
                    boost::system::system_error);
  require_first(open_under(log, disk, recovery_mode::salvage), in_second + 2);
  require_first(open_under(log, disk, recovery_mode::strict), in_second + 2);
}

BOOST_AUTO_TEST_CASE(what_it_holds_of_a_segment_behind_the_damage_is_set_aside) {
  killed_log log;
  log.append_until_segment(3);
  log.sync();
  log.append(3);
  simulated_disk disk = log.killed();
  disk.remove("log/" + format::segment_file_name(2));
  const found_log saved = open_under(log, disk, recovery_mode::salvage);
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
