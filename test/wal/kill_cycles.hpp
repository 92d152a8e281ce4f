#ifndef NORI_TEST_WAL_KILL_CYCLES_HPP
#define NORI_TEST_WAL_KILL_CYCLES_HPP

#include <boost/asio/detached.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "support/child_process.hpp"
#include "support/violation.hpp"
#include "wal/wal_test.hpp"

// Processes that are killed while they append to a log, and what must be found of it.

namespace nori::wal_test::kills {

using test::child_process;
using test::child_program;
using test::must;
using test::tell_parent;

inline constexpr std::size_t writers = 4;

inline fsync_policy policy_of(const std::string& name) {
  if (name == "always") return fsync_policy::always();
  if (name == "batch") return fsync_policy::batch(std::chrono::milliseconds(2));
  return fsync_policy::os();
}

inline config config_of(const std::string& dir, const std::string& policy) {
  config options(dir);
  options.fsync = policy_of(policy);
  options.segment_bytes_max = std::uint64_t{128} << 10;
  options.buffer_bytes_max = buffer_bytes_lowest;
  return options;
}

// Single records "W N", and batches of three "W N a|b|c". N of a writer counts up from `first`.
inline asio::awaitable<void> append_and_tell(wal* to, std::size_t writer, std::size_t first,
                                             bool tells_early) {
  const std::string value(writer * 150, 'v');
  for (std::size_t n = first;; ++n) {
    const std::string stem = std::to_string(writer) + " " + std::to_string(n);
    if (tells_early) tell_parent(stem + "\n");
    if (n % 4 == 3) {
      const std::string keys[] = {stem + " a", stem + " b", stem + " c"};
      record_view batch[3];
      for (std::size_t i = 0; i < 3; ++i) {
        batch[i].key = keys[i];
        batch[i].value = value;
      }
      co_await to->append_batch(batch);
    } else {
      record_view what;
      what.key = stem;
      what.value = value;
      co_await to->append(what);
    }
    if (!tells_early) tell_parent(stem + "\n");
  }
}

// arguments: directory, policy, number to start with; "early" plants a bug: it acknowledges what it
// has not appended yet.
inline const child_program appends_until_killed(
    "appends_until_killed", [](const std::vector<std::string>& arguments) {
      asio::io_context io;
      const config options = config_of(arguments.at(0), arguments.at(1));
      const bool tells_early = arguments.size() > 3 && arguments[3] == "early";
      wal::opened opened = run(io, wal::open(options));
      for (std::size_t w = 0; w < writers; ++w) {
        asio::co_spawn(io,
                       append_and_tell(&opened.log, w, std::stoul(arguments.at(2)), tells_early),
                       asio::detached);
      }
      io.restart();
      io.run();
      return 0;
    });

inline asio::awaitable<void> append_at_full_speed(wal* to) {
  const std::string value(60, 'v');
  record_view what;
  what.value = value;
  for (std::uint64_t n = 0;; ++n) {
    const std::string key = std::to_string(n);
    what.key = key;
    co_await to->append(what);
    // Seldom, so that the pipe does not set the pace; the last one told is a lower bound.
    if (n % 512 == 0) tell_parent(key + "\n");
  }
}

// arguments: directory. Tells now and then up to which record it was acknowledged.
inline const child_program appends_at_full_speed(
    "appends_at_full_speed", [](const std::vector<std::string>& arguments) {
      asio::io_context io;
      config options(arguments.at(0));
      options.fsync = fsync_policy::os();
      options.segment_bytes_max = std::uint64_t{4} << 20;
      options.buffer_bytes_max = std::size_t{256} << 10;
      wal::opened opened = run(io, wal::open(options));
      asio::co_spawn(io, append_at_full_speed(&opened.log), asio::detached);
      io.restart();
      io.run();
      return 0;
    });

// What is known of each writer: the last number acknowledged, and how many were found.
using numbers = std::vector<std::size_t>;

inline void take_acknowledgements(const std::string& text, numbers& next) {
  std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
  std::size_t writer = 0;
  std::size_t n = 0;
  while (lines >> writer >> n) {
    must(n == next[writer]);
    next[writer] = n + 1;
  }
}

// Each writer's records are there in order and whole, from 0 on, up to what it returns.
inline numbers check_records(const std::vector<found>& records) {
  numbers next(writers, 0);
  std::vector<int> within(writers, 0);
  for (const found& each : records) {
    std::istringstream words(each.key);
    std::size_t writer = 0;
    std::size_t n = 0;
    std::string part;
    words >> writer >> n >> part;
    must(writer < writers);
    must(n == next[writer]);
    must(each.value == std::string(writer * 150, 'v'));
    if (n % 4 != 3) {
      must(part.empty());
      ++next[writer];
      continue;
    }
    must(part == std::string(1, static_cast<char>('a' + within[writer])));
    if (++within[writer] == 3) {
      within[writer] = 0;
      ++next[writer];
    }
  }
  for (const int half : within) must(half == 0);
  return next;
}

/// One log that is killed, checked and continued, over and over.
class killed_log {
 public:
  killed_log(std::string policy, random_source& random, bool tells_early = false)
      : scratch_(random.below(2) == 0 ? test::memory_directory()
                                      : std::filesystem::temp_directory_path()),
        options_(config_of((scratch_.path() / "log").string(), policy)),
        policy_(std::move(policy)),
        tells_early_(tells_early),
        random_(random) {}

