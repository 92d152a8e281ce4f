// Processes that are killed while they append.

#include <boost/asio/detached.hpp>

#include <chrono>
#include <csignal>
#include <sstream>

#include "support/child_process.hpp"
#include "wal/wal_test.hpp"

namespace nori::wal_test {
namespace {

using test::child_process;
using test::child_program;
using test::tell_parent;

constexpr std::size_t writers = 4;

fsync_policy policy_of(const std::string& name) {
  if (name == "always") return fsync_policy::always();
  if (name == "batch") return fsync_policy::batch(std::chrono::milliseconds(2));
  return fsync_policy::os();
}

config config_of(const std::string& dir, const std::string& policy) {
  config options(dir);
  options.fsync = policy_of(policy);
  options.segment_bytes_max = std::uint64_t{128} << 10;
  options.buffer_bytes_max = buffer_bytes_lowest;
  return options;
}

// Single records "W N", and batches of three "W N a|b|c". N of a writer counts up from `first`.
asio::awaitable<void> append_and_tell(wal* to, std::size_t writer, std::size_t first) {
  const std::string value(writer * 150, 'v');
  for (std::size_t n = first;; ++n) {
    const std::string stem = std::to_string(writer) + " " + std::to_string(n);
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
    tell_parent(stem + "\n");
  }
}

// arguments: directory, policy, number to start with.
const child_program appends_until_killed(
    "appends_until_killed", [](const std::vector<std::string>& arguments) {
      asio::io_context io;
      const config options = config_of(arguments.at(0), arguments.at(1));
      wal::opened opened = run(io, wal::open(options));
      for (std::size_t w = 0; w < writers; ++w) {
        asio::co_spawn(io, append_and_tell(&opened.log, w, std::stoul(arguments.at(2))),
                       asio::detached);
      }
      io.restart();
      io.run();
      return 0;
    });

asio::awaitable<void> append_at_full_speed(wal* to) {
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
const child_program appends_at_full_speed("appends_at_full_speed",
                                          [](const std::vector<std::string>& arguments) {
                                            asio::io_context io;
                                            config options(arguments.at(0));
                                            options.fsync = fsync_policy::os();
                                            options.segment_bytes_max = std::uint64_t{4} << 20;
                                            options.buffer_bytes_max = std::size_t{256} << 10;
                                            wal::opened opened = run(io, wal::open(options));
                                            asio::co_spawn(io, append_at_full_speed(&opened.log),
                                                           asio::detached);
                                            io.restart();
                                            io.run();
                                            return 0;
                                          });

// What is known of each writer: the last number acknowledged, and how many were found.
using numbers = std::vector<std::size_t>;

void take_acknowledgements(const std::string& text, numbers& next) {
  std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
  std::size_t writer = 0;
  std::size_t n = 0;
  while (lines >> writer >> n) {
    BOOST_REQUIRE(n == next[writer]);
    next[writer] = n + 1;
  }
}

// Each writer's records are there in order and whole, from 0 on, up to what it returns.
numbers check_records(const std::vector<found>& records) {
  numbers next(writers, 0);
  std::vector<int> within(writers, 0);
  for (const found& each : records) {
    std::istringstream words(each.key);
    std::size_t writer = 0;
    std::size_t n = 0;
    std::string part;
    words >> writer >> n >> part;
    BOOST_REQUIRE(writer < writers);
    BOOST_REQUIRE(n == next[writer]);
    BOOST_REQUIRE(each.value == std::string(writer * 150, 'v'));
    if (n % 4 != 3) {
      BOOST_REQUIRE(part.empty());
      ++next[writer];
      continue;
    }
    BOOST_REQUIRE(part == std::string(1, static_cast<char>('a' + within[writer])));
    if (++within[writer] == 3) {
      within[writer] = 0;
      ++next[writer];
    }
  }
  for (const int half : within) BOOST_REQUIRE(half == 0);
  return next;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kills)

BOOST_AUTO_TEST_CASE(what_was_acknowledged_survives_a_kill_and_nothing_else_appears) {
  random_source random;
  std::size_t kills = 0;
  std::size_t acknowledged = 0;
  const std::chrono::milliseconds budget(scaled(9000) / 3);
  for (const std::string policy : {"always", "batch", "os"}) {
    const auto until = std::chrono::steady_clock::now() + budget;
    while (std::chrono::steady_clock::now() < until) {
      scratch_directory scratch;
      const std::string dir = (scratch.path() / "log").string();
      std::size_t first = 0;
      // The same log is killed several times over.
      for (int life = 0; life < 3; ++life) {
        child_process child("appends_until_killed", {dir, policy, std::to_string(first)});
        std::string told;
        const std::size_t enough = random.below(6000);
        while (told.size() < enough && child.read_some(told)) {
        }
        child.kill();
        child.wait();
        told += child.read_rest();
        ++kills;

        numbers known(writers, first);
        take_acknowledgements(told, known);
        for (const std::size_t n : known) acknowledged += n - first;
        asio::io_context io;
        const config options = config_of(dir, policy);
        wal::opened opened = run(io, wal::open(options));
        BOOST_TEST(!opened.recovered.corruption_detected);
        reader reading = opened.log.read_from({});
        const numbers recovered = check_records(run(io, read_rest(&reading)));
        for (std::size_t w = 0; w < writers; ++w) {
          BOOST_TEST(recovered[w] >= known[w]);
          // Each writer has one append under way at most.
          BOOST_TEST(recovered[w] <= known[w] + 1);
        }
        run(io, opened.log.close());
        if (life == 2) break;
        // Go on where all are level: fill up with what is missing.
        std::size_t level = 0;
        for (const std::size_t n : recovered) level = std::max(level, n);
        wal::opened again = run(io, wal::open(options));
        for (std::size_t w = 0; w < writers; ++w) {
          const std::string value(w * 150, 'v');
          for (std::size_t n = recovered[w]; n < level; ++n) {
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
        first = level;
      }
    }
  }
  std::cout << kills << " kills, " << acknowledged << " acknowledged appends, 0 lost\n";
  BOOST_TEST(kills > 0u);
}

BOOST_AUTO_TEST_CASE(at_full_speed_every_acknowledged_record_survives_a_kill) {
  random_source random;
  for (std::size_t round = 0; round < scaled(15); ++round) {
    scratch_directory scratch;
    const std::string dir = (scratch.path() / "log").string();
    child_process child("appends_at_full_speed", {dir});
    std::string told;
    const std::size_t enough = 1 + random.below(2000);
    while (told.size() < enough && child.read_some(told)) {
    }
    child.kill();
    child.wait();
    told += child.read_rest();
    std::istringstream lines(told.substr(0, told.rfind('\n') + 1));
    std::uint64_t last = 0;
    while (lines >> last) {
    }
    asio::io_context io;
    config options(dir);
    options.fsync = fsync_policy::os();
    wal::opened opened = run(io, wal::open(options));
    BOOST_TEST(opened.recovered.valid_records > last);
    reader reading = opened.log.read_from({});
    std::uint64_t n = 0;
    for (const found& each : run(io, read_rest(&reading))) {
      BOOST_REQUIRE(each.key == std::to_string(n));
      ++n;
    }
    BOOST_TEST(n == opened.recovered.valid_records);
    run(io, opened.log.close());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
