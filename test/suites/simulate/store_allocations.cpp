// Every allocation in an event store's life fails, as in a log's.

#include <boost/system/errc.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nori/error.hpp>
#include <nori/store/event_store.hpp>
#include <nori/store/snapshots.hpp>

#include "suites/simulate/starving.hpp"

namespace nori::simulate {

namespace {

using namespace std::chrono_literals;
using boost::system::system_error;

constexpr std::size_t streams = 3;
constexpr int attempts_max = 100;

/// What became of an event that was to be appended.
enum class fate : std::uint8_t { doubtful, acknowledged, absent };

/// A store, a writer for each of its streams, and a subscriber.
class starving_store : public starving_world {
 public:
  starving_store(std::uint64_t seed, backend on) : starving_world(seed, on), seed_(seed) {}
  ~starving_store() {
    static_cast<void>(test::give_memory());
    snapshots_.reset();
    store_.reset();
  }

  void live() {
    for (int life = 0; life != 2; ++life) {
      finish(open_once(), "opening");
      if (!store_) return;
      stops_ = false;
      for (std::size_t stream = 0; stream != streams; ++stream) begin(write(stream));
      begin(follow());
      writing_ = streams;
      static_cast<void>(settle_writers(400ms));
      finish(keep_state(), "saving");
      if (life == 1) finish(delete_old(), "deleting");
      stops_ = true;
      static_cast<void>(settle_writers(400ms));
      if (random.one_in(2)) finish(close_once(), "closing");
      if (store_) abandon();
    }
  }

  void recover() {
    static_cast<void>(test::give_memory());
    stops_ = true;
    must(settle_writers(20s), "after there is memory again a writer does not end");
    if (store_) {
      must(!store_->failure(), "the log failed");
      finish(append_once(), "appending");
      must(appended_once_, "after there is memory again nothing is appended");
      finish(compare(), "reading");
      finish(close_once(), "closing");
      must(!store_, "after there is memory again the store can't be closed");
    }
    must(settle(20s), "a coroutine never ends");
    finish(open_once(), "opening");
    must(store_.has_value(), "after there is memory again the store can't be opened");
    finish(append_once(), "appending");
    must(appended_once_, "the store that was opened again takes nothing");
    finish(compare(), "reading");
    finish(close_once(), "closing");
    must(!store_, "the store that was opened again can't be closed");
  }

 private:
  static std::string stream_name(std::size_t stream) { return "stream-" + std::to_string(stream); }

  void abandon() {
    {
      const granted_memory::withdrawn library;
      snapshots_.reset();
      store_.reset();
    }
    must(settle(20s), "what waits for an abandoned store never ends");
  }

  asio::awaitable<void> open_once() {
    std::optional<store_config> options;
    std::optional<snapshot_config> kept;
    {
      const granted_memory granted;
      options.emplace();
      options->log = settings(seed_ % 2 == 0 ? fsync_policy::always() : fsync_policy::batch(5ms));
      options->index_cache_bytes = std::size_t{1} << 20;
      kept.emplace(options->log.dir.string() + "-snapshots");
      kept->storage = options->log.storage;
    }
    try {
      event_store::opened opened = co_await event_store::open(std::move(*options));
      {
        const granted_memory granted;
        store_.emplace(std::move(opened.store));
      }
      snapshot_store snapshots = co_await snapshot_store::open(std::move(*kept));
      const granted_memory granted;
      snapshots_.emplace(std::move(snapshots));
    } catch (const std::bad_alloc&) {  // NOLINT: then it is not open, or has no snapshots
    } catch (const system_error& error) {
      const granted_memory granted;
      must_be_want_of_memory(error, "opening");
    }
  }

  struct planned {
    std::vector<event> events;
    std::vector<std::uint64_t> numbers;
    bool has_ids = false;
  };
  planned plan() {
    planned made;
    made.events.resize(1 + random.below(3));
    made.has_ids = random.one_in(2);
    for (event& each : made.events) {
      if (made.has_ids) {
        for (std::uint8_t& byte : each.id) byte = static_cast<std::uint8_t>(1 + random.below(255));
      }
      const std::uint64_t number = fates_.size();
      fates_.push_back(fate::doubtful);
      made.numbers.push_back(number);
      each.type = "type-" + std::to_string(random.below(3));
      each.data = std::to_string(number) + ' ' + random.text(random.below(4000));
      each.tags = {"tag-" + std::to_string(random.below(40))};
    }
    return made;
  }
  void set_fate(const planned& of, fate what) {
    for (const std::uint64_t number : of.numbers) fates_[number] = what;
  }
  void set_acknowledged(const planned& of, std::uint64_t first_global) {
    set_fate(of, fate::acknowledged);
    for (const std::uint64_t number : of.numbers) globals_[number] = first_global++;
  }

