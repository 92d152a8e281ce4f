// Salvage keeps every byte of a record, also when it is cut off itself.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <nori/error.hpp>
#include <nori/testing/simulated_disk.hpp>

#include "format/segment_header.hpp"
#include "simulation/killed_log.hpp"

namespace nori::simulate {

namespace {

using testing::disk_event;
using testing::disk_operation;
using testing::power_cut;
using testing::simulated_disk;

std::string file_of(std::uint64_t segment) { return "log/" + format::segment_file_name(segment); }

// Everything is looked at where damage is refused.
found_log open_whole(killed_log& log, simulated_disk& on, recovery_mode how) {
  config settings = log.settings();
  if (how == recovery_mode::strict) settings.verify = verification::everything;
  return log.open(on, settings, how);
}

bool refuses(killed_log& log, simulated_disk& on) {
  try {
    static_cast<void>(open_whole(log, on, recovery_mode::strict));
  } catch (const boost::system::system_error&) {
    return true;
  }
  return false;
}

bool holds(const simulated_disk& on, std::uint64_t number, const std::string& prefix = {}) {
  const auto files = on.files("log");
  return std::any_of(files.begin(), files.end(), [&](const std::string& name) {
    return name.starts_with(prefix) &&
           on.bytes_of("log/" + name).find(beginning_of(number)) != std::string::npos;
  });
}

// Salvages, and cuts the power before each operation. Whoever then opens the log strictly is
// refused as before, or finds what was dropped kept aside.
void cut_while_salvaging(killed_log& log, simulated_disk& damaged, std::uint64_t first_lost) {
  {
    simulated_disk probe = damaged.after_kill(9);
    BOOST_REQUIRE(refuses(log, probe));
  }
  std::vector<simulated_disk> cuts;
  simulated_disk work = damaged.after_kill(9);
  work.on_operation([&](const disk_event& each) {
    if (each.directory.empty() || each.what == disk_operation::read) return;
    for (const power_cut& how :
         {power_cut::nothing_arrives(), power_cut::everything_arrives(), power_cut::any()}) {
      cuts.push_back(work.after_power_cut(how, cuts.size()));
    }
  });
  static_cast<void>(open_whole(log, work, recovery_mode::salvage));
  work.on_operation(nullptr);
  BOOST_TEST(cuts.size() > 10u);
  std::size_t silent = 0;
  for (simulated_disk& each : cuts) {
    const bool aside = holds(each, first_lost, "salvaged-");
    try {
      const found_log found = open_whole(log, each, recovery_mode::strict);
      if (found.records.size() <= first_lost && !aside) ++silent;
    } catch (const boost::system::system_error&) {  // NOLINT: refused
    }
  }
  BOOST_TEST(silent == 0u);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(salvage_keeps_every_byte)

BOOST_AUTO_TEST_CASE(cut_off_in_a_sealed_segment) {
  killed_log log(fsync_policy::always());
  log.append_until_segment(2);
  const std::uint64_t in_second = log.count - 1;
  log.append_until_segment(3);
  log.append(5);
  log.close();
  for (const std::uint64_t hit : {in_second - 1, in_second - 2, std::uint64_t{3}}) {
    simulated_disk disk = log.killed();
    damage_record(disk, file_of(1), hit);
    BOOST_TEST_CONTEXT("record " << hit) { cut_while_salvaging(log, disk, hit); }
  }
}

BOOST_AUTO_TEST_CASE(cut_off_in_the_newest_segment) {
  killed_log log(fsync_policy::always());
  log.append_until_segment(2);
  log.append(10);
  log.close();
  simulated_disk disk = log.killed();
  damage_record(disk, file_of(2), log.count - 4);
  cut_while_salvaging(log, disk, log.count - 4);
}

BOOST_AUTO_TEST_CASE(cut_off_where_a_segment_is_missing_or_has_no_header) {
  killed_log log(fsync_policy::always());
  log.append_until_segment(2);
  const std::uint64_t in_second = log.count - 1;
  log.append_until_segment(3);
  const std::uint64_t in_third = log.count - 1;
  log.append_until_segment(4);
  log.append(5);
  log.close();
  simulated_disk missing = log.killed();
  missing.remove(file_of(2));
  cut_while_salvaging(log, missing, in_third);
  simulated_disk header = log.killed();
  header.overwrite(file_of(2), 0, std::string(format::segment_header_bytes, '\0'));
  cut_while_salvaging(log, header, in_second);
}

// The staging file alone has the proof of the damage, and outlives whoever is killed.
BOOST_AUTO_TEST_CASE(killed_with_the_proof_in_the_staging_file) {
  killed_log log(fsync_policy::os());
  log.append(10);
  log.sync();
  log.append(5);
  simulated_disk damaged = log.killed();
  damage_record(damaged, file_of(1), 9);
  damage_record(damaged, "log/staging", 9);
  {
    simulated_disk probe = damaged.after_kill(9);
    BOOST_REQUIRE(refuses(log, probe));
  }
  std::vector<simulated_disk> kills;
  damaged.on_operation([&](const disk_event& each) {
    if (each.directory.empty() || each.what == disk_operation::read) return;
    kills.push_back(damaged.after_kill(kills.size()));
  });
  static_cast<void>(open_whole(log, damaged, recovery_mode::salvage));
  damaged.on_operation(nullptr);
  BOOST_TEST(kills.size() > 5u);
  std::size_t silent = 0;
  for (simulated_disk& each : kills) {
    const auto files = each.files("log");
    const bool aside = std::any_of(files.begin(), files.end(), [](const std::string& name) {
      return name.starts_with("salvaged-") && name.ends_with(".bytes");
    });
    if (!refuses(log, each) && !aside) ++silent;
  }
  BOOST_TEST(silent == 0u);
}

// The files are missing in which the staging file goes on.
BOOST_AUTO_TEST_CASE(the_staging_file_of_missing_segments_is_kept) {
  killed_log log(fsync_policy::os());
  log.append_until_segment(2);
  const std::uint64_t in_second = log.count - 1;
  log.append(3);
  simulated_disk disk = log.killed();
  for (std::uint64_t id = 2; disk.holds(file_of(id)); ++id) disk.remove(file_of(id));
  BOOST_REQUIRE(refuses(log, disk));
  BOOST_TEST(open_whole(log, disk, recovery_mode::salvage).records.size() == in_second);
  BOOST_TEST(holds(disk, log.count - 1));
}

// It lies where the next one was prepared, or farther behind.
BOOST_AUTO_TEST_CASE(a_segment_of_another_log_takes_no_sound_records_along) {
  killed_log log(fsync_policy::os());
  log.append(20);
  log.sync();
  log.append(20);
  log_world other(77, fsync_policy::always());
  other.open();
  other.append({"foreign"});
  BOOST_REQUIRE(other.settle(std::chrono::seconds(5)));
  other.close();
  for (const std::uint64_t as : {2, 9}) {
    simulated_disk disk = log.killed();
    disk.put(file_of(as), other.disk.bytes_of(file_of(1)));
    BOOST_REQUIRE(refuses(log, disk));
    BOOST_TEST(open_whole(log, disk, recovery_mode::salvage).records.size() == 40u);
  }
}

BOOST_AUTO_TEST_CASE(segments_without_a_header_are_kept_where_the_identity_is_lost) {
  for (const std::uint64_t segments : {1, 3}) {
    for (const char with : {'\0', 'x'}) {
      killed_log log(fsync_policy::always());
      log.append(5);
      log.append_until_segment(segments);
      log.append(5);
      log.close();
      simulated_disk disk = log.killed();
      disk.remove("log/log");
      disk.overwrite(file_of(1), 0, std::string(format::segment_header_bytes, with));
      BOOST_REQUIRE(refuses(log, disk));
      BOOST_REQUIRE(holds(disk, 0));
      static_cast<void>(open_whole(log, disk, recovery_mode::salvage));
      BOOST_TEST(holds(disk, 0));
      BOOST_TEST(holds(disk, log.count - 1));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
