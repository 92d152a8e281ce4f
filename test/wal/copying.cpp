// Inspecting a log on disk, and copying one that is in use.

#include "wal_test.hpp"

#include <nori/copy.hpp>
#include <nori/inspect.hpp>

namespace nori::wal_test {

namespace {

log_report look_into(log_in_scratch& log, bool every_byte = true) {
  inspect_options how;
  how.every_byte = every_byte;
  return run(log.io, inspect_log(log.options.dir, how));
}

void append_some(log_in_scratch& log, int records, std::size_t bytes = 900) {
  const std::string value(bytes, 'v');
  for (int i = 0; i < records; ++i) log.append("key-" + std::to_string(i), value);
}

std::uint64_t records_told_of(const log_report& report) {
  std::uint64_t sum = 0;
  for (const segment_report& each : report.segments) sum += each.records.value_or(0);
  return sum;
}

std::vector<found> contents_of(log_in_scratch& log, const std::filesystem::path& dir) {
  config how(dir);
  how.access = access::read_only;
  wal::opened opened = run(log.io, wal::open(how));
  reader all = opened.log.read_from(position{});
  return run(log.io, read_rest(&all));
}

/// A log of which a power cut leaves what was durable, and that goes on with something else.
class log_of_two_lives : public log_in_scratch {
 public:
  log_of_two_lives() {
    options.segment_bytes_max = small_segment;
    open();
    append_some(*this, 5);
    crash();
    std::filesystem::copy(options.dir, durable_, std::filesystem::copy_options::recursive);
  }
  void begin_life() {
    std::filesystem::remove_all(options.dir);
    std::filesystem::copy(durable_, options.dir, std::filesystem::copy_options::recursive);
    open();
  }

