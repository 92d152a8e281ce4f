#include "workload/store_filling.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "common/measure.hpp"
#include "common/scratch.hpp"

namespace nori::bench {

namespace {

constexpr std::uint64_t events_between_yields = 4096;

// Of the newest segment, before a store is killed.
constexpr double full_share = 0.9;

// co_spawn wants results that can be default-constructed.
asio::awaitable<void> open_into(std::optional<event_store>& to, store_recovery_info& recovered,
                                store_config options) {
  event_store::opened opened = co_await event_store::open(std::move(options));
  to.emplace(std::move(opened.store));
  recovered = opened.recovered;
}

asio::awaitable<void> append_range(event_store& store, const store_shape& shape,
                                   std::string_view data, std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t i = first; i < end; ++i) {
    const std::string stream = stream_name(i % shape.streams);
    const std::string tag = tag_name(i % shape.tags);
    const std::string_view tags[] = {tag};
    const event_view what{.type = event_type_name, .data = data, .tags = tags};
    const append_result result = co_await store.append(stream, expected_revision::any(), what);
    if (!result) throw std::runtime_error(result.error().message());
    if (i % events_between_yields == 0) {
      throw_if_interrupted();
      co_await asio::post(asio::use_awaitable);
    }
  }
}

asio::awaitable<void> find_newest(event_store& store, position& at) {
  read_events how;
  how.order = direction::backwards;
  how.limit = 1;
  event_reader reader = store.read_all(how);
  const std::optional<recorded_event> last = co_await reader.next();
  at = last ? last->at : position{};
}

position newest_of(context& on, event_store& store) {
  position at;
  on.run(find_newest(store, at));
  return at;
}

}  // namespace

std::string stream_name(std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "account-%08llu", static_cast<unsigned long long>(number));
  return text;
}

std::string tag_name(std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "customer-%06llu", static_cast<unsigned long long>(number));
  return text;
}

open_event_store::open_event_store(context& on, const log_options& options, fsync_policy policy,
                                   const std::filesystem::path& dir)
    : on_(on) {
  store_config how;
  how.log = config_of(options, policy, dir);
  on_.run(open_into(store_, recovered_, std::move(how)));
}

open_event_store::~open_event_store() {
  try {
    close();
  } catch (...) {
    // It is not the measurement that failed; the store is given up as if killed.
  }
}

void open_event_store::close() {
  if (!store_) return;
  event_store closing = std::move(*store_);
  store_.reset();
  on_.run(closing.close());
}

filling fill(context& on, event_store& store, const store_shape& shape) {
  const std::string data = make_value(shape.log.size);
  const auto begin = clock::now();
  on.run(append_range(store, shape, data, 0, shape.events));
  return {std::chrono::duration<double>(clock::now() - begin).count(), shape.events};
}

std::uint64_t fill_newest_segment(context& on, event_store& store, const store_shape& shape,
                                  std::uint64_t events) {
  const std::string data = make_value(shape.log.size);
  const auto full =
      static_cast<std::uint64_t>(full_share * static_cast<double>(shape.log.segment_bytes));
  constexpr std::uint64_t step = 2000;
  const std::uint64_t before = newest_of(on, store).segment_id;
  for (position at; at.segment_id <= before || at.offset < full; at = newest_of(on, store)) {
    on.run(append_range(store, shape, data, events, events + step));
    events += step;
  }
  return events;
}

std::size_t event_frame_bytes(const store_shape& shape, const std::filesystem::path& scratch) {
  const scratch_directory mine(scratch);
  context on(1, [](std::size_t) {});
  open_event_store store(on, shape.log, fsync_policy::os(), mine.path() / "store");
  const std::string data = make_value(shape.log.size);
  on.run(append_range(*store, shape, data, 0, 1));
  const position first = newest_of(on, *store);
  on.run(append_range(*store, shape, data, 1, 2));
  return static_cast<std::size_t>(newest_of(on, *store).offset - first.offset);
}

}  // namespace nori::bench