  // Appends to a stream of its own, knowing what its revision is. What is in doubt is appended
  // again where its events have ids: it must come out once.
  asio::awaitable<void> write(std::size_t stream) {
    std::optional<std::string> name;
    {
      const granted_memory granted;
      name.emplace(stream_name(stream));
    }
    bool knows = false;
    bool repeats = false;
    std::optional<std::uint64_t> revision;
    std::optional<planned> next;
    for (int i = 0; i != 8 && !stops_; ++i) {
      if (!repeats) {
        const granted_memory granted;
        next.emplace(plan());
      }
      try {
        if (!knows) revision = co_await store_->head(*name);
        knows = true;
        const append_result result = co_await store_->append(
            *name, expected_revision::after(revision), std::span<const event>(next->events));
        const granted_memory granted;
        if (result.has_value()) {
          set_acknowledged(*next, result->first_global_position);
          revision = result->last_revision;
        } else {
          must(doubts_.contains(stream), "nobody else appends to this stream");
          if (!repeats) set_fate(*next, fate::absent);
          revision = result.error().revision;
        }
        repeats = false;
      } catch (const std::bad_alloc&) {
        const granted_memory granted;
        if (!repeats) set_fate(*next, fate::absent);
      } catch (const system_error& failed) {
        const granted_memory granted;
        if (failed.code() == errc::append_in_doubt) {
          doubts_.insert(stream);
          repeats = next->has_ids;
          knows = repeats;
          continue;
        }
        if (!repeats) {
          set_fate(*next, fate::absent);
          knows = false;
        }
        if (has_ended(failed.code())) break;
        must_be_want_of_memory(failed, "an append");
      }
    }
    --writing_;
  }

  asio::awaitable<void> append_once() {
    appended_once_ = false;
    std::optional<planned> next;
    const granted_memory granted;
    next.emplace(plan());
    const append_result result = co_await store_->append("last", expected_revision::any(),
                                                         std::span<const event>(next->events));
    appended_once_ = result.has_value();
    if (appended_once_) set_acknowledged(*next, result->first_global_position);
  }

  // Every event once, in order, whatever runs out.
  asio::awaitable<void> follow() {
    std::optional<subscription> feed;
    for (int attempts = 0; !feed; ++attempts) {
      try {
        feed.emplace(store_->subscribe());
      } catch (const std::bad_alloc&) {
        if (attempts == attempts_max) co_return;
      }
    }
    std::optional<std::uint64_t> last;
    for (int attempts = 0; attempts != attempts_max;) {
      try {
        const event_batch some = co_await feed->next_batch();
        const granted_memory granted;
        attempts = 0;
        for (const recorded_event& each : some.events) {
          must(!last || each.global_position == *last + 1, "a subscriber misses an event");
          last = each.global_position;
        }
      } catch (const std::bad_alloc&) {
        ++attempts;
      } catch (const system_error& ended) {
        const granted_memory granted;
        if (has_ended(ended.code()) || ended.code() == errc::position_not_found) co_return;
        must_be_want_of_memory(ended, "a subscription");
      }
    }
  }

  asio::awaitable<void> keep_state() {
    const std::uint64_t next = store_->next_global_position();
    if (next == 0) co_return;
    std::optional<derived> view;
    std::optional<snapshot> state;
    std::optional<std::string> name;
    {
      const granted_memory granted;
      name.emplace("consumer");
      view.emplace(0, 1, "a view");
      state.emplace();
      state->stream = stream_name(0);
      state->schema_version = 1;
      state->data = "a state";
    }
    try {
      co_await store_->save_checkpoint(*name, 0);
      co_await store_->save_derived(*name, std::move(*view));
      if (snapshots_) co_await snapshots_->save(std::move(*state));
    } catch (const std::bad_alloc&) {  // NOLINT: it was done or not
    } catch (const system_error& failed) {
      const granted_memory granted;
      must_be_want_of_memory(failed, "saving");
    }
  }

