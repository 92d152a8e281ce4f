#include "workload/store_appends.hpp"

#include <boost/asio/co_spawn.hpp>

#include <atomic>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace nori::bench {

namespace {

struct job {
  event_store& store;
  turn& now;
  std::string_view data;
  std::uint64_t batch;
};

// `mine` counts. Everything referred to outlives the coroutine.
asio::awaitable<void> append_each(const job& what, tally& mine, std::uint64_t writer) {
  const std::string stream = stream_name(writer);
  const std::string tag = tag_name(writer);
  const std::string_view tags[] = {tag};
  const event_view one{.type = event_type_name, .data = what.data, .tags = tags};
  const std::vector<event_view> events(what.batch, one);
  const query of_mine({query_item({std::string(event_type_name)}, {tag})});
  std::optional<std::uint64_t> revision;
  std::optional<std::uint64_t> watermark;
  while (what.now.now() != phase::over) {
    append_request request;
    request.to(stream, expected_revision::after(revision), events)
        .fail_if_match(of_mine, watermark);
    const auto started = clock::now();
    const append_result result = co_await what.store.append(std::move(request));
    what.now.note_latency(clock::now() - started);
    if (!result) throw std::runtime_error(result.error().message());
    revision = result->last_revision;
    watermark = result->last_global_position;
    mine.add(what.batch);
  }
}

}  // namespace

turn_result append_conditionally(const conditional_load& load, const std::filesystem::path& dir,
                                 double seconds) {
  turn now(seconds, load.writers, load.log.threads);
  context on(load.log.threads, [&now](std::size_t thread) { now.use_histogram(thread); });
  open_event_store store(on, load.log, fsync_policy::always(), dir);
  const std::string data = make_value(load.log.size);
  const job what{*store, now, data, load.batch};
  std::atomic<std::uint64_t> running = load.writers;
  std::promise<void> all_ended;
  for (std::uint64_t i = 0; i < load.writers; ++i) {
    asio::co_spawn(on.io(), append_each(what, now.tally_of(i), i), [&](std::exception_ptr error) {
      if (error) now.fail(error);
      if (--running == 0) all_ended.set_value();
    });
  }
  now.keep_time(dir.parent_path());
  all_ended.get_future().wait();
  turn_result result = now.result(load.batch);
  store.close();
  return result;
}

}  // namespace nori::bench
