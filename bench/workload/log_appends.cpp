#include "workload/log_appends.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "common/pace.hpp"
#include "workload/context.hpp"

namespace nori::bench {

namespace {

// An append that need not wait does not suspend: this often the rest of the context gets its turn.
constexpr std::uint64_t records_between_yields = 4096;

// Reading the clock twice costs as much as an append that does not wait: this share is timed.
constexpr std::uint64_t calls_per_sample = 64;

// Of more writers only so many read the clock: otherwise it would be read a million times a second.
constexpr std::uint64_t writers_timed_max = 128;

// A log that does not complete what it was given, this long after the last append, is broken.
constexpr auto patience = std::chrono::seconds(60);

struct job {
  wal& log;
  turn& now;
  std::string_view value;
  std::uint64_t batch;
  std::uint64_t calls_per_sample;
  std::uint64_t samples_per_yield;  ///< 0: never yields
};

// `mine` counts. Everything referred to outlives the coroutine.
asio::awaitable<void> append_each(const job& what, tally& mine, bool timed) {
  wal& log = what.log;
  const record_view record{.value = what.value};
  for (std::uint64_t samples = 1; what.now.now() != phase::over; ++samples) {
    for (std::uint64_t i = 1; i < what.calls_per_sample; ++i) {
      co_await log.append(record);
      mine.add(1);
    }
    const auto started = timed ? clock::now() : clock::time_point();
    co_await log.append(record);
    if (timed) what.now.note_latency(clock::now() - started);
    mine.add(1);
    if (samples == what.samples_per_yield) {
      samples = 0;
      co_await asio::post(asio::use_awaitable);
    }
  }
}

asio::awaitable<void> append_batches(const job& what, tally& mine, bool timed) {
  wal& log = what.log;
  const std::vector<record_view> records(what.batch, record_view{.value = what.value});
  const std::span<const record_view> batch(records);
  for (std::uint64_t samples = 1; what.now.now() != phase::over; ++samples) {
    for (std::uint64_t i = 1; i < what.calls_per_sample; ++i) {
      co_await log.append_batch(batch);
      mine.add(what.batch);
    }
    const auto started = timed ? clock::now() : clock::time_point();
    co_await log.append_batch(batch);
    if (timed) what.now.note_latency(clock::now() - started);
    mine.add(what.batch);
    if (samples == what.samples_per_yield) {
      samples = 0;
      co_await asio::post(asio::use_awaitable);
    }
  }
}

// As often as `due` says; a latency counts from when the append was due.
asio::awaitable<void> append_on_time(const job& what, tally& mine, pace due) {
  wal& log = what.log;
  const std::vector<record_view> records(what.batch, record_view{.value = what.value});
  const std::span<const record_view> batch(records);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  std::uint64_t until_yield = records_between_yields;
  while (what.now.now() != phase::over) {
    const auto time = clock::now();
    if (time < due.due()) {
      timer.expires_at(std::min(due.due(), time + pace_nap));
      co_await timer.async_wait(asio::use_awaitable);
      until_yield = records_between_yields;
      continue;
    }
    co_await log.append_batch(batch);
    what.now.note_latency(clock::now() - due.due());
    mine.add(what.batch);
    due.advance();
    if (until_yield <= what.batch) {
      until_yield = records_between_yields;
      co_await asio::post(asio::use_awaitable);
    } else {
      until_yield -= what.batch;
    }
  }
}

[[noreturn]] void give_up(const std::filesystem::path& dir) {
  std::fprintf(stderr,
               "\nnori-bench: appends are still pending %lld s after the turn ended: the log does "
               "not complete them (its files are left in %s)\n",
               static_cast<long long>(patience.count()), dir.c_str());
  std::_Exit(1);
}

}  // namespace

turn_result append_to_log(const append_load& load, const std::filesystem::path& dir,
                          double seconds) {
  turn now(seconds, load.writers, load.log.threads);
  context on(load.log.threads, [&now](std::size_t thread) { now.use_histogram(thread); });
  open_log log(on, config_of(load.log, load.policy, dir));
  const std::string value = make_value(load.log.size);

  const bool waits = load.policy == fsync_policy::always();
  job what{*log, now, value, load.batch, 1, 0};
  if (!waits) {
    what.calls_per_sample = std::max<std::uint64_t>(1, calls_per_sample / load.batch);
    what.samples_per_yield =
        std::max<std::uint64_t>(1, records_between_yields / (what.calls_per_sample * load.batch));
  }

  const std::uint64_t writers_per_timed = (load.writers - 1) / writers_timed_max + 1;
  std::atomic<std::uint64_t> running = load.writers;
  std::promise<void> all_ended;
  const auto begin = clock::now();
  for (std::uint64_t i = 0; i < load.writers; ++i) {
    tally& mine = now.tally_of(i);
    const bool timed = i % writers_per_timed == 0;
    asio::awaitable<void> writer;
    if (load.rate > 0) {
      const double calls_per_s = load.rate / static_cast<double>(load.batch);
      writer = append_on_time(what, mine, pace(begin, calls_per_s, i, load.writers));
    } else if (load.batch == 1) {
      writer = append_each(what, mine, timed);
    } else {
      writer = append_batches(what, mine, timed);
    }
    asio::co_spawn(on.io(), std::move(writer), [&](std::exception_ptr error) {
      if (error) now.fail(error);
      if (--running == 0) all_ended.set_value();
    });
  }
  now.keep_time(dir.parent_path());
  if (all_ended.get_future().wait_for(patience) != std::future_status::ready) give_up(dir);
  turn_result result = now.result(load.batch);
  log.close();
  return result;
}

}  // namespace nori::bench
