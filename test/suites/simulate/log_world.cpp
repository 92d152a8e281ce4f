#include "suites/simulate/log_world.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>

#include <nori/error.hpp>

namespace nori::simulate {

using boost::system::system_error;
using testing::simulated_disk;

namespace {

// Something goes in circles that takes so many.
constexpr std::size_t handlers_max = 2'000'000;

void run_all_ready(asio::io_context& io) {
  for (std::size_t handlers = 0;; ++handlers) {
    io.restart();
    if (io.poll_one() == 0) return;
    must(handlers != handlers_max, "handlers go on for ever");
  }
}

// What found_log is made of.
asio::awaitable<void> read_all(wal& from, found_log& into) {
  reader reading = from.read_from({});
  for (;;) {
    const std::span<const entry> some = co_await reading.next_batch();
    if (some.empty()) co_return;
    for (const entry& each : some) {
      into.records.emplace_back(each.value);
      into.ends_batch.push_back(each.ends_batch);
      into.at.push_back(each.at);
      into.end = each.next;
    }
  }
}

// What a coroutine opens and reads. It has a share of it: where something goes wrong meanwhile, the
// coroutine is resumed when whoever waited for it has gone.
struct looked_at {
  std::optional<wal> log;
  found_log found;
};

asio::awaitable<void> look(config settings, std::shared_ptr<looked_at> into) {
  wal::opened opened = co_await wal::open(settings);
  into->log.emplace(std::move(opened.log));
  into->found.info = std::move(opened.recovered);
  co_await read_all(*into->log, into->found);
}

}  // namespace

std::size_t log_model::gone_at_most() const {
  std::size_t most = 0;
  for (std::size_t i = 0; i != batches.size(); ++i) {
    if (batches[i].segment != 0 && batches[i].segment < deleted_to) most = i + 1;
  }
  return most;
}

std::size_t log_model::prefix(const values& found, std::size_t* start) const {
  for (std::size_t gone = gone_at_most();; --gone) {
    try {
      const std::size_t count = prefix_from(gone, found);
      if (start != nullptr) *start = gone;
      return count;
    } catch (const violation&) {
      if (gone == 0) throw;
    }
  }
}

std::size_t log_model::prefix_from(std::size_t start, const values& found) const {
  std::size_t at = 0;
  std::size_t count = start;
  for (std::size_t i = start; i != batches.size() && at != found.size(); ++i) {
    if (batches[i].absent) continue;
    const values& records = batches[i].records;
    must(records.size() <= found.size() - at, "half a batch was recovered");
    must(
        std::equal(records.begin(), records.end(), found.begin() + static_cast<std::ptrdiff_t>(at)),
        "what is recovered is not what was appended, in its order");
    at += records.size();
    count = i + 1;
  }
  must(at == found.size(), "more is recovered than was appended");
  return count;
}

std::size_t log_model::records_of(std::size_t count) const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i != count; ++i) {
    if (!batches[i].absent) sum += batches[i].records.size();
  }
  return sum;
}

void log_model::go_on_with(std::size_t count, std::size_t start) {
  batches.resize(count);
  batches.erase(batches.begin(), batches.begin() + static_cast<std::ptrdiff_t>(start));
  std::erase_if(batches, [](const batch& each) { return each.absent; });
  durable = written = batches.size();
}

log_world::log_world(std::uint64_t seed, fsync_policy its_policy)
    : random(seed), disk(seed), policy(its_policy) {}

log_world::~log_world() {
  disk.on_operation(nullptr);
  disk.clear_faults();
  log_.reset();
  try {
    run_ready();
  } catch (const std::exception&) {  // NOLINT: what went wrong first is on its way already
  }
}

config log_world::settings() const {
  config made("log");
  made.storage = disk.storage();
  made.fsync = policy;
  made.segment_bytes_max = segment_bytes_lowest;
  made.buffer_bytes_max = buffer_bytes;
  made.recovery = recovery;
  return made;
}

void finish(simulated_disk& on, asio::io_context& io, asio::awaitable<void> what) {
  struct ending {
    bool done = false;
    std::exception_ptr error;
  };
  const auto end = std::make_shared<ending>();
  asio::co_spawn(io, std::move(what), [end](std::exception_ptr error) {
    end->done = true;
    end->error = error;
  });
  // Not until nothing is left: what the log does in the background goes on by itself.
  std::size_t handlers = 0;
  static_cast<void>(on.run_until(io, [&] { return end->done || ++handlers == handlers_max; }));
  must(end->done, "a coroutine never ended");
  if (end->error) std::rethrow_exception(end->error);
}

