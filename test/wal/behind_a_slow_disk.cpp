// Writers that outpace the disk: under batch and os the buffer is full all the time, and the log is
// never written up to its head.

#include <nori/testing/simulated_disk.hpp>

#include <deque>

#include "wal/wal_test.hpp"

namespace nori::wal_test {
namespace {

using std::chrono::milliseconds;
using testing::disk_event;
using testing::disk_operation;
using testing::power_cut;
using testing::simulated_disk;

asio::awaitable<void> append_while(wal* to, std::string value, const bool* goes_on,
                                   std::size_t* appended) {
  while (*goes_on) {
    record_view what;
    what.value = value;
    co_await to->append(what);
    ++*appended;
  }
}

asio::awaitable<void> count_what_is_durable(wal* in, std::size_t* count) {
  read_options how;
  how.sees = visibility::durable;
  how.follow = true;
  reader from = in->read_from({}, how);
  try {
    for (;;) *count += (co_await from.next_batch()).size();
  } catch (const boost::system::system_error&) {  // NOLINT: the log is closed
  }
}

asio::awaitable<void> count_what_recovery_finds(config how, std::size_t* count) {
  wal::opened opened = co_await wal::open(how);
  *count = opened.recovered.valid_records;
  co_await opened.log.close();
}

class slow_disk {
 public:
  explicit slow_disk(fsync_policy policy, std::uint64_t segment_bytes_max = std::uint64_t{16} << 20)
      : disk(7) {
    options.dir = "log";
    options.fsync = policy;
    options.storage = disk.storage();
    options.segment_bytes_max = segment_bytes_max;
    options.buffer_bytes_max = buffer_bytes_lowest;
    log.emplace(std::move(run(wal::open(options)).log));
  }
  ~slow_disk() {
    goes_on_ = false;
    while (!std::all_of(writers_.begin(), writers_.end(), [](const auto& w) { return w.done(); })) {
      step();
    }
    if (log) run(log->close());
  }
  slow_disk(const slow_disk&) = delete;
  slow_disk& operator=(const slow_disk&) = delete;

  template <typename Result>
  Result run(asio::awaitable<Result> what) {
    task<Result> running(io.get_executor(), std::move(what));
    while (!running.done()) step();
    return running.get();
  }
  void step() {
    io.restart();
    if (io.poll_one() == 0) disk.advance(milliseconds(1));
  }
  /// Until nothing is left to do without time passing.
  void settle() {
    io.restart();
    while (io.poll_one() != 0) {
    }
  }
  void keep_full(std::size_t writers, std::size_t value_bytes) {
    for (std::size_t i = 0; i < writers; ++i) {
      writers_.emplace_back(io.get_executor(), append_while(&*log, std::string(value_bytes, 'v'),
                                                            &goes_on_, &appended));
    }
  }
  position append(std::size_t value_bytes) {
    const std::string value(value_bytes, 'v');
    record_view what;
    what.value = value;
    return run(log->append(what));
  }
  /// What opening a disk finds, or why it can't be opened.
  std::size_t found_on(simulated_disk& other) {
    asio::io_context there;
    config again = options;
    again.storage = other.storage();
    std::size_t found = 0;
    task<void> recovering(there.get_executor(), count_what_recovery_finds(again, &found));
    other.run(there);
    recovering.get();
    return found;
  }

  simulated_disk disk;
  asio::io_context io;
  config options;
  std::optional<wal> log;
  std::size_t appended = 0;

