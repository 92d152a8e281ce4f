// Damaged files: what is a torn tail, what is corruption, and what salvage makes of it.

#include <algorithm>
#include <cerrno>

#include "wal/wal_test.hpp"

namespace nori::wal_test {
namespace {

bool is_prefix(const std::vector<found>& part, const std::vector<found>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// Singles and batches of three; returns what was written and how many records each batch end has
// before it.
struct written_log {
  std::vector<found> records;
  std::vector<std::size_t> batch_ends{0};
};

written_log write_some(log_in_scratch& log, std::size_t rounds, std::size_t bytes) {
  written_log all;
  for (std::size_t i = 0; i < rounds; ++i) {
    const std::string value(bytes, static_cast<char>('a' + i % 26));
    if (i % 3 == 2) {
      std::vector<std::string> keys;
      for (std::size_t j = 0; j < 3; ++j) keys.push_back(numbered("b", i) + numbered("-", j));
      std::vector<record_view> batch(3);
      for (std::size_t j = 0; j < 3; ++j) {
        batch[j].key = keys[j];
        batch[j].value = value;
      }
      std::vector<position> positions(3);
      run(log.io, log->append_batch(batch, positions));
      for (std::size_t j = 0; j < 3; ++j) all.records.push_back({positions[j], keys[j], value});
    } else {
      const std::string key = numbered("k", i);
      all.records.push_back({log.append(key, value), key, value});
    }
    all.batch_ends.push_back(all.records.size());
  }
  return all;
}

void check_recovered(log_in_scratch& log, const written_log& written, std::size_t at_least) {
  const auto recovered = log.read_all();
  BOOST_TEST(is_prefix(recovered, written.records));
  BOOST_TEST(recovered.size() >= at_least);
  BOOST_TEST(
      std::binary_search(written.batch_ends.begin(), written.batch_ends.end(), recovered.size()));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(any_torn_tail_recovers_a_prefix_that_ends_with_a_batch) {
  random_source random;
  for (const bool always : {true, false}) {
    log_in_scratch log(always ? fsync_policy::always() : fsync_policy::os());
    log.options.segment_bytes_max = small_segment;
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open();
    const written_log written = write_some(log, 12, 8);
    const std::uint64_t end = log->current_position().offset;
    run(log.io, log->flush());
    log.crash();
    // Under os a power cut takes the staging file's pages along, and nothing was synced.
    std::filesystem::remove(log.options.dir / format::staging_file_name);
    const snapshot crashed = snapshot_of(log.options.dir);
    const std::string file = crashed.at(format::segment_file_name(1));
    const std::uint64_t begin = written.records[written.batch_ends[10]].at.offset;
    for (std::uint64_t cut = begin; cut <= end; cut += scaled(8) == 8 ? 1 : 5) {
      for (const int how : {0, 1, 2}) {
        if (how != 0 && cut % 3 != 0) continue;
        std::string damaged = file;
        if (how == 0) damaged.resize(cut);
        if (how == 1)
          std::fill(damaged.begin() + static_cast<std::ptrdiff_t>(cut), damaged.end(), '\0');
        if (how == 2) {
          for (std::uint64_t i = cut; i < end + 64; ++i) damaged[i] = static_cast<char>(random());
        }
        snapshot state = crashed;
        state[format::segment_file_name(1)] = damaged;
        restore(log.options.dir, state);
        std::size_t whole = 0;
        for (std::size_t i = 0; i < written.records.size(); ++i) {
          const std::uint64_t next =
              i + 1 < written.records.size() ? written.records[i + 1].at.offset : end;
          if (next <= cut) whole = i + 1;
        }
        const auto floor = *std::prev(
            std::upper_bound(written.batch_ends.begin(), written.batch_ends.end(), whole));
        const recovery_info recovered = log.open();
        BOOST_TEST(!recovered.corruption_detected);
        check_recovered(log, written, floor);
        if (cut % 16 == 0) {
          // What was cut off never comes back.
          auto expected = log.read_all();
          expected.push_back({log.append("new", "v"), "new", "v"});
          log.reopen();
          BOOST_TEST((log.read_all() == expected));
        }
        log.crash();
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_hole_in_what_was_never_synced_ends_the_log) {
  log_in_scratch log(fsync_policy::os());
  log.open();
  const written_log written = write_some(log, 60, 1000);
  run(log.io, log->flush());
  log.crash();
  std::filesystem::remove(log.options.dir / format::staging_file_name);
  const snapshot crashed = snapshot_of(log.options.dir);
  for (std::uint64_t block = 3; block < 12; ++block) {
    restore(log.options.dir, crashed);
    overwrite(log.file_of(1), block * 4096, std::string(4096, '\0'));
    const recovery_info recovered = log.open();
    BOOST_TEST(recovered.bytes_truncated > 0u);
    check_recovered(log, written, 1);
    BOOST_TEST(log.read_all().back().at.offset < block * 4096);
    auto expected = log.read_all();
    expected.push_back({log.append("new", "v"), "new", "v"});
    log.reopen();
    BOOST_TEST((log.read_all() == expected));
    log.crash();
  }
}

BOOST_AUTO_TEST_CASE(bytes_of_a_reused_file_are_no_records) {
  random_source random;
  for (const flavour& each : policies()) {
    for (std::size_t round = 0; round < scaled(4); ++round) {
      log_in_scratch log(each.fsync);
      log.options.segment_bytes_max = small_segment;
      log.open();
      std::vector<found> written;
      // The same sizes again and again, so that old frames lie exactly where new ones would.
      const std::size_t total = 300 + random.below(60);
      for (std::size_t i = 0; i < total; ++i) {
        const std::string key = numbered("key", i);
        const std::string value(1000, 'v');
        written.push_back({log.append(key, value), key, value});
        if (i % 60 == 59) {
          run(log.io, log->delete_segments_before(log->current_position()));
          const auto first = log->first_position();
          std::erase_if(written, [&](const found& one) { return one.at < first; });
        }
      }
      const recovery_info recovered = log.reopen();
      BOOST_TEST(recovered.valid_records == written.size());
      BOOST_TEST((log.read_all() == written));
    }
  }
}

BOOST_AUTO_TEST_CASE(damage_in_the_active_segment_is_refused_and_nothing_changes) {
  random_source random;
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.open();
    const written_log written = write_some(log, 30, 200);
    run(log.io, log->sync());
    log.wind_down();
    log.append("last", "v");
    run(log.io, log->sync());
    log.crash();
    const snapshot crashed = snapshot_of(log.options.dir);
    for (std::size_t round = 0; round < scaled(24); ++round) {
      restore(log.options.dir, crashed);
      const std::size_t hit = random.below(written.records.size());
      const position at = written.records[hit].at;
      flip_bit(log.file_of(1), at.offset + random.below(200),
               static_cast<unsigned>(random.below(8)));
      if (std::filesystem::exists(log.options.dir / format::staging_file_name)) {
        // It has the same bytes, and they are sound.
        if (round % 4 == 0) {
          log.open();
          BOOST_TEST(log.read_all().size() == written.records.size() + 1);
          log.crash();
          restore(log.options.dir, crashed);
          flip_bit(log.file_of(1), at.offset + 40);
        }
        std::filesystem::remove(log.options.dir / format::staging_file_name);
      }
      const snapshot damaged = snapshot_of(log.options.dir);
      for (const access how : {access::read_write, access::read_only}) {
        log.options.access = how;
        std::string text;
        BOOST_TEST(code_of([&] { log.open(); }, &text) == errc::corruption);
        BOOST_TEST(text.find(format::segment_file_name(1)) != std::string::npos, text);
        BOOST_TEST(text.find("offset") != std::string::npos, text);
        BOOST_TEST((snapshot_of(log.options.dir) == damaged));
      }
      log.options.access = access::read_write;
    }
  }
}

BOOST_AUTO_TEST_CASE(salvage_keeps_what_lies_before_and_the_damaged_bytes) {
  random_source random;
  for (const flavour& each : policies()) {
    for (const flavour& next : policies()) {
      log_in_scratch log(each.fsync);
      log.options.segment_bytes_max = small_segment;
      log.options.buffer_bytes_max = buffer_bytes_lowest;
      log.open();
      const written_log written = write_some(log, 90, 1000);
      BOOST_REQUIRE(written.records[100].at.segment_id < written.records.back().at.segment_id);
      run(log.io, log->sync());
      log.append("last", "v");
      log.crash();
      const snapshot crashed = snapshot_of(log.options.dir);
      const std::uint64_t newest = written.records.back().at.segment_id;
      for (std::size_t round = 0; round < scaled(6); ++round) {
        restore(log.options.dir, crashed);
        // In the active segment only where no staging file has the same bytes.
        const bool always = each.fsync.which() == fsync_policy::kind::always;
        std::size_t hit = random.below(100);
        if (round == 0 && always) hit = written.records.size() - 4;
        const position at = written.records[hit].at;
        flip_bit(log.file_of(at.segment_id), at.offset + 100);
        log.options.fsync = next.fsync;
        log.options.recovery = recovery_mode::salvage;
        const recovery_info recovered = log.open();
        BOOST_TEST(recovered.corruption_detected);
        BOOST_TEST(!recovered.salvage_report.empty());
        BOOST_TEST(!recovered.salvaged_files.empty());
        auto kept = log.read_all();
        BOOST_TEST(is_prefix(kept, written.records));
        BOOST_TEST(kept.size() <= hit);
        BOOST_TEST(kept.size() + 3 > hit);
        BOOST_TEST(recovered.valid_records == kept.size());
        // The bytes of the damaged record are in one of the files that were kept aside.
        bool aside = false;
        for (const std::string& name : recovered.salvaged_files) {
          const std::string bytes = bytes_of_file(log.options.dir / name);
          aside =
              aside || bytes.find(written.records[hit].value.substr(0, 50)) != std::string::npos;
        }
        BOOST_TEST(aside);
        // From now on it is a log like any other, whatever follows.
        log.options.recovery = recovery_mode::strict;
        log.crash();
        const recovery_info again = log.open();
        BOOST_TEST(!again.corruption_detected);
        BOOST_TEST((log.read_all() == kept));
        for (std::size_t i = 0; i < 30; ++i) {
          const std::string value(1000, 'n');
          kept.push_back({log.append("new", value), "new", value});
        }
        log.crash();
        log.options.verify = verification::everything;
        log.open();
        BOOST_TEST((log.read_all() == kept));
        log.close();
        log.open();
        BOOST_TEST((log.read_all() == kept));
        log.crash();
        log.options.verify = verification::active_segment;
      }
      BOOST_TEST(newest > 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(segments_that_are_not_what_they_should_be_are_refused) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  const written_log written = write_some(log, 120, 1000);
  log.close();
  const snapshot closed = snapshot_of(log.options.dir);
  const std::uint64_t newest = written.records.back().at.segment_id;
  BOOST_REQUIRE(newest >= 4u);
  log_in_scratch other;
  other.options.segment_bytes_max = small_segment;
  other.open();
  write_some(other, 120, 1000);
  other.close();

  const auto name = [](std::uint64_t id) { return format::segment_file_name(id); };
  std::vector<std::pair<std::string, snapshot>> cases;
  for (std::uint64_t id = 1; id <= newest; ++id) {
    const std::string is = numbered("segment ", id);
    snapshot state = closed;
    state.erase(name(id));
    cases.emplace_back(is + " missing", state);
    if (id < newest) {
      state = closed;
      state[name(id)].resize(state[name(id)].size() / 2);
      cases.emplace_back(is + " truncated", state);
      state = closed;
      state[name(id)].clear();
      cases.emplace_back(is + " empty", state);
      state = closed;
      std::swap(state[name(id)], state[name(id + 1)]);
      cases.emplace_back(is + " swapped with the next", state);
    }
    state = closed;
    state[name(id)] = state[name(id == 1 ? 2 : id - 1)];
    cases.emplace_back(is + " a copy of another", state);
    state = closed;
    state[name(id)] = bytes_of_file(other.file_of(id));
    cases.emplace_back(is + " of another log", state);
    state = closed;
    std::fill_n(state[name(id)].begin(), 8192, 'x');
    cases.emplace_back(is + " without a header", state);
  }
  {
    snapshot state = closed;
    state[name(newest + 1)] = state[name(newest)];
    cases.emplace_back("newest duplicated", state);
    state = closed;
    state.erase("log");
    cases.emplace_back("identity missing", state);
    state = closed;
    state["log"][20] ^= 1;
    cases.emplace_back("identity damaged", state);
    state = closed;
    state["log"] = bytes_of_file(other.options.dir / "log");
    cases.emplace_back("identity of another log", state);
  }
  for (const auto& [what, state] : cases) {
    restore(log.options.dir, state);
    BOOST_TEST(code_of([&] { log.open(); }) == errc::corruption, what);
    snapshot after = snapshot_of(log.options.dir);
    snapshot before = state;
    after.erase("lock");
    before.erase("lock");
    BOOST_TEST((after == before), what);
    log.crash();
    // Salvage opens whatever is left, and gives a prefix.
    log.options.recovery = recovery_mode::salvage;
    const auto code = code_of([&] {
      const recovery_info recovered = log.open();
      BOOST_TEST(recovered.corruption_detected, what);
      BOOST_TEST(is_prefix(log.read_all(), written.records), what);
      log.append("new", "v");
      log.close();
    });
    BOOST_TEST(!code, what << ": " << code.message());
    log.crash();
    log.options.recovery = recovery_mode::strict;
    BOOST_TEST(!code_of([&] { log.open(); }), what);
    log.crash();
  }
}

BOOST_AUTO_TEST_CASE(one_damaged_copy_of_a_header_loses_nothing) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  const written_log written = write_some(log, 60, 1000);
  log.close();
  const snapshot closed = snapshot_of(log.options.dir);
  for (std::uint64_t id = 1; id <= written.records.back().at.segment_id; ++id) {
    for (const std::uint64_t copy : {0, 4096}) {
      restore(log.options.dir, closed);
      overwrite(log.file_of(id), copy, std::string(4096, 'x'));
      log.open();
      BOOST_TEST((log.read_all() == written.records));
      log.crash();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_segment_that_was_created_and_never_begun_is_no_error) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.segment_bytes_max = small_segment;
    log.open();
    const written_log written = write_some(log, 60, 1000);
    run(log.io, log->sync());
    log.wind_down();
    log.crash();
    const std::uint64_t next = written.records.back().at.segment_id + 1;
    BOOST_TEST(std::filesystem::exists(log.file_of(next)));
    const snapshot crashed = snapshot_of(log.options.dir);
    for (const std::size_t bytes : {std::size_t{8192}, std::size_t{65536}}) {
      snapshot state = crashed;
      state[format::segment_file_name(next)] = std::string(bytes, '\0');
      restore(log.options.dir, state);
      log.open();
      BOOST_TEST((log.read_all() == written.records));
      log.append("new", "v");
      log.crash();
    }
    // Left by a preparation that was interrupted.
    snapshot state = crashed;
    state["next.tmp"] = std::string(100, 'x');
    state["log.tmp"] = std::string(100, 'x');
    restore(log.options.dir, state);
    log.open();
    log.append("new", "v");
    log.close();
    BOOST_TEST(!std::filesystem::exists(log.options.dir / "next.tmp"));
  }
}

BOOST_AUTO_TEST_CASE(hostile_bytes_end_in_an_error_or_in_a_prefix) {
  random_source random;
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.segment_bytes_max = small_segment;
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open();
    const written_log written = write_some(log, 60, 1000);
    log.crash();
    const snapshot crashed = snapshot_of(log.options.dir);
    std::vector<std::string> names;
    for (const auto& [name, bytes] : crashed) {
      if (!bytes.empty()) names.push_back(name);
    }
    for (std::size_t round = 0; round < scaled(40); ++round) {
      snapshot state = crashed;
      for (std::size_t hits = 1 + random.below(4); hits != 0; --hits) {
        std::string& file = state[names[random.below(names.size())]];
        if (file.empty()) continue;  // cut off by a hit before
        const std::size_t at = random.below(file.size());
        const std::size_t bytes = std::min(file.size() - at, 1 + random.below(16));
        const int how = static_cast<int>(random.below(4));
        for (std::size_t i = 0; i < bytes; ++i) {
          file[at + i] = how == 0 ? '\xff' : how == 1 ? '\0' : static_cast<char>(random());
        }
        if (how == 3 && random.below(4) == 0) file.resize(at);
      }
      restore(log.options.dir, state);
      log.options.verify = verification::everything;
      const auto code = code_of([&] {
        log.open();
        BOOST_TEST(is_prefix(log.read_all(), written.records));
      });
      BOOST_TEST((!code || code == errc::corruption || code == errc::unsupported_format),
                 code.message());
      log.crash();
      restore(log.options.dir, state);
      log.options.recovery = recovery_mode::salvage;
      const auto salvaged = code_of([&] {
        log.open();
        BOOST_TEST(is_prefix(log.read_all(), written.records));
      });
      BOOST_TEST((!salvaged || salvaged == errc::unsupported_format), salvaged.message());
      log.crash();
      log.options.recovery = recovery_mode::strict;
    }
  }
}

// A segment has its header's bytes before it has its name: that can't be a crash.
BOOST_AUTO_TEST_CASE(a_newest_segment_cut_within_its_header_is_refused) {
  for (const std::uint64_t bytes : {0, 100, 4096, 8191}) {
    log_in_scratch log;
    log.options.segment_bytes_max = small_segment;
    log.open();
    while (log->current_position().segment_id < 2) log.append("key", std::string(900, 'v'));
    log.close();
    std::filesystem::resize_file(log.file_of(2), bytes);
    std::string why;
    BOOST_TEST(code_of([&] { log.open(); }, &why) == errc::corruption);
    BOOST_TEST(why.find("is truncated: it has " + std::to_string(bytes)) != std::string::npos, why);
    log.options.recovery = recovery_mode::salvage;
    log.open();
    log.append("key", "value");
    log.close();
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
