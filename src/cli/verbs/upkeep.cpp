// prune and reindex: what changes a log in place. The service must not run.

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <filesystem>

#include <nori/inspect.hpp>

#include "files.hpp"
#include "source.hpp"
#include "verbs/verbs.hpp"

namespace nori::cli {

namespace {

constexpr auto look_at_indexes_after = std::chrono::milliseconds(50);
// An index is made in seconds; so long without one, and something is in the way.
constexpr auto index_patience = std::chrono::minutes(2);

constexpr std::string_view checkpoint_prefix = "checkpoint-";
constexpr std::string_view projection_prefix = "projection-";

/// Somebody who has not handled all that is to go.
struct laggard {
  std::string name;
  std::optional<std::uint64_t> through;
};

asio::awaitable<std::vector<laggard>> laggards(const event_store* store, std::string dir,
                                               std::uint64_t before) {
  std::vector<laggard> behind;
  for (const std::string& file : kept_beside(dir)) {
    laggard one;
    if (file.starts_with(checkpoint_prefix)) {
      one.name = file.substr(checkpoint_prefix.size());
      one.through = co_await store->load_checkpoint(one.name);
    } else if (file.starts_with(projection_prefix) && !file.ends_with(".next")) {
      one.name = file.substr(projection_prefix.size());
      const std::optional<derived> view = co_await store->load_derived(one.name);
      if (view) one.through = view->through;
    } else {
      continue;
    }
    if (!one.through || *one.through + 1 < before) behind.push_back(one);
  }
  co_return behind;
}

struct going {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;
};

asio::awaitable<going> before_segment(std::string dir, std::uint64_t segment_id) {
  const std::filesystem::path path = dir;
  const inspect_options how;
  const log_report report = co_await inspect_log(path, how);
  going made;
  for (const segment_report& each : report.segments) {
    if (each.id >= segment_id) continue;
    ++made.segments;
    made.bytes += each.file_bytes;
  }
  co_return made;
}

void check_laggards(const std::vector<laggard>& behind, const arguments& with) {
  if (behind.empty() || with.force) return;
  std::string names;
  for (const laggard& each : behind) {
    names += (names.empty() ? "" : ", ") + each.name +
             (each.through ? " (at " + std::to_string(*each.through) + ")" : " (not begun)");
  }
  throw stop(status_failed, "not everybody has handled what would go: " + names,
             "let them catch up, or prune less; --force prunes in spite of them");
}

// The store that is open makes them in the background; another opening beside it sees how far it
// is.
asio::awaitable<std::uint64_t> wait_for_indexes(const arguments* with, std::uint64_t missing) {
  progress_line progress(*with, "indexing");
  asio::steady_timer pause(co_await asio::this_coro::executor);
  std::uint64_t left = missing;
  auto moved = std::chrono::steady_clock::now();
  while (left != 0 && std::chrono::steady_clock::now() - moved < index_patience) {
    pause.expires_after(look_at_indexes_after);
    co_await pause.async_wait(asio::use_awaitable);
    const source in = co_await open_events(with->dir);
    const std::uint64_t now = in.store_recovered->indexes_to_rebuild;
    if (now != left) moved = std::chrono::steady_clock::now();
    left = now;
    progress.count(missing - std::min(left, missing), missing);
  }
  co_return left;
}

}  // namespace

asio::awaitable<int> prune(const arguments& with, output& to) {
  deleted_segments gone;
  position at;
  std::uint64_t before = 0;
  bool events = false;
  {
    source in = co_await open_for_reading(with.dir);
    events = in.has_events();
    if (with.until) {
      at = co_await position_of(&in, *with.until);
    } else if (with.before_time) {
      at = co_await position_behind(&in, *with.before_time);
    } else {
      throw stop(status_usage, "prune before what?", "give --until PLACE or --before TIME");
    }
    if (events) {
      if (with.until && !with.until->global_position) {
        throw stop(status_usage, "this is an event store: name a global position");
      }
      if (with.until) {
        before = *with.until->global_position;
      } else {
        before = (co_await in.store->position_at(*with.before_time)).value_or(0) + 1;
      }
      before = std::min(before, in.store->next_global_position());
      const event_store* const store = &*in.store;
      const std::vector<laggard> behind = co_await laggards(store, with.dir, before);
      check_laggards(behind, with);
    }
  }
  if (with.dry_run) {
    const going expected = co_await before_segment(with.dir, at.segment_id);
    gone.segments = expected.segments;
    gone.bytes = expected.bytes;
  } else if (events) {
    store_config how(with.dir);
    how.log.fsync = fsync_policy::always();
    event_store::opened opened = co_await event_store::open(how);
    gone = co_await opened.store.delete_before(before);
    co_await opened.store.close();
  } else {
    config how(with.dir);
    how.fsync = fsync_policy::always();
    wal::opened opened = co_await wal::open(how);
    gone = co_await opened.log.delete_segments_before(at);
    co_await opened.log.close();
  }
  if (with.json) {
    boost::json::object made;
    made["dry_run"] = with.dry_run;
    made["segments"] = gone.segments;
    made["bytes"] = gone.bytes;
    to.json(made);
    co_return status_done;
  }
  to.line((with.dry_run ? "would delete " : "deleted ") + counted(gone.segments, "segment") + ", " +
          bytes_text(gone.bytes));
  if (gone.segments == 0) to.line("segments go as a whole, and the newest stays");
  co_return status_done;
}

asio::awaitable<int> reindex(const arguments& with, output& to) {
  {
    const source in = co_await open_events(with.dir);
  }
  std::uint64_t made = 0;
  {
    // Opened first: that takes the lock, so that no service runs.
    store_config how(with.dir);
    how.log.fsync = fsync_policy::always();
    event_store::opened opened = co_await event_store::open(how);
    co_await opened.store.close();
  }
  for (const std::string& name : index_files(with.dir)) {
    std::filesystem::remove(std::filesystem::path(with.dir) / name);
    ++made;
  }
  std::uint64_t left = 0;
  {
    store_config how(with.dir);
    how.log.fsync = fsync_policy::always();
    event_store::opened opened = co_await event_store::open(how);
    left = co_await wait_for_indexes(&with, opened.recovered.indexes_to_rebuild);
    co_await opened.store.close();
  }
  if (with.json) {
    boost::json::object result;
    result["removed"] = made;
    result["made"] = index_files(with.dir).size();
    result["still_missing"] = left;
    to.json(result);
  } else {
    to.line("removed " + counted(made, "index file") + " and made " +
            count_text(index_files(with.dir).size()));
  }
  if (left == 0) co_return status_done;
  throw stop(status_failed, counted(left, "segment") + " have no index yet",
             "a service makes them when it runs; look at the disk: is it full?");
}

}  // namespace nori::cli