found_log recover(simulated_disk& on, asio::io_context& io, const config& settings, bool* opened) {
  const auto seen = std::make_shared<looked_at>();
  try {
    finish(on, io, look(settings, seen));
  } catch (...) {
    if (opened != nullptr) *opened = seen->log.has_value();
    throw;
  }
  if (opened != nullptr) *opened = true;
  seen->log.reset();
  // Whoever is destroyed lets go in the background.
  run_all_ready(io);
  return std::move(seen->found);
}

void log_world::open() {
  const auto seen = std::make_shared<looked_at>();
  finish(disk, io, look(settings(), seen));
  log_ = std::move(seen->log);
  std::size_t gone = 0;
  const std::size_t count = model.prefix(seen->found.records, &gone);
  must(count >= std::max(model.durable, model.written), "something acknowledged is lost");
  model.go_on_with(count, gone);
  std::size_t record = 0;
  for (log_model::batch& each : model.batches) {
    each.segment = seen->found.at[record].segment_id;
    record += each.records.size();
  }
  done_.assign(model.batches.size(), true);
}

void log_world::acknowledge(std::size_t count, bool durable) {
  model.written = std::max(model.written, count);
  if (durable) model.durable = std::max(model.durable, count);
}

void log_world::append(values records) {
  model.batches.push_back({std::move(records)});
  done_.push_back(false);
  begin(append_batch(model.batches.size() - 1));
}

asio::awaitable<void> log_world::append_batch(std::size_t index) {
  std::vector<record_view> views;
  for (const std::string& each : model.batches[index].records) {
    record_view view;
    view.value = each;
    views.push_back(view);
  }
  try {
    if (!log_) {
      model.batches[index].absent = true;
      co_return;
    }
    const batch_positions at = co_await log_->append_batch(views);
    model.batches[index].segment = at.first.segment_id;
    // The promise is for it and everything before it.
    acknowledge(index + 1, policy.which() == fsync_policy::kind::always);
  } catch (const system_error& failed) {
    const bool in_doubt = failed.code() == errc::append_in_doubt;
    if (!in_doubt && index < model.batches.size()) model.batches[index].absent = true;
  }
}

void log_world::begin(asio::awaitable<void> what) {
  ++running_;
  asio::co_spawn(io, std::move(what), [this](std::exception_ptr error) {
    --running_;
    if (error) std::rethrow_exception(error);
  });
}

void log_world::sync() { begin(sync_all()); }

void log_world::delete_old() { begin(delete_before_newest()); }

asio::awaitable<void> log_world::delete_before_newest() {
  if (!log_) co_return;
  const position newest = log_->current_position();
  model.deleted_to = std::max(model.deleted_to, newest.segment_id);
  try {
    static_cast<void>(co_await log_->delete_segments_before(newest));
  } catch (const system_error&) {  // NOLINT: then some of it may be gone
  }
}

asio::awaitable<void> log_world::sync_all() {
  if (!log_) co_return;
  // What still waits for room is not covered.
  std::size_t covered = model.written;
  try {
    co_await log_->sync();
    acknowledge(covered, true);
  } catch (const system_error&) {  // NOLINT: then nothing was promised
  }
}

void log_world::close() {
  struct closing {
    static asio::awaitable<void> run(wal* log) { co_await log->close(); }
  };
  finish(disk, io, closing::run(&*log_));
  std::size_t all = model.batches.size();
  while (all != 0 && model.batches[all - 1].absent) --all;
  acknowledge(all, true);
  drop();
}

bool log_world::run_some(std::size_t handlers) {
  for (; handlers != 0; --handlers) {
    io.restart();
    if (io.poll_one() == 0) return false;
  }
  return true;
}

void log_world::run_ready() { run_all_ready(io); }

bool log_world::settle(std::chrono::seconds patience) {
  const auto until = disk.now() + patience;
  std::size_t handlers = 0;
  static_cast<void>(disk.run_until(
      io, [&] { return running_ == 0 || disk.now() > until || ++handlers == handlers_max; }));
  return running_ == 0;
}

void log_world::drop() {
  log_.reset();
  run_ready();
  must(running_ == 0, "an append never ended");
}

}  // namespace nori::simulate