 private:
  const std::filesystem::path durable_ = scratch.path() / "durable";
};

}  // namespace

BOOST_AUTO_TEST_SUITE(inspecting_and_copying)

BOOST_AUTO_TEST_CASE(each_segment_of_a_sound_log_is_told_of_open_and_closed) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  append_some(log, 200);
  for (const bool open : {true, false}) {
    if (!open) log.close();
    const log_report report = look_into(log);
    BOOST_TEST(report.sound());
    BOOST_TEST(report.refusal.empty());
    BOOST_TEST(report.log_id.size() == 32);
    BOOST_TEST(report.segments.size() >= 3);
    BOOST_TEST(records_told_of(report) == 200);
    for (const segment_report& each : report.segments) {
      BOOST_TEST((each.state == segment_state::intact));
      BOOST_TEST(each.detail.empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(one_flipped_bit_anywhere_is_found_and_named) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  append_some(log, 200);
  log.close();
  const log_report before = look_into(log);
  BOOST_REQUIRE(before.segments.size() >= 3);
  random_source random;
  for (const segment_report& each : before.segments) {
    const auto path = log.options.dir / each.file;
    for (int i = 0; i < 5; ++i) {
      // The mark of the clean close comes last, and nothing vouches for it: without it, nothing is
      // missing.
      const std::uint64_t end = &each == &before.segments.back() ? each.end - 32 : each.end;
      const std::uint64_t at = 8192 + random.below(end - 8192);
      flip_bit(path, at);
      const log_report after = look_into(log);
      BOOST_TEST(!after.sound());
      for (const segment_report& one : after.segments) {
        BOOST_TEST((one.state == segment_state::damaged) == (one.id == each.id));
        if (one.id == each.id) BOOST_TEST(one.end <= at);
      }
      flip_bit(path, at);
    }
  }
}

BOOST_AUTO_TEST_CASE(missing_truncated_and_foreign_segments_are_named) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  append_some(log, 200);
  log.close();
  const auto state_of_second = [&] { return look_into(log, false).segments.at(1).state; };
  const auto second = log.options.dir / format::segment_file_name(2);
  const std::string bytes = bytes_of_file(second);
  std::filesystem::remove(second);
  BOOST_TEST((state_of_second() == segment_state::missing));
  write_file(second, std::string_view(bytes).substr(0, bytes.size() / 2));
  BOOST_TEST((state_of_second() == segment_state::damaged));
  write_file(second, bytes_of_file(log.options.dir / format::segment_file_name(1)));
  BOOST_TEST((state_of_second() == segment_state::damaged));
  write_file(second, bytes);
  BOOST_TEST((state_of_second() == segment_state::intact));
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_log_in_use_has_what_was_acknowledged_and_grows_by_segments) {
  for (const fsync_policy policy : {fsync_policy::always(), fsync_policy::os()}) {
    log_in_scratch log(policy);
    log.options.segment_bytes_max = small_segment;
    log.options.buffer_bytes_max = small_segment;
    log.options.record_bytes_max = 4096;
    log.open();
    const auto copy = log.scratch.path() / "copy";
    std::uint64_t segments_before = 0;
    for (const int more : {0, 3, 150, 1, 90}) {
      append_some(log, more);
      // As another process does it: from a reading opening beside the writer.
      config how(log.options.dir);
      how.access = access::read_only;
      const wal::opened source = run(log.io, wal::open(how));
      const copied_log done = run(log.io, copy_log(source.log, copy));
      BOOST_TEST(done.segments_kept + 1 >= segments_before);
      segments_before = done.segments + done.segments_kept;
      BOOST_TEST(contents_of(log, copy) == contents_of(log, log.options.dir));
    }
    // It is a log like any other: it can be appended to.
    config how(copy);
    how.segment_bytes_max = small_segment;
    how.buffer_bytes_max = small_segment;
    wal::opened opened = run(log.io, wal::open(how));
    record_view what;
    what.key = "later";
    run(log.io, opened.log.append(what));
    run(log.io, opened.log.close());
  }
}

// A power cut takes what was copied and not durable, and the log goes on with something else, which
// ends the segment at the same place.
BOOST_AUTO_TEST_CASE(a_segment_that_went_another_way_since_is_copied_again) {
  log_of_two_lives log;
  const std::filesystem::path to = log.scratch.path() / "copy";
  for (const char life : {'a', 'b'}) {
    log.begin_life();
    while (log->current_position().segment_id == 1) log.append("key", std::string(900, life));
    run(log.io, copy_log(*log, to));
    const std::vector<found> original = log.read_all();
    BOOST_TEST(original.back().value.front() == life);
    log.crash();
    BOOST_TEST(contents_of(log, to) == original, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_copy_until_any_position_ends_there) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  append_some(log, 100);
  const std::vector<found> all = contents_of(log, log.options.dir);
  BOOST_REQUIRE(all.size() == 100);
  for (std::size_t n = 1; n < all.size(); n += 7) {
    const auto copy = log.scratch.path() / ("copy-" + std::to_string(n));
    copy_options how;
    how.until = all[n].at;
    run(log.io, copy_log(*log, copy, how));
    const std::vector<found> prefix(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n));
    BOOST_TEST(contents_of(log, copy) == prefix);
  }
}

BOOST_AUTO_TEST_CASE(damage_is_not_copied_and_the_copy_before_stays) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  append_some(log, 100);
  const auto copy = log.scratch.path() / "copy";
  run(log.io, copy_log(*log, copy));
  const std::vector<found> before = contents_of(log, copy);
  append_some(log, 100);
  flip_bit(log.options.dir / format::segment_file_name(2), 20000);
  // The segment that is there already is not read again; in a new copy the damage is found.
  run(log.io, copy_log(*log, copy));
  BOOST_TEST(contents_of(log, copy).size() == 200);
  // From the files: the log itself still has these bytes in its buffer, as they should be.
  const auto fresh = log.scratch.path() / "fresh";
  config how(log.options.dir);
  how.access = access::read_only;
  const wal::opened source = run(log.io, wal::open(how));
  BOOST_TEST(code_of([&] { run(log.io, copy_log(source.log, fresh)); }) ==
             make_error_code(errc::corruption));
  BOOST_TEST(before.size() == 100);
}

BOOST_AUTO_TEST_CASE(a_copy_refuses_another_log_and_a_gap) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  append_some(log, 100);
  const auto copy = log.scratch.path() / "copy";
  log_in_scratch other;
  other.open();
  append_some(other, 1);
  run(other.io, copy_log(*other, copy));
  BOOST_TEST(code_of([&] { run(log.io, copy_log(*log, copy)); }) ==
             make_error_code(errc::invalid_config));
  const auto mine = log.scratch.path() / "mine";
  run(log.io, copy_log(*log, mine));
  append_some(log, 200);
  run(log.io, log->delete_segments_before(log->current_position()));
  BOOST_TEST(code_of([&] { run(log.io, copy_log(*log, mine)); }) ==
             make_error_code(errc::invalid_config));
}

