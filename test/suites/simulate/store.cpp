// The event store over a disk whose power fails: revisions, heads, queries by type and tag,
// checkpoints, projections and snapshots are what replaying the surviving events gives.

#include <boost/asio/co_spawn.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <nori/store/event_store.hpp>
#include <nori/store/snapshots.hpp>

#include "suites/simulate/log_world.hpp"

namespace nori::simulate {

namespace {

using boost::system::system_error;
using testing::simulated_disk;

struct stored_event {
  std::string stream;
  std::uint64_t revision = 0;
  std::string type;
  std::string data;
  std::vector<std::string> tags;
  friend bool operator==(const stored_event&, const stored_event&) = default;
};
using events = std::vector<stored_event>;

stored_event copy_of(const recorded_event& of) {
  stored_event made{
      std::string(of.stream), of.revision, std::string(of.type), std::string(of.data), {}};
  made.tags.assign(of.tags.begin(), of.tags.end());
  return made;
}

asio::awaitable<void> read_into(event_reader* from, events* all, std::uint64_t* next_global) {
  for (;;) {
    const std::span<const recorded_event> some = co_await from->next_batch();
    if (some.empty()) co_return;
    for (const recorded_event& each : some) {
      if (next_global != nullptr) {
        must(each.global_position == (*next_global)++, "global positions have a gap");
      }
      all->push_back(copy_of(each));
    }
  }
}

// A view that a projection keeps: what it is made of shows in every byte.
std::string fold(const events& of, std::size_t count) {
  std::string view;
  for (std::size_t i = 0; i != count; ++i) {
    view += of[i].stream + ':' + std::to_string(of[i].data.size()) + ';';
  }
  return view;
}

class crashing_store {
 public:
  crashing_store(std::uint64_t seed, figures& counted)
      : random_(seed), disk_(seed), always_(seed % 2 == 0), counted_(counted) {}
  ~crashing_store() {
    snapshots_.reset();
    store_.reset();
    disk_.clear_faults();
    run_ready();
  }

  void live() {
    for (std::size_t lives = 2 + random_.below(3); lives != 0; --lives) one_life();
    open();
    compare_everything();
  }

 private:
  void one_life();
  void step();
  void open();
  void compare_everything();
  void append();
  void run_ready() {
    while (io_.restart(), io_.poll() != 0) {
    }
  }
  template <typename Result, typename... Arguments>
  Result call(asio::awaitable<Result> what) {
    std::optional<Result> result;
    finish(disk_, io_, keep(std::move(what), &result));
    return std::move(*result);
  }
  template <typename Result>
  static asio::awaitable<void> keep(asio::awaitable<Result> what, std::optional<Result>* into) {
    into->emplace(co_await std::move(what));
  }
  [[nodiscard]] std::optional<std::uint64_t> head(const std::string& stream) const {
    std::optional<std::uint64_t> found;
    for (const stored_event& each : model_) {
      if (each.stream == stream) found = each.revision;
    }
    return found;
  }
  std::string some_stream() { return "stream-" + std::to_string(random_.below(6)); }

