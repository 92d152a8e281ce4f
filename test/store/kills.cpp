// Processes that are killed while they use a store.

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <deque>
#include <map>
#include <sstream>
#include <thread>

#include <nori/error.hpp>
#include <nori/store/snapshots.hpp>

#include "store/store_test.hpp"
#include "support/child_process.hpp"

namespace nori::store_test {
namespace {

using test::child_process;
using test::child_program;
using test::tell_parent;

// --- What writer w appends in its n-th append follows from w and n alone, so that whoever finds an
// event knows every byte of it.

constexpr std::size_t writers = 4;
constexpr std::size_t own_streams = 3;
constexpr std::size_t shared_streams = 2;
constexpr std::size_t counters = 2;

std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

enum class kind : std::uint8_t {
  single,   ///< for a stream of its own, which is expected to be as it was left
  batch,    ///< several events for it
  several,  ///< for it and a shared stream; requires that a third one is as it was left
  count,    ///< the next number of a counter, which is a tag: fails if somebody else was faster
  shared,   ///< for a shared stream at the revision that was read
  any,      ///< for a shared stream whatever is there
};

struct plan {
  plan(std::size_t w, std::size_t n) : writer(w), number(n), bits(mixed(n * writers + w)) {
    constexpr std::array kinds{kind::single, kind::batch,  kind::batch, kind::several,
                               kind::count,  kind::shared, kind::any,   kind::single};
    what = kinds[bits % kinds.size()];
    own = what == kind::shared || what == kind::any      ? 0
          : what == kind::batch || what == kind::several ? 1 + (bits >> 8) % 4
                                                         : 1;
    common = what == kind::several || what == kind::shared || what == kind::any ? 1 : 0;
  }

  [[nodiscard]] std::size_t place() const { return (bits >> 16) % own_streams; }
  [[nodiscard]] std::string own_stream(std::size_t at) const {
    return numbered(numbered("w", writer) + "/", at);
  }
  [[nodiscard]] std::string common_stream() const {
    return numbered("shared/", (bits >> 24) % shared_streams);
  }
  [[nodiscard]] std::string counter() const {
    return numbered("counter-", (bits >> 32) % counters);
  }
  [[nodiscard]] std::size_t events() const { return own + common; }
  [[nodiscard]] std::string stream_of(std::size_t i) const {
    return i < own ? own_stream(place()) : common_stream();
  }

  std::size_t writer;
  std::size_t number;
  std::uint64_t bits;
  kind what = kind::single;
  std::size_t own = 0;     ///< events for its own stream
  std::size_t common = 0;  ///< and, behind them, for the shared one
};

/// Which event this is, as its id says.
struct origin {
  std::uint32_t writer = 0;
  std::uint32_t index = 0;
  std::uint64_t number = 0;
};
static_assert(sizeof(origin) == sizeof(uuid));

uuid id_of(const origin& of) {
  uuid id;
  std::memcpy(&id, &of, sizeof(of));
  id.data[0] ^= 0x80;  // never nil
  return id;
}

origin origin_of(uuid id) {
  id.data[0] ^= 0x80;
  origin of;
  std::memcpy(static_cast<void*>(&of), &id, sizeof(of));
  return of;
}

event event_of(const plan& by, std::size_t index, std::uint64_t count) {
  std::uint64_t bits = mixed(by.bits + index);
  // Some fill a good part of a segment, so that there are many segments.
  std::string data(bits % 24 == 0 ? 6000 : (bits >> 8) % 500, ' ');
  for (char& each : data) each = static_cast<char>(bits = mixed(bits));
  event made(numbered("type-", bits % 3), std::move(data));
  made.id =
      id_of({static_cast<std::uint32_t>(by.writer), static_cast<std::uint32_t>(index), by.number});
  if (by.what == kind::count) {
    made.tags.push_back(by.counter());
    made.metadata = std::to_string(count);
  }
  if (bits >> 60 != 0) made.tags.push_back(numbered("tag-", (bits >> 32) % 5));
  made.version = 1 + static_cast<std::uint32_t>((bits >> 40) % 3);
  if (bits >> 63 != 0) made.correlation_id = id_of({7, 7, bits});
  if (bits >> 62 != 0) made.causation_id = id_of({8, 8, bits});
  return made;
}

/// What an append takes for granted. With it, it can be made again.
struct attempt {
  std::size_t writer = 0;
  std::size_t number = 0;
  std::optional<std::uint64_t> own;       ///< last revision of its own stream
  std::optional<std::uint64_t> required;  ///< and of the one that it requires
  std::optional<std::uint64_t> common;    ///< and of the shared one
  std::uint64_t count = 0;                ///< the number that the counter gets
  std::optional<std::uint64_t> after;     ///< nobody counted behind this global position

