// A disk that is full, that fails, that lies and that stalls; a process without descriptors.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "support/allocations.hpp"
#include "support/child_process.hpp"
#include "support/mounted_tmpfs.hpp"
#include "wal/wal_test.hpp"

namespace data = boost::unit_test::data;

namespace nori::wal_test {
namespace {

using test::child_process;
using test::child_program;
using test::mounted_tmpfs;
using test::tell_parent;

std::vector<task<position>> append_at_once(log_in_scratch& log, std::size_t count,
                                           std::string_view value) {
  std::vector<task<position>> all;
  for (std::size_t i = 0; i < count; ++i) {
    record_view what;
    what.value = value;
    all.emplace_back(log.io.get_executor(), log->append(what));
  }
  return all;
}

template <typename Tasks>
bool all_done(const Tasks& all) {
  return std::all_of(all.begin(), all.end(), [](const auto& one) { return one.done(); });
}

void step(log_in_scratch& log) {
  log.io.restart();
  while (log.io.poll_one() != 0) {
  }
}

// With every kind of cancellation let through.
asio::awaitable<position> append_cancellable(wal* to, record_view what) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_return co_await to->append(what);
}

// arguments: directory, policy. Appends through rotations while descriptors run out, and says how
// many records it got in.
const child_program without_descriptors(
    "without_descriptors", [](const std::vector<std::string>& arguments) {
      asio::io_context io;
      config options(arguments.at(0));
      options.segment_bytes_max = small_segment;
      options.buffer_bytes_max = buffer_bytes_lowest;
      if (arguments.at(1) == "os") options.fsync = fsync_policy::os();
      if (arguments.at(1) == "always") options.fsync = fsync_policy::always();
      wal::opened opened = run(io, wal::open(options));
      const std::string value(1000, 'v');
      record_view what;
      what.value = value;
      std::vector<task<position>> all;
      for (int i = 0; i < 30; ++i) run(io, opened.log.append(what));
      // The second segment is ready, the third is not.
      run_until(io, [&] {
        const std::string bytes = bytes_of_file(options.dir / format::identity_file_name);
        const auto* const at = reinterpret_cast<const std::byte*>(bytes.data());
        return format::check_log_identity({at, bytes.size()}).identity.last_segment_id == 2;
      });
      rlimit before{};
      ::getrlimit(RLIMIT_NOFILE, &before);
      rlimit none = before;
      none.rlim_cur = 3;
      ::setrlimit(RLIMIT_NOFILE, &none);
      for (int i = 0; i < 300; ++i) all.emplace_back(io.get_executor(), opened.log.append(what));
      // What the segments that are ready can't take has to wait, and the rest has not.
      const auto done = [&] {
        return std::count_if(all.begin(), all.end(), [](const auto& one) { return one.done(); });
      };
      run_until(io, [&] { return done() >= 50; });
      // Several attempts at the next segment.
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
      io.restart();
      io.run_until(until);
      const bool waits = !all_done(all);
      ::setrlimit(RLIMIT_NOFILE, &before);
      run_until(io, [&] { return all_done(all); });
      std::size_t appended = 30;
      for (auto& one : all) {
        one.get();
        ++appended;
      }
      run(io, opened.log.close());
      tell_parent((waits ? "waited " : "did not wait ") + std::to_string(appended));
      return 0;
    });

// arguments: directory. The file size limit is below a segment.
const child_program with_small_files(
    "with_small_files", [](const std::vector<std::string>& arguments) {
      ::signal(SIGXFSZ, SIG_IGN);
      asio::io_context io;
      config options(arguments.at(0));
      options.buffer_bytes_max = buffer_bytes_lowest;
      options.segment_bytes_max = std::uint64_t{4} << 20;
      options.fsync = fsync_policy::always();
      rlimit limit{};
      ::getrlimit(RLIMIT_FSIZE, &limit);
      limit.rlim_cur = std::uint64_t{2} << 20;
      ::setrlimit(RLIMIT_FSIZE, &limit);
      wal::opened opened = run(io, wal::open(options));
      const std::string value(20'000, 'v');
      record_view what;
      what.value = value;
      std::size_t appended = 0;
      boost::system::error_code code;
      while (!code && appended < 200) {
        code = code_of([&] { run(io, opened.log.append(what)); });
        if (!code) ++appended;
      }
      limit.rlim_cur = limit.rlim_max;
      ::setrlimit(RLIMIT_FSIZE, &limit);
      const auto again = code_of([&] { run(io, opened.log.append(what)); });
      if (!again) ++appended;
      run(io, opened.log.close());
      const std::size_t found = run(io, wal::open(options)).recovered.valid_records;
      tell_parent(code.message() + ", then " + (again ? again.message() : "room") + ", " +
                  (found == appended && found > 50 ? "all there" : "records differ"));
      return 0;
    });

}  // namespace

BOOST_AUTO_TEST_SUITE(failures)

BOOST_DATA_TEST_CASE(a_full_disk_fails_the_append_and_not_the_log, data::make(flavours()),
                     flavour) {
  for (const int error : {ENOSPC, EDQUOT, EFBIG}) {
    if (error != ENOSPC && flavour.backend == backend::threads) continue;
    for (const bool preallocate : {true, false}) {
      faults faults;
      log_in_scratch log(flavour.fsync);
      log.options.backend = flavour.backend;
      log.options.segment_bytes_max = small_segment;
      log.options.buffer_bytes_max = buffer_bytes_lowest;
      log.options.preallocate = preallocate;
      log.open(faults);
      std::vector<position> written{log.append("first", "v")};
      log.wind_down();
      faults.fail(operation::allocate, error, {}, 1, true);
      const std::string value(1000, 'v');
      boost::system::error_code code;
      std::string text;
      while (!code) {
        code = code_of([&] { written.push_back(log.append("k", value)); }, &text);
      }
      BOOST_TEST(code == errc::no_space);
      BOOST_TEST(text.find(std::strerror(error)) != std::string::npos, text);
      BOOST_TEST(!log->failure());
      BOOST_TEST(log.read_all().size() == written.size());
      BOOST_TEST(code_of([&] { log.append("k", value); }) == errc::no_space);
      run(log.io, log->sync());
      // Idle, with its marker, if there is room for it.
      log.wind_down();
      BOOST_TEST(!log->failure());
      auto waiting = append_at_once(log, 10, value);
      run_until(log.io, [&] { return all_done(waiting); });
      for (auto& one : waiting) BOOST_TEST(code_of([&] { one.get(); }) == errc::no_space);
      // There is room again.
      faults.clear();
      for (int i = 0; i < 100; ++i) written.push_back(log.append("k", value));
      BOOST_TEST(log.read_all().size() == written.size());
      faults.fail(operation::allocate, error, {}, 1, true);
      while (!code_of([&] { written.push_back(log.append("k", value)); })) {
      }
      log.close();
      const recovery_info recovered = log.open();
      BOOST_TEST(recovered.clean_close);
      BOOST_TEST(recovered.valid_records == written.size());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_file_system_that_is_really_full) {
  const scratch_directory scratch;
  const mounted_tmpfs disk(scratch.path() / "disk", "size=2m,mode=0700");
  if (!disk.there()) {
    std::cout << "SKIP a_file_system_that_is_really_full: mounting a tmpfs: " << disk.why() << '\n';
    return;
  }
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.dir = scratch.path() / "disk" / "log";
    log.options.segment_bytes_max = std::uint64_t{256} << 10;
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open();
    std::size_t written = 0;
    boost::system::error_code code;
    while (!code) {
      code = code_of([&] { log.append("k", std::string(5000, 'v')); });
      if (!code) ++written;
    }
    BOOST_TEST(code == errc::no_space);
    BOOST_TEST(written > 200u);
    BOOST_TEST(log.read_all().size() == written);
    run(log.io, log->sync());
    // Recovery needs no more room than there is.
    log.crash();
    BOOST_TEST(log.open().valid_records == written);
    BOOST_TEST(log.read_all().size() == written);
    // Deleting makes room.
    run(log.io, log->delete_segments_before(log->current_position()));
    for (int i = 0; i < 50; ++i) log.append("k", std::string(5000, 'v'));
    log.close();
    log.open();
    log.close();
    std::filesystem::remove_all(log.options.dir);
  }
}

BOOST_AUTO_TEST_CASE(a_file_size_limit_is_no_space) {
  scratch_directory scratch;
  child_process child("with_small_files", {(scratch.path() / "log").string()});
  BOOST_TEST(child.read_rest() ==
             make_error_code(errc::no_space).message() + ", then room, all there");
  BOOST_TEST(child.wait() == 0);
}

BOOST_AUTO_TEST_CASE(without_descriptors_appends_wait_and_nothing_is_lost) {
  if (!test::allocations()) {
    std::cout << "SKIP without_descriptors_appends_wait_and_nothing_is_lost: a sanitizer needs "
                 "descriptors of its own\n";
    return;
  }
  for (const std::string policy : {"always", "batch", "os"}) {
    scratch_directory scratch;
    const std::string dir = (scratch.path() / "log").string();
    child_process child("without_descriptors", {dir, policy});
    BOOST_TEST(child.read_rest() == "waited 330");
    BOOST_TEST(child.wait() == 0);
    asio::io_context io;
    const config options(dir);
    wal::opened opened = run(io, wal::open(options));
    BOOST_TEST(opened.recovered.valid_records == 330u);
    run(io, opened.log.close());
  }
}

BOOST_DATA_TEST_CASE(a_failed_write_or_sync_fails_the_log_for_good, data::make(flavours()),
                     flavour) {
  for (const operation what : {operation::write, operation::sync}) {
    for (const int error : {EIO, ENOSPC}) {
      faults faults;
      log_in_scratch log(flavour.fsync);
      log.options.backend = flavour.backend;
      log.open(faults);
      log.append("first", "v");
      run(log.io, log->sync());
      log.wind_down();
      faults.hold(operation::write, ".segment");
      faults.fail(what, error, ".segment", 1, true);
      if (what == operation::sync)
        faults.fail(operation::durable_write, error, ".segment", 1, true);
      auto pending = append_at_once(log, 10, "pending");
      task<void> syncing(log.io.get_executor(), log->sync());
      step(log);
      auto later = append_at_once(log, 10, "later");
      step(log);
      faults.release();
      run_until(log.io, [&] { return all_done(pending) && all_done(later) && syncing.done(); });
      const bool always = flavour.fsync.which() == fsync_policy::kind::always;
      std::size_t acknowledged = 1;
      for (auto* const all : {&pending, &later}) {
        for (auto& one : *all) {
          std::string text;
          const auto code = code_of([&] { one.get(); }, &text);
          if (!code) ++acknowledged;
          if (always) BOOST_TEST(code == errc::append_in_doubt);
          if (code) BOOST_TEST(text.find(std::strerror(error)) != std::string::npos, text);
        }
      }
      if (always) {
        BOOST_TEST(acknowledged == 1u);
      } else {
        BOOST_TEST(acknowledged == 21u);
        BOOST_TEST(code_of([&] { syncing.get(); }) == errc::log_failed);
      }
      std::string text;
      BOOST_TEST(code_of([&] { log.append("after", "v"); }, &text) == errc::log_failed);
      BOOST_TEST(text.find(std::strerror(error)) != std::string::npos, text);
      BOOST_TEST(text.find(".segment") != std::string::npos, text);
      BOOST_TEST(log->failure().value() == error);
      BOOST_TEST(log->try_append({}).error() == errc::log_failed);
      BOOST_TEST(code_of([&] { run(log.io, log->delete_segments_before({9, 0})); }) ==
                 errc::log_failed);
      // The process lives: what was acknowledged as written is there.
      log.reopen();
      const auto found = log.read_all();
      BOOST_TEST(found.size() >= acknowledged);
      BOOST_TEST(found.size() <= 21u);
      log.append("again", "v");
    }
  }
}

BOOST_DATA_TEST_CASE(after_a_failed_sync_opening_believes_the_device_and_not_the_cache,
                     data::make(flavours()), flavour) {
  for (const bool loses_staging : {false, true}) {
    faults faults;
    log_in_scratch log(flavour.fsync);
    log.options.backend = flavour.backend;
    faults.lie_after_failed_sync(log.options.dir);
    log.open(faults);
    const std::string value(3000, 'v');
    for (int i = 0; i < 10; ++i) log.append("k", value);
    run(log.io, log->sync());
    log.wind_down();
    faults.fail(operation::sync, EIO, ".segment", 1, false);
    faults.fail(operation::durable_write, EIO, ".segment", 1, false);
    auto lost = append_at_once(log, 20, value);
    run_until(log.io, [&] { return all_done(lost); });
    code_of([&] { run(log.io, log->flush()); });
    code_of([&] { run(log.io, log->sync()); });
    log.crash();
    faults.clear();
    if (loses_staging) std::filesystem::remove(log.options.dir / format::staging_file_name);

    const recovery_info recovered = log.open(faults);
    BOOST_TEST(recovered.valid_records >= 10u);
    const auto promised = log.read_all();
    BOOST_TEST(promised.size() == recovered.valid_records);
    log.crash();
    // What this opening has found survives a power cut.
    faults.cut_power();
    log.open();
    BOOST_TEST((log.read_all() == promised));
  }
}

BOOST_DATA_TEST_CASE(short_writes_are_continued, data::make(flavours()), flavour) {
  for (const std::size_t bytes : {4096, 8192, 4608, 10'000}) {
    faults faults;
    log_in_scratch log(flavour.fsync);
    log.options.backend = flavour.backend;
    log.options.segment_bytes_max = small_segment;
    log.open(faults);
    std::vector<found> written;
    for (std::size_t i = 0; i < 40; ++i) {
      // A direct write that falls short within a block has to repeat the block.
      if (i == 3) faults.shorten_writes(bytes);
      const std::string value(i * 200, 'v');
      written.push_back({log.append("k", value), "k", value});
    }
    run(log.io, log->sync());
    faults.shorten_writes(0);
    log.close();
    log.options.verify = verification::everything;
    log.open();
    BOOST_TEST((log.read_all() == written));
  }
}

BOOST_DATA_TEST_CASE(a_stalled_disk_makes_appends_wait_within_the_buffer, data::make(flavours()),
                     flavour) {
  faults faults;
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open(faults);
  log.append("first", "v");
  log.wind_down();
  faults.hold(operation::write, ".segment");
  faults.hold(operation::sync, ".segment");
  const std::string value(1000, 'v');
  auto all = append_at_once(log, 300, value);
  step(log);
  const auto done = std::count_if(all.begin(), all.end(), [](const auto& t) { return t.done(); });
  const bool always = flavour.fsync.which() == fsync_policy::kind::always;
  // No more than the buffer takes; what waits costs nothing but its coroutine.
  BOOST_TEST(done <= 63);
  if (always) BOOST_TEST(done == 0);
  if (!always) BOOST_TEST(done > 30);
  record_view what;
  what.value = value;
  BOOST_TEST(log->try_append(what).error() == errc::would_block);
  BOOST_TEST((log->current_position().offset - 8192 <= buffer_bytes_lowest + 2000));
  run_until(log.io, [&] { return faults.held() != 0; });
  BOOST_TEST(log->try_append(what).error() == errc::would_block);
  faults.release();
  run_until(log.io, [&] { return all_done(all); });
  position before;
  for (auto& one : all) {
    const position at = one.get();
    BOOST_TEST(at > before);
    before = at;
  }
  log.reopen();
  BOOST_TEST(log.read_all().size() == 301u);
}

BOOST_AUTO_TEST_CASE(cancelling_an_append_before_its_batch_is_submitted_takes_it_out) {
  faults faults;
  log_in_scratch log;
  log.open(faults);
  log.append("first", "v");
  log.wind_down();
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                          asio::cancellation_type::total}) {
    faults.hold(operation::write, ".segment");
    task<position> submitted(log.io.get_executor(), log->append({"submitted", "v"}));
    run_until(log.io, [&] { return faults.held() == 1; });
    asio::cancellation_signal cancel;
    task<position> before(log.io.get_executor(), log->append({"before", "v"}));
    task<position> cancelled(log.io.get_executor(), append_cancellable(&*log, {"cancelled", "v"}),
                             cancel.slot());
    task<position> after(log.io.get_executor(), log->append({"after", "v"}));
    step(log);
    cancel.emit(type);
    run_until(log.io, [&] { return cancelled.done(); });
    BOOST_TEST(code_of([&] { cancelled.get(); }) == asio::error::operation_aborted);
    BOOST_TEST(!before.done());
    faults.release();
    run_until(log.io, [&] { return submitted.done() && before.done() && after.done(); });
    submitted.get();
    before.get();
    after.get();
  }
  std::vector<std::string> expected{"first"};
  for (int i = 0; i < 3; ++i) {
    for (const char* key : {"submitted", "before", "after"}) expected.emplace_back(key);
  }
  for (int again = 0; again < 2; ++again) {
    std::vector<std::string> keys;
    for (const found& each : log.read_all()) keys.push_back(each.key);
    BOOST_TEST(keys == expected, boost::test_tools::per_element());
    BOOST_TEST(log.reopen().valid_records == expected.size());
  }
}

BOOST_AUTO_TEST_CASE(cancelling_an_append_that_was_submitted_leaves_it_in_doubt) {
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                          asio::cancellation_type::total}) {
    faults faults;
    log_in_scratch log;
    log.open(faults);
    log.append("first", "v");
    log.wind_down();
    faults.hold(operation::write, ".segment");
    asio::cancellation_signal cancel;
    task<position> appending(log.io.get_executor(), append_cancellable(&*log, {"k", "v"}),
                             cancel.slot());
    run_until(log.io, [&] { return faults.held() == 1; });
    cancel.emit(type);
    step(log);
    // Total cancellation promises that nothing has happened: that can't be kept any more.
    BOOST_TEST(appending.done() == (type != asio::cancellation_type::total));
    faults.release();
    run_until(log.io, [&] { return appending.done(); });
    const auto code = code_of([&] { appending.get(); });
    if (type == asio::cancellation_type::total) {
      BOOST_TEST(!code);
    } else {
      BOOST_TEST(code == errc::append_in_doubt);
    }
    log.append("later", "v");
    BOOST_TEST(log.read_all().size() == 3u);
  }
}