// The log went another way after a power cut, and deleted what its copy has of it.
BOOST_AUTO_TEST_CASE(a_copy_whose_older_segments_went_another_way_stays_sound) {
  log_of_two_lives log;
  const std::filesystem::path to = log.scratch.path() / "copy";
  for (const char life : {'a', 'b'}) {
    log.begin_life();
    while (log->current_position().segment_id < 3) log.append("key", std::string(900, life));
    if (life == 'b') {
      run(log.io, log->delete_segments_before(log->current_position()));
      BOOST_REQUIRE_EQUAL(log->first_position().segment_id, 3u);
    }
    const auto code = code_of([&] { run(log.io, copy_log(*log, to)); });
    BOOST_TEST(!code == (life == 'a'), code.message());
    log.crash();
    const auto opens = code_of([&] { contents_of(log, to); });
    BOOST_TEST(!opens, "the copy can't be read: " << opens.message());
  }
}

// What the log has deleted since is verified in the copy, and has to be there.
BOOST_AUTO_TEST_CASE(damage_in_what_only_the_copy_still_has_is_told) {
  for (const bool missing : {false, true}) {
    log_in_scratch log;
    log.options.segment_bytes_max = small_segment;
    log.open();
    while (log->current_position().segment_id < 4) log.append("key", std::string(900, 'v'));
    const std::filesystem::path to = log.scratch.path() / "copy";
    run(log.io, copy_log(*log, to));
    run(log.io, log->delete_segments_before(log->current_position()));
    if (missing) {
      std::filesystem::remove(to / format::segment_file_name(2));
    } else {
      flip_bit(to / format::segment_file_name(2), 20000);
    }
    log.append("key", "more");
    const auto code = code_of([&] { run(log.io, copy_log(*log, to)); });
    BOOST_TEST(!!code);
  }
}

BOOST_AUTO_TEST_CASE(a_copy_that_was_appended_to_is_not_overwritten) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  for (int i = 0; i < 5; ++i) log.append("key", "value");
  const std::filesystem::path to = log.scratch.path() / "copy";
  run(log.io, copy_log(*log, to));
  {
    config how(to);
    how.segment_bytes_max = small_segment;
    how.buffer_bytes_max = small_segment;
    how.fsync = fsync_policy::always();
    wal::opened opened = run(log.io, wal::open(how));
    record_view what;
    what.key = "acknowledged in the copy";
    run(log.io, opened.log.append(what));
    run(log.io, opened.log.close());
  }
  BOOST_REQUIRE(contents_of(log, to).size() == 6u);
  const auto code = code_of([&] { run(log.io, copy_log(*log, to)); });
  BOOST_TEST(code == errc::invalid_config, code.message());
  BOOST_TEST(contents_of(log, to).size() == 6u);
}

// So that whoever copies begins again.
BOOST_AUTO_TEST_CASE(a_copy_tells_of_a_deleted_segment_as_such) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  while (log->current_position().segment_id < 4) log.append("key", std::string(900, 'v'));
  config how(log.options.dir);
  how.access = access::read_only;
  wal::opened beside = run(log.io, wal::open(how));
  run(log.io, log->delete_segments_before(log->current_position()));
  const auto code =
      code_of([&] { run(log.io, copy_log(beside.log, log.scratch.path() / "copy")); });
  BOOST_TEST(code == make_error_code(errc::position_not_found), code.message());
}

// The first write of a segment was torn by a power cut within its header.
BOOST_AUTO_TEST_CASE(a_torn_header_of_the_newest_segment_is_no_damage) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  while (log->current_position().segment_id < 2) log.append("key", std::string(900, 'v'));
  log.crash();
  const std::string header = bytes_of_file(log.file_of(2)).substr(0, 512);
  BOOST_REQUIRE(std::filesystem::exists(log.file_of(3)));
  // Sector 0 of the header arrived (of segment 2's, as 3's would be alike), the others did not.
  overwrite(log.file_of(3), 0, header);
  inspect_options how;
  how.every_byte = true;
  const log_report report = run(log.io, inspect_log(log.options.dir, how));
  BOOST_TEST(report.refusal == "");
  BOOST_TEST(report.sound());
  const recovery_info opened = log.open();
  BOOST_TEST(!opened.corruption_detected);
}

// A file of a far number, as a slip of an operator leaves it.
BOOST_AUTO_TEST_CASE(a_large_gap_is_told_of_within_bounds) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  log.append("key", "value");
  log.close();
  std::filesystem::copy_file(log.file_of(1), log.file_of(400'000));
  const log_report report = run(log.io, inspect_log(log.options.dir, {}));
  BOOST_TEST(!report.sound());
  BOOST_TEST(report.segments.size() < 2000u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