 private:
  bool goes_on_ = true;
  std::vector<task<void>> writers_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(wal_behind_a_slow_disk)

// The buffer takes 16 times as long to write as the window lasts.
BOOST_AUTO_TEST_CASE(batch_syncs_what_is_older_than_its_window) {
  slow_disk on(fsync_policy::batch(milliseconds(5)));
  on.disk.on_operation([&](const disk_event& each) {
    const bool writes = each.what == disk_operation::write && each.name.ends_with(".segment");
    if (writes) on.disk.advance(milliseconds(20));
  });
  on.keep_full(64, 1000);
  struct head_then {
    std::chrono::system_clock::time_point when;
    position head;
  };
  std::deque<head_then> not_durable;
  std::chrono::nanoseconds oldest{};
  while (on.appended < 4000) {
    on.step();
    const position head = on.log->current_position();
    if (not_durable.empty() || not_durable.back().head < head) {
      not_durable.push_back({on.disk.now(), head});
    }
    const position durable = on.log->durable_position();
    while (!not_durable.empty() && not_durable.front().head <= durable) not_durable.pop_front();
    if (!not_durable.empty()) oldest = std::max(oldest, on.disk.now() - not_durable.front().when);
  }
  // What is in the buffer twice over; without a sync it would be ten seconds.
  BOOST_TEST(std::chrono::duration_cast<milliseconds>(oldest).count() < 1000);
  on.disk.on_operation(nullptr);
}

BOOST_AUTO_TEST_CASE(a_sync_is_not_put_off_by_later_ones) {
  slow_disk on(fsync_policy::os());
  on.keep_full(16, 4000);
  while (on.appended < 100) on.step();
  task<void> first(on.io.get_executor(), on.log->sync());
  const std::size_t asked_at = on.appended;
  std::vector<task<void>> others;
  while (!first.done() && on.appended < asked_at + 1000) {
    others.emplace_back(on.io.get_executor(), on.log->sync());
    on.step();
  }
  BOOST_TEST(on.appended - asked_at < 200u);
  const auto done = [](const auto& each) { return each.done(); };
  while (!first.done() || !std::all_of(others.begin(), others.end(), done)) on.step();
}

BOOST_AUTO_TEST_CASE(what_a_sync_made_durable_is_seen_by_readers_of_what_is_durable) {
  slow_disk on(fsync_policy::os());
  on.keep_full(16, 4000);
  while (on.appended < 500) on.step();
  const std::size_t before = on.appended;
  const position head = on.log->current_position();
  on.run(on.log->sync());
  BOOST_TEST((on.log->durable_position() >= head));
  read_options how;
  how.sees = visibility::durable;
  reader from = on.log->read_from({}, how);
  BOOST_TEST(on.run(read_rest(&from)).size() >= before);
}

BOOST_AUTO_TEST_CASE(a_follower_of_what_is_durable_keeps_up_with_syncs) {
  std::size_t seen = 0;
  std::optional<task<void>> following;
  {
    slow_disk on(fsync_policy::os());
    on.keep_full(16, 4000);
    following.emplace(on.io.get_executor(), count_what_is_durable(&*on.log, &seen));
    for (std::size_t until = 100; until <= 1000; until += 100) {
      while (on.appended < until) on.step();
      const std::size_t before = on.appended;
      on.run(on.log->sync());
      for (int i = 0; i < 20; ++i) on.step();
      BOOST_TEST(seen + 100 >= before);
    }
    task<void> closing(on.io.get_executor(), on.log->close());
    while (!following->done()) on.step();
    while (!closing.done()) on.step();
    on.log.reset();
  }
}

// The frames behind a sync say how far it went: damage to what lies before is no torn tail.
BOOST_AUTO_TEST_CASE(damage_to_what_a_sync_made_durable_is_corruption) {
  slow_disk on(fsync_policy::os());
  on.keep_full(16, 4000);
  while (on.appended < 500) on.step();
  on.run(on.log->sync());
  while (on.appended < 1000) on.step();
  simulated_disk killed = on.disk.after_kill(1);
  killed.flip_bit(std::filesystem::path("log") / format::segment_file_name(1), 400'000, 3);
  BOOST_TEST(code_of([&] { on.found_on(killed); }) == errc::corruption);
}

BOOST_AUTO_TEST_CASE(a_record_of_which_only_the_beginning_is_durable_is_not) {
  slow_disk on(fsync_policy::os());
  on.append(10'000);  // whole blocks of it are written, and not synced
  on.settle();
  on.disk.hold(disk_operation::sync, ".segment");
  task<void> first(on.io.get_executor(), on.log->sync());
  on.settle();
  BOOST_REQUIRE(!first.done());
  on.append(100);
  task<void> second(on.io.get_executor(), on.log->sync());
  const position half = on.append(20'000);
  on.settle();
  on.disk.release();
  on.settle();
  BOOST_REQUIRE(first.done());
  BOOST_REQUIRE(second.done());
  task<void> waiting(on.io.get_executor(), on.log->wait_durable(half));
  on.settle();
  simulated_disk cut = on.disk.after_power_cut(power_cut::nothing_arrives(), 1);
  BOOST_TEST(on.found_on(cut) == 2u);
  BOOST_TEST(!waiting.done());
  BOOST_TEST((on.log->durable_position() <= half));
  on.run(on.log->sync());
  while (!waiting.done()) on.step();
}

// It waits, instead of turning round and round.
BOOST_AUTO_TEST_CASE(a_follower_of_a_segment_of_which_nothing_is_durable_waits) {
  slow_disk on(fsync_policy::os(), small_segment);
  position at;
  while (at.segment_id != 2) at = on.append(3000);
  on.settle();
  BOOST_REQUIRE((on.log->durable_position() < at));
  read_options how;
  how.sees = visibility::durable;
  how.follow = true;
  reader from = on.log->read_from(at, how);
  task<std::optional<entry>> following(on.io.get_executor(), from.next());
  std::size_t handlers = 0;
  on.io.restart();
  while (handlers < 1000 && on.io.poll_one() != 0) ++handlers;
  BOOST_TEST(handlers < 100u);
  BOOST_TEST(!following.done());
  on.run(on.log->sync());
  while (!following.done()) on.step();
  BOOST_TEST(following.get()->value.size() == 3000u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
