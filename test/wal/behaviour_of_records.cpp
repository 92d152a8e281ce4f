// What is appended comes back: attributes, batches, sizes, positions.

#include <limits>

#include "wal/wal_test.hpp"

namespace nori::wal_test {
namespace {

using std::chrono::milliseconds;

asio::awaitable<std::vector<record>> read_records(reader* from) {
  std::vector<record> all;
  while (const auto each = co_await from->next()) all.push_back(each->to_record());
  co_return all;
}

// The same by next_batch.
asio::awaitable<std::vector<found>> read_by_next(reader* from) {
  std::vector<found> all;
  while (const auto each = co_await from->next()) {
    all.push_back({each->at, std::string(each->key), std::string(each->value)});
  }
  co_return all;
}

bool same(const record& a, const record& b) {
  return a.key == b.key && a.value == b.value && a.tombstone == b.tombstone &&
         a.time_to_live == b.time_to_live && a.compress == b.compress && a.version == b.version;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(records)

BOOST_AUTO_TEST_CASE(every_attribute_comes_back_in_every_combination) {
  random_source random;
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.open();
    std::vector<record> appended;
    for (unsigned bits = 0; bits < 48; ++bits) {
      record what(numbered("key", bits), random.text(random.below(300)));
      what.tombstone = (bits & 1) != 0;
      if ((bits & 2) != 0) what.time_to_live = milliseconds(random.below(1'000'000));
      if ((bits & 4) != 0) what.version = record_version{random(), random()};
      if ((bits & 8) != 0) what.value = std::string(random.below(3000), 'c');
      what.compress = static_cast<compression>(bits / 16);
      run(log.io, log->append(what));
      appended.push_back(what);
    }
    for (int again = 0; again < 2; ++again) {
      reader reading = log->read_from({});
      const auto read = run(log.io, read_records(&reading));
      BOOST_REQUIRE(read.size() == appended.size());
      for (std::size_t i = 0; i < read.size(); ++i) BOOST_TEST(same(read[i], appended[i]));
      log.reopen();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_record_that_expires_says_when) {
  log_in_scratch log;
  log.open();
  const auto before = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  run(log.io, log->append(record::put_with_ttl("k", "v", milliseconds(5000))));
  const auto after = std::chrono::system_clock::now();
  reader reading = log->read_from({});
  const auto read = run(log.io, reading.next());
  BOOST_REQUIRE(read);
  BOOST_TEST((read->expires_at.value() >= before + milliseconds(5000)));
  BOOST_TEST((read->expires_at.value() <= after + milliseconds(5000)));
  BOOST_TEST(code_of([&] {
               run(log.io, log->append(record::put_with_ttl("k", "v", milliseconds(-1))));
             }) == errc::invalid_config);
}

BOOST_AUTO_TEST_CASE(a_value_that_does_not_shrink_says_so) {
  random_source random;
  log_in_scratch log;
  log.open();
  const std::string noise = random.text(2000);
  const std::string plain(2000, 'p');
  for (const compression how : {compression::lz4, compression::zstd}) {
    for (const std::string& value : {noise, plain}) {
      const position before = log->current_position();
      const position at = run(log.io, log->append(record("k", value).with_compression(how)));
      reader reading = log->read_from(at);
      const auto read = run(log.io, reading.next());
      BOOST_REQUIRE(read);
      BOOST_TEST((read->value == value));
      BOOST_TEST((read->compress == how));
      BOOST_TEST(read->stored_uncompressed == (value == noise));
      const std::uint64_t bytes = log->current_position().offset - before.offset;
      BOOST_TEST((bytes < 1000) == (value == plain));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_batch_has_its_positions_and_its_end) {
  for (const flavour& each : flavours()) {
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.options.segment_bytes_max = small_segment;
    log.open();
    std::vector<found> written;
    for (std::size_t round = 0; round < 30; ++round) {
      std::vector<std::string> keys;
      for (std::size_t i = 0; i < 1 + round; ++i) keys.push_back(numbered("key", i));
      std::vector<record_view> batch(keys.size());
      const std::string value(200, 'v');
      for (std::size_t i = 0; i < keys.size(); ++i) {
        batch[i].key = keys[i];
        batch[i].value = value;
      }
      std::vector<position> positions(keys.size());
      const batch_positions at =
          run(log.io, log->append_batch(batch, round % 2 != 0 ? std::span<position>(positions)
                                                              : std::span<position>()));
      if (round % 2 != 0) {
        BOOST_TEST(positions.front() == at.first);
        BOOST_TEST(positions.back() == at.last);
      }
      BOOST_TEST(at.first.segment_id == at.last.segment_id);
      reader reading = log->read_from(at.first);
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto read = run(log.io, reading.next());
        BOOST_REQUIRE(read);
        BOOST_TEST(read->key == keys[i]);
        BOOST_TEST(read->ends_batch == (i + 1 == keys.size()));
        if (round % 2 != 0) BOOST_TEST(read->at == positions[i]);
        if (i + 1 == keys.size()) BOOST_TEST(read->at == at.last);
        written.push_back({read->at, std::string(read->key), std::string(read->value)});
      }
    }
    log.reopen();
    BOOST_TEST(log.read_all() == written);
  }
}

BOOST_AUTO_TEST_CASE(what_is_too_large_is_refused_and_nothing_is_written) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.record_bytes_max = 1000;
    log.options.segment_bytes_max = small_segment;
    log.open();
    log.append("k", std::string(999, 'v'));
    const position end = log->current_position();
    BOOST_TEST(code_of([&] { log.append("k", std::string(1000, 'v')); }) == errc::record_too_large);
    record_view large;
    const std::string value(1001, 'v');
    large.value = value;
    BOOST_TEST(log->try_append(large).error() == errc::record_too_large);
    large.value = std::string_view(value).substr(1);
    const std::vector<record_view> batch(64, large);
    BOOST_TEST(code_of([&] { run(log.io, log->append_batch(batch)); }) == errc::batch_too_large);
    BOOST_TEST(code_of([&] { run(log.io, log->append_batch({})); }) == errc::invalid_config);
    std::vector<position> few(2);
    const std::vector<record_view> three(3);
    BOOST_TEST(code_of([&] { run(log.io, log->append_batch(three, few)); }) ==
               errc::invalid_config);
    BOOST_TEST(log->current_position() == end);
    BOOST_TEST(log.read_all().size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(the_largest_batch_that_is_allowed_is_taken) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.segment_bytes_max = small_segment;
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open();
    for (int round = 0; round < 3; ++round) {
      std::size_t taken = 0;
      for (std::size_t count = 60; count > 30; --count) {
        const std::string value(1000, 'v');
        record_view one;
        one.value = value;
        const std::vector<record_view> batch(count, one);
        const auto code = code_of([&] { run(log.io, log->append_batch(batch)); });
        if (!code) {
          taken = count;
          break;
        }
        BOOST_TEST(code == errc::batch_too_large);
      }
      BOOST_TEST(taken > 35u);
    }
    run(log.io, log->sync());
  }
}

BOOST_AUTO_TEST_CASE(records_of_every_size_come_back) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.open();
    std::vector<found> written;
    std::vector<std::size_t> sizes;
    for (std::size_t bytes = 0; bytes < 300; ++bytes) sizes.push_back(bytes);
    for (std::size_t at = 512; at <= log->config().record_bytes_max; at *= 2) {
      for (const std::size_t bytes : {at - 33, at - 1, at, at + 1}) {
        if (bytes <= log->config().record_bytes_max) sizes.push_back(bytes);
      }
    }
    for (const std::size_t bytes : sizes) {
      const std::string key = bytes % 3 == 0 ? std::string(bytes / 2, 'k') : std::string();
      const std::string value(bytes - key.size(), static_cast<char>('a' + bytes % 26));
      written.push_back({log.append(key, value), key, value});
    }
    BOOST_TEST((log.read_all() == written));
    log.reopen();
    BOOST_TEST((log.read_all() == written));
  }
}

BOOST_AUTO_TEST_CASE(positions_rise_stay_and_can_be_read_from) {
  for (const flavour& each : flavours()) {
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.options.segment_bytes_max = small_segment;
    log.open();
    random_source random;
    std::vector<found> written;
    std::vector<position> ends;
    for (std::size_t i = 0; i < 150; ++i) {
      const std::string key = numbered("key", i);
      const std::string value(random.below(3000), 'v');
      const position at = log.append(key, value);
      if (!written.empty()) BOOST_TEST(at > written.back().at);
      BOOST_TEST(at < log->current_position());
      written.push_back({at, key, value});
      ends.push_back(log->current_position());
    }
    BOOST_TEST(written.back().at.segment_id > 2u);
    for (int again = 0; again < 2; ++again) {
      for (std::size_t i = 0; i < written.size(); i += 7) {
        const std::vector<found> rest(written.begin() + static_cast<std::ptrdiff_t>(i),
                                      written.end());
        BOOST_TEST((log.read_all(written[i].at) == rest));
        reader by_next = log->read_from(written[i].at);
        BOOST_TEST((run(log.io, read_by_next(&by_next)) == rest));
        // The end of one record is where the next is found.
        const std::vector<found> after(written.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                       written.end());
        BOOST_TEST((log.read_all(ends[i]) == after));
        reader one = log->read_from(written[i].at);
        const auto read = run(log.io, one.next());
        BOOST_REQUIRE(read);
        BOOST_TEST(one.at() == read->next);
        BOOST_TEST((log.read_all(read->next) == after));
      }
      log.reopen();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_position_where_no_record_starts_is_refused) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.segment_bytes_max = small_segment;
    log.open();
    std::vector<position> written;
    for (std::size_t i = 0; i < 100; ++i)
      written.push_back(log.append("k", std::string(1500, 'v')));
    const auto refused = [&](position at) {
      BOOST_TEST(code_of([&] { log.read_all(at); }) == errc::position_not_found, at);
    };
    for (int again = 0; again < 2; ++again) {
      refused({written[1].segment_id, written[1].offset + 8});
      refused({written[1].segment_id, written[1].offset + 1});
      refused({written[99].segment_id, written[99].offset + 8});
      refused({written[99].segment_id, written[99].offset + 100'000});
      refused({written[99].segment_id + 5, written[99].offset});
      log.reopen();
    }
    run(log.io, log->delete_segments_before(written[60]));
    refused(written[0]);
    BOOST_TEST((log.read_all().front().at >= written[0]));
    BOOST_TEST((log.read_all(written[60]).size() == 40u));
  }
}

BOOST_AUTO_TEST_CASE(next_and_next_batch_may_be_mixed) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  std::vector<found> written;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::string key = numbered("key", i);
    written.push_back({log.append(key, std::string(700, 'v')), key, std::string(700, 'v')});
  }
  read_options how;
  how.read_bytes = 4096;
  reader reading = log->read_from({}, how);
  std::vector<found> all;
  for (;;) {
    const auto one = run(log.io, reading.next());
    if (!one) break;
    all.push_back({one->at, std::string(one->key), std::string(one->value)});
    const auto some = run(log.io, reading.next_batch());
    for (const entry& each : some) {
      all.push_back({each.at, std::string(each.key), std::string(each.value)});
    }
  }
  BOOST_TEST((all == written));
}

BOOST_AUTO_TEST_CASE(try_append_takes_what_fits_and_says_when_it_would_block) {
  for (const flavour& each : policies()) {
    faults faults;
    log_in_scratch log(each.fsync);
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open(faults);
    log.append("first", "v");
    log.wind_down();
    faults.hold(operation::write);
    const std::string value(1000, 'v');
    record_view what;
    what.value = value;
    std::vector<position> taken;
    boost::system::error_code code;
    while (!code) {
      const auto at = log->try_append(what);
      if (at) {
        taken.push_back(*at);
      } else {
        code = at.error();
      }
      log.io.restart();
      log.io.poll();
    }
    BOOST_TEST(code == errc::would_block);
    // Framing included, no more than the buffer.
    BOOST_TEST(taken.size() > 20u);
    BOOST_TEST(taken.size() < 64u);
    faults.release();
    run(log.io, log->flush());
    BOOST_TEST(log->try_append(what).has_value());
    run(log.io, log->sync());
    BOOST_TEST(log.read_all().size() == taken.size() + 2);
  }
}

BOOST_AUTO_TEST_CASE(segments_keep_to_their_size) {
  for (const std::uint64_t bytes : {std::uint64_t{64} << 10, std::uint64_t{100} << 10}) {
    for (const bool preallocate : {true, false}) {
      log_in_scratch log(fsync_policy::os());
      log.options.segment_bytes_max = bytes;
      log.options.preallocate = preallocate;
      log.open();
      std::size_t count = 0;
      while (log->current_position().segment_id < 8) {
        log.append("k", std::string(900, 'v'));
        ++count;
      }
      BOOST_TEST(count * 1000 > 6 * bytes);
      run(log.io, log->sync());
      log.close();
      for (const auto& each : std::filesystem::directory_iterator(log.options.dir)) {
        BOOST_TEST(each.file_size() <= bytes, each.path());
      }
      log.options.verify = verification::everything;
      const recovery_info recovered = log.open();
      BOOST_TEST(recovered.valid_records == count);
      BOOST_TEST(recovered.segments == 8u);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