  [[nodiscard]] std::string text() const {
    std::ostringstream to;
    to << writer << ' ' << number;
    for (const auto& each : {own, required, common, after}) {
      to << ' ' << (each ? static_cast<std::int64_t>(*each) : -1);
    }
    to << ' ' << count;
    return to.str();
  }
  static attempt from(std::istream& in) {
    attempt what;
    in >> what.writer >> what.number;
    for (auto* each : {&what.own, &what.required, &what.common, &what.after}) {
      std::int64_t value = -1;
      in >> value;
      if (value >= 0) *each = static_cast<std::uint64_t>(value);
    }
    in >> what.count;
    return what;
  }
};

asio::awaitable<append_result> make(event_store* store, attempt what) {
  const plan by(what.writer, what.number);
  std::vector<event> events;
  std::vector<std::vector<std::string_view>> tags;
  std::vector<event_view> views;
  for (std::size_t i = 0; i < by.events(); ++i) events.push_back(event_of(by, i, what.count));
  for (const event& each : events) tags.emplace_back(each.tags.begin(), each.tags.end());
  for (std::size_t i = 0; i < events.size(); ++i) {
    event_view& view = views.emplace_back();
    view.type = events[i].type;
    view.data = events[i].data;
    view.metadata = events[i].metadata;
    view.tags = tags[i];
    view.version = events[i].version;
    view.id = events[i].id;
    view.correlation_id = events[i].correlation_id;
    view.causation_id = events[i].causation_id;
  }
  const std::span<const event_view> all(views);
  const std::string own = by.own_stream(by.place());
  const std::string required = by.own_stream((by.place() + 1) % own_streams);
  const std::string common = by.common_stream();
  append_request request;
  if (by.own != 0) request.to(own, expected_revision::after(what.own), all.first(by.own));
  if (by.what == kind::several) {
    request.require(required, expected_revision::after(what.required));
  }
  if (by.common != 0) {
    request.to(
        common,
        by.what == kind::any ? expected_revision::any() : expected_revision::after(what.common),
        all.last(by.common));
  }
  if (by.what == kind::count) request.fail_if_match(query::with_tags({by.counter()}), what.after);
  co_return co_await store->append(request);
}

// --- The child. It tells what it is about to do, and then that it was done:
//   ? ATTEMPT                  ! WRITER NUMBER FIRST LAST REVISION      an append
//   c POSITION                 C POSITION                               a checkpoint
//   s WRITER PLACE REVISION    S WRITER PLACE REVISION                  a snapshot
//   d POSITION                 D FIRST                                  delete_before

constexpr const char* checkpoint_name = "reader";
// The newest events that are never deleted: each counter is sure to be among them.
constexpr std::uint64_t kept_events = 1000;

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

store_config config_of(const std::string& dir, const std::string& policy) {
  store_config options(std::filesystem::path(dir) / "store");
  options.log.fsync = policy == "always"  ? fsync_policy::always()
                      : policy == "batch" ? fsync_policy::batch(std::chrono::milliseconds(2))
                                          : fsync_policy::os();
  options.log.segment_bytes_max = segment_bytes_lowest;
  options.log.buffer_bytes_max = buffer_bytes_lowest;
  options.index_cache_bytes = std::size_t{1} << 20;
  return options;
}

snapshot snapshot_of(std::size_t writer, std::size_t place, std::uint64_t revision) {
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

asio::awaitable<attempt> look(event_store* store, attempt what) {
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

asio::awaitable<void> write_until_killed(killed_child* in, std::size_t writer) {
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

asio::awaitable<void> follow_until_killed(killed_child* in) {
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

const child_program uses_a_store("uses_a_store", [](const std::vector<std::string>& arguments) {
  asio::io_context io;
  killed_child child;
  child.told = instructions::from(arguments);
  event_store::opened opened =
      run(io, event_store::open(config_of(child.told.dir, child.told.policy)));
  child.store = std::move(opened.store);
  child.snapshots = run(
      io,
      snapshot_store::open(snapshot_config(std::filesystem::path(child.told.dir) / "snapshots")));
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

// --- The test: what the child told, and what is there.

struct done {
  std::size_t writer = 0;
  std::size_t number = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t revision = 0;
};

/// Told before it was done, and again afterwards.
struct twofold {
  std::optional<std::uint64_t> meant;
  std::optional<std::uint64_t> made;

  void check(const std::optional<std::uint64_t>& found) {
    BOOST_REQUIRE((found == made || found == meant));
    made = meant = found;
  }
};

struct account {
  std::map<std::size_t, attempt> pending;   ///< by writer: told, and not that it was done
  std::map<std::size_t, attempt> finished;  ///< the last one of each that was done
  std::vector<done> appends;
  twofold checkpoint;
  std::map<std::pair<std::size_t, std::size_t>, twofold> snapshots;
  std::uint64_t delete_before = 0;
  std::uint64_t first = 0;

  void take(const std::string& text) {
    std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
    std::string line;
    while (std::getline(lines, line)) {
      std::istringstream words(line.substr(1));
      std::pair<std::size_t, std::size_t> place;
      std::uint64_t value = 0;
      switch (line.front()) {
        case '?': {
          const attempt what = attempt::from(words);
          pending[what.writer] = what;
          break;
        }
        case '!': {
          done what;
          words >> what.writer >> what.number >> what.first >> what.last >> what.revision;
          BOOST_REQUIRE(pending.at(what.writer).number == what.number);
          finished[what.writer] = pending.at(what.writer);
          pending.erase(what.writer);
          appends.push_back(what);
          break;
        }
        case 'c':
          checkpoint.meant.emplace();
          words >> *checkpoint.meant;
          break;
        case 'C':
          checkpoint.made = checkpoint.meant;
          break;
        case 's':
          words >> place.first >> place.second >> value;
          snapshots[place].meant = value;
          break;
        case 'S':
          words >> place.first >> place.second;
          snapshots[place].made = snapshots[place].meant;
          break;
        case 'd':
          words >> value;
          delete_before = std::max(delete_before, value);
          break;
        case 'D':
          words >> first;
          break;
        default:
          BOOST_FAIL("the child said: " + line);
      }
      BOOST_REQUIRE(!words.fail());
    }
  }
};

/// What was ever found in the store, and that it must hold from then on.
class findings {
 public:
  /// Those that are new follow those that are known, each append whole and once. Events before
  /// `first` are deleted.
  void take(const std::vector<found>& events, std::uint64_t first) {
    BOOST_REQUIRE(first >= first_);
    BOOST_REQUIRE(first <= end());
    while (first_ < first) {
      kept_.pop_front();
      ++first_;
    }
    std::uint64_t global = first;
    for (const found& each : events) {
      BOOST_REQUIRE(each.global == global);
      if (global < end()) {
        BOOST_REQUIRE((each == at(global)));
      } else {
        add(each);
      }
      ++global;
    }
    BOOST_REQUIRE(global == end());
    BOOST_REQUIRE(!half_);
  }

  /// Events that are not deleted.
  [[nodiscard]] const std::deque<found>& kept() const { return kept_; }
  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t end() const { return first_ + kept_.size(); }
  [[nodiscard]] const found& at(std::uint64_t global) const { return kept_.at(global - first_); }
  /// The global position of an event that is there, near the end.
  [[nodiscard]] std::uint64_t place_of(const uuid& id) const {
    const auto behind = std::find_if(kept_.rbegin(), kept_.rend(),
                                     [&](const found& each) { return each.id == id; });
    BOOST_REQUIRE((behind != kept_.rend()));
    return behind->global;
  }
  [[nodiscard]] std::size_t appends_of(std::size_t writer) const { return next_[writer]; }
  [[nodiscard]] std::optional<std::uint64_t> head(const std::string& stream) const {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return std::nullopt;
    return found->second - 1;
  }
  /// How many events each stream ever had.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& streams() const { return streams_; }
  /// The global position of the last event that counted.
  [[nodiscard]] std::optional<std::uint64_t> last_of(const std::string& counter) const {
    const auto found = counters_.find(counter);
    if (found == counters_.end()) return std::nullopt;
    return found->second.second;
  }

 private:
  void add(const found& each) {
    const origin of = origin_of(each.id);
    BOOST_REQUIRE(of.writer < writers);
    const plan by(of.writer, of.number);
    // The next append of its writer, or what follows within one.
    if (half_) {
      BOOST_REQUIRE((half_->writer == of.writer && half_->number == of.number));
      BOOST_REQUIRE(of.index == half_->index + 1);
    } else {
      BOOST_REQUIRE(of.index == 0u);
      BOOST_REQUIRE(of.number == next_[of.writer]);
      ++next_[of.writer];
    }
    half_ = of;
    if (of.index + 1 == by.events()) half_.reset();
    std::uint64_t count = 0;
    if (by.what == kind::count) {
      const auto last = counters_.find(by.counter());
      count = last == counters_.end() ? 0 : last->second.first + 1;
      counters_[by.counter()] = {count, each.global};
    }
    event made = event_of(by, of.index, count);
    std::sort(made.tags.begin(), made.tags.end());
    BOOST_REQUIRE(each.stream == by.stream_of(of.index));
    BOOST_REQUIRE(each.revision == streams_[each.stream]++);
    BOOST_REQUIRE(each.type == made.type);
    BOOST_REQUIRE(each.data == made.data);
    BOOST_REQUIRE(each.metadata == made.metadata);
    BOOST_REQUIRE(each.tags == made.tags);
    BOOST_REQUIRE(each.version == made.version);
    BOOST_REQUIRE(each.correlation_id == made.correlation_id);
    BOOST_REQUIRE(each.causation_id == made.causation_id);
    BOOST_REQUIRE((each.at >= latest_));
    latest_ = each.at;
    kept_.push_back(each);
  }

  std::deque<found> kept_;
  std::uint64_t first_ = 0;
  event_time latest_{};
  std::array<std::size_t, writers> next_{};
  std::optional<origin> half_;
  std::map<std::string, std::uint64_t> streams_;
  /// The last number, and the global position of its event.
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counters_;
};

/// A store in one directory that is killed over and over.
class torture {
 public:
  torture(std::string policy, random_source& random)
      : policy_(std::move(policy)), dir_(scratch_.path().string()), random_(random) {}

  void live_and_die() {
    instructions told;
    told.dir = dir_;
    told.policy = policy_;
    told.seed = random_();
    told.known = known_.end();
    for (std::size_t w = 0; w < writers; ++w) told.first[w] = known_.appends_of(w);
    for (const attempt& each : again_) {
      told.first[each.writer] = each.number;
      told.again.push_back(each);
    }
    again_.clear();
    {
      child_process child("uses_a_store", told.arguments());
      std::string text;
      // While it opens, a short while later, or when it has rotated and deleted a lot.
      constexpr std::size_t bytes[] = {0, 3000, 100'000};
      const std::size_t enough = random_.below(1 + bytes[random_.below(3)]);
      if (enough == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(random_.below(12'000)));
      }
      while (text.size() < enough && child.read_some(text)) {
      }
      child.kill();
      BOOST_REQUIRE(child.wait() == -SIGKILL);
      text += child.read_rest();
      account_.take(text);
    }
    ++kills;
    check();
  }

  std::size_t kills = 0;
  std::size_t acknowledged = 0;
  std::size_t in_doubt = 0;

  [[nodiscard]] std::size_t events() const { return known_.end(); }
  [[nodiscard]] std::uint64_t deleted() const { return known_.first(); }

 private:
  void check() {
    asio::io_context io;
    event_store::opened opened = run(io, event_store::open(config_of(dir_, policy_)));
    event_store store = std::move(opened.store);
    const std::uint64_t first = store.first_global_position();
    BOOST_REQUIRE(first >= account_.first);
    BOOST_REQUIRE(first <= account_.delete_before);
    account_.first = first;
    known_.take(read(io, store.read_all()), first);
    BOOST_REQUIRE(store.next_global_position() == known_.end());
    check_acknowledged();
    check_reads(io, store);
    const auto checkpoint = run(io, store.load_checkpoint(checkpoint_name));
    account_.checkpoint.check(checkpoint);
    if (checkpoint) BOOST_REQUIRE(*checkpoint < known_.end());
    check_snapshots(io);
    repeat(io, store);
    if (random_.below(3) != 0) {
      run(io, store.close());
    } else {
      store = event_store();
    }
    io.restart();
    io.run();
  }

  static std::vector<found> read(asio::io_context& io, event_reader reader) {
    return run(io, read_rest(&reader));
  }

  void check_acknowledged() {
    for (const done& each : account_.appends) {
      const plan by(each.writer, each.number);
      BOOST_REQUIRE(each.last < known_.end());
      BOOST_REQUIRE(each.last - each.first + 1 == by.events());
      for (std::size_t i = 0; i < by.events(); ++i) {
        const origin of = origin_of(known_.at(each.first + i).id);
        BOOST_REQUIRE((of.writer == each.writer && of.number == each.number && of.index == i));
      }
      BOOST_REQUIRE(known_.at(each.first).revision == each.revision);
    }
    acknowledged += account_.appends.size();
    account_.appends.clear();
    // Each writer has one append under way at most.
    for (std::size_t w = 0; w < writers; ++w) {
      const auto pending = account_.pending.find(w);
      if (pending == account_.pending.end()) continue;
      BOOST_REQUIRE(known_.appends_of(w) >= pending->second.number);
      BOOST_REQUIRE(known_.appends_of(w) <= pending->second.number + 1);
    }
  }

  // However it is asked, the store says what a scan of it says.
  void check_reads(asio::io_context& io, const event_store& store) {
    const auto wanted = [&](auto matches) {
      std::vector<found> some;
      for (const found& each : known_.kept()) {
        if (matches(each)) some.push_back(each);
      }
      return some;
    };
    const auto order = random_.below(2) == 0 ? direction::forwards : direction::backwards;
    const auto check_all = [&](const query& what, auto matches) {
      read_events how;
      how.order = order;
      how.filter.matching = what;
      std::vector<found> got = read(io, store.read_all(how));
      if (order == direction::backwards) std::reverse(got.begin(), got.end());
      BOOST_REQUIRE((got == wanted(matches)));
    };
    for (const auto& [name, count] : known_.streams()) {
      read_events how;
      how.order = order;
      std::vector<found> got = read(io, store.read_stream(name, how));
      if (order == direction::backwards) std::reverse(got.begin(), got.end());
      BOOST_REQUIRE((got == wanted([&](const found& each) { return each.stream == name; })));
      BOOST_REQUIRE((run(io, store.head(name)) == count - 1));
    }
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string type = numbered("type-", i);
      check_all(query::of_types({type}), [&](const found& each) { return each.type == type; });
    }
    std::vector<std::string> tags;
    for (std::size_t i = 0; i < 5; ++i) tags.push_back(numbered("tag-", i));
    for (std::size_t i = 0; i < counters; ++i) tags.push_back(numbered("counter-", i));
    for (const std::string& tag : tags) {
      check_all(query::with_tags({tag}), [&](const found& each) {
        return std::find(each.tags.begin(), each.tags.end(), tag) != each.tags.end();
      });
    }
  }

  void check_snapshots(asio::io_context& io) {
    snapshot_store snapshots =
        run(io, snapshot_store::open(snapshot_config(std::filesystem::path(dir_) / "snapshots")));
    for (auto& [place, revision] : account_.snapshots) {
      const std::string stream = snapshot_of(place.first, place.second, 0).stream;
      const found_snapshot one = run(io, snapshots.load(stream, 3));
      revision.check(one.latest ? std::optional(one.latest->revision) : std::nullopt);
      if (!one.latest) continue;
      BOOST_REQUIRE(one.latest->revision <= known_.head(stream).value());
      BOOST_REQUIRE(
          (one.latest->data == snapshot_of(place.first, place.second, one.latest->revision).data));
    }
  }

  // Whether what it took for granted is so.
  [[nodiscard]] bool holds(const attempt& what) const {
    const plan by(what.writer, what.number);
    if (by.what == kind::several || by.what == kind::shared) {
      return known_.head(by.common_stream()) == what.common;
    }
    if (by.what != kind::count) return true;
    const auto last = known_.last_of(by.counter());
    return !last || (what.after && *last <= *what.after);
  }

  // Each append that is in doubt is made once more, here or by the next child, and some of those
  // that were acknowledged: once is enough.
  void repeat(asio::io_context& io, event_store& store) {
    for (const auto& [writer, what] : account_.pending) {
      ++in_doubt;
      if (!is_recognised(io, store, what)) continue;
      if (random_.below(2) == 0) {
        again_.push_back(what);
      } else {
        repeat(io, store, what);
      }
    }
    for (const auto& [writer, what] : account_.finished) {
      if (random_.below(4) != 0 || !is_recognised(io, store, what)) continue;
      repeat(io, store, what);
    }
    account_.pending.clear();
    account_.finished.clear();
  }

  void repeat(asio::io_context& io, event_store& store, const attempt& what) {
    const plan by(what.writer, what.number);
    const bool there = is_there(what);
    const bool possible = holds(what);
    const std::size_t appends = known_.appends_of(what.writer);
    const append_result result = run(io, make(&store, what));
    if (there) {
      BOOST_REQUIRE(result.has_value());
      BOOST_REQUIRE(result->repeated);
      const std::uint64_t first = known_.place_of(first_id_of(what));
      BOOST_REQUIRE(result->first_global_position == first);
      BOOST_REQUIRE(result->last_global_position == first + by.events() - 1);
      BOOST_REQUIRE(result->first_revision == known_.at(first).revision);
    } else {
      BOOST_REQUIRE(result.has_value() == possible);
      if (result) BOOST_REQUIRE(!result->repeated);
    }
    known_.take(read(io, store.read_all()), known_.first());
    BOOST_REQUIRE(known_.appends_of(what.writer) == appends + (!there && result ? 1 : 0));
  }

  [[nodiscard]] bool is_there(const attempt& what) const {
    return known_.appends_of(what.writer) > what.number;
  }
  static uuid first_id_of(const attempt& what) {
    return id_of({static_cast<std::uint32_t>(what.writer), 0, what.number});
  }
  // `any` goes by the ids that are remembered: those of the newest segment.
  bool is_recognised(asio::io_context& io, const event_store& store, const attempt& what) const {
    if (plan(what.writer, what.number).what != kind::any || !is_there(what)) return true;
    return in_newest_segment(io, store, known_.place_of(first_id_of(what)));
  }

  static bool in_newest_segment(asio::io_context& io, const event_store& store,
                                std::uint64_t global) {
    read_events how;
    how.from = global;
    event_reader reader = store.read_all(how);
    const std::uint64_t segment = run(io, reader.next())->at.segment_id;
    how.from.reset();
    how.order = direction::backwards;
    event_reader newest = store.read_all(how);
    return run(io, newest.next())->at.segment_id == segment;
  }

  scratch_directory scratch_;
  const std::string policy_;
  const std::string dir_;
  random_source& random_;
  findings known_;
  account account_;
  std::vector<attempt> again_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(kills)

BOOST_AUTO_TEST_CASE(what_was_acknowledged_survives_kills_and_all_answers_agree) {
  random_source random;
  const std::chrono::milliseconds budget(scaled(15'000) / 3);
  for (const char* const policy : {"always", "batch", "os"}) {
    torture one(policy, random);
    const auto until = std::chrono::steady_clock::now() + budget;
    do {
      one.live_and_die();
    } while (std::chrono::steady_clock::now() < until);
    std::cout << policy << ": " << one.kills << " kills, " << one.acknowledged
              << " acknowledged appends, 0 lost; " << one.in_doubt << " in doubt; " << one.events()
              << " events, " << one.deleted() << " of them deleted\n";
    BOOST_TEST(one.kills > 0u);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
