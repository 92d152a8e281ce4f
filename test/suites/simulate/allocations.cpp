// Every allocation in a log's life fails, once, some times or for ever: the operation that ran out
// of memory says so and changed nothing, or is in doubt; nothing acknowledged is lost; and once
// there is memory again everything goes on.

#include <boost/system/errc.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nori/error.hpp>
#include <nori/wal.hpp>

#include "suites/simulate/log_world.hpp"
#include "suites/simulate/starving.hpp"

namespace nori::simulate {

namespace {

using namespace std::chrono_literals;
using boost::system::system_error;

constexpr std::size_t batches_max = 64;

/// A log, what was appended to it, and what came of that.
class starving_log : public starving_world {
 public:
  starving_log(std::uint64_t seed, backend on)
      : starving_world(seed, on), policy_(policy_of(seed)) {
    model_.batches.reserve(batches_max);
  }
  ~starving_log() {
    static_cast<void>(test::give_memory());
    log_.reset();
  }

  /// Two lives of a log; memory may run out in them.
  void live() {
    for (int life = 0; life != 2; ++life) {
      finish(open_once(), "opening");
      if (!log_) return;
      begin(follow());
      for (int i = 0; i != 20; ++i) {
        append();
        if (i % 5 == 4) static_cast<void>(settle_appends(200ms));
        if (i == 7) begin(sync());
        if (i == 11) try_append();
      }
      static_cast<void>(settle_appends(200ms));
      if (life == 1) finish(delete_old(), "deleting");
      // An idle log lays a mark.
      pass(disk ? 150ms : 5ms);
      const bool kills = disk && random.one_in(3);
      if (!kills && random.one_in(2)) {
        finish(close_once(), "closing");
        if (closed_) continue;
      }
      {
        // It is abandoned.
        const granted_memory::withdrawn library;
        log_.reset();
      }
      if (kills) disk->kill();
      must(settle(20s), "what waits for an abandoned log never ends");
    }
  }

  /// There is memory again: everything works, and everything that was acknowledged is there.
  void recover() {
    static_cast<void>(test::give_memory());
    must(settle_appends(20s), "after there is memory again an append does not end");
    if (log_) {
      must(!log_->failure(), "the log failed");
      append();
      begin(sync());
      must(settle_appends(20s), "after there is memory again an append or a sync does not end");
      must(model_.written == model_.batches.size(),
           "after there is memory again nothing is appended");
      finish(close_once(), "closing");
      must(closed_, "after there is memory again the log can't be closed");
    }
    must(settle(20s), "a coroutine never ends");
    finish(open_once(), "opening");
    must(log_.has_value(), "after there is memory again the log can't be opened");
    append();
    must(settle_appends(20s), "the log that was opened again takes nothing");
    must(model_.written == model_.batches.size(), "the log that was opened again takes nothing");
    finish(close_once(), "closing");
    must(closed_, "the log that was opened again can't be closed");
    finish(open_once(), "opening");
    must(log_.has_value(), "the log can't be opened again");
    finish(close_once(), "closing");
  }

 protected:
  static fsync_policy policy_of(std::uint64_t seed) {
    if (seed % 3 == 0) return fsync_policy::always();
    if (seed % 3 == 1) return fsync_policy::batch(5ms);
    return fsync_policy::os();
  }

  // Memory is granted to what is the test's own; the library's calls are outside of that.

  asio::awaitable<void> open_once() {
    std::optional<config> chosen;
    {
      const granted_memory granted;
      chosen.emplace(settings(policy_));
      log_.reset();
      closed_ = false;
    }
    try {
      wal::opened opened = co_await wal::open(std::move(*chosen));
      const granted_memory granted;
      log_.emplace(std::move(opened.log));
    } catch (const std::bad_alloc&) {
      co_return;
    } catch (const system_error& error) {
      const granted_memory granted;
      must_be_want_of_memory(error, "opening");
      co_return;
    }
    co_await compare();
  }

