// What nori-wal got wrong when it read, recovered and deleted, by the number in its list of
// defects.

#include <cerrno>

#include "format/frame.hpp"
#include "wal/wal_test.hpp"

namespace nori::wal_test {
namespace {

// Files of `dir` that are deleted and still open.
std::vector<std::string> pinned(const std::filesystem::path& dir) {
  std::vector<std::string> all;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    const std::string target = std::filesystem::read_symlink(each.path(), ignored).string();
    if (target.starts_with(dir.string()) && target.ends_with("(deleted)")) all.push_back(target);
  }
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(defects)

BOOST_AUTO_TEST_CASE(defect_03_replay_crosses_segments) {
  for (const flavour& each : flavours()) {
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.options.segment_bytes_max = small_segment;
    log.open();
    const auto written = fill(log, 200, 1000);
    BOOST_TEST(written.back().at.segment_id > 3u);
    BOOST_TEST(log.read_all() == written);
    const recovery_info recovered = log.reopen();
    BOOST_TEST(recovered.valid_records == 200u);
    BOOST_TEST(recovered.last_valid_position.value() == written.back().at);
    BOOST_TEST(log.read_all() == written);
    // A position is never given twice.
    BOOST_TEST(log.append("next", "v") > written.back().at);
  }
}

BOOST_AUTO_TEST_CASE(defect_04_deleting_before_the_current_position_deletes_all_but_the_active) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  const auto written = fill(log, 200, 1000);
  const std::uint64_t active = written.back().at.segment_id;
  const deleted_segments deleted =
      run(log.io, log->delete_segments_before(log->current_position()));
  BOOST_TEST(deleted.segments == active - 1);
  BOOST_TEST(deleted.bytes > (active - 1) * small_segment / 2);
  BOOST_TEST(log->first_position().segment_id == active);
  for (std::uint64_t id = 1; id < active; ++id) {
    BOOST_TEST(!std::filesystem::exists(log.file_of(id)));
  }
  std::vector<found> rest;
  for (const found& each : written) {
    if (each.at.segment_id == active) rest.push_back(each);
  }
  BOOST_TEST(log.read_all() == rest);
  const recovery_info recovered = log.reopen();
  BOOST_TEST(recovered.valid_records == rest.size());
  BOOST_TEST(log.read_all() == rest);
}

BOOST_AUTO_TEST_CASE(defect_12_what_was_just_acknowledged_can_be_read) {
  for (const flavour& each : flavours()) {
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.options.segment_bytes_max = small_segment;
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open();
    for (std::size_t i = 0; i < 200; ++i) {
      const std::string key = numbered("key", i);
      const std::string value(i * 37 % 3000, 'v');
      const position at = log.append(key, value);
      reader reading = log->read_from(at);
      const auto read = run(log.io, reading.next());
      BOOST_REQUIRE(read);
      BOOST_TEST((read->at == at && read->key == key && read->value == value));
      BOOST_TEST(!run(log.io, reading.next()));
    }
  }
}

BOOST_AUTO_TEST_CASE(defect_13_a_record_that_can_be_appended_can_be_read) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.segment_bytes_max = std::uint64_t{8} << 20;
    log.options.buffer_bytes_max = std::size_t{8} << 20;
    log.open();
    std::vector<found> written;
    constexpr std::size_t edge = std::size_t{128} << 10;
    for (const std::size_t bytes :
         {edge - 1, edge, edge + 1, 3 * edge, 20 * edge, log->config().record_bytes_max - 1}) {
      const std::string value(bytes, static_cast<char>('a' + bytes % 26));
      written.push_back({log.append("k", value), "k", value});
    }
    read_options how;
    how.read_bytes = 4096;
    BOOST_TEST((log.read_all() == written));
    BOOST_TEST((log.read_all({}, how) == written));
    log.reopen();
    BOOST_TEST((log.read_all() == written));
    BOOST_TEST((log.read_all({}, how) == written));
  }
}

BOOST_AUTO_TEST_CASE(defect_14_a_corrupt_length_is_not_the_end_of_the_log) {
  log_in_scratch log;
  log.open();
  const auto written = fill(log, 20, 300);
  log.close();
  const snapshot closed = snapshot_of(log.options.dir);
  // The records next to the end of the file, each with lengths that reach to or past the end.
  for (std::size_t i = 15; i < written.size(); ++i) {
    for (unsigned bit = 0; bit < 32; ++bit) {
      restore(log.options.dir, closed);
      flip_bit(log.file_of(1), written[i].at.offset + 4 + bit / 8, bit % 8);
      std::string text;
      const auto code = code_of([&] { log.open(); }, &text);
      BOOST_TEST(code == errc::corruption);
      BOOST_TEST(text.find(std::to_string(written[i].at.offset)) != std::string::npos, text);
    }
  }
}

