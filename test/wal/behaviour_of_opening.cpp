// Opening, closing, and going away without closing.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>

#include <cerrno>
#include "wal/wal_test.hpp"

namespace data = boost::unit_test::data;

namespace nori::wal_test {
namespace {

asio::awaitable<void> append_one(wal* to, std::string key) {
  record_view what;
  what.key = key;
  co_await to->append(what);
}

asio::awaitable<void> append_for_ever(std::shared_ptr<wal::opened> to) {
  for (;;) co_await append_one(&to->log, "k");
}

asio::awaitable<void> follow_for_ever(std::shared_ptr<reader> from) {
  for (;;) co_await from->next();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(opening)

BOOST_DATA_TEST_CASE(a_closed_log_opens_as_it_was, data::make(flavours()), flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  BOOST_TEST(log.open().created);
  BOOST_TEST((log->backend() == flavour.backend));
  std::vector<found> written;
  for (std::size_t round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < 20; ++i) {
      const std::string key = numbered("key", round * 100 + i);
      written.push_back({log.append(key, "value"), key, "value"});
    }
    log.close();
    const recovery_info recovered = log.open();
    BOOST_TEST(!recovered.created);
    BOOST_TEST(recovered.clean_close);
    BOOST_TEST(recovered.valid_records == written.size());
    BOOST_TEST(recovered.segments == 1u);
    BOOST_TEST(recovered.bytes_truncated == 0u);
    BOOST_TEST(recovered.bytes_from_staging == 0u);
    BOOST_TEST(recovered.last_valid_position.value() == written.back().at);
    BOOST_TEST(log.read_all() == written);
  }
}

BOOST_DATA_TEST_CASE(every_policy_opens_what_every_other_left, data::make(flavours()), flavour) {
  for (const struct flavour& next : policies()) {
    for (const bool crashes : {false, true}) {
      log_in_scratch log(flavour.fsync);
      log.options.backend = flavour.backend;
      log.open();
      std::vector<found> written;
      for (std::size_t i = 0; i < 50; ++i) {
        const std::string key = numbered("key", i);
        written.push_back({log.append(key, "value"), key, "value"});
      }
      if (crashes) {
        log.crash();
      } else {
        log.close();
      }
      for (std::size_t again = 0; again < 2; ++again) {
        log.options.fsync = next.fsync;
        log.open();
        BOOST_TEST(log.read_all() == written);
        written.push_back({log.append("more", "value"), "more", "value"});
        BOOST_TEST(log.read_all() == written);
        log.crash();
      }
    }
  }
}

BOOST_DATA_TEST_CASE(the_first_append_of_an_idle_new_log_completes, data::make(flavours()),
                     flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.open();
  log.wind_down();
  log.append("k", "v");
  log.wind_down();
  log.append("k", "v");
  run(log.io, log->sync());
  log.wind_down();
  log.append("k", "v");
  log.close();
}

BOOST_AUTO_TEST_CASE(a_log_that_nothing_was_appended_to_opens_again) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.open();
    BOOST_TEST(log.read_all().empty());
    log.close();
    BOOST_TEST(log.open().valid_records == 0u);
    log.reopen();
    log.wind_down();
    log.reopen();
    const position at = log.append("k", "v");
    BOOST_TEST(at.segment_id == 1u);
    BOOST_TEST(log.read_all().size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(what_recovery_kept_is_marked_by_closing) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.open();
    log.append("k", "v");
    log.reopen();
    log.close();
    BOOST_TEST(log.open().clean_close);
    BOOST_TEST(log.read_all().size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(a_bad_value_of_each_option_is_refused_by_name) {
  const auto refused = [](const char* name, void (*spoil)(config&)) {
    log_in_scratch log;
    spoil(log.options);
    std::string text;
    const auto code = code_of([&] { log.open(); }, &text);
    BOOST_TEST(code == errc::invalid_config, name);
    BOOST_TEST(text.find(std::string("config.") + name) != std::string::npos, text);
    BOOST_TEST(!std::filesystem::exists(log.scratch.path() / "log"));
  };
  refused("dir", [](config& c) { c.dir.clear(); });
  refused("segment_bytes_max",
          [](config& c) { c.segment_bytes_max = segment_bytes_lowest - 4096; });
  refused("segment_bytes_max",
          [](config& c) { c.segment_bytes_max = segment_bytes_highest + 4096; });
  refused("segment_bytes_max", [](config& c) { c.segment_bytes_max = segment_bytes_lowest + 1; });
  refused("buffer_bytes_max", [](config& c) { c.buffer_bytes_max = buffer_bytes_lowest / 2; });
  refused("buffer_bytes_max", [](config& c) { c.buffer_bytes_max = buffer_bytes_lowest * 3; });
  refused("buffer_bytes_max", [](config& c) { c.buffer_bytes_max = buffer_bytes_highest * 2; });
  refused("record_bytes_max", [](config& c) { c.record_bytes_max = c.buffer_bytes_max / 2 + 1; });
  refused("fsync", [](config& c) { c.fsync = fsync_policy::batch(std::chrono::milliseconds(0)); });
  refused("fsync", [](config& c) { c.fsync = fsync_policy::batch(std::chrono::milliseconds(-1)); });
  refused("fsync", [](config& c) { c.fsync = fsync_policy::batch(std::chrono::hours(2)); });
  refused("backend", [](config& c) { c.backend = static_cast<backend>(9); });
  refused("recovery", [](config& c) { c.recovery = static_cast<recovery_mode>(9); });
  refused("verify", [](config& c) { c.verify = static_cast<verification>(9); });
  refused("access", [](config& c) { c.access = static_cast<access>(9); });
  refused("recovery", [](config& c) {
    c.access = access::read_only;
    c.recovery = recovery_mode::salvage;
  });
}

BOOST_AUTO_TEST_CASE(the_chosen_limits_can_be_asked_for) {
  log_in_scratch log;
  log.options.node_id = 7;
  log.open();
  BOOST_TEST(log->config().record_bytes_max == log.options.buffer_bytes_max / 2);
  BOOST_TEST(log->config().node_id == 7u);
  log.append("k", "v");
  log.close();
  const std::string file = bytes_of_file(log.file_of(1));
  const auto* const bytes = reinterpret_cast<const std::byte*>(file.data());
  const auto check = format::check_segment_header({bytes, file.size()});
  BOOST_TEST(check.header.node_id == 7u);
  BOOST_TEST(check.header.record_bytes_max == log.options.buffer_bytes_max / 2);
}

BOOST_AUTO_TEST_CASE(a_closed_log_refuses_and_closing_again_does_nothing) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.open();
    const position at = log.append("k", "v");
    task<void> first(log.io.get_executor(), log->close());
    task<void> second(log.io.get_executor(), log->close());
    run_until(log.io, [&] { return first.done() && second.done(); });
    first.get();
    second.get();
    run(log.io, log->close());
    BOOST_TEST(code_of([&] { log.append("k", "v"); }) == errc::closed);
    BOOST_TEST(log->try_append({}).error() == errc::closed);
    BOOST_TEST(code_of([&] { run(log.io, log->delete_segments_before(at)); }) == errc::closed);
    // Everything is durable: there is nothing to wait for.
    run(log.io, log->sync());
    run(log.io, log->flush());
    run(log.io, log->wait_durable(at));
    BOOST_TEST(log.read_all().size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(closing_lets_pending_appends_complete) {
  for (const flavour& each : flavours()) {
    for (const std::size_t bytes : {10, 3000}) {
      log_in_scratch log(each.fsync);
      log.options.backend = each.backend;
      log.options.segment_bytes_max = small_segment;
      log.options.buffer_bytes_max = buffer_bytes_lowest;
      log.open();
      std::vector<task<position>> all;
      const std::string value(bytes, 'v');
      for (std::size_t i = 0; i < 200; ++i) {
        record_view what;
        what.value = value;
        all.emplace_back(log.io.get_executor(), log->append(what));
      }
      log.io.restart();
      log.io.poll_one();
      task<void> closing(log.io.get_executor(), log->close());
      run_until(log.io, [&] { return closing.done(); });
      closing.get();
      log.crash();
      std::size_t appended = 0;
      for (auto& one : all) {
        BOOST_REQUIRE(one.done());
        const auto code = code_of([&] { one.get(); });
        BOOST_TEST((!code || code == errc::closed));
        if (!code) ++appended;
      }
      const recovery_info recovered = log.open();
      BOOST_TEST(recovered.clean_close);
      BOOST_TEST(recovered.valid_records == appended);
      if (bytes == 10) BOOST_TEST(appended > 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_log_destroyed_with_appends_pending_opens_again_at_once) {
  for (const flavour& each : flavours()) {
    for (std::size_t round = 0; round < scaled(10); ++round) {
      log_in_scratch log(each.fsync);
      log.options.backend = each.backend;
      log.options.buffer_bytes_max = buffer_bytes_lowest;
      log.open();
      log.append("first", "v");
      std::vector<task<position>> all;
      const std::string value(1000, 'v');
      for (std::size_t i = 0; i < 150; ++i) {
        record_view what;
        what.value = value;
        all.emplace_back(log.io.get_executor(), log->append(what));
      }
      for (std::size_t i = 0; i < round * 3; ++i) {
        log.io.restart();
        log.io.poll_one();
      }
      // No wind_down in between: opening waits for what is in flight.
      wal::opened next = [&] {
        {
          const wal gone = std::move(*log);
        }
        return run(log.io, wal::open(log.options));
      }();
      run_until(log.io, [&] {
        return std::all_of(all.begin(), all.end(), [](const auto& one) { return one.done(); });
      });
      std::size_t acknowledged = 1;
      std::size_t in_doubt = 0;
      for (auto& one : all) {
        const auto code = code_of([&] { one.get(); });
        if (!code) ++acknowledged;
        if (code == errc::append_in_doubt) ++in_doubt;
        BOOST_TEST((!code || code == errc::append_in_doubt || code == errc::closed ||
                    code == asio::error::operation_aborted));
      }
      BOOST_TEST(next.recovered.valid_records >= acknowledged);
      BOOST_TEST(next.recovered.valid_records <= acknowledged + in_doubt);
      run(log.io, next.log.close());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_reader_that_outlives_an_abandoned_log_does_not_keep_the_directory) {
  log_in_scratch log;
  log.open();
  log.append("k", "v");
  reader left = log->read_from({});
  const auto first = run(log.io, left.next());
  BOOST_REQUIRE(first);
  log.reopen();
  log.append("k2", "v");
  // It saw the log as it was.
  BOOST_TEST(!run(log.io, left.next()));
  BOOST_TEST(log.read_all().size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_reader_outlives_a_closed_log) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  for (std::size_t i = 0; i < 100; ++i) log.append(numbered("k", i), std::string(1500, 'v'));
  reader left = log->read_from({});
  read_options how;
  how.follow = true;
  reader follower = log->read_from({}, how);
  BOOST_REQUIRE(run(log.io, left.next()));
  log.close();
  BOOST_TEST(run(log.io, read_rest(&left)).size() == 99u);
  for (std::size_t i = 0; i < 100; ++i) BOOST_REQUIRE(run(log.io, follower.next()));
  BOOST_TEST(code_of([&] { run(log.io, follower.next()); }) == errc::closed);
}

BOOST_AUTO_TEST_CASE(the_context_goes_away_with_everything_pending) {
  for (const flavour& each : flavours()) {
    for (std::size_t steps = 0; steps < scaled(60); steps += 3) {
      scratch_directory scratch;
      config options(scratch.path() / "log");
      options.fsync = each.fsync;
      options.backend = each.backend;
      options.segment_bytes_max = small_segment;
      options.buffer_bytes_max = buffer_bytes_lowest;
      {
        asio::io_context io;
        auto opened = std::make_shared<wal::opened>(run(io, wal::open(options)));
        read_options how;
        how.follow = true;
        auto follower = std::make_shared<reader>(opened->log.read_from({}, how));
        for (std::size_t i = 0; i < 8; ++i) {
          asio::co_spawn(io, append_for_ever(opened), asio::detached);
        }
        asio::co_spawn(io, follow_for_ever(follower), asio::detached);
        const bool closes = steps % 2 == 1;
        if (closes) asio::co_spawn(io, opened->log.close(), asio::detached);
        for (std::size_t i = 0; i < steps; ++i) {
          io.restart();
          io.poll_one();
        }
        // The coroutines are destroyed with the context, before or after the last handle.
        if (steps % 4 < 2) {
          const wal first = std::move(opened->log);
        }
      }
      asio::io_context io;
      wal::opened again = run(io, wal::open(options));
      run(io, again.log.close());
    }
  }
}

BOOST_AUTO_TEST_CASE(opening_that_is_abandoned_or_cancelled_lets_go_of_the_directory) {
  log_in_scratch log(fsync_policy::os());
  log.options.segment_bytes_max = small_segment;
  log.open();
  for (std::size_t i = 0; i < 100; ++i) log.append("k", std::string(1500, 'v'));
  log.crash();
  const snapshot crashed = snapshot_of(log.options.dir);
  for (std::size_t steps = 0; steps < 100; steps += 5) {
    restore(log.options.dir, crashed);
    {
      asio::io_context io;
      const task<wal::opened> opened(io.get_executor(), wal::open(log.options));
      for (std::size_t i = 0; i < steps; ++i) io.run_one_for(std::chrono::milliseconds(1));
    }
    {
      asio::io_context io;
      asio::cancellation_signal cancel;
      task<wal::opened> opened(io.get_executor(), wal::open(log.options), cancel.slot());
      for (std::size_t i = 0; i < steps; ++i) io.run_one_for(std::chrono::milliseconds(1));
      cancel.emit(asio::cancellation_type::terminal);
      run_until(io, [&] { return opened.done(); });
      const auto code = code_of([&] { opened.get(); });
      BOOST_TEST((!code || code == asio::error::operation_aborted));
    }
    BOOST_TEST(log.open().valid_records == 100u);
    log.crash();
  }
}

BOOST_DATA_TEST_CASE(a_context_has_nothing_to_do_while_its_log_is_idle, data::make(flavours()),
                     flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.open();
  log.append("k", "v");
  log.wind_down();
  BOOST_TEST(log.io.stopped());
  log.append("k", "v");
  log.wind_down();
  BOOST_TEST(log.io.stopped());
}

BOOST_AUTO_TEST_CASE(an_idle_log_is_marked_so_that_its_last_batch_is_not_ambiguous) {
  for (const fsync_policy policy :
       {fsync_policy::always(), fsync_policy::batch(std::chrono::milliseconds(5))}) {
    log_in_scratch log(policy);
    log.open();
    const position at = log.append("k", std::string(100, 'v'));
    log.wind_down();
    log.crash();
    // It would have the same bytes, and they are sound.
    std::filesystem::remove(log.options.dir / format::staging_file_name);
    flip_bit(log.file_of(1), at.offset + 50);
    BOOST_TEST(code_of([&] { log.open(); }) == errc::corruption);
  }
}

// The kernel fills what is asked for behind the end of a file, however much that is.
BOOST_AUTO_TEST_CASE(recovery_asks_for_no_more_than_a_segment_has) {
  for (const flavour& flavour : policies()) {
    faults through;  // must outlive the log
    log_in_scratch log(flavour.fsync);
    log.options.segment_bytes_max = small_segment;
    log.open();
    for (int i = 0; i < 20; ++i) log.append("k", std::string(10'000, 'v'));
    log.crash();
    log.open(through);
    std::size_t reads = 0;
    for (const faults::event& each : through.events()) {
      if (each.what != operation::read || !each.name.ends_with(".segment")) continue;
      ++reads;
      BOOST_TEST(each.offset + each.bytes <= small_segment);
    }
    BOOST_TEST(reads != 0u);
  }
}

BOOST_AUTO_TEST_CASE(no_frame_ends_behind_the_segment_though_it_is_filled_to_the_brim) {
  // Sizes around the last that fits, then idle, then closed: two markers may follow the record.
  for (std::size_t spare = 0; spare <= 128; spare += 16) {
    log_in_scratch log;
    log.options.segment_bytes_max = small_segment;
    log.open();
    const position begin = log.append("k", std::string(30'000, 'v'));
    const std::size_t left = small_segment - log->current_position().offset;
    const position at = log.append("k", std::string(left - 40 - spare, 'v'));
    log.wind_down();
    log.close();
    BOOST_TEST(std::filesystem::file_size(log.file_of(1)) <= small_segment);
    log.open();
    BOOST_TEST(log.read_all().size() == 2u);
    log.crash();
    log.open();
    log.close();
    BOOST_TEST(std::filesystem::file_size(log.file_of(1)) <= small_segment);
    log.open();
    log.append("k", "v");
    BOOST_TEST(log.read_all().size() == 3u);
    BOOST_TEST(begin.segment_id == 1u);
    BOOST_TEST(at.segment_id >= 1u);
  }
}

// Whatever a reader reads, more has been appended by the time it reads on.
BOOST_DATA_TEST_CASE(what_is_appended_while_a_log_is_opened_for_reading_is_no_damage,
                     data::make(policies()), flavour) {
  faults slow;  // must outlive the log's context
  log_in_scratch log(flavour.fsync);
  log.open();
  log.append("k", "v");
  config options = log.options;
  options.access = access::read_only;
  const auto hold = [&] { slow.hold(operation::read, ".segment"); };
  hold();
  task<wal::opened> reading(
      log.io.get_executor(),
      log::open(options, slow.storage_in(options.dir, options.backend, true)));
  std::uint64_t appended = 1;
  while (!reading.done()) {
    run_until(log.io, [&] { return reading.done() || slow.held() > 0; });
    for (int i = 0; i < 4; ++i, ++appended) log.append("k", "v");
    run(log.io, log->flush());
    slow.release();
    hold();
  }
  slow.release();
  wal::opened opened = reading.get();
  BOOST_TEST(opened.recovered.valid_records > 0u);
  BOOST_TEST(opened.recovered.valid_records < appended);
  BOOST_TEST(opened.recovered.bytes_truncated == 0u);
  nori::reader all = opened.log.read_from({});
  BOOST_TEST(run(log.io, read_rest(&all)).size() == opened.recovered.valid_records);
}

// The limit is raised between two lives, in the midst of a segment.
BOOST_AUTO_TEST_CASE(a_record_that_a_raised_limit_allows_can_be_read) {
  log_in_scratch log;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open();
  log.append("key", "value");
  log.close();
  log.options.buffer_bytes_max = std::size_t{1} << 20;
  log.open();
  const std::string large(100'000, 'l');
  log.append("large", large);
  log.append("key", "value");
  log.close();
  log.open();
  const auto code = code_of([&] {
    const auto all = log.read_all();
    BOOST_TEST(all.size() == 3u);
  });
  BOOST_TEST(!code, code.message());
}

BOOST_AUTO_TEST_CASE(any_limits_of_any_life_lose_nothing) {
  random_source random;
  for (std::size_t round = 0; round < scaled(40); ++round) {
    log_in_scratch log;
    std::vector<found> all;
    std::string history;
    for (int life = 0; life < 6; ++life) {
      log.options.segment_bytes_max = small_segment << random.below(4);
      log.options.buffer_bytes_max = buffer_bytes_lowest << random.below(5);
      const std::size_t most = std::min<std::uint64_t>(log.options.buffer_bytes_max / 2,
                                                       log.options.segment_bytes_max / 2);
      log.options.record_bytes_max = random.below(2) == 0 ? 0 : 1 + random.below(most);
      log.options.preallocate = random.below(2) == 0;
      log.options.fsync = policies()[random.below(3)].fsync;
      log.options.verify =
          random.below(2) == 0 ? verification::everything : verification::active_segment;
      history += " | segment " + std::to_string(log.options.segment_bytes_max) + " buffer " +
                 std::to_string(log.options.buffer_bytes_max) + " record " +
                 std::to_string(log.options.record_bytes_max) + " policy " +
                 std::to_string(static_cast<int>(log.options.fsync.which()));
      BOOST_TEST_CONTEXT(history) {
        {
          config beside(log.options);
          beside.access = access::read_only;
          beside.buffer_bytes_max = buffer_bytes_lowest;
          beside.record_bytes_max = 0;
          if (life != 0) {
            wal::opened only = run(log.io, wal::open(beside));
            reader reading = only.log.read_from(position{});
            BOOST_REQUIRE(run(log.io, read_rest(&reading)) == all);
          }
        }
        const recovery_info info = log.open();
        BOOST_REQUIRE_EQUAL(info.valid_records, all.size());
        BOOST_REQUIRE(log.read_all() == all);
        const std::size_t limit = log->config().record_bytes_max;
        for (std::size_t i = random.below(30); i != 0; --i) {
          const std::size_t bytes = random.below(4) == 0
                                        ? random.below(limit + 1)
                                        : random.below(std::min<std::size_t>(limit, 2000) + 1);
          const std::string value(bytes, static_cast<char>('a' + random.below(26)));
          all.push_back({log.append("", value), "", value});
        }
        BOOST_REQUIRE(log.read_all() == all);
        if (random.below(2) == 0) {
          log.close();
        } else {
          log.crash();
        }
      }
    }
  }
}

// No segment was begun, the first has a high number, and there is a staging file.
BOOST_AUTO_TEST_CASE(opening_looks_for_no_segments_before_the_first) {
  log_in_scratch log(fsync_policy::os());
  std::filesystem::create_directory(log.options.dir);
  std::filesystem::permissions(log.options.dir, std::filesystem::perms::owner_all);
  format::log_identity identity;
  identity.log[0] = 7;
  identity.first_segment_id = identity.last_segment_id = 100'000;
  std::string bytes(format::log_identity_bytes, 0);
  format::store_log_identity(reinterpret_cast<std::byte*>(bytes.data()), identity);
  write_file(log.options.dir / "log", bytes);
  write_file(log.file_of(100'000), std::string(small_segment, 0));
  write_file(log.options.dir / "staging", std::string(1 << 20, 'x'));
  const auto began = std::chrono::steady_clock::now();
  log.open();
  const auto took = std::chrono::steady_clock::now() - began;
  BOOST_TEST((took < std::chrono::seconds(2)));
  log.append("key", "value");
  log.close();
}

// FORMAT.md, recovery, row 8: no torn tail.
BOOST_AUTO_TEST_CASE(a_frame_of_a_later_version_at_the_end_is_not_cut_off) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  log.append("key", "value");
  log.append("later", "value");
  const std::uint64_t end = log->current_position().offset;
  log.crash();
  // The last record becomes a frame of kind 9, whose sum is right.
  std::string bytes = bytes_of_file(log.file_of(1));
  const std::uint64_t at = format::segment_header_bytes + 40;
  BOOST_REQUIRE_LT(at, end);
  auto* const data = reinterpret_cast<std::byte*>(bytes.data());
  const auto identity = format::check_segment_header({data, bytes.size()}).header;
  format::frame_header header = format::load_frame_header(data + at);
  for (std::uint64_t next = format::segment_header_bytes;
       (header = format::load_frame_header(data + next),
       next + format::frame_bytes(header.length)) < end;) {
    next += format::frame_bytes(header.length);
    if (next + format::frame_bytes(format::load_frame_header(data + next).length) >= end) {
      header = format::load_frame_header(data + next);
      header.kind = static_cast<format::frame_kind>(9);
      format::seal_frame(data + next, header, format::segment_seed(identity.log, 1));
      break;
    }
  }
  write_file(log.file_of(1), bytes);
  const auto code = code_of([&] { const auto info = log.open(); });
  BOOST_TEST(code == make_error_code(errc::unsupported_format), code.message());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