BOOST_DATA_TEST_CASE(cancelling_an_append_that_waits_for_room_leaves_no_trace,
                     data::make(flavours()), flavour) {
  faults faults;
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open(faults);
  log.append("first", "v");
  log.wind_down();
  faults.hold(operation::write, ".segment");
  const std::string value(1000, 'v');
  auto filling = append_at_once(log, 100, value);
  step(log);
  std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
  std::vector<task<position>> cancelled;
  for (std::size_t i = 0; i < 20; ++i) {
    signals.push_back(std::make_unique<asio::cancellation_signal>());
    cancelled.emplace_back(log.io.get_executor(), append_cancellable(&*log, {"cancelled", value}),
                           signals.back()->slot());
  }
  task<position> last(log.io.get_executor(), log->append({"last", "v"}));
  step(log);
  for (std::size_t i = 0; i < 20; ++i) {
    signals[i]->emit(i % 3 == 0   ? asio::cancellation_type::terminal
                     : i % 3 == 1 ? asio::cancellation_type::partial
                                  : asio::cancellation_type::total);
  }
  run_until(log.io, [&] { return all_done(cancelled); });
  for (auto& one : cancelled) {
    BOOST_TEST(code_of([&] { one.get(); }) == asio::error::operation_aborted);
  }
  faults.release();
  run_until(log.io, [&] { return all_done(filling) && last.done(); });
  last.get();
  log.reopen();
  const auto found = log.read_all();
  BOOST_TEST(found.size() == 102u);
  BOOST_TEST(found.back().key == "last");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
