#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <optional>

#include "progress.hpp"
#include "telling.hpp"
#include "writing.hpp"

namespace nori::suites {
namespace {

struct log_writer {
  log_writer(const writing& told, asio::io_context& on)
      : how(told),
        io(on),
        random(told.what.seed + told.from.at(0)),
        next(told.from.at(0)),
        progress(told.what.policy, told.lies, told.from.at(0)),
        tell(on.get_executor(), 1) {}

  const writing& how;
  asio::io_context& io;
  random_numbers random;
  wal log;
  std::uint64_t next;
  lane_progress<position> progress;
  telling tell;
  std::size_t workers = 0;
  bool closed = false;
  std::exception_ptr failed;

  void note() {
    if (how.what.policy == fsync_policy::kind::batch) {
      progress.durable_before(log.durable_position());
    }
    progress.check_window();
    tell.acknowledged(0, progress.acknowledged(), progress.durable());
  }
  [[nodiscard]] bool ends() const { return next >= how.until; }
};

asio::awaitable<void> sleep_for(asio::io_context* io, std::chrono::milliseconds time) {
  asio::steady_timer timer(*io, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> append_groups(log_writer* to) {
  std::vector<record> records;
  std::vector<record_view> views;
  while (!to->ends()) {
    // Taken and appended without a suspension between: the log has the order of the numbers.
    const group what(to->how.what.seed, to->next++);
    records.clear();
    for (std::size_t i = 0; i < what.records(); ++i) records.push_back(what.made(i));
    views.assign(records.begin(), records.end());
    position last;
    if (views.size() == 1) {
      last = co_await to->log.append(views.front());
    } else {
      const batch_positions both = co_await to->log.append_batch(views);
      last = both.last;
    }
    to->progress.acknowledge(what.number(), last);
    to->note();
    // Now and then the log falls idle.
    if (to->random.below(200) == 0) {
      co_await sleep_for(&to->io, std::chrono::milliseconds(to->random.below(60)));
    }
  }
  if (--to->workers != 0) co_return;
  co_await to->log.close();
  to->closed = true;
}

asio::awaitable<void> watch_durability(log_writer* to) {
  while (to->workers != 0) {
    co_await sleep_for(&to->io, std::chrono::milliseconds(1 + to->random.below(10)));
    if (to->workers == 0) break;
    if (to->how.what.policy == fsync_policy::kind::os && to->random.below(3) == 0 &&
        !to->how.lies) {
      // Where the log ends now is what this sync makes durable.
      const position end = to->log.current_position();
      co_await to->log.sync();
      to->progress.durable_before(end);
    }
    to->note();
  }
}

}  // namespace

void write_log(const writing& how) {
  asio::io_context io;
  log_writer writer(how, io);
  const auto note_failure = [&writer](std::exception_ptr error) {
    if (!error || writer.failed) return;
    writer.failed = error;
    writer.io.stop();
  };
  std::optional<wal::opened> opened;
  writer.failed = out_of_work("opening");
  asio::co_spawn(io, wal::open(how.what.log_config(how.dir)),
                 [&](std::exception_ptr error, wal::opened made) {
                   writer.failed = error;
                   if (!error) opened = std::move(made);
                   io.stop();
                 });
  io.run();
  if (!writer.failed) {
    io.restart();
    writer.log = std::move(opened->log);
    writer.tell.opened();
    writer.workers = 1 + writer.random.below(24);
    if (how.alone) writer.workers = 1;
    for (std::size_t i = writer.workers; i > 0; --i) {
      asio::co_spawn(io, append_groups(&writer), note_failure);
    }
    asio::co_spawn(io, watch_durability(&writer), note_failure);
    io.run();
    if (!writer.closed && !writer.failed) writer.failed = out_of_work("appending");
  }
  writer.tell.end(writer.failed);
}

}  // namespace nori::suites