  // What is found must be what the model says, but for what was deleted.
  asio::awaitable<void> compare() {
    values found;
    std::optional<reader> reading;
    while (!reading) {
      try {
        reading.emplace(log_->read_from({}));
      } catch (const std::bad_alloc&) {
        if (gives_up()) co_return;
      }
    }
    for (;;) {
      std::optional<entry> one;
      try {
        one = co_await reading->next();
      } catch (const std::bad_alloc&) {
        if (gives_up()) co_return;
        continue;
      }
      const granted_memory granted;
      if (!one) break;
      found.emplace_back(one->value);
    }
    const granted_memory granted;
    attempts_ = 0;
    take_deleted(found);
    const std::size_t count = model_.prefix(found);
    must(count >= std::max(model_.durable, model_.written), "something acknowledged is lost");
    model_.go_on_with(count);
  }

  // Memory was let run out for ever: then there is nothing to compare with.
  [[nodiscard]] bool gives_up() {
    if (++attempts_ < 100) return false;
    attempts_ = 0;
    const granted_memory granted;
    log_.reset();
    return true;
  }

  // Segments hold whole batches: what is found begins with one.
  void take_deleted(const values& found) {
    if (!deleted_ || found.empty()) return;
    std::size_t gone = 0;
    for (; gone != model_.batches.size(); ++gone) {
      const log_model::batch& each = model_.batches[gone];
      if (!each.absent && each.records.front() == found.front()) break;
    }
    must(gone != model_.batches.size(), "what is found first was never appended");
    model_.batches.erase(model_.batches.begin(),
                         model_.batches.begin() + static_cast<std::ptrdiff_t>(gone));
    model_.written -= std::min(model_.written, gone);
    model_.durable -= std::min(model_.durable, gone);
  }

  void append() {
    if (!log_) return;
    values records(1 + random.below(3));
    for (std::string& each : records) {
      const std::size_t bytes = random.below(9000);
      each = std::to_string(++number_) + ' ';
      each += random.one_in(3) ? std::string(bytes, ' ') : random.text(bytes);
    }
    must(model_.batches.size() < batches_max);
    model_.batches.push_back({std::move(records)});
    ++appending_;
    begin(append_batch(&*log_, model_.batches.size() - 1));
  }

  asio::awaitable<void> append_batch(wal* log, std::size_t index) {
    std::vector<record_view> views;
    {
      const granted_memory granted;
      for (const std::string& each : model_.batches[index].records) {
        // Reading what is compressed takes memory, too.
        const auto how = each.back() == ' ' ? compression::lz4 : compression::none;
        views.push_back({.value = each, .compress = how});
      }
    }
    try {
      if (views.size() == 1) {
        co_await log->append(views.front());
      } else {
        co_await log->append_batch(views);
      }
      acknowledge(index + 1, policy_.which() == fsync_policy::kind::always);
    } catch (const std::bad_alloc&) {
      model_.batches[index].absent = true;
    } catch (const system_error& failed) {
      const granted_memory granted;
      if (failed.code() != errc::append_in_doubt) model_.batches[index].absent = true;
      if (failed.code() != errc::append_in_doubt && !has_ended(failed.code())) {
        must_be_want_of_memory(failed, "an append");
      }
    }
    --appending_;
  }

  void try_append() {
    if (!log_) return;
    model_.batches.push_back({{std::to_string(++number_) + " tried"}, true});
    begin(try_one(model_.batches.size() - 1));
  }

  // A coroutine, so that it comes behind what began to be appended before.
  asio::awaitable<void> try_one(std::size_t index) {
    log_model::batch& what = model_.batches[index];
    if (!log_ || !log_->try_append({.value = what.records.front()})) co_return;
    what.absent = false;
    // Under always nobody waited for it.
    if (policy_.which() != fsync_policy::kind::always) acknowledge(index + 1, false);
  }

