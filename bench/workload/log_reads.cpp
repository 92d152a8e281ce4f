#include "workload/log_reads.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <future>
#include <span>
#include <stdexcept>
#include <string>

#include "common/consumer.hpp"
#include "workload/context.hpp"

namespace nori::bench {

namespace {

constexpr std::uint64_t calls_per_sample = 64;
constexpr std::uint64_t records_between_yields = 4096;

struct job {
  wal& log;
  turn& now;
  std::uint64_t records;
};

asio::awaitable<void> append_many(wal& log, std::string_view value, std::uint64_t records) {
  const record_view record{.value = value};
  for (std::uint64_t i = 1; i <= records; ++i) {
    co_await log.append(record);
    if (i % records_between_yields == 0) {
      throw_if_interrupted();
      co_await asio::post(asio::use_awaitable);
    }
  }
}

void expect_all(std::uint64_t found, std::uint64_t records) {
  if (found == records) return;
  throw std::runtime_error("the log gave " + std::to_string(found) + " of " +
                           std::to_string(records) + " records");
}

asio::awaitable<void> pass_by_next(const job& what) {
  reader from = what.log.read_from(position{});
  tally& mine = what.now.tally_of(0);
  consumer reads;
  std::uint64_t found = 0;
  while (what.now.now() != phase::over) {
    const auto started = clock::now();
    std::optional<entry> got = co_await from.next();
    what.now.note_latency(clock::now() - started);
    std::uint64_t i = 0;
    while (got) {
      reads.look_at(got->value);
      if (++i == calls_per_sample) break;
      got = co_await from.next();
    }
    found += i;
    mine.add(i);
    if (!got) {
      expect_all(found, what.records);
      co_return;
    }
  }
}

asio::awaitable<void> pass_by_next_batch(const job& what) {
  reader from = what.log.read_from(position{});
  tally& mine = what.now.tally_of(0);
  consumer reads;
  std::uint64_t found = 0;
  while (what.now.now() != phase::over) {
    const auto started = clock::now();
    const std::span<const entry> got = co_await from.next_batch();
    what.now.note_latency(clock::now() - started);
    for (const entry& each : got) reads.look_at(each.value);
    found += got.size();
    mine.add(got.size());
    if (got.empty()) {
      expect_all(found, what.records);
      co_return;
    }
  }
}

asio::awaitable<void> pass(const job& what, read_call call) {
  return call == read_call::next ? pass_by_next(what) : pass_by_next_batch(what);
}

asio::awaitable<void> passes(const job& what, read_call call) {
  while (what.now.now() != phase::over) {
    co_await pass(what, call);
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<void> measured_pass(const job& what, read_call call) {
  what.now.begin_measuring();
  co_await pass(what, call);
  what.now.end_measuring();
}

}  // namespace

void write_log(const log_options& options, std::uint64_t records,
               const std::filesystem::path& dir) {
  context on(1, [](std::size_t) {});
  open_log log(on, config_of(options, fsync_policy::os(), dir));
  const std::string value = make_value(options.size);
  on.run(append_many(*log, value, records));
  log.close();
}

turn_result read_log(const log_options& options, std::uint64_t records,
                     const std::filesystem::path& dir, read_call call, double seconds) {
  turn now(seconds, 1, options.threads);
  context on(options.threads, [&now](std::size_t thread) { now.use_histogram(thread); });
  open_log log(on, config_of(options, fsync_policy::os(), dir));
  const job what{*log, now, records};
  std::promise<void> ended;
  asio::co_spawn(on.io(), passes(what, call), [&](std::exception_ptr error) {
    if (error) now.fail(error);
    ended.set_value();
  });
  now.keep_time(dir.parent_path());
  ended.get_future().wait();
  return now.result(1);
}

turn_result read_log_once(const log_options& options, std::uint64_t records,
                          const std::filesystem::path& dir, read_call call,
                          const std::function<void()>& before) {
  turn now(0, 1, options.threads);
  context on(options.threads, [&now](std::size_t thread) { now.use_histogram(thread); });
  open_log log(on, config_of(options, fsync_policy::os(), dir));
  before();
  const job what{*log, now, records};
  on.run(measured_pass(what, call));
  return now.result(1);
}

}  // namespace nori::bench
