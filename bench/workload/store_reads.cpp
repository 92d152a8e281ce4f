#include "workload/store_reads.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <future>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace nori::bench {

namespace {

// What a reader gives at once.
constexpr std::uint64_t events_in_batch = 256;

struct job {
  event_store& store;
  turn& now;
  const store_shape& shape;
};

void expect(std::uint64_t found, std::uint64_t expected) {
  if (found == expected) return;
  throw std::runtime_error("a read gave " + std::to_string(found) + " of " +
                           std::to_string(expected) + " events");
}

// Of the events i < events with i % groups == which.
std::uint64_t share_of(std::uint64_t events, std::uint64_t groups, std::uint64_t which) {
  return events / groups + (which < events % groups ? 1 : 0);
}

// Everything that is referred to outlives the coroutines.
asio::awaitable<void> scan(const job& what, tally& mine) {
  while (what.now.now() != phase::over) {
    event_reader all = what.store.read_all();
    std::uint64_t found = 0;
    for (;;) {
      const auto started = clock::now();
      const std::span<const recorded_event> got = co_await all.next_batch();
      what.now.note_latency(clock::now() - started);
      if (got.empty()) {
        expect(found, what.shape.events);
        break;
      }
      found += got.size();
      mine.add(got.size());
      if (what.now.now() == phase::over) co_return;
    }
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<std::uint64_t> read_whole(event_reader from) {
  std::uint64_t found = 0;
  for (;;) {
    const std::span<const recorded_event> got = co_await from.next_batch();
    if (got.empty()) co_return found;
    found += got.size();
  }
}

asio::awaitable<void> read_groups(const job& what, tally& mine, bool by_stream,
                                  std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::uint64_t groups = by_stream ? what.shape.streams : what.shape.tags;
  while (what.now.now() != phase::over) {
    const std::uint64_t which = random() % groups;
    const auto started = clock::now();
    read_events how;
    if (!by_stream) how.filter.matching = query::with_tags({tag_name(which)});
    event_reader reader =
        by_stream ? what.store.read_stream(stream_name(which)) : what.store.read_all(how);
    const std::uint64_t found = co_await read_whole(std::move(reader));
    what.now.note_latency(clock::now() - started);
    expect(found, share_of(what.shape.events, groups, which));
    mine.add(found);
    co_await asio::post(asio::use_awaitable);
  }
}

}  // namespace

turn_result read_store(const store_shape& shape, const std::filesystem::path& dir, store_read what,
                       std::uint64_t readers, double seconds) {
  turn now(seconds, readers, shape.log.threads);
  context on(shape.log.threads, [&now](std::size_t thread) { now.use_histogram(thread); });
  open_event_store store(on, shape.log, fsync_policy::os(), dir);
  const job each{*store, now, shape};
  std::atomic<std::uint64_t> running = readers;
  std::promise<void> all_ended;
  for (std::uint64_t i = 0; i < readers; ++i) {
    tally& mine = now.tally_of(i);
    asio::co_spawn(on.io(),
                   what == store_read::everything
                       ? scan(each, mine)
                       : read_groups(each, mine, what == store_read::one_stream, i + 1),
                   [&](std::exception_ptr error) {
                     if (error) now.fail(error);
                     if (--running == 0) all_ended.set_value();
                   });
  }
  now.keep_time(dir.parent_path());
  all_ended.get_future().wait();
  const std::uint64_t per_call =
      what == store_read::everything
          ? events_in_batch
          : shape.events / (what == store_read::one_stream ? shape.streams : shape.tags);
  turn_result result = now.result(std::max<std::uint64_t>(1, per_call));
  store.close();
  return result;
}

}  // namespace nori::bench