  asio::awaitable<void> sync() {
    ++appending_;
    const std::size_t covered = model_.written;
    try {
      co_await log_->sync();
      acknowledge(covered, true);
    } catch (const std::bad_alloc&) {  // NOLINT: then nothing was promised
    } catch (const system_error& failed) {
      const granted_memory granted;
      if (!has_ended(failed.code())) must_be_want_of_memory(failed, "a sync");
    }
    --appending_;
  }

  // Reads what comes until the log goes; every record once, in order, whatever runs out.
  asio::awaitable<void> follow() {
    std::optional<reader> reading;
    for (int attempts = 0; !reading; ++attempts) {
      try {
        reading.emplace(log_->read_from({}, {.follow = true}));
      } catch (const std::bad_alloc&) {
        if (attempts == 100) co_return;
      }
    }
    std::uint64_t last = 0;
    for (int attempts = 0; attempts != 100; ++attempts) {
      try {
        const std::optional<entry> one = co_await reading->next();
        const granted_memory granted;
        if (!one) co_return;
        const std::uint64_t number = std::stoull(std::string(one->value));
        must(number > last, "a reader sees a record twice, or out of order");
        last = number;
        attempts = 0;
        continue;
      } catch (const std::bad_alloc&) {  // NOLINT: it goes on where it was
      } catch (const system_error& ended) {
        const granted_memory granted;
        if (has_ended(ended.code()) || ended.code() == errc::position_not_found) co_return;
        must_be_want_of_memory(ended, "reading");
      }
    }
  }

  asio::awaitable<void> delete_old() {
    try {
      deleted_ = true;
      static_cast<void>(co_await log_->delete_segments_before(log_->current_position()));
    } catch (const std::bad_alloc&) {  // NOLINT: it is done or not
    } catch (const system_error& failed) {
      const granted_memory granted;
      must_be_want_of_memory(failed, "deleting");
    }
  }

  asio::awaitable<void> close_once() {
    try {
      co_await log_->close();
      std::size_t all = model_.batches.size();
      while (all != 0 && model_.batches[all - 1].absent) --all;
      acknowledge(all, true);
      const granted_memory granted;
      log_.reset();
      closed_ = true;
    } catch (const std::bad_alloc&) {  // NOLINT: then it is open still
    } catch (const system_error& failed) {
      const granted_memory granted;
      must_be_want_of_memory(failed, "closing");
    }
  }

  static void must_be_want_of_memory(const system_error& error, const char* what) {
    if (error.code() == boost::system::errc::not_enough_memory) return;
    throw violation(std::string(what) + " failed: " + error.what());
  }

  void acknowledge(std::size_t count, bool durable) {
    model_.written = std::max(model_.written, count);
    if (durable) model_.durable = std::max(model_.durable, count);
  }

  [[nodiscard]] bool settle_appends(std::chrono::milliseconds patience) {
    for (auto waited = 0ms; appending_ != 0 && waited < patience; waited += 10ms) pass(10ms);
    return appending_ == 0;
  }

  const fsync_policy policy_;
  log_model model_;
  std::optional<wal> log_;
  bool closed_ = false;
  bool deleted_ = false;
  std::size_t appending_ = 0;
  std::uint64_t number_ = 0;
  int attempts_ = 0;
};

/// A log that is only opened, so that every allocation of that can have its turn in each world.
class starving_opening : public starving_log {
 public:
  using starving_log::starving_log;

  void live() { finish(open_once(), "opening"); }
  void recover() {
    static_cast<void>(test::give_memory());
    if (!log_) finish(open_once(), "opening");
    must(log_.has_value(), "after there is memory again the log can't be opened");
    finish(close_once(), "closing");
    must(closed_, "after there is memory again the log can't be closed");
  }
};

}  // namespace

void allocations(std::uint64_t seed, figures& counted) {
  starve<starving_log>(seed, backend::simulated, 100, counted);
  // Threads and the kernel come in between: each time a little otherwise.
  const backend real = seed % 2 == 0 ? backend::threads : backend::uring;
  starve<starving_log>(seed, real, 10, counted);
  starve<starving_opening>(seed, real, 1000, counted);
}

}  // namespace nori::simulate
