#ifndef NORI_TEST_STORE_KILL_CHILD_HPP
#define NORI_TEST_STORE_KILL_CHILD_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nori/store/snapshots.hpp>

#include "store/kill_plan.hpp"
#include "support/child_process.hpp"

// A process that uses a store in every way until it is killed.

namespace nori::store_test::kills {

using nori::test::child_program;
using nori::test::tell_parent;

// It tells what it is about to do, and then that it was done:
//   ? ATTEMPT                  ! WRITER NUMBER FIRST LAST REVISION      an append
//   c POSITION                 C POSITION                               a checkpoint
//   s WRITER PLACE REVISION    S WRITER PLACE REVISION                  a snapshot
//   d POSITION                 D FIRST                                  delete_before

inline constexpr const char* checkpoint_name = "reader";
// The newest events that are never deleted: each counter is sure to be among them.
inline constexpr std::uint64_t kept_events = 1000;

struct instructions {
  std::string dir;
  std::string policy;
  std::uint64_t seed = 0;
  std::uint64_t known = 0;  ///< events before were seen by the test, and may be deleted
  std::array<std::size_t, writers> first{};
  std::vector<attempt> again;  ///< what was in doubt

  [[nodiscard]] std::vector<std::string> arguments() const {
    std::vector<std::string> all{dir, policy, std::to_string(seed), std::to_string(known)};
    for (const std::size_t each : first) all.push_back(std::to_string(each));
    for (const attempt& each : again) all.push_back(each.text());
    return all;
  }
  static instructions from(const std::vector<std::string>& arguments) {
    instructions read;
    read.dir = arguments.at(0);
    read.policy = arguments.at(1);
    read.seed = std::stoull(arguments.at(2));
    read.known = std::stoull(arguments.at(3));
    for (std::size_t w = 0; w < writers; ++w) read.first[w] = std::stoull(arguments.at(4 + w));
    for (std::size_t i = 4 + writers; i < arguments.size(); ++i) {
      std::istringstream text(arguments[i]);
      read.again.push_back(attempt::from(text));
    }
    return read;
  }
};

inline store_config config_of(const std::string& dir, const std::string& policy) {
  store_config options(std::filesystem::path(dir) / "store");
  options.log.fsync = policy == "always"  ? fsync_policy::always()
                      : policy == "batch" ? fsync_policy::batch(std::chrono::milliseconds(2))
                                          : fsync_policy::os();
  options.log.segment_bytes_max = segment_bytes_lowest;
  options.log.buffer_bytes_max = buffer_bytes_lowest;
  options.index_cache_bytes = std::size_t{1} << 20;
  return options;
}

inline snapshot snapshot_of(std::size_t writer, std::size_t place, std::uint64_t revision) {
  snapshot made;
  made.stream = numbered(numbered("w", writer) + "/", place);
  made.revision = revision;
  made.schema_version = 3;
  std::uint64_t bits = mixed(revision * 64 + writer * 8 + place);
  made.data.resize(bits % 9000);
  for (char& each : made.data) each = static_cast<char>(bits = mixed(bits));
  return made;
}

struct killed_child {
  event_store store;
  snapshot_store snapshots;
  instructions told;
};

inline asio::awaitable<attempt> look(event_store* store, attempt what) {
  const plan by(what.writer, what.number);
  if (by.what == kind::several || by.what == kind::shared) {
    what.common = co_await store->head(by.common_stream());
  }
  if (by.what == kind::count) {
    read_events newest;
    newest.order = direction::backwards;
    newest.limit = 1;
    newest.filter.matching = query::with_tags({by.counter()});
    event_reader reader = store->read_all(newest);
    const std::optional<recorded_event> last = co_await reader.next();
    what.after = reader.watermark();
    what.count = last ? std::stoull(std::string(last->metadata)) + 1 : 0;
  }
  co_return what;
}

inline asio::awaitable<void> write_until_killed(killed_child* in, std::size_t writer) {
  event_store* const store = &in->store;
  std::array<std::optional<std::uint64_t>, own_streams> heads;
  const auto count = [&heads](const plan& done) {
    if (done.own == 0) return;
    auto& head = heads[done.place()];
    head = (head ? *head + 1 : 0) + done.own - 1;
  };
  for (std::size_t n = 0; n < in->told.first[writer]; ++n) count(plan(writer, n));
  std::optional<attempt> again;
  for (const attempt& each : in->told.again) {
    if (each.writer == writer) again = each;
  }
  for (std::size_t n = in->told.first[writer];; ++n) {
    const plan by(writer, n);
    for (;;) {
      attempt what;
      if (again) {
        what = *again;
        again.reset();
      } else {
        what.writer = writer;
        what.number = n;
        what.own = heads[by.place()];
        what.required = heads[(by.place() + 1) % own_streams];
        what = co_await look(store, what);
      }
      tell_parent("? " + what.text() + "\n");
      const append_result result = co_await make(store, what);
      if (result) {
        std::ostringstream text;
        text << "! " << writer << ' ' << n << ' ' << result->first_global_position << ' '
             << result->last_global_position << ' ' << result->first_revision << '\n';
        tell_parent(text.str());
        break;
      }
      // Somebody else was faster; nobody else writes to a stream of its own.
      const bool contended =
          by.what == kind::several || by.what == kind::shared || by.what == kind::count;
      if (!contended) throw std::runtime_error(result.error().message());
    }
    count(by);
    if (by.bits >> 58 == 0) co_await store->sync();
    if (by.bits >> 60 == 1 && heads[by.place()]) {
      const snapshot made = snapshot_of(writer, by.place(), *heads[by.place()]);
      const std::string what = std::to_string(writer) + " " + std::to_string(by.place()) + " " +
                               std::to_string(made.revision) + "\n";
      tell_parent("s " + what);
      co_await in->snapshots.save(made);
      tell_parent("S " + what);
    }
  }
}

inline asio::awaitable<void> follow_until_killed(killed_child* in) {
  event_store* const store = &in->store;
  std::uint64_t bits = in->told.seed;
  subscribe_options how;
  how.after = co_await store->load_checkpoint(checkpoint_name);
  if (bits % 2 == 0) how.sees = visibility::acknowledged;
  how.batch_events_max = 64;
  std::uint64_t next = how.after ? *how.after + 1 : store->first_global_position();
  subscription events = store->subscribe(how);
  for (;;) {
    const event_batch batch = co_await events.next_batch();
    for (const recorded_event& each : batch.events) {
      if (each.global_position != next++) throw std::runtime_error("a gap in a subscription");
    }
    bits = mixed(bits);
    if (!batch.through || bits % 3 != 0) continue;
    const std::string position = std::to_string(*batch.through) + "\n";
    tell_parent("c " + position);
    co_await store->save_checkpoint(checkpoint_name, *batch.through);
    tell_parent("C " + position);
    if (bits % 5 != 0 || in->told.known < kept_events) continue;
    const std::uint64_t before = std::min(in->told.known - kept_events, *batch.through);
    tell_parent("d " + std::to_string(before) + "\n");
    co_await store->delete_before(before);
    tell_parent("D " + std::to_string(store->first_global_position()) + "\n");
  }
}

inline const child_program uses_a_store(
    "uses_a_store", [](const std::vector<std::string>& arguments) {
      asio::io_context io;
      killed_child child;
      child.told = instructions::from(arguments);
      event_store::opened opened =
          run(io, event_store::open(config_of(child.told.dir, child.told.policy)));
      child.store = std::move(opened.store);
      child.snapshots = run(io, snapshot_store::open(snapshot_config(
                                    std::filesystem::path(child.told.dir) / "snapshots")));
      const auto report = [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
      };
      for (std::size_t w = 0; w < writers; ++w) {
        asio::co_spawn(io, write_until_killed(&child, w), report);
      }
      asio::co_spawn(io, follow_until_killed(&child), report);
      io.restart();
      io.run();
      return 0;
    });

}  // namespace nori::store_test::kills

#endif
