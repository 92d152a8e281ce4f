#include "load.hpp"

#include <boost/asio/co_spawn.hpp>

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "support/run.hpp"

namespace nori::suites {

std::uint64_t resident_bytes() {
  std::ifstream from("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  from >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

load::load(const workload& what, const std::string& dir)
    : what_(what), progress_(what.policy, false, 0) {
  wal::opened opened = test::run(io_, wal::open(what.log_config(dir)));
  log_ = std::move(opened.log);
}

load::~load() { abandon(); }

asio::awaitable<void> load::append_one(load* to) {
  const auto begun = clock::now();
  const group what(to->what_.seed, to->next_++);
  std::vector<record> records;
  for (std::size_t i = 0; i < what.records(); ++i) records.push_back(what.made(i));
  const std::vector<record_view> views(records.begin(), records.end());
  position last;
  if (views.size() == 1) {
    last = co_await to->log_.append(views.front());
  } else {
    const batch_positions both = co_await to->log_.append_batch(views);
    last = both.last;
  }
  to->progress_.acknowledge(what.number(), last);
  const auto took = clock::now() - begun;
  to->latencies_.push_back(std::chrono::duration_cast<std::chrono::microseconds>(took));
}

void load::note_failure(std::exception_ptr error) {
  --under_way_;
  if (error && !failure_) failure_ = error;
}

// A single record without waiting. Its number is taken only where the log took the record.
void load::try_one() {
  const group what(what_.seed, next_);
  if (what.records() != 1) return;
  const record one = what.made(0);
  const auto taken = log_.try_append(one);
  if (!taken) {
    ++turned_away_;
    if (taken.error() != errc::would_block) {
      throw broken("an append that may not wait ended with: " + taken.error().message());
    }
    return;
  }
  ++next_;
  // Under always it is accepted, and no more than that: it is acknowledged by nobody.
  if (what_.policy != fsync_policy::kind::always) progress_.acknowledge(what.number(), *taken);
}

void load::one_arrives(std::size_t waiting_max) {
  // Under always a record that nobody acknowledges would end what the others tell.
  if (++arrived_ % 2 == 0 && what_.policy != fsync_policy::kind::always && under_way_ != 0) {
    try_one();
    return;
  }
  if (under_way_ >= waiting_max) {
    ++turned_away_;
    return;
  }
  ++under_way_;
  asio::co_spawn(io_, append_one(this), [this](std::exception_ptr error) { note_failure(error); });
}

void load::run_until(const std::function<bool()>& done) {
  auto measured = clock::now();
  while (!done()) {
    io_.restart();
    io_.run_one_until(clock::now() + std::chrono::milliseconds(1));
    io_.poll();
    if (failure_) {
      try {
        std::rethrow_exception(failure_);
      } catch (const std::exception& error) {
        throw broken(std::string("an append failed on a slow disk: ") + error.what());
      }
    }
    if (what_.policy == fsync_policy::kind::batch)
      progress_.durable_before(log_.durable_position());
    if (clock::now() - measured > std::chrono::milliseconds(20)) {
      measured = clock::now();
      resident_most_ = std::max(resident_most_, resident_bytes());
    }
  }
}

std::uint64_t load::saturate(std::size_t at_once, std::chrono::milliseconds time) {
  const auto begun = clock::now();
  const std::uint64_t before = progress_.acknowledged();
  run_until([&] {
    while (under_way_ < at_once) one_arrives(at_once);
    return clock::now() - begun > time;
  });
  const std::uint64_t done = progress_.acknowledged() - before;
  return std::max<std::uint64_t>(1, done * 1000 / static_cast<std::uint64_t>(time.count()));
}

void load::arrive(std::uint64_t per_second, std::size_t waiting_max, std::chrono::milliseconds time,
                  std::function<bool()> enough) {
  const auto begun = clock::now();
  std::uint64_t arrived = 0;
  run_until([&] {
    const auto now = clock::now();
    const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(now - begun);
    const std::uint64_t due = per_second * static_cast<std::uint64_t>(passed.count()) / 1'000'000;
    for (; arrived < due; ++arrived) one_arrives(waiting_max);
    return now - begun > time || (enough && enough());
  });
}

void load::drain(std::chrono::seconds patience) {
  const auto deadline = clock::now() + patience;
  run_until([&] {
    if (clock::now() > deadline) throw broken("appends do not end though the disk works again");
    return under_way_ == 0;
  });
}

void load::abandon() {
  // Who has arrived and not begun yet begins: afterwards there is nothing to append to.
  io_.restart();
  io_.poll();
  log_ = wal();
  io_.restart();
  io_.run();
}

account load::told() const {
  account made(1);
  made.take("a 0 " + std::to_string(progress_.acknowledged()) + " " +
            std::to_string(progress_.durable()) + "\n");
  return made;
}

std::chrono::microseconds load::take_median_latency() {
  if (latencies_.empty()) return {};
  const auto middle = latencies_.begin() + static_cast<std::ptrdiff_t>(latencies_.size() / 2);
  std::nth_element(latencies_.begin(), middle, latencies_.end());
  const auto median = *middle;
  latencies_.clear();
  return median;
}

}  // namespace nori::suites