  /// Throws test::violation where a promise was not kept.
  void live_and_die() {
    std::vector<std::string> arguments{options_.dir.string(), policy_, std::to_string(first_)};
    if (tells_early_) arguments.emplace_back("early");
    std::string told;
    {
      child_process child("appends_until_killed", arguments);
      const std::size_t enough = random_.below(6000);
      while (told.size() < enough && child.read_some(told)) {
      }
      child.kill();
      must(child.wait() == -SIGKILL, "it ended before it was killed");
      told += child.read_rest();
    }
    ++kills;

    numbers known(writers, first_);
    take_acknowledgements(told, known);
    for (const std::size_t n : known) acknowledged += n - first_;
    asio::io_context io;
    wal::opened opened = run(io, wal::open(options_));
    must(!opened.recovered.corruption_detected, "a kill was taken for corruption");
    reader reading = opened.log.read_from({});
    const numbers recovered = check_records(run(io, read_rest(&reading)));
    for (std::size_t w = 0; w < writers; ++w) {
      must(recovered[w] >= known[w], "an acknowledged record is lost");
      // Each writer has one append under way at most.
      must(recovered[w] <= known[w] + 1, "there are more records than were appended");
    }
    run(io, opened.log.close());
    level_up(io, recovered);
  }

  std::size_t kills = 0;
  std::size_t acknowledged = 0;

 private:
  // The next life goes on where all writers are level: fills up with what is missing.
  void level_up(asio::io_context& io, const numbers& recovered) {
    first_ = *std::max_element(recovered.begin(), recovered.end());
    wal::opened again = run(io, wal::open(options_));
    for (std::size_t w = 0; w < writers; ++w) {
      const std::string value(w * 150, 'v');
      for (std::size_t n = recovered[w]; n < first_; ++n) {
        const std::string stem = std::to_string(w) + " " + std::to_string(n);
        for (const char* part : {" a", " b", " c"}) {
          const std::string key = n % 4 == 3 ? stem + part : stem;
          record_view what;
          what.key = key;
          what.value = value;
          run(io, again.log.append(what));
          if (n % 4 != 3) break;
        }
      }
    }
    run(io, again.log.close());
  }

  scratch_directory scratch_;
  const config options_;
  const std::string policy_;
  const bool tells_early_;
  random_source& random_;
  std::size_t first_ = 0;
};

/// One log that is killed at full speed: no acknowledgement holds the writer up.
inline void kill_at_full_speed(random_source& random) {
  const scratch_directory scratch;
  const std::string dir = (scratch.path() / "log").string();
  std::string told;
  {
    child_process child("appends_at_full_speed", {dir});
    const std::size_t enough = 1 + random.below(2000);
    while (told.size() < enough && child.read_some(told)) {
    }
    child.kill();
    must(child.wait() == -SIGKILL, "it ended before it was killed");
    told += child.read_rest();
  }
  std::istringstream lines(told.substr(0, told.rfind('\n') + 1));
  std::uint64_t last = 0;
  while (lines >> last) {
  }
  asio::io_context io;
  config options(dir);
  options.fsync = fsync_policy::os();
  wal::opened opened = run(io, wal::open(options));
  must(opened.recovered.valid_records > last, "an acknowledged record is lost");
  reader reading = opened.log.read_from({});
  std::uint64_t n = 0;
  for (const found& each : run(io, read_rest(&reading))) {
    must(each.key == std::to_string(n), "a record is out of order");
    ++n;
  }
  must(n == opened.recovered.valid_records, "recovery counts what is not there");
  run(io, opened.log.close());
}

}  // namespace nori::wal_test::kills

#endif
