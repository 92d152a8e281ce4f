#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <exception>
#include <optional>

#include <nori/store/event_store.hpp>
#include <nori/store/snapshots.hpp>

#include "progress.hpp"
#include "telling.hpp"
#include "writing.hpp"

namespace nori::suites {
namespace {

struct store_writer {
  store_writer(const writing& told, asio::io_context& on)
      : how(told), io(on), tell(on.get_executor(), told.from.size()) {
    std::uint64_t sum = told.what.seed;
    for (const std::uint64_t from : told.from) {
      sum += from;
      lanes.emplace_back(told.what.policy, told.lies, from);
    }
    random = random_numbers(sum);
  }

  const writing& how;
  asio::io_context& io;
  random_numbers random{0};
  event_store store;
  snapshot_store snapshots;
  std::vector<lane_progress<std::uint64_t>> lanes;
  telling tell;
  std::size_t workers = 0;
  bool closed = false;
  std::exception_ptr failed;

  void note(std::size_t lane) {
    if (how.what.policy == fsync_policy::kind::batch) {
      lanes[lane].durable_before(store.durable_global_position());
    }
    lanes[lane].check_window();
    tell.acknowledged(lane, lanes[lane].acknowledged(), lanes[lane].durable());
  }
  void note_all() {
    for (std::size_t i = 0; i < lanes.size(); ++i) note(i);
  }
};

asio::awaitable<void> wait_for(asio::io_context* io, std::chrono::milliseconds time) {
  asio::steady_timer timer(*io, time);
  co_await timer.async_wait(asio::use_awaitable);
}

// The events of a group and the views that an append wants.
class appended_events {
 public:
  explicit appended_events(const event_group& what) {
    for (std::size_t i = 0; i < what.events(); ++i) events_.push_back(what.made(i));
    for (const event& each : events_) tags_.emplace_back(each.tags.begin(), each.tags.end());
    for (std::size_t i = 0; i < events_.size(); ++i) {
      event_view& view = views_.emplace_back();
      view.type = events_[i].type;
      view.data = events_[i].data;
      view.tags = tags_[i];
      view.id = events_[i].id;
    }
  }
  [[nodiscard]] std::span<const event_view> views() const { return views_; }

 private:
  std::vector<event> events_;
  std::vector<std::vector<std::string_view>> tags_;
  std::vector<event_view> views_;
};

asio::awaitable<void> append_event_groups(store_writer* to, std::size_t lane) {
  const std::uint64_t seed = to->how.what.seed;
  std::array<std::optional<std::uint64_t>, event_group::own_streams> heads;
  const auto count = [&heads](const event_group& done) {
    if (done.own() == 0) return;
    auto& head = heads[done.place()];
    head = (head ? *head + 1 : 0) + done.own() - 1;
  };
  for (std::uint64_t n = 0; n < to->how.from[lane]; ++n) count(event_group(seed, lane, n));
  for (std::uint64_t n = to->how.from[lane]; n < to->how.until; ++n) {
    const event_group what(seed, lane, n);
    const appended_events events(what);
    const std::string own = event_group::own_stream(lane, what.place());
    append_request request;
    if (what.own() != 0) {
      request.to(own, expected_revision::after(heads[what.place()]),
                 events.views().first(what.own()));
    }
    if (what.shared() != 0) {
      request.to("shared", expected_revision::any(), events.views().last(what.shared()));
    }
    const append_result result = co_await to->store.append(request);
    if (!result) throw std::runtime_error(result.error().message());
    count(what);
    to->lanes[lane].acknowledge(n, result->last_global_position);
    to->note(lane);
    if (to->random.below(200) == 0) {
      co_await wait_for(&to->io, std::chrono::milliseconds(to->random.below(60)));
    }
  }
  if (--to->workers != 0) co_return;
  co_await to->store.close();
  to->closed = true;
}

asio::awaitable<void> watch_store(store_writer* to) {
  while (to->workers != 0) {
    co_await wait_for(&to->io, std::chrono::milliseconds(1 + to->random.below(10)));
    if (to->workers == 0) break;
    if (to->how.what.policy == fsync_policy::kind::os && to->random.below(3) == 0 &&
        !to->how.lies) {
      const std::uint64_t end = to->store.next_global_position();
      co_await to->store.sync();
      for (auto& each : to->lanes) each.durable_before(end);
    }
    to->note_all();
  }
}

// A consumer that keeps a checkpoint and snapshots of what is durable, and nothing else.
asio::awaitable<void> follow(store_writer* to) {
  subscribe_options how;
  how.batch_events_max = 64;
  how.after = co_await to->store.load_checkpoint(checkpoint_name);
  subscription events = to->store.subscribe(how);
  const std::string watched = event_group::own_stream(0, 0);
  for (;;) {
    const event_batch batch = co_await events.next_batch();
    std::optional<std::uint64_t> revision;
    for (const recorded_event& each : batch.events) {
      if (each.stream == watched) revision = each.revision;
    }
    if (batch.through && to->random.below(3) == 0) {
      co_await to->store.save_checkpoint(checkpoint_name, *batch.through);
      to->tell.checkpoint(*batch.through);
    }
    if (revision && to->random.below(5) == 0) {
      snapshot made;
      made.stream = watched;
      made.revision = *revision;
      made.data = snapshot_data(watched, *revision);
      co_await to->snapshots.save(made);
      to->tell.snapshot(watched, *revision);
    }
  }
}

asio::awaitable<void> open_store(store_writer* to) {
  event_store::opened opened = co_await event_store::open(to->how.what.events_config(to->how.dir));
  to->store = std::move(opened.store);
  snapshot_store kept =
      co_await snapshot_store::open(snapshot_config(snapshots_beside(to->how.dir)));
  to->snapshots = std::move(kept);
}

}  // namespace

void write_store(const writing& how) {
  asio::io_context io;
  store_writer writer(how, io);
  const auto note_failure = [&writer](std::exception_ptr error) {
    if (!error || writer.failed) return;
    // What closed the store is not disturbed by who followed it.
    if (writer.workers == 0 && writer.store.failure() == boost::system::error_code()) return;
    writer.failed = error;
    writer.io.stop();
  };
  writer.failed = out_of_work("opening");
  asio::co_spawn(io, open_store(&writer), [&](std::exception_ptr error) {
    writer.failed = error;
    io.stop();
  });
  io.run();
  if (!writer.failed) {
    io.restart();
    writer.tell.opened();
    writer.workers = how.from.size();
    for (std::size_t i = 0; i < how.from.size(); ++i) {
      asio::co_spawn(io, append_event_groups(&writer, i), note_failure);
    }
    asio::co_spawn(io, watch_store(&writer), note_failure);
    asio::co_spawn(io, follow(&writer), note_failure);
    io.run();
    if (!writer.closed && !writer.failed) writer.failed = out_of_work("appending");
  }
  writer.tell.end(writer.failed);
}

}  // namespace nori::suites
