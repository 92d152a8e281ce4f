#include "workload/peer_appends.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "common/pace.hpp"
#include "workload/context.hpp"

namespace nori::bench {

namespace {

struct job {
  turn& now;
  std::string_view value;
  std::uint64_t batch;
};

void append_each(const job& what, peer_writer& to, tally& mine) {
  // A call begins when the one before has ended: the clock, which costs tens of ns, is read once.
  auto started = clock::now();
  while (what.now.now() != phase::over) {
    to.append(what.value, what.batch);
    const auto ended = clock::now();
    what.now.note_latency(ended - started);
    mine.add(what.batch);
    started = ended;
  }
}

void append_on_time(const job& what, peer_writer& to, tally& mine, pace due) {
  while (wait_until_due(due, what.now, 1) != 0) {
    to.append(what.value, what.batch);
    what.now.note_latency(clock::now() - due.due());
    mine.add(what.batch);
    due.advance();
  }
}

}  // namespace

turn_result append_to_peer(const append_load& load, const peer_kind& kind,
                           const std::filesystem::path& dir, double seconds) {
  const std::uint64_t writers = std::min(load.writers, peer_writers_max);
  turn now(seconds, writers, writers);
  const std::string value = make_value(load.log.size);
  const std::unique_ptr<peer> opened = kind.open(dir);
  const job what{now, value, load.batch};
  std::vector<std::unique_ptr<peer_writer>> ways;
  for (std::uint64_t i = 0; i < writers; ++i) ways.push_back(opened->make_writer());
  const auto begin = clock::now();
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 0; i < writers; ++i) {
      threads.emplace_back([&, i] {
        name_thread("peer");
        now.use_histogram(i);
        try {
          if (load.rate > 0) {
            const double calls_per_s = load.rate / static_cast<double>(load.batch);
            append_on_time(what, *ways[i], now.tally_of(i), pace(begin, calls_per_s, i, writers));
          } else {
            append_each(what, *ways[i], now.tally_of(i));
          }
        } catch (...) {
          now.fail(std::current_exception());
        }
      });
    }
    now.keep_time(dir.parent_path());
  }
  return now.result(load.batch);
}

}  // namespace nori::bench
