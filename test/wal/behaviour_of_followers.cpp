// Readers that wait for more.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>

#include <cerrno>

#include "wal/wal_test.hpp"

namespace data = boost::unit_test::data;

namespace nori::wal_test {
namespace {

asio::awaitable<void> follow(reader* from, std::vector<found>* into, std::size_t count,
                             bool in_batches) {
  while (into->size() < count) {
    if (in_batches) {
      const std::span<const entry> some = co_await from->next_batch();
      for (const entry& each : some) {
        into->push_back({each.at, std::string(each.key), std::string(each.value)});
      }
    } else {
      const std::optional<entry> one = co_await from->next();
      into->push_back({one->at, std::string(one->key), std::string(one->value)});
    }
  }
}

asio::awaitable<void> append_several(wal* to, std::string stem, std::size_t count,
                                     std::size_t bytes, std::vector<found>* into) {
  const std::string value(bytes, 'v');
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = numbered(stem, i);
    record_view what;
    what.key = key;
    what.value = value;
    const position at = co_await to->append(what);
    into->push_back({at, key, value});
  }
}

read_options following(visibility sees = visibility::acknowledged) {
  read_options how;
  how.follow = true;
  how.sees = sees;
  return how;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(followers)

BOOST_DATA_TEST_CASE(a_follower_of_a_new_log_gets_its_first_record, data::make(flavours()),
                     flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.open();
  reader reading = log->read_from({}, following());
  std::vector<found> seen;
  task<void> running(log.io.get_executor(), follow(&reading, &seen, 1, false));
  const position at = log.append("k", "v");
  run_until(log.io, [&] { return running.done(); });
  running.get();
  BOOST_TEST(seen.front().at == at);
}

BOOST_AUTO_TEST_CASE(a_follower_gets_what_had_to_wait_for_its_segment) {
  for (const flavour& each : policies()) {
    faults faults;
    log_in_scratch log(each.fsync);
    // Nothing else happens that would wake it: there is no room for another segment.
    faults.fail(operation::allocate, ENOSPC, {}, 3, true);
    log.open(faults);
    reader reading = log->read_from({}, following());
    std::vector<found> seen;
    task<void> running(log.io.get_executor(), follow(&reading, &seen, 1, false));
    task<position> appending(log.io.get_executor(), log->append({"k", "v"}));
    run_until(log.io, [&] { return running.done() && appending.done(); });
    running.get();
    BOOST_TEST(seen.front().at == appending.get());
  }
}

BOOST_DATA_TEST_CASE(followers_see_everything_once_and_in_order, data::make(flavours()), flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.options.segment_bytes_max = small_segment;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open();
  std::vector<found> written;
  run(log.io, append_several(&*log, "before", 20, 500, &written));

  constexpr std::size_t writers = 8;
  const std::size_t each = scaled(60);
  const std::size_t total = 20 + writers * each;
  std::vector<reader> readers;
  std::vector<std::vector<found>> seen(4);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    read_options how = following(i == 3 ? visibility::durable : visibility::acknowledged);
    if (i == 1) how.read_bytes = 4096;
    readers.push_back(log->read_from({}, how));
  }
  std::vector<task<void>> all;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    all.emplace_back(log.io.get_executor(), follow(&readers[i], &seen[i], total, i % 2 == 0));
  }
  for (std::size_t i = 0; i < writers; ++i) {
    all.emplace_back(log.io.get_executor(),
                     append_several(&*log, numbered("w", i) + "-", each, i * 300, &written));
  }
  run_until(log.io, [&] { return written.size() == total; });
  run(log.io, log->sync());
  run_until(log.io, [&] {
    return std::all_of(all.begin(), all.end(), [](const auto& one) { return one.done(); });
  });
  for (auto& one : all) one.get();
  for (const auto& one : seen) BOOST_TEST((one == sorted(written)));
}

BOOST_AUTO_TEST_CASE(what_is_not_durable_is_not_shown_to_who_wants_durable) {
  for (const flavour& each : policies()) {
    faults faults;
    log_in_scratch log(each.fsync);
    log.open(faults);
    log.append("first", "v");
    run(log.io, log->sync());
    log.wind_down();
    const std::size_t before = log.read_all({}, following(visibility::durable).follow
                                                    ? read_options{false, visibility::durable}
                                                    : read_options{})
                                   .size();
    BOOST_TEST(before == 1u);
    faults.hold(operation::write);
    faults.hold(operation::sync);
    std::vector<found> written;
    task<void> appending(log.io.get_executor(), append_several(&*log, "k", 1, 10, &written));
    task<void> syncing(log.io.get_executor(), log->sync());
    log.io.restart();
    log.io.poll();
    read_options durable;
    durable.sees = visibility::durable;
    BOOST_TEST(log.read_all({}, durable).size() == 1u);
    const bool always = each.fsync.which() == fsync_policy::kind::always;
    BOOST_TEST(log.read_all().size() == (always ? 1u : 2u));
    faults.release();
    run_until(log.io, [&] { return appending.done() && syncing.done(); });
    run(log.io, log->sync());
    BOOST_TEST(log.read_all({}, durable).size() == 2u);
  }
}

