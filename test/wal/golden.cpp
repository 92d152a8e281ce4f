// Whole directories of format version 1, as nori left them: test/data/golden/v1_directory was
// closed, v1_killed was not. They are never edited, and stay readable for ever.

#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "format/crc32c.hpp"
#include "wal_test.hpp"

using namespace nori;
using namespace nori::wal_test;

namespace {

const std::filesystem::path golden = NORI_TEST_DATA_DIR "/golden";

/// Short text as it is, everything else by its size and checksum.
std::string describe(std::string_view bytes) {
  const bool plain = bytes.size() <= 40 && std::all_of(bytes.begin(), bytes.end(), [](char c) {
                       return c >= ' ' && c <= '~' && c != '"';
                     });
  if (plain) return '"' + std::string(bytes) + '"';
  char text[64];
  std::snprintf(text, sizeof text, "%zu:%08x", bytes.size(),
                format::crc32c(0, bytes.data(), bytes.size()));
  return text;
}

/// A line of the lists beside the directories.
std::string describe(const entry& one) {
  std::ostringstream out;
  out << one.at << " #" << one.sequence << ' ' << describe(one.key) << ' ' << describe(one.value);
  if (one.tombstone) out << " tombstone";
  if (!one.ends_batch) out << " continues";
  if (one.compress == compression::lz4) out << " lz4";
  if (one.compress == compression::zstd) out << " zstd";
  if (one.stored_uncompressed) out << " stored_uncompressed";
  if (one.time_to_live) {
    out << " ttl " << one.time_to_live->count() << " until "
        << std::chrono::duration_cast<std::chrono::milliseconds>(one.expires_at->time_since_epoch())
               .count();
  }
  if (one.version) out << " version " << one.version->term << '.' << one.version->index;
  return out.str();
}

asio::awaitable<std::vector<std::string>> describe_rest(reader* from) {
  std::vector<std::string> lines;
  for (;;) {
    const std::optional<entry> one = co_await from->next();
    if (!one) co_return lines;
    lines.push_back(describe(*one));
  }
}

std::vector<std::string> records_in(log_in_scratch& log) {
  reader reading = log->read_from({});
  return run(log.io, describe_rest(&reading));
}

std::vector<std::string> expected(const std::string& name) {
  std::ifstream file(golden / (name + ".txt"));
  BOOST_REQUIRE(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  return lines;
}

/// Of the 64 KiB of a staging file only what lies from 8192 on is kept; the rest was zeros, or is
/// in its segment.
void copy_golden(const std::string& name, log_in_scratch& to) {
  snapshot files = snapshot_of(golden / name);
  if (const auto part = files.find("staging_from_8192"); part != files.end()) {
    std::string staging(buffer_bytes_lowest, '\0');
    staging.replace(8192, part->second.size(), part->second);
    files.erase(part);
    files["staging"] = staging;
  }
  restore(to.options.dir, files);
  to.options.segment_bytes_max = small_segment;
  to.options.buffer_bytes_max = buffer_bytes_lowest;
  to.options.verify = verification::everything;
}

struct golden_directory {
  std::string name;
  bool closed;
  std::uint64_t segments;
  position last;

  friend std::ostream& operator<<(std::ostream& out, const golden_directory& of) {
    return out << of.name;
  }
};

const golden_directory directories[] = {
    {"v1_directory", true, 2, {3, 44480}},
    {"v1_killed", false, 1, {1, 9352}},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(golden_directories)

BOOST_AUTO_TEST_CASE(every_policy_and_backend_reads_all_records_and_goes_on) {
  for (const golden_directory& each : directories) {
    const std::vector<std::string> lines = expected(each.name);
    for (const flavour& how : flavours()) {
      BOOST_TEST_CONTEXT(each << ", " << how) {
        log_in_scratch log(how.fsync);
        copy_golden(each.name, log);
        log.options.backend = how.backend;
        const recovery_info found = log.open();
        BOOST_TEST(found.clean_close == each.closed);
        BOOST_TEST(found.valid_records == lines.size());
        BOOST_TEST(found.segments == each.segments);
        BOOST_TEST(found.bytes_truncated == 0u);
        BOOST_TEST((found.bytes_from_staging != 0) == !each.closed);
        BOOST_REQUIRE(found.last_valid_position.has_value());
        BOOST_TEST(*found.last_valid_position == each.last);
        BOOST_TEST(records_in(log) == lines, boost::test_tools::per_element());

        log.append("appended", "by this version");
        log.close();
        BOOST_TEST(log.open().clean_close);
        const std::vector<std::string> more = records_in(log);
        BOOST_REQUIRE_EQUAL(more.size(), lines.size() + 1);
        BOOST_TEST(std::equal(lines.begin(), lines.end(), more.begin()));
        log.close();
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(reading_only_reads_all_records_and_changes_nothing) {
  for (const golden_directory& each : directories) {
    for (const backend how : {backend::uring, backend::threads}) {
      BOOST_TEST_CONTEXT(each) {
        log_in_scratch log;
        copy_golden(each.name, log);
        log.options.backend = how;
        log.options.access = access::read_only;
        const snapshot before = snapshot_of(log.options.dir);
        const recovery_info found = log.open();
        BOOST_TEST(found.clean_close == each.closed);
        BOOST_TEST(records_in(log) == expected(each.name), boost::test_tools::per_element());
        log.close();
        BOOST_TEST((snapshot_of(log.options.dir) == before));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
