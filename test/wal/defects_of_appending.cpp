// What nori-wal got wrong when it appended, by the number in its list of defects.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <set>

#include "support/child_process.hpp"
#include "wal/wal_test.hpp"

namespace nori::wal_test {
namespace {

using test::child_process;
using test::child_program;
using test::tell_parent;

asio::awaitable<void> append_and_note(wal* to, std::string key, std::string value,
                                      std::vector<found>* acknowledged) {
  record_view what;
  what.key = key;
  what.value = value;
  const position at = co_await to->append(what);
  acknowledged->push_back({at, std::move(key), std::move(value)});
}

std::vector<task<void>> append_at_once(log_in_scratch& log, std::size_t count, std::size_t bytes,
                                       std::vector<found>& acknowledged) {
  std::vector<task<void>> all;
  for (std::size_t i = 0; i < count; ++i) {
    all.emplace_back(
        log.io.get_executor(),
        append_and_note(&*log, numbered("key", i),
                        std::string(bytes, static_cast<char>('a' + i % 26)), &acknowledged));
  }
  return all;
}

void run_all(log_in_scratch& log, std::vector<task<void>>& all) {
  run_until(log.io, [&] {
    return std::all_of(all.begin(), all.end(), [](const auto& each) { return each.done(); });
  });
}

// arguments: directory. Appends one record under os, says so, and is killed at once.
const child_program os_killed("os_killed", [](const std::vector<std::string>& arguments) {
  asio::io_context io;
  config options(arguments.at(0));
  options.fsync = fsync_policy::os();
  wal::opened opened = run(io, wal::open(options));
  for (std::size_t i = 0; i < 100; ++i) {
    record_view what;
    const std::string key = numbered("key", i);
    what.key = key;
    run(io, opened.log.append(what));
  }
  ::kill(::getpid(), SIGKILL);
  return 0;
});

// arguments: directory. Says with which code opening ends.
const child_program opens("opens", [](const std::vector<std::string>& arguments) {
  asio::io_context io;
  const config options(arguments.at(0));
  const auto code = code_of([&] { run(io, wal::open(options)); });
  tell_parent(code ? code.message() : "opened");
  return 0;
});

}  // namespace

BOOST_AUTO_TEST_SUITE(defects)

BOOST_AUTO_TEST_CASE(defect_01_a_failed_write_is_not_acknowledged) {
  for (const int error : {EIO, ENOSPC, EDQUOT, EFBIG}) {
    for (const std::uint64_t kth : {1, 2, 3}) {
      faults faults;
      log_in_scratch log;
      log.open(faults);
      std::vector<std::string> acknowledged;
      faults.fail(operation::durable_write, error, ".segment", kth);
      boost::system::error_code code;
      for (std::size_t i = 0; !code; ++i) {
        code = code_of([&] { log.append(numbered("k", i), "v"); });
        if (!code) acknowledged.push_back(numbered("k", i));
      }
      BOOST_TEST(code == errc::append_in_doubt);
      BOOST_TEST(acknowledged.size() == kth - 1);
      BOOST_TEST(code_of([&] { log.append("later", "v"); }) == errc::log_failed);
      BOOST_TEST(log->failure().value() == error);
      log.reopen();
      const auto all = log.read_all();
      BOOST_REQUIRE(all.size() == acknowledged.size());
      for (std::size_t i = 0; i < all.size(); ++i) BOOST_TEST(all[i].key == acknowledged[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(defect_02_recovery_that_fails_half_way_loses_nothing) {
  log_in_scratch log(fsync_policy::os());
  log.options.segment_bytes_max = small_segment;
  log.open();
  for (std::size_t i = 0; i < 100; ++i) log.append(numbered("key", i), std::string(1500, 'v'));
  const auto written = log.read_all();
  log.crash();
  const snapshot crashed = snapshot_of(log.options.dir);

  std::size_t failures = 0;
  for (const operation what :
       {operation::read, operation::write, operation::sync, operation::open, operation::allocate,
        operation::truncate, operation::rename, operation::remove, operation::sync_directory,
        operation::list, operation::map_ring}) {
    for (const int error : {ENOSPC, EIO}) {
      for (std::uint64_t kth = 1; kth < 64; kth += scaled(10) == 10 ? 1 : 3) {
        restore(log.options.dir, crashed);
        faults faults;
        faults.fail(what, error, {}, kth, true);
        const auto code = code_of([&] { log.open(faults); });
        log.crash();
        if (!code) break;
        ++failures;
        log.open();
        BOOST_TEST(log.read_all() == written);
        log.crash();
      }
    }
  }
  BOOST_TEST(failures > 20u);
}

BOOST_AUTO_TEST_CASE(defect_05_many_waiters_rotate_once) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.segment_bytes_max = small_segment;
    log.open();
    std::vector<found> acknowledged;
    auto all = append_at_once(log, 300, 1000, acknowledged);
    run_all(log, all);
    for (auto& one : all) one.get();
    std::map<std::uint64_t, std::size_t> in_segment;
    for (const found& one : acknowledged) ++in_segment[one.at.segment_id];
    // 300 frames of about 1048 bytes, 54 to a segment.
    BOOST_TEST(in_segment.size() == 6u);
    BOOST_TEST(in_segment.begin()->first == 1u);
    BOOST_TEST(in_segment.rbegin()->first == 6u);
    BOOST_TEST(log->current_position().segment_id == 6u);
    BOOST_TEST(log.read_all() == sorted(acknowledged));
  }
}

BOOST_AUTO_TEST_CASE(defect_06_nothing_is_written_to_a_segment_after_the_next_was_begun) {
  for (const flavour& each : flavours()) {
    faults faults;
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.options.segment_bytes_max = small_segment;
    log.open(faults);
    std::vector<found> acknowledged;
    auto all = append_at_once(log, 400, 1000, acknowledged);
    run_all(log, all);
    run(log.io, log->sync());
    // Each segment is durable before anything of the next one is written.
    std::string newest;
    std::map<std::string, bool> durable;
    for (const auto& event : faults.events()) {
      if (!event.name.ends_with(".segment")) continue;
      if (event.what == operation::sync) durable[event.name] = true;
      const bool durably = event.what == operation::durable_write;
      if (event.what != operation::write && !durably) continue;
      // Preparing writes zeros ahead.
      if (durably || event.offset == 0) {
        BOOST_TEST(event.name >= newest);
        if (event.name > newest) {
          if (!newest.empty()) BOOST_TEST(durable[newest]);
          newest = event.name;
        }
      }
      if (event.name == newest) durable[event.name] = durably;
    }
    log.close();
    log.options.verify = verification::everything;
    log.open();
    BOOST_TEST(log.read_all() == sorted(acknowledged));
  }
}

BOOST_AUTO_TEST_CASE(defect_07_an_append_cancelled_in_mid_rotation_harms_no_other) {
  for (const flavour& each : policies()) {
    faults faults;
    log_in_scratch log(each.fsync);
    log.options.segment_bytes_max = small_segment;
    log.open(faults);
    log.append("first", "v");
    // The next segment can't be prepared while this sync is held up.
    log.wind_down();
    std::vector<std::string> expected{"first"};
    for (std::size_t i = 0; log->current_position().segment_id == 1; ++i) {
      log.append(numbered("fill", i), std::string(3000, 'f'));
      expected.push_back(numbered("fill", i));
      if (log->current_position().offset > 50'000) faults.hold(operation::sync, "next.tmp");
    }
    std::vector<found> acknowledged;
    asio::cancellation_signal cancel;
    std::vector<task<void>> waiting;
    for (std::size_t i = 0; i < 25; ++i) {
      waiting.emplace_back(
          log.io.get_executor(),
          append_and_note(&*log, numbered("filled", i), std::string(3000, 'f'), &acknowledged));
    }
    task<void> cancelled(log.io.get_executor(),
                         append_and_note(&*log, "cancelled", std::string(3000, 'c'), &acknowledged),
                         cancel.slot());
    run_until(log.io, [&] { return faults.held() != 0; });
    task<void> after(log.io.get_executor(), append_and_note(&*log, "after", "v", &acknowledged));
    log.io.restart();
    while (log.io.poll_one() != 0) {
    }
    BOOST_TEST(!cancelled.done());
    cancel.emit(asio::cancellation_type::terminal);
    run_until(log.io, [&] { return cancelled.done(); });
    BOOST_TEST(code_of([&] { cancelled.get(); }) == asio::error::operation_aborted);
    faults.release();
    run_until(log.io, [&] { return after.done(); });
    after.get();
    run_all(log, waiting);
    log.append("last", "v");
    run(log.io, log->sync());
    log.reopen();
    for (std::size_t i = 0; i < 25; ++i) expected.push_back(numbered("filled", i));
    expected.push_back("after");
    expected.push_back("last");
    std::vector<std::string> keys;
    for (const found& one : log.read_all()) keys.push_back(one.key);
    BOOST_TEST(keys == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(defect_08_cancelled_appends_leave_the_others_readable_after_a_clean_close) {
  random_source random;
  for (std::size_t round = 0; round < scaled(40); ++round) {
    log_in_scratch log;
    log.options.segment_bytes_max = small_segment;
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open();
    std::vector<found> acknowledged;
    std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
    std::vector<task<void>> all;
    for (std::size_t i = 0; i < 100; ++i) {
      signals.push_back(std::make_unique<asio::cancellation_signal>());
      all.emplace_back(log.io.get_executor(),
                       append_and_note(&*log, numbered("key", i),
                                       std::string(random.below(4000), 'v'), &acknowledged),
                       signals.back()->slot());
      for (std::size_t steps = random.below(4); steps != 0; --steps) {
        log.io.restart();
        log.io.poll_one();
      }
      if (random.below(3) == 0) {
        signals[random.below(signals.size())]->emit(asio::cancellation_type::terminal);
      }
    }
    run_all(log, all);
    std::set<std::string> allowed;
    std::set<std::string> in_doubt;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto code = code_of([&] { all[i].get(); });
      if (!code) allowed.insert(numbered("key", i));
      if (code == errc::append_in_doubt) in_doubt.insert(numbered("key", i));
    }
    log.append("last", "v");
    allowed.insert("last");
    log.close();
    const recovery_info recovered = log.open();
    BOOST_TEST(recovered.clean_close);
    BOOST_TEST(!recovered.corruption_detected);
    std::set<std::string> present;
    const auto records = log.read_all();
    BOOST_TEST(recovered.valid_records == records.size());
    for (const found& one : records) {
      BOOST_TEST(present.insert(one.key).second);
      BOOST_TEST((allowed.contains(one.key) || in_doubt.contains(one.key)));
    }
    for (const std::string& key : allowed) BOOST_TEST(present.contains(key), key);
  }
}

BOOST_AUTO_TEST_CASE(defect_09_batch_makes_an_idle_tail_durable) {
  for (const backend which : {backend::uring, backend::threads}) {
    faults faults;
    log_in_scratch log(fsync_policy::batch(std::chrono::milliseconds(5)));
    log.options.backend = which;
    log.open(faults);
    const position at = log.append("k", "v");
    const auto before = faults.count(operation::durable_write) + faults.count(operation::sync);
    run(log.io, log->wait_durable(at));
    const auto after = faults.count(operation::durable_write) + faults.count(operation::sync);
    BOOST_TEST(after > before);
    BOOST_TEST(log->durable_position() > at);
  }
}

BOOST_AUTO_TEST_CASE(defect_10_a_failed_sync_is_remembered_and_never_retried) {
  for (const flavour& each : flavours()) {
    faults faults;
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.open(faults);
    log.append("before", "v");
    run(log.io, log->sync());
    for (const operation what : {operation::durable_write, operation::sync}) {
      faults.fail(what, EIO, ".segment", 1, true);
    }
    const auto code = code_of([&] {
      log.append("lost", std::string(100, 'x'));
      run(log.io, log->sync());
    });
    BOOST_TEST((code == errc::append_in_doubt || code == errc::log_failed));
    const auto attempts = [&] {
      return faults.count(operation::durable_write, ".segment") +
             faults.count(operation::sync, ".segment");
    };
    const auto after_failure = attempts();
    faults.clear();
    BOOST_TEST(code_of([&] { log.append("later", "v"); }) == errc::log_failed);
    BOOST_TEST(code_of([&] { run(log.io, log->sync()); }) == errc::log_failed);
    BOOST_TEST(code_of([&] { log.close(); }) == errc::log_failed);
    BOOST_TEST(log->failure().value() == EIO);
    BOOST_TEST(attempts() == after_failure);
  }
}

BOOST_AUTO_TEST_CASE(defect_11_os_acknowledges_what_the_kernel_has) {
  for (std::size_t round = 0; round < scaled(10); ++round) {
    log_in_scratch log(fsync_policy::os());
    child_process child("os_killed", {log.options.dir.string()});
    BOOST_TEST(child.wait() == -SIGKILL);
    const recovery_info recovered = log.open();
    BOOST_TEST(recovered.valid_records == 100u);
    const auto all = log.read_all();
    BOOST_REQUIRE(all.size() == 100u);
    for (std::size_t i = 0; i < 100; ++i) BOOST_TEST(all[i].key == numbered("key", i));
  }
}

BOOST_AUTO_TEST_CASE(defect_16_a_second_opener_is_refused_and_harms_nothing) {
  log_in_scratch log;
  log.open();
  log.append("k", "v");
  // Beside the opener the log itself prepares its next segment, which is zeros and no more.
  const auto data = [&] {
    snapshot files = snapshot_of(log.options.dir);
    for (auto& [name, bytes] : files) bytes.resize(bytes.find_last_not_of('\0') + 1);
    std::erase_if(files, [](const auto& file) { return file.second.empty(); });
    return files;
  };
  const snapshot before = data();
  BOOST_TEST(!before.empty());

  child_process other("opens", {log.options.dir.string()});
  BOOST_TEST(other.read_rest() == make_error_code(errc::locked).message());
  other.wait();
  asio::io_context io;
  BOOST_TEST(code_of([&] { run(io, wal::open(log.options)); }) == errc::locked);

  BOOST_TEST((data() == before));
  log.append("k2", "v");
  log.reopen();
  BOOST_TEST(log.read_all().size() == 2u);
  log.close();
  child_process free("opens", {log.options.dir.string()});
  BOOST_TEST(free.read_rest() == "opened");
}

BOOST_AUTO_TEST_CASE(defect_17_preallocation_that_fails_is_no_sparse_file) {
  {
    log_in_scratch log;
    log.open();
    log.append("k", "v");
    struct stat status{};
    BOOST_REQUIRE(::stat(log.file_of(1).c_str(), &status) == 0);
    BOOST_TEST(static_cast<std::uint64_t>(status.st_size) == log.options.segment_bytes_max);
    BOOST_TEST(static_cast<std::uint64_t>(status.st_blocks) * 512 >= log.options.segment_bytes_max);
  }
  for (const int error : {ENOSPC, EDQUOT, EFBIG}) {
    faults faults;
    log_in_scratch log;
    faults.fail(operation::allocate, error, {}, 1, true);
    log.open(faults);
    BOOST_TEST(code_of([&] { log.append("k", "v"); }) == errc::no_space);
    faults.clear();
    log.append("k", "v");
    BOOST_TEST(log.read_all().size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(defect_18_directory_entries_are_synced_before_anything_relies_on_them) {
  faults faults;
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open(faults);
  for (std::size_t i = 0; i < 100; ++i) log.append(numbered("key", i), std::string(2000, 'v'));
  std::set<std::string> unsynced;
  std::size_t created = 0;
  for (const auto& event : faults.events()) {
    if (event.what == operation::rename) {
      unsynced.insert(event.name);
      ++created;
    }
    if (event.what == operation::sync_directory) unsynced.clear();
    if (event.what == operation::durable_write && event.name.ends_with(".segment")) {
      BOOST_TEST(!unsynced.contains(event.name), "written before its entry was synced");
    }
  }
  BOOST_TEST(created > 4u);

  BOOST_TEST(run(log.io, log->delete_segments_before(log->current_position())).segments > 1u);
  const auto events = faults.events();
  std::size_t removed = 0;
  std::size_t synced = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].what == operation::remove && events[i].name.ends_with(".segment")) removed = i;
    if (events[i].what == operation::sync_directory) synced = i;
  }
  BOOST_TEST(removed != 0u);
  BOOST_TEST(removed < synced);
}

BOOST_AUTO_TEST_CASE(defect_21_appends_that_arrive_during_a_sync_share_the_next) {
  faults faults;
  log_in_scratch log;
  log.open(faults);
  log.append("first", "v");
  const auto writes = [&] { return faults.count(operation::durable_write, ".segment"); };
  const auto before = writes();
  faults.hold(operation::durable_write, ".segment");
  std::vector<found> acknowledged;
  auto one = append_at_once(log, 1, 100, acknowledged);
  run_until(log.io, [&] { return faults.held() == 1; });
  auto many = append_at_once(log, 64, 100, acknowledged);
  log.io.restart();
  while (log.io.poll_one() != 0) {
  }
  BOOST_TEST(acknowledged.empty());
  faults.release();
  run_all(log, one);
  run_all(log, many);
  BOOST_TEST(acknowledged.size() == 65u);
  BOOST_TEST(writes() - before == 2u);
}

BOOST_AUTO_TEST_CASE(defect_22_an_append_that_need_not_wait_takes_no_hop) {
  for (const fsync_policy policy :
       {fsync_policy::os(), fsync_policy::batch(std::chrono::milliseconds(1000))}) {
    log_in_scratch log(policy);
    log.open();
    log.append("first", "v");
    std::vector<found> acknowledged;
    // What was posted first runs first: none of the appends may have let go of the thread.
    auto appends = [](wal* to, std::vector<found>* into) -> asio::awaitable<void> {
      for (std::size_t i = 0; i < 100; ++i) co_await append_and_note(to, "k", "v", into);
    };
    std::optional<std::size_t> seen;
    task<void> running(log.io.get_executor(), appends(&*log, &acknowledged));
    asio::post(log.io, [&] { seen = acknowledged.size(); });
    run_until(log.io, [&] { return seen.has_value(); });
    BOOST_TEST(*seen == 100u);
    run_until(log.io, [&] { return running.done(); });
    running.get();
  }
}

// A write may end within a record: until the rest is written, too, its beginning is needed in the
// staging file, where recovery looks for whole records.
BOOST_AUTO_TEST_CASE(a_record_half_of_which_is_in_its_segment_survives_a_kill_with_a_full_buffer) {
  for (std::size_t size = 100; size < 6000; size += 100) {
    log_in_scratch log(fsync_policy::os());
    log.options.buffer_bytes_max = buffer_bytes_lowest;
    log.open();
    std::uint64_t appended = 0;
    for (std::size_t bytes = 0; bytes < 20'000; bytes += size, ++appended) {
      log.append("k", std::string(size, 'v'));
    }
    // What makes whole writes is written.
    log.io.restart();
    log.io.run_for(std::chrono::milliseconds(5));
    record_view what;
    what.key = "k";
    while (log->try_append(what)) ++appended;
    const snapshot killed = snapshot_of(log.options.dir);
    log_in_scratch again(fsync_policy::os());
    restore(again.options.dir, killed);
    BOOST_REQUIRE(again.open().valid_records == appended);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