BOOST_AUTO_TEST_CASE(a_batch_is_shown_whole_or_not_at_all) {
  for (const flavour& each : flavours()) {
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.options.segment_bytes_max = small_segment;
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open();
    log.append("first", "v");
    for (const visibility sees : {visibility::acknowledged, visibility::durable}) {
      for (std::size_t round = 0; round < 40; ++round) {
        const std::string value(1000, 'v');
        record_view one;
        one.value = value;
        const std::vector<record_view> batch(20, one);
        task<batch_positions> appending(log.io.get_executor(), log->append_batch(batch));
        while (!appending.done()) {
          log.io.restart();
          log.io.run_one();
          read_options how;
          how.sees = sees;
          // Reading runs the context, too; what it saw ends with a batch in any case.
          reader reading = log->read_from({}, how);
          bool complete = true;
          while (const auto read = run(log.io, reading.next())) complete = read->ends_batch;
          BOOST_TEST(complete);
        }
        appending.get();
        if (log->current_position().segment_id > 2) {
          run(log.io, log->delete_segments_before(log->current_position()));
        }
      }
    }
  }
}

BOOST_DATA_TEST_CASE(a_follower_that_was_cancelled_goes_on_with_the_same_record,
                     data::make(flavours()), flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.options.segment_bytes_max = small_segment;
  log.open();
  reader reading = log->read_from({}, following());
  std::vector<found> written;
  std::vector<found> seen;
  for (std::size_t round = 0; round < 50; ++round) {
    asio::cancellation_signal cancel;
    task<void> running(log.io.get_executor(), follow(&reading, &seen, written.size() + 1, false),
                       cancel.slot());
    log.io.restart();
    log.io.poll();
    BOOST_REQUIRE(!running.done());
    cancel.emit(asio::cancellation_type::terminal);
    run_until(log.io, [&] { return running.done(); });
    BOOST_TEST(code_of([&] { running.get(); }) == asio::error::operation_aborted);
    run(log.io, append_several(&*log, "k", 1, 2000, &written));
    run(log.io, follow(&reading, &seen, written.size(), false));
  }
  BOOST_TEST((seen == written));
}

BOOST_AUTO_TEST_CASE(a_follower_learns_that_the_log_failed_or_was_closed) {
  for (const flavour& each : policies()) {
    for (const bool fails : {true, false}) {
      faults faults;
      log_in_scratch log(each.fsync);
      log.open(faults);
      log.append("k", "v");
      run(log.io, log->sync());
      log.wind_down();
      reader reading = log->read_from({}, following());
      std::vector<found> seen;
      task<void> running(log.io.get_executor(), follow(&reading, &seen, 100, false));
      log.io.restart();
      log.io.poll();
      if (fails) {
        faults.fail(operation::write, EIO, ".segment", 1, true);
        faults.fail(operation::sync, EIO, ".segment", 1, true);
        code_of([&] {
          log.append("lost", "v");
          run(log.io, log->sync());
        });
      } else {
        run(log.io, log->close());
      }
      run_until(log.io, [&] { return running.done(); });
      const auto code = code_of([&] { running.get(); });
      BOOST_TEST(code == (fails ? errc::log_failed : errc::closed));
      BOOST_TEST(seen.size() >= 1u);
      log.crash();
    }
  }
}

BOOST_AUTO_TEST_CASE(who_reads_a_deleted_segment_reads_it_to_its_end) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  std::vector<found> written;
  run(log.io, append_several(&*log, "k", 200, 1000, &written));
  reader reading = log->read_from({});
  BOOST_REQUIRE(run(log.io, reading.next()));
  run(log.io, log->delete_segments_before(log->current_position()));
  // The blocks are used again for later segments, but not those that somebody reads.
  run(log.io, append_several(&*log, "later", 200, 1000, &written));
  std::size_t in_first = 0;
  for (const found& each : written) in_first += each.at.segment_id == 1 ? 1 : 0;
  std::size_t seen = 1;
  const auto code = code_of([&] {
    while (const auto read = run(log.io, reading.next())) {
      BOOST_TEST((read->at == written[seen].at && read->key == written[seen].key));
      ++seen;
    }
  });
  BOOST_TEST(code == errc::position_not_found);
  BOOST_TEST(seen == in_first);
}

BOOST_AUTO_TEST_CASE(readers_deletion_and_rotation_at_once) {
  log_in_scratch log(fsync_policy::os());
  log.options.segment_bytes_max = small_segment;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open();
  std::vector<found> written;
  const std::size_t total = scaled(2000);
  task<void> appending(log.io.get_executor(), append_several(&*log, "k", total, 400, &written));
  reader reading = log->read_from({}, following());
  std::vector<found> seen;
  task<void> running(log.io.get_executor(), follow(&reading, &seen, total, true));
  while (!appending.done()) {
    log.io.restart();
    for (int i = 0; i < 20; ++i) log.io.poll_one();
    // Everything that the follower has finished with.
    run(log.io, log->delete_segments_before(reading.at()));
  }
  appending.get();
  run_until(log.io, [&] { return running.done(); });
  running.get();
  BOOST_TEST((seen == written));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
