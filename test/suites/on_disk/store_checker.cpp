#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include <nori/store/event_store.hpp>
#include <nori/store/snapshots.hpp>

#include "checking.hpp"
#include "support/run.hpp"

namespace nori::suites {
namespace {

struct found_event {
  std::uint64_t global = 0;
  std::uint64_t revision = 0;
  std::string stream;
  std::string type;
  std::string tag;

  friend bool operator==(const found_event&, const found_event&) = default;
};

found_event kept(const recorded_event& each) {
  found_event made;
  made.global = each.global_position;
  made.revision = each.revision;
  made.stream = each.stream;
  made.type = each.type;
  if (!each.tags.empty()) made.tag = each.tags.front();
  return made;
}

// All events in their order; each group must be the next of its lane, and whole.
class event_scan {
 public:
  event_scan(std::uint64_t seed, std::size_t lanes) : seed_(seed), groups_(lanes, 0) {}

  void take(const recorded_event& each) {
    const std::string at = "event " + std::to_string(each.global_position);
    if (each.global_position != events_.size()) throw broken(at + " is not the next one");
    const origin of = origin_of(each.id);
    if (of.lane >= groups_.size()) throw broken(at + " was never appended");
    if (half_ ? of.lane != half_->lane || of.number != half_->number || of.index != half_->index + 1
              : of.index != 0 || of.number != groups_[of.lane]) {
      throw broken(at + " is group " + std::to_string(of.number) + " of lane " +
                   std::to_string(of.lane) + ", which is not the next one, or the group before " +
                   "it is not whole");
    }
    const event_group what(seed_, of.lane, of.number);
    if (of.index >= what.events()) throw broken(at + " was never appended");
    const event wanted = what.made(of.index);
    if (each.stream != what.stream_of(of.index) || each.type != wanted.type ||
        each.data != wanted.data || each.tags.size() != 1 || each.tags[0] != wanted.tags[0]) {
      throw broken(at + " is not as it was appended");
    }
    if (each.revision != streams_[std::string(each.stream)]++) {
      throw broken(at + " has not the next revision of its stream");
    }
    half_ = of;
    if (of.index + 1 == what.events()) {
      half_.reset();
      ++groups_[of.lane];
    }
    events_.push_back(kept(each));
  }
  void end() const {
    if (half_) throw broken("the store ends within an append");
  }
  [[nodiscard]] const std::vector<std::uint64_t>& groups() const { return groups_; }
  [[nodiscard]] const std::vector<found_event>& events() const { return events_; }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& streams() const { return streams_; }