  asio::awaitable<void> delete_old() {
    deleted_to_ = store_->next_global_position();
    try {
      static_cast<void>(co_await store_->delete_before(store_->next_global_position()));
    } catch (const std::bad_alloc&) {  // NOLINT: it was done or not
    } catch (const system_error& failed) {
      const granted_memory granted;
      must_be_want_of_memory(failed, "deleting");
    }
  }

  asio::awaitable<void> close_once() {
    try {
      co_await store_->close();
      const granted_memory granted;
      snapshots_.reset();
      store_.reset();
    } catch (const std::bad_alloc&) {  // NOLINT: then it is open still
    } catch (const system_error& failed) {
      const granted_memory granted;
      must_be_want_of_memory(failed, "closing");
    }
  }

  // With memory: by the order of all events, and by each way to look some up.
  asio::awaitable<void> compare() {
    std::set<std::uint64_t> found;
    std::map<std::string, std::vector<std::uint64_t>> by_stream;
    std::map<std::string, std::vector<std::uint64_t>> by_tag;
    std::map<std::string, std::uint64_t> revisions;
    must(store_->first_global_position() <= deleted_to_, "events are gone that nobody deleted");
    std::uint64_t next = store_->first_global_position();
    event_reader all = store_->read_all();
    for (;;) {
      const auto some = co_await all.next_batch();
      if (some.empty()) break;
      for (const recorded_event& each : some) {
        must(each.global_position == next++, "global positions have a gap");
        const std::uint64_t number = std::stoull(std::string(each.data));
        must(number < fates_.size() && fates_[number] != fate::absent,
             "an event is found whose append said that nothing was written");
        must(found.insert(number).second, "an event is found twice");
        must(fates_[number] != fate::acknowledged || globals_.at(number) == each.global_position,
             "an event is not where it was acknowledged to be");
        const auto [revision, first] =
            revisions.try_emplace(std::string(each.stream), each.revision);
        must(first || ++revision->second == each.revision, "a stream's revisions are not dense");
        by_stream[std::string(each.stream)].push_back(number);
        by_tag[std::string(each.tags.front())].push_back(number);
      }
    }
    must(next == store_->next_global_position(), "reading ends before the end");
    for (std::uint64_t number = 0; number != fates_.size(); ++number) {
      if (fates_[number] != fate::acknowledged || found.contains(number)) continue;
      must(globals_.at(number) < store_->first_global_position(),
           "an event that was acknowledged is lost");
    }
    for (const auto& [name, expected] : by_stream) {
      co_await same(store_->read_stream(name), expected, "a stream is not what all events give");
      const std::optional<std::uint64_t> head = co_await store_->head(name);
      must(head == revisions.at(name), "a head is wrong");
    }
    for (const auto& [name, expected] : by_tag) {
      read_events how;
      how.filter.matching = query::with_tags({name});
      co_await same(store_->read_all(how), expected, "a tag is not what all events give");
    }
  }

  static asio::awaitable<void> same(event_reader from, std::vector<std::uint64_t> expected,
                                    const char* fact) {
    std::vector<std::uint64_t> given;
    for (;;) {
      const auto some = co_await from.next_batch();
      if (some.empty()) break;
      for (const recorded_event& each : some) {
        given.push_back(std::stoull(std::string(each.data)));
      }
    }
    must(given == expected, fact);
  }

  static void must_be_want_of_memory(const system_error& error, const char* what) {
    if (error.code() == boost::system::errc::not_enough_memory) return;
    throw violation(std::string(what) + " failed: " + error.what());
  }

  [[nodiscard]] bool settle_writers(std::chrono::milliseconds patience) {
    for (auto waited = 0ms; writing_ != 0 && waited < patience; waited += 10ms) pass(10ms);
    return writing_ == 0;
  }

  const std::uint64_t seed_;
  std::optional<event_store> store_;
  std::optional<snapshot_store> snapshots_;
  std::vector<fate> fates_;  ///< by the number that an event's data begins with
  std::map<std::uint64_t, std::uint64_t> globals_;  ///< of the acknowledged ones
  std::set<std::size_t> doubts_;                    ///< streams with an append in doubt
  std::uint64_t deleted_to_ = 0;                    ///< at most
  std::size_t writing_ = 0;
  bool stops_ = false;
  bool appended_once_ = false;
};

}  // namespace

void store_allocations(std::uint64_t seed, figures& counted) {
  starve<starving_store>(seed, backend::simulated, 60, counted);
  starve<starving_store>(seed, seed % 2 == 0 ? backend::threads : backend::uring, 6, counted);
}

}  // namespace nori::simulate
