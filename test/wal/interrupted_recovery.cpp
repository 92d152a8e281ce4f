// Recovery that was interrupted, or followed by another crash.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>

#include "wal_test.hpp"

using namespace nori;
using namespace nori::wal_test;
using format::block_bytes;
using format::segment_header_bytes;

namespace {

bool is_set_aside(const log_in_scratch& log, const std::string& name) {
  const snapshot files = snapshot_of(log.options.dir);
  return std::any_of(files.begin(), files.end(), [&](const auto& file) {
    return file.first.starts_with("salvaged-") && file.first.ends_with(name);
  });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(interrupted_recovery)

// The first frame that is cut off must not become whole again when a part of it that was missing
// and should be zeros is written over with zeros: by the log itself, or by the next append.
BOOST_AUTO_TEST_CASE(a_torn_frame_stays_dead_also_where_it_starts_a_block) {
  for (const std::size_t before : {std::size_t{0}, block_bytes, std::size_t{100}}) {
    log_in_scratch log;
    log.options.segment_bytes_max = small_segment;
    log.open();
    position torn{1, segment_header_bytes};
    if (before != 0) {
      // The frame behind this one starts a block, or not.
      const position first = log.append("", std::string(before - 32 - 4, 'x'));
      BOOST_REQUIRE_EQUAL(first, torn);
      torn = log->current_position();
      BOOST_REQUIRE_EQUAL(torn.offset % block_bytes == 0, before == block_bytes);
    }
    log.append("", std::string(3 * block_bytes, '\0'));
    const std::uint64_t end = log->current_position().offset;
    log.close();
    const std::uint64_t lost = segment_header_bytes + 2 * block_bytes;
    overwrite(log.file_of(1), lost, std::string(512, '\x55'));
    overwrite(log.file_of(1), end, std::string(64, '\0'));

    const std::uint64_t kept = before == 0 ? 0 : 1;
    const recovery_info cut = log.open();
    BOOST_TEST(cut.valid_records == kept);
    BOOST_TEST(cut.bytes_truncated != 0u);
    log.crash();
    overwrite(log.file_of(1), lost, std::string(512, '\0'));
    BOOST_TEST(log.open().valid_records == kept);
    BOOST_TEST(log.read_all().size() == kept);
  }
}

// Segments that were prepared and never begun are removed in some order.
BOOST_AUTO_TEST_CASE(some_of_the_unbegun_segments_may_be_left) {
  for (unsigned left = 1; left != 8; ++left) {
    log_in_scratch log;
    log.options.segment_bytes_max = small_segment;
    log.open();
    log.append("key", "value");
    log.close();
    for (unsigned i = 0; i != 3; ++i) {
      if ((left >> i & 1) != 0) write_file(log.file_of(2 + i), std::string(small_segment, '\0'));
    }
    BOOST_TEST(log.open().valid_records == 1u);
    log.append("another", "value");
    log.close();
    BOOST_TEST(!std::filesystem::exists(log.file_of(3)));
    BOOST_TEST(!std::filesystem::exists(log.file_of(4)));
    BOOST_TEST(log.open().valid_records == 2u);
  }
}

BOOST_AUTO_TEST_CASE(salvage_without_an_identity_throws_no_segment_away) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  log.append("key", "value");
  log.close();
  std::filesystem::remove(log.options.dir / "log");
  // The second is lost, of the third the header.
  write_file(log.file_of(3), std::string(segment_header_bytes, '\0') + std::string(4096, 'x'));
  log.options.recovery = recovery_mode::salvage;
  BOOST_TEST(log.open().valid_records == 1u);
  BOOST_TEST(is_set_aside(log, format::segment_file_name(3)));
}

BOOST_AUTO_TEST_SUITE_END()