  coin random_;
  simulated_disk disk_;
  const bool always_;
  figures& counted_;
  asio::io_context io_;
  std::optional<event_store> store_;
  std::optional<snapshot_store> snapshots_;
  events model_;             ///< what was appended, in order
  std::size_t durable_ = 0;  ///< so many of the first ones are
  std::uint64_t checkpoint_ = 0;
  std::set<std::uint64_t> checkpoints_;  ///< that may be found
  bool has_checkpoint_ = false;
  std::uint64_t number_ = 0;
};

void crashing_store::open() {
  store_config options("store");
  options.log.storage = disk_.storage();
  options.log.fsync =
      always_ ? fsync_policy::always() : fsync_policy::batch(std::chrono::milliseconds(5));
  options.log.segment_bytes_max = segment_bytes_lowest;
  options.log.buffer_bytes_max = buffer_bytes_lowest;
  options.index_cache_bytes = std::size_t{1} << 20;
  event_store::opened opened = call(event_store::open(options));
  store_.emplace(std::move(opened.store));
  snapshot_config kept("snapshots");
  kept.storage = disk_.storage();
  snapshots_.emplace(call(snapshot_store::open(kept)));
}

void crashing_store::compare_everything() {
  ++counted_["comparisons"];
  events found;
  std::uint64_t next = 0;
  {
    event_reader all = store_->read_all();
    finish(disk_, io_, read_into(&all, &found, &next));
  }
  must(found.size() >= durable_, "an event that was acknowledged is lost");
  must(found.size() <= model_.size() && std::equal(found.begin(), found.end(), model_.begin()),
       "what is recovered is not what was appended");
  model_.resize(found.size());
  durable_ = model_.size();

  std::map<std::string, events> streams;
  std::map<std::string, events> types;
  std::map<std::string, events> tags;
  for (const stored_event& each : model_) {
    must(each.revision == streams[each.stream].size(), "revisions have a gap");
    streams[each.stream].push_back(each);
    types[each.type].push_back(each);
    for (const std::string& tag : each.tags) tags[tag].push_back(each);
  }
  const auto same = [&](event_reader from, const events& expected, const char* fact) {
    events given;
    finish(disk_, io_, read_into(&from, &given, nullptr));
    must(given == expected, fact);
  };
  for (const auto& [name, expected] : streams) {
    same(store_->read_stream(name), expected, "a stream is not what replaying gives");
    must(call(store_->head(name)) == expected.back().revision, "a head is wrong");
  }
  for (const auto& [name, expected] : types) {
    read_events how;
    how.filter.matching = query::of_types({name});
    same(store_->read_all(how), expected, "a query by type is not what replaying gives");
  }
  for (const auto& [name, expected] : tags) {
    read_events how;
    how.filter.matching = query::with_tags({name});
    same(store_->read_all(how), expected, "a query by tag is not what replaying gives");
  }

  const auto checkpoint = call(store_->load_checkpoint("consumer"));
  if (checkpoint) {
    must(checkpoints_.contains(*checkpoint), "a checkpoint that nobody saved");
    must(*checkpoint < model_.size(), "a checkpoint ahead of the store");
  } else {
    must(!has_checkpoint_ || checkpoint_ >= model_.size(), "a checkpoint is lost");
  }
  if (const auto view = call(store_->load_derived("view"))) {
    must(view->through < model_.size(), "a projection ahead of the store");
    must(view->bytes == fold(model_, view->through + 1),
         "a projection is not what replaying gives");
  }
  for (const auto& [name, expected] : streams) {
    const found_snapshot kept = call(snapshots_->load(name, 1, expected.back().revision));
    if (!kept.latest) continue;
    must(kept.latest->data == fold(expected, kept.latest->revision + 1),
         "a snapshot is not what replaying gives");
  }
}

void crashing_store::append() {
  const std::string stream = some_stream();
  std::vector<event> made(1 + random_.below(4));
  for (event& each : made) {
    each.type = "type-" + std::to_string(random_.below(3));
    each.data = std::to_string(number_++) + ' ' + random_.text(random_.below(2500));
    each.tags = {"tag-" + std::to_string(random_.below(4)),
                 "zone-" + std::to_string(random_.below(2))};
    each.id = random_uuid();
  }
  const auto before = head(stream);
  const bool right = !random_.one_in(8);
  const auto expected =
      right ? expected_revision::after(before) : expected_revision::exact(before.value_or(0) + 7);
  const std::size_t first = model_.size();
  if (right) {
    std::uint64_t revision = before ? *before + 1 : 0;
    for (const event& each : made) {
      model_.push_back({stream, revision++, each.type, each.data, each.tags});
    }
  }
  const append_result result = call(store_->append(stream, expected, std::span<const event>(made)));
  must(result.has_value() == right, "an expected revision was judged wrongly");
  if (!right) return;
  must(result->first_global_position == first, "an append got another global position");
  if (always_) durable_ = model_.size();
  ++counted_["appends"];
}

void crashing_store::step() {
  switch (random_.below(12)) {
    case 0:
      finish(disk_, io_, store_->sync());
      durable_ = model_.size();
      break;
    case 1:
      if (!model_.empty()) {
        const std::uint64_t through = model_.size() - 1;
        checkpoints_.insert(through);
        has_checkpoint_ = false;
        finish(disk_, io_, store_->save_checkpoint("consumer", through));
        checkpoint_ = through;
        has_checkpoint_ = true;
      }
      break;
    case 2:
      // Of what is durable only: another event may come to the place of one that is not.
      if (!model_.empty() && durable_ == model_.size()) {
        derived view(model_.size() - 1, 1, fold(model_, model_.size()));
        finish(disk_, io_, store_->save_derived("view", std::move(view)));
      }
      break;
    case 3: {
      const std::string stream = some_stream();
      events its;
      std::copy_if(model_.begin(), model_.end(), std::back_inserter(its),
                   [&](const stored_event& each) { return each.stream == stream; });
      if (its.empty() || durable_ != model_.size()) break;
      snapshot kept;
      kept.stream = stream;
      kept.schema_version = 1;
      kept.revision = its.back().revision;
      kept.data = fold(its, its.size());
      finish(disk_, io_, snapshots_->save(std::move(kept)));
      break;
    }
    case 4:
      run_ready();
      disk_.advance(std::chrono::milliseconds(random_.below(200)));
      run_ready();
      break;
    default:
      append();
  }
}

void crashing_store::one_life() {
  open();
  compare_everything();
  disk_.cut_power_before(disk_.operations() + 1 + random_.below(500));
  try {
    for (std::size_t steps = 10 + random_.below(120); steps != 0; --steps) step();
    if (random_.one_in(4)) {
      finish(disk_, io_, store_->close());
      durable_ = model_.size();
    }
  } catch (const system_error&) {  // NOLINT: the power failed
  }
  disk_.cut_power();
  disk_.cut_power_before(0);
  ++counted_["crashes"];
  snapshots_.reset();
  store_.reset();
  run_ready();
}

}  // namespace

void store(std::uint64_t seed, figures& counted) { crashing_store(seed, counted).live(); }

}  // namespace nori::simulate