 private:
  std::uint64_t seed_;
  std::vector<std::uint64_t> groups_;
  std::vector<found_event> events_;
  std::map<std::string, std::uint64_t> streams_;
  std::optional<origin> half_;
};

asio::awaitable<event_scan> scan_store(const event_store* store, std::uint64_t seed,
                                       std::size_t lanes) {
  event_scan found(seed, lanes);
  event_reader from = store->read_all();
  for (;;) {
    const std::span<const recorded_event> some = co_await from.next_batch();
    if (some.empty()) break;
    for (const recorded_event& each : some) found.take(each);
  }
  found.end();
  co_return found;
}

asio::awaitable<std::vector<found_event>> read_events_of(event_reader* from) {
  std::vector<found_event> all;
  for (;;) {
    const std::span<const recorded_event> some = co_await from->next_batch();
    if (some.empty()) co_return all;
    for (const recorded_event& each : some) all.push_back(kept(each));
  }
}

template <typename Matches>
void require_same(asio::io_context& io, event_reader from, const event_scan& scan, bool backwards,
                  const std::string& what, Matches matches) {
  std::vector<found_event> got = test::run(io, read_events_of(&from));
  if (backwards) std::reverse(got.begin(), got.end());
  std::vector<found_event> wanted;
  std::copy_if(scan.events().begin(), scan.events().end(), std::back_inserter(wanted), matches);
  if (got != wanted) throw broken("reading " + what + " gives other events than a scan");
}

void check_answers(asio::io_context& io, const event_store& store, const event_scan& scan,
                   bool backwards) {
  read_events how;
  how.order = backwards ? direction::backwards : direction::forwards;
  for (const auto& [stream, count] : scan.streams()) {
    require_same(io, store.read_stream(stream, how), scan, backwards, stream,
                 [&name = stream](const found_event& each) { return each.stream == name; });
    if (test::run(io, store.head(stream)) != count - 1) {
      throw broken("the head of " + stream + " is not its last event");
    }
  }
  for (std::size_t i = 0; i < event_types; ++i) {
    const std::string type = "type-" + std::to_string(i);
    how.filter.matching = query::of_types({type});
    require_same(io, store.read_all(how), scan, backwards, type,
                 [&](const found_event& each) { return each.type == type; });
  }
  for (std::size_t i = 0; i < event_tags; ++i) {
    const std::string tag = "tag-" + std::to_string(i);
    how.filter.matching = query::with_tags({tag});
    require_same(io, store.read_all(how), scan, backwards, tag,
                 [&](const found_event& each) { return each.tag == tag; });
  }
}

void check_checkpoint(asio::io_context& io, const event_store& store, const event_scan& scan,
                      account& told) {
  const auto loaded = test::run(io, store.load_checkpoint(checkpoint_name));
  if (told.checkpoint && (!loaded || *loaded < *told.checkpoint)) {
    throw broken("the checkpoint " + std::to_string(*told.checkpoint) + " is lost");
  }
  if (loaded && *loaded >= scan.events().size()) throw broken("a checkpoint lies ahead");
  told.checkpoint = loaded;
}

void check_snapshots(asio::io_context& io, const std::string& dir, const event_scan& scan,
                     account& told) {
  if (!std::filesystem::exists(dir)) {
    if (!told.snapshots.empty()) throw broken("the snapshots are lost");
    return;
  }
  snapshot_store snapshots = test::run(io, snapshot_store::open(snapshot_config(dir)));
  const std::string stream = event_group::own_stream(0, 0);
  const found_snapshot found = test::run(io, snapshots.load(stream, 1));
  const auto saved = told.snapshots.find(stream);
  if (saved != told.snapshots.end() && (!found.latest || found.latest->revision < saved->second)) {
    throw broken("the snapshot at revision " + std::to_string(saved->second) + " is lost");
  }
  if (!found.latest) return;
  const auto head = scan.streams().find(stream);
  if (head == scan.streams().end() || found.latest->revision >= head->second) {
    throw broken("a snapshot lies ahead of its stream");
  }
  if (found.latest->data != snapshot_data(stream, found.latest->revision)) {
    throw broken("a snapshot has other data");
  }
  told.snapshots[stream] = found.latest->revision;
}

}  // namespace

std::vector<std::uint64_t> check_store(const workload& what, const std::string& dir, account& told,
                                       fault after) {
  if (!std::filesystem::exists(dir)) {
    for (const account::lane& each : told.lanes()) require_promised(each, 0, after);
    return std::vector<std::uint64_t>(what.lanes(), 0);
  }
  asio::io_context io;
  std::vector<std::uint64_t> groups;
  {
    event_store::opened opened = test::run(io, event_store::open(what.events_config(dir)));
    event_store& store = opened.store;
    const event_scan scan = test::run(io, scan_store(&store, what.seed, what.lanes()));
    groups = scan.groups();
    for (std::size_t i = 0; i < groups.size(); ++i) {
      require_promised(told.lanes()[i], groups[i], after);
    }
    if (opened.recovered.events != scan.events().size() ||
        store.next_global_position() != scan.events().size()) {
      throw broken("recovery reports another number of events than there are");
    }
    check_answers(io, store, scan, groups.front() % 2 == 0);
    check_checkpoint(io, store, scan, told);
    check_snapshots(io, snapshots_beside(dir), scan, told);
    if (groups.back() % 2 == 0) test::run(io, store.close());
  }
  io.restart();
  io.run();
  return groups;
}

void require_promised(const account::lane& told, std::uint64_t found, fault after) {
  const std::uint64_t promised = after == fault::killed_process ? told.acknowledged : told.durable;
  if (found < promised) {
    throw broken("lost: " + std::to_string(promised) + " groups were promised to survive, and " +
                 std::to_string(found) + " are there");
  }
}

std::vector<std::uint64_t> check(const workload& what, const std::string& dir, account& told,
                                 fault after) {
  try {
    return what.store ? check_store(what, dir, told, after) : check_log(what, dir, told, after);
  } catch (const broken&) {
    throw;
  } catch (const std::exception& error) {
    // It must open, and everything in it must be readable.
    throw broken(error.what());
  }
}

}  // namespace nori::suites