BOOST_AUTO_TEST_CASE(defect_15_a_flipped_bit_in_an_old_segment_is_reported_and_changes_nothing) {
  random_source random;
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  const auto written = fill(log, 200, 1000);
  log.close();
  const snapshot closed = snapshot_of(log.options.dir);
  for (std::size_t round = 0; round < scaled(40); ++round) {
    restore(log.options.dir, closed);
    const std::size_t hit = random.below(50);
    const position at = written[hit].at;
    const std::uint64_t offset = at.offset + random.below(1000);
    flip_bit(log.file_of(at.segment_id), offset, static_cast<unsigned>(random.below(8)));
    const snapshot damaged = snapshot_of(log.options.dir);

    log.options.verify = verification::everything;
    std::string text;
    BOOST_TEST(code_of([&] { log.open(); }, &text) == errc::corruption);
    BOOST_TEST(text.find(format::segment_file_name(at.segment_id)) != std::string::npos, text);
    BOOST_TEST(text.find(std::to_string(at.offset)) != std::string::npos, text);
    BOOST_TEST((snapshot_of(log.options.dir) == damaged));

    log.options.verify = verification::active_segment;
    log.options.access = access::read_only;
    log.open();
    reader reading = log->read_from({});
    std::vector<std::string> keys;
    const auto code = code_of(
        [&] {
          while (const auto each = run(log.io, reading.next())) {
            keys.emplace_back(each->key);
          }
        },
        &text);
    BOOST_TEST(code == errc::corruption);
    BOOST_TEST(keys.size() == hit);
    BOOST_TEST(reading.at() == at);
    BOOST_TEST(text.find("offset " + std::to_string(at.offset)) != std::string::npos, text);
    // What lies behind the damaged segment can still be read.
    BOOST_TEST(log.read_all({3, 0}).back() == written.back());
    log.crash();
    log.options.access = access::read_write;
    BOOST_TEST((snapshot_of(log.options.dir) == damaged));
  }
}

BOOST_AUTO_TEST_CASE(defect_19_an_unclean_stop_is_not_corruption) {
  for (const flavour& each : flavours()) {
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    recovery_info first = log.open();
    BOOST_TEST(first.created);
    const auto written = fill(log, 50, 100);
    const recovery_info recovered = log.reopen();
    BOOST_TEST(!recovered.created);
    BOOST_TEST(!recovered.clean_close);
    BOOST_TEST(!recovered.corruption_detected);
    BOOST_TEST(recovered.salvage_report.empty());
    BOOST_TEST(recovered.valid_records == 50u);
    BOOST_TEST(log.read_all() == written);
    log.close();
    BOOST_TEST(log.open().clean_close);
  }
}

BOOST_AUTO_TEST_CASE(defect_20_opening_reads_the_active_segment_and_not_the_log) {
  faults faults;
  log_in_scratch log;
  log.options.segment_bytes_max = std::uint64_t{256} << 10;
  log.open();
  const auto written = fill(log, 400, 10'000);
  log.close();
  const recovery_info recovered = log.open(faults);
  BOOST_TEST(recovered.valid_records == 400u);
  BOOST_TEST(recovered.segments_scanned == 1u);
  const std::string active = format::segment_file_name(written.back().at.segment_id);
  std::map<std::string, std::uint64_t> read;
  for (const auto& event : faults.events()) {
    if (event.what == operation::read && event.result > 0) {
      read[event.name] += static_cast<std::uint64_t>(event.result);
    }
  }
  BOOST_TEST(read[active] > 0u);
  for (const auto& [name, bytes] : read) {
    if (name == active || !name.ends_with(".segment")) continue;
    // Its header; of the one before the active also the last frame.
    BOOST_TEST(bytes <= 32'768u, name << ": " << bytes);
  }
}

BOOST_AUTO_TEST_CASE(defect_23_reading_goes_by_large_blocks) {
  faults faults;
  log_in_scratch log;
  log.options.segment_bytes_max = std::uint64_t{8} << 20;
  log.open();
  fill(log, 2000, 1000);
  log.close();
  log.open(faults);
  const auto before = faults.count(operation::read);
  BOOST_TEST(log.read_all().size() == 2000u);
  // 2 MB by 256 KiB, and the header.
  BOOST_TEST(faults.count(operation::read) - before <= 12u);
}

BOOST_AUTO_TEST_CASE(defect_24_deleted_segments_give_their_space_back) {
  for (const backend which : {backend::uring, backend::threads}) {
    log_in_scratch log;
    log.options.backend = which;
    log.options.segment_bytes_max = small_segment;
    log.open();
    const auto written = fill(log, 300, 1000);
    {
      reader reading = log->read_from({});
      BOOST_TEST(run(log.io, read_rest(&reading)).size() == 300u);
    }
    run(log.io, log->delete_segments_before(log->current_position()));
    BOOST_TEST(log.read_all().size() < 100u);
    log.wind_down();
    run_until(log.io, [&] { return pinned(log.options.dir).empty(); });
    std::uint64_t bytes = 0;
    for (const auto& each : std::filesystem::directory_iterator(log.options.dir)) {
      bytes += each.file_size();
    }
    // The active segment, the one prepared, one spare, and the small files.
    BOOST_TEST(bytes <= 4 * small_segment);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
