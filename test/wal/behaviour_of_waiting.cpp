// Waiting for what was appended, for room, and for many at once; what the log measures and costs.

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "support/allocations.hpp"
#include "wal/wal_test.hpp"

namespace data = boost::unit_test::data;

namespace nori::wal_test {
namespace {

using std::chrono::milliseconds;

asio::awaitable<std::vector<position>> append_numbered(wal* to, std::size_t writer,
                                                       std::size_t count) {
  std::vector<position> all;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = numbered("w", writer) + numbered("-", i);
    record_view what;
    what.key = key;
    what.value = "value";
    all.push_back(co_await to->append(what));
  }
  co_return all;
}

// Each writer's records are there, in its order, where it was told.
void check_all(log_in_scratch& log, const std::vector<std::vector<position>>& of_writers) {
  std::map<std::string, position> present;
  for (const found& each : log.read_all()) {
    BOOST_TEST(present.emplace(each.key, each.at).second, each.key);
  }
  std::size_t total = 0;
  for (std::size_t w = 0; w < of_writers.size(); ++w) {
    for (std::size_t i = 0; i < of_writers[w].size(); ++i) {
      const auto at = present.find(numbered("w", w) + numbered("-", i));
      BOOST_REQUIRE(at != present.end());
      BOOST_TEST(at->second == of_writers[w][i]);
      if (i != 0) BOOST_TEST(of_writers[w][i] > of_writers[w][i - 1]);
      ++total;
    }
  }
  BOOST_TEST(present.size() == total);
}

class counting_meter final : public meter {
 public:
  void add(const metric& counter, std::uint64_t delta, std::string_view label) noexcept override {
    const std::lock_guard lock(mutex_);
    sums_[std::string(counter.name) + std::string(label)] += static_cast<double>(delta);
  }
  void set(const metric& gauge, double value, std::string_view) noexcept override {
    const std::lock_guard lock(mutex_);
    sums_[std::string(gauge.name)] = value;
  }
  void observe(const metric& histogram, double value, std::string_view) noexcept override {
    const std::lock_guard lock(mutex_);
    sums_[std::string(histogram.name)] += value;
    ++observed_[std::string(histogram.name)];
  }
  double sum(const metric& of, const std::string& label = {}) {
    const std::lock_guard lock(mutex_);
    return sums_[std::string(of.name) + label];
  }
  std::size_t observed(const metric& of) {
    const std::lock_guard lock(mutex_);
    return observed_[std::string(of.name)];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, double> sums_;
  std::map<std::string, std::size_t> observed_;
};

asio::awaitable<void> append_again_and_again(wal* to, const bool* stop, std::size_t* appended) {
  record_view what;
  what.key = "a key of sixteen";
  what.value = "a value that makes the record about one hundred bytes long, framing included";
  while (!*stop) {
    co_await to->append(what);
    ++*appended;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(waiting)

BOOST_DATA_TEST_CASE(sync_makes_durable_and_flush_makes_written, data::make(flavours()), flavour) {
  faults faults;
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.open(faults);
  for (std::size_t i = 0; i < 10; ++i) {
    const position at = log.append("k", "v");
    BOOST_TEST(log->current_position() > at);
    run(log.io, log->wait_written(at));
    run(log.io, log->flush());
    run(log.io, log->sync());
    BOOST_TEST(faults.count(operation::durable_write) + faults.count(operation::sync) > i);
    BOOST_TEST(log->durable_position() > at);
    run(log.io, log->wait_durable(at));
    run(log.io, log->sync());
  }
}

BOOST_AUTO_TEST_CASE(flush_brings_everything_into_its_segment) {
  for (const fsync_policy policy :
       {fsync_policy::os(), fsync_policy::batch(milliseconds(10'000))}) {
    faults faults;
    log_in_scratch log(policy);
    log.open(faults);
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < 20; ++i) end = log.append("k", std::string(i * 100, 'v')).offset;
    run(log.io, log->flush());
    std::uint64_t written = 0;
    for (const auto& event : faults.events()) {
      const bool writes = event.what == operation::write || event.what == operation::durable_write;
      // Not the zeros ahead, which come in larger pieces.
      if (writes && event.name == format::segment_file_name(1) && event.bytes < 200'000) {
        written = std::max(written, event.offset + static_cast<std::uint64_t>(event.result));
      }
    }
    BOOST_TEST(written > end);
    BOOST_TEST(log->durable_position().offset <= end);
  }
}

BOOST_AUTO_TEST_CASE(waiting_for_what_lies_behind_the_end_is_refused) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.open();
    BOOST_TEST(code_of([&] { run(log.io, log->wait_durable({1, 8192})); }) ==
               errc::position_not_found);
    const position at = log.append("k", "v");
    for (const position behind :
         {log->current_position(), position{at.segment_id, at.offset + 100'000},
          position{at.segment_id + 1, at.offset}}) {
      BOOST_TEST(code_of([&] { run(log.io, log->wait_durable(behind)); }) ==
                 errc::position_not_found);
      BOOST_TEST(code_of([&] { run(log.io, log->wait_written(behind)); }) ==
                 errc::position_not_found);
    }
    run(log.io, log->sync());
    run(log.io, log->wait_durable(at));
    run(log.io, log->wait_durable({}));
  }
}

BOOST_AUTO_TEST_CASE(wait_durable_under_os_waits_for_the_sync_of_another) {
  log_in_scratch log(fsync_policy::os());
  log.open();
  const position at = log.append("k", "v");
  task<void> waiting(log.io.get_executor(), log->wait_durable(at));
  log.io.restart();
  while (log.io.poll_one() != 0) {
  }
  BOOST_TEST(!waiting.done());
  run(log.io, log->sync());
  run_until(log.io, [&] { return waiting.done(); });
  waiting.get();
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_ends_and_the_work_goes_on) {
  for (const flavour& each : policies()) {
    faults faults;
    log_in_scratch log(each.fsync);
    log.open(faults);
    log.append("k", "v");
    run(log.io, log->sync());
    log.wind_down();
    faults.hold(operation::write, ".segment");
    faults.hold(operation::sync, ".segment");
    task<position> appending(log.io.get_executor(), log->append({"k2", "v"}));
    log.io.restart();
    log.io.poll();
    asio::cancellation_signal cancel;
    task<void> waiting(log.io.get_executor(), log->sync(), cancel.slot());
    run_until(log.io, [&] { return faults.held() != 0; });
    BOOST_TEST(!waiting.done());
    cancel.emit(asio::cancellation_type::terminal);
    run_until(log.io, [&] { return waiting.done(); });
    BOOST_TEST(code_of([&] { waiting.get(); }) == asio::error::operation_aborted);
    faults.release();
    run_until(log.io, [&] { return appending.done(); });
    run(log.io, log->wait_durable(appending.get()));
  }
}

BOOST_DATA_TEST_CASE(appends_wait_for_room_in_turn, data::make(flavours()), flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.options.segment_bytes_max = small_segment;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open();
  std::vector<task<position>> all;
  const std::string value(30'000, 'v');
  for (std::size_t i = 0; i < 60; ++i) {
    record_view what;
    what.value = std::string_view(value).substr(0, i % 3 == 0 ? 10 : 30'000);
    all.emplace_back(log.io.get_executor(), log->append(what));
  }
  position before;
  for (auto& one : all) {
    run_until(log.io, [&] { return one.done(); });
    const position at = one.get();
    BOOST_TEST(at > before);
    before = at;
  }
  log.reopen();
  BOOST_TEST(log.read_all().size() == 60u);
}

BOOST_DATA_TEST_CASE(many_coroutines_append_at_once, data::make(flavours()), flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.options.segment_bytes_max = small_segment;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open();
  std::vector<task<std::vector<position>>> all;
  for (std::size_t w = 0; w < 200; ++w) {
    all.emplace_back(log.io.get_executor(), append_numbered(&*log, w, scaled(20)));
  }
  std::vector<std::vector<position>> positions;
  for (auto& one : all) {
    run_until(log.io, [&] { return one.done(); });
    positions.push_back(one.get());
  }
  check_all(log, positions);
  log.reopen();
  check_all(log, positions);
}

BOOST_DATA_TEST_CASE(several_threads_run_the_context, data::make(flavours()), flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.options.segment_bytes_max = small_segment;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open();
  std::vector<std::future<std::vector<position>>> all;
  // Each writer on a strand of its own.
  for (std::size_t w = 0; w < 40; ++w) {
    all.push_back(asio::co_spawn(asio::make_strand(log.io), append_numbered(&*log, w, scaled(50)),
                                 asio::use_future));
  }
  log.io.restart();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&log] { log.io.run(); });
  }
  for (std::thread& each : threads) each.join();
  std::vector<std::vector<position>> positions;
  for (auto& one : all) positions.push_back(one.get());
  check_all(log, positions);
}

BOOST_DATA_TEST_CASE(coroutines_of_another_context_append, data::make(flavours()), flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.options.segment_bytes_max = small_segment;
  log.options.buffer_bytes_max = buffer_bytes_lowest;
  log.open();
  auto work = std::make_optional(asio::make_work_guard(log.io));
  log.io.restart();
  std::thread own([&log] { log.io.run(); });
  std::vector<std::vector<position>> positions;
  {
    asio::io_context other;
    std::vector<std::future<std::vector<position>>> all;
    for (std::size_t w = 0; w < 20; ++w) {
      all.push_back(asio::co_spawn(w % 2 == 0 ? other.get_executor() : log.io.get_executor(),
                                   append_numbered(&*log, w, scaled(50)), asio::use_future));
    }
    all.push_back(
        asio::co_spawn(asio::make_strand(other), append_numbered(&*log, 20, 50), asio::use_future));
    auto syncing = asio::co_spawn(other, log->sync(), asio::use_future);
    // It has work to do as long as something waits for the log.
    other.run();
    for (auto& one : all) positions.push_back(one.get());
    syncing.get();
  }
  work.reset();
  own.join();
  check_all(log, positions);
}

BOOST_AUTO_TEST_CASE(two_threads_close_at_once) {
  for (std::size_t round = 0; round < scaled(10); ++round) {
    log_in_scratch log;
    log.open();
    log.append("k", "v");
    asio::io_context other;
    auto there = asio::co_spawn(other, log->close(), asio::use_future);
    auto here = asio::co_spawn(log.io, log->close(), asio::use_future);
    std::thread running([&other] { other.run(); });
    log.io.restart();
    log.io.run();
    running.join();
    there.get();
    here.get();
  }
}

BOOST_DATA_TEST_CASE(an_exception_of_a_handler_leaves_run_and_the_log_lives_on,
                     data::make(flavours()), flavour) {
  log_in_scratch log(flavour.fsync);
  log.options.backend = flavour.backend;
  log.open();
  std::vector<task<position>> others;
  std::size_t called = 0;
  std::size_t left_run = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    others.emplace_back(log.io.get_executor(), log->append({"k", "v"}));
    asio::co_spawn(log.io, log->append({"k", "v"}), [&called](std::exception_ptr, position) {
      ++called;
      throw std::runtime_error("from a handler");
    });
  }
  for (bool more = true; more;) {
    try {
      log.wind_down();
      more = false;
    } catch (const std::exception&) {
      // One, or what Asio makes of several in the same step: multiple_exceptions.
      ++left_run;
    }
  }
  BOOST_TEST(called == 20u);
  BOOST_TEST(left_run > 0u);
  for (auto& one : others) one.get();
  log.append("k", "v");
  log.close();
  BOOST_TEST(log.open().valid_records == 41u);
}

BOOST_AUTO_TEST_CASE(what_happens_is_measured) {
  for (const flavour& each : flavours()) {
    const auto measured = std::make_shared<counting_meter>();
    faults faults;
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.options.segment_bytes_max = small_segment;
    log.options.meter = measured;
    log.open();
    std::size_t appended = 0;
    while (log->current_position().segment_id < 4) {
      log.append("k", std::string(500, 'v'));
      ++appended;
    }
    run(log.io, log->sync());
    log.wind_down();
    BOOST_TEST(measured->sum(metrics::wal_records) == static_cast<double>(appended));
    BOOST_TEST(measured->sum(metrics::wal_bytes) >= static_cast<double>(appended) * 540);
    BOOST_TEST(measured->sum(metrics::wal_bytes) <= static_cast<double>(appended) * 600);
    BOOST_TEST(measured->sum(metrics::wal_writes) >= 4);
    BOOST_TEST(static_cast<double>(measured->observed(metrics::wal_write_records)) ==
               measured->sum(metrics::wal_writes));
    BOOST_TEST(measured->sum(metrics::wal_write_records) == static_cast<double>(appended));
    BOOST_TEST(measured->sum(metrics::wal_write_bytes) >= static_cast<double>(appended) * 540);
    BOOST_TEST(measured->sum(metrics::wal_syncs) >= 3);
    BOOST_TEST(static_cast<double>(measured->observed(metrics::wal_sync_seconds)) ==
               measured->sum(metrics::wal_syncs));
    BOOST_TEST(measured->sum(metrics::wal_rotations) == 4);
    BOOST_TEST(measured->sum(metrics::wal_segments) == 4);
    BOOST_TEST(measured->sum(metrics::wal_queue_records) == 0);
    BOOST_TEST(measured->sum(metrics::wal_queue_bytes) == 0);
    run(log.io, log->delete_segments_before(log->current_position()));
    BOOST_TEST(measured->sum(metrics::wal_segments_deleted) == 3);
    const std::size_t left = log.read_all().size();
    log.reopen();
    BOOST_TEST(measured->sum(metrics::wal_recovered_records) == static_cast<double>(left));
    log.crash();

    log.open(faults);
    faults.fail(operation::write, EIO, ".segment");
    faults.fail(operation::sync, EIO, ".segment");
    code_of([&] {
      log.append("lost", "v");
      run(log.io, log->sync());
    });
    BOOST_TEST(measured->sum(metrics::wal_failures, "write") +
                   measured->sum(metrics::wal_failures, "sync") >=
               1);
  }
}

BOOST_AUTO_TEST_CASE(a_warm_append_allocates_nothing) {
  if (!test::allocations()) {
    std::cout << "SKIP a_warm_append_allocates_nothing: a sanitizer has its own operator new\n";
    return;
  }
  for (const flavour& each : flavours()) {
    const bool always = each.fsync.which() == fsync_policy::kind::always;
    log_in_scratch log(each.fsync);
    log.options.backend = each.backend;
    log.options.segment_bytes_max = std::uint64_t{256} << 20;
    log.options.buffer_bytes_max = std::size_t{4} << 20;
    log.options.preallocate = true;
    log.open();
    log.append("first", "v");
    log.wind_down();
    bool stop = false;
    std::size_t appended = 0;
    std::vector<task<void>> all;
    for (std::size_t i = 0; i < (always ? 64 : 1); ++i) {
      all.emplace_back(log.io.get_executor(), append_again_and_again(&*log, &stop, &appended));
    }
    const std::size_t warm = always ? 10'000 : 300'000;
    run_until(log.io, [&] { return appended >= warm; });
    const std::size_t before_appended = appended;
    const std::size_t before = test::allocations().value();
    run_until(log.io, [&] { return appended >= 2 * warm; });
    const std::size_t allocated = test::allocations().value() - before;
    const std::size_t counted = appended - before_appended;
    stop = true;
    run_until(log.io, [&] {
      return std::all_of(all.begin(), all.end(), [](const auto& one) { return one.done(); });
    });
    // A few per write are the executors'; per append there are none.
    BOOST_TEST(allocated * 1000 <= counted,
               each << ": " << allocated << " allocations in " << counted << " appends");
  }
}

// The next segment has too few blocks for the record, and nobody waits for more.
BOOST_AUTO_TEST_CASE(try_append_gets_a_segment_that_is_large_enough) {
  log_in_scratch log(fsync_policy::batch(milliseconds(5)));
  log.options.segment_bytes_max = std::uint64_t{16} << 20;
  log.options.buffer_bytes_max = std::size_t{8} << 20;
  log.options.preallocate = false;
  log.open();
  const std::string value(2'000'000, 'v');
  record_view what;
  what.value = value;
  bool accepted = false;
  for (int i = 0; i < 200 && !accepted; ++i) {
    accepted = log->try_append(what).has_value();
    log.io.restart();
    log.io.run_for(milliseconds(5));
  }
  BOOST_TEST(accepted);
}

BOOST_AUTO_TEST_CASE(each_of_two_who_close_hears_of_the_failure) {
  faults faults;
  log_in_scratch log(fsync_policy::os());
  log.open(faults);
  log.append("k", "v");
  faults.fail(operation::sync, EIO, ".segment", 1, true);
  faults.fail(operation::durable_write, EIO, ".segment", 1, true);
  task<void> one(log.io.get_executor(), log->close());
  task<void> two(log.io.get_executor(), log->close());
  run_until(log.io, [&] { return one.done() && two.done(); });
  BOOST_TEST(code_of([&] { one.get(); }) == errc::log_failed);
  BOOST_TEST(code_of([&] { two.get(); }) == errc::log_failed);
}

// Two who delete, one always waiting for the other, leave the log time to make its next segments.
BOOST_AUTO_TEST_CASE(deleting_again_and_again_does_not_hold_up_appends) {
  log_in_scratch log(fsync_policy::always());
  log.options.segment_bytes_max = small_segment;
  log.open();
  log.append("k", "v");
  bool stop = false;
  const auto delete_again = [](wal* in, const bool* stops) -> asio::awaitable<void> {
    while (!*stops) co_await in->delete_segments_before(in->first_position());
  };
  const auto append_large = [](wal* to, std::size_t* appended) -> asio::awaitable<void> {
    const std::string value(3000, 'v');
    record_view what;
    what.value = value;
    for (; *appended < 200; ++*appended) co_await to->append(what);
  };
  std::size_t appended = 0;
  task<void> one(log.io.get_executor(), delete_again(&*log, &stop));
  task<void> two(log.io.get_executor(), delete_again(&*log, &stop));
  task<void> appending(log.io.get_executor(), append_large(&*log, &appended));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  log.io.restart();
  while (!appending.done() && std::chrono::steady_clock::now() < deadline) log.io.run_one();
  BOOST_TEST(appended == 200u);
  stop = true;
  run_until(log.io, [&] { return one.done() && two.done() && appending.done(); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
