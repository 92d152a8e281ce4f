#include "workload/delivery.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <atomic>
#include <future>
#include <string>

#include <nori/error.hpp>

#include "workload/store_filling.hpp"

namespace nori::bench {

namespace {

// One event is under way at a time, and the next few may overtake what the other side does with it.
constexpr std::size_t events_under_way_max = 1024;

struct meeting {
  event_store& store;
  turn& now;
  tally& given;
  std::string data;
  // When the append of an event completed, or that it was given before: whoever is second knows.
  std::array<std::atomic<clock::rep>, events_under_way_max> completed{};

  static constexpr clock::rep was_given = -1;
  std::atomic<clock::rep>& of(std::uint64_t position) {
    return completed[position % events_under_way_max];
  }
};

asio::awaitable<void> append(meeting& at) {
  while (at.now.now() != phase::over) {
    const append_result result = co_await at.store.append(
        "account", expected_revision::any(), event_view{.type = event_type_name, .data = at.data});
    const clock::rep time = clock::now().time_since_epoch().count();
    if (at.of(result.value().last_global_position).exchange(time) == meeting::was_given) {
      at.of(result.value().last_global_position) = 0;
      at.now.note_latency(clock::duration::zero());
    }
  }
}

asio::awaitable<void> follow(meeting& at) {
  subscription events = at.store.subscribe();
  try {
    for (;;) {
      const event_batch batch = co_await events.next_batch();
      const auto time = clock::now();
      for (const recorded_event& each : batch.events) {
        at.given.add(1);
        const clock::rep before = at.of(each.global_position).exchange(meeting::was_given);
        if (before == 0) continue;
        at.of(each.global_position) = 0;
        at.now.note_latency(time.time_since_epoch() - clock::duration(before));
      }
    }
  } catch (const boost::system::system_error& ended) {
    if (ended.code() != errc::closed) throw;
  }
}

}  // namespace

turn_result deliver(const log_options& options, const std::filesystem::path& dir, double seconds) {
  turn now(seconds, 1, options.threads);
  context on(options.threads, [&now](std::size_t thread) { now.use_histogram(thread); });
  open_event_store store(on, options, fsync_policy::always(), dir);
  meeting at{*store, now, now.tally_of(0), make_value(options.size)};
  std::promise<void> appended;
  std::promise<void> followed;
  const auto tell = [&now](std::promise<void>& who) {
    return [&now, &who](std::exception_ptr error) {
      if (error) now.fail(error);
      who.set_value();
    };
  };
  asio::co_spawn(on.io(), follow(at), tell(followed));
  asio::co_spawn(on.io(), append(at), tell(appended));
  now.keep_time(dir.parent_path());
  appended.get_future().wait();
  store.close();
  followed.get_future().wait();
  return now.result(1);
}

}  // namespace nori::bench
