// Subscribers that go on from their saved checkpoint, while the store rotates, deletes what they
// are done with, and is closed or abandoned and opened again.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>

#include <nori/error.hpp>

#include "store/store_test.hpp"

namespace nori::store_test {
namespace {

/// Who follows under a name. A pass begins at the checkpoint and ends with whatever ends it.
struct consumer {
  std::string name;
  subscribe_options how;
  std::optional<std::uint64_t> saved;   ///< its checkpoint
  std::optional<std::uint64_t> saving;  ///< what is being saved
  // Of this pass.
  std::optional<std::uint64_t> after;
  std::optional<std::uint64_t> through;
  std::vector<found> saw;
  boost::system::error_code ended;
  bool store_is_gone = false;
  asio::cancellation_signal cancel;
  std::unique_ptr<task<void>> running;
};

asio::awaitable<void> follow(event_store* store, consumer* as, random_source* random) {
  try {
    if (as->store_is_gone) co_return;
    as->after = co_await store->load_checkpoint(as->name);
    const bool known = as->after == as->saved || (as->saving && as->after == as->saving);
    BOOST_REQUIRE(known);
    as->saved = as->after;
    as->saving.reset();
    if (as->store_is_gone) co_return;
    subscribe_options how = as->how;
    how.after = as->after;
    subscription events = store->subscribe(how);
    for (;;) {
      const event_batch batch = co_await events.next_batch();
      for (const recorded_event& each : batch.events) as->saw.emplace_back(each);
      as->through = batch.through;
      while (random->below(3) == 0) co_await asio::post(asio::use_awaitable);
      if (!batch.through || as->store_is_gone || random->below(2) == 0) continue;
      as->saving = batch.through;
      co_await store->save_checkpoint(as->name, *batch.through);
      as->saved = std::exchange(as->saving, std::nullopt);
    }
  } catch (const boost::system::system_error& error) {
    as->ended = error.code();
  }
}

/// A store and those who follow it, through many short lives.
class interleavings {
 public:
  interleavings(random_source& random, const std::filesystem::path& under)
      : random_(random),
        scratch_(under),
        store_(random.below(3) == 0   ? fsync_policy::always()
               : random.below(3) == 0 ? fsync_policy::batch(std::chrono::milliseconds(1))
                                      : fsync_policy::os()) {
    store_.options.log.dir = scratch_.path() / "store";
    store_.options.log.buffer_bytes_max = buffer_bytes_lowest;
    for (std::size_t i = 1 + random_.below(3); i != 0; --i) {
      consumer& added = *consumers_.emplace_back(std::make_unique<consumer>());
      added.name = numbered("consumer-", i);
      if (random_.below(2) == 0) added.how.sees = visibility::acknowledged;
      switch (random_.below(5)) {
        case 0:
          added.how.filter.matching = query::of_types({"type-1"});
          break;
        case 1:
          added.how.filter.matching = query::with_tags({"tag-2"});
          break;
        case 2:
          added.how.filter.stream_prefix = "s3";
          break;
        default:
          break;
      }
      added.how.batch_events_max = 1 + random_.below(20);
    }
    store_.open();
  }
  ~interleavings() {
    // What a failed check left under way uses the consumers.
    for (const auto& each : consumers_) each->store_is_gone = true;
    store_.crash();
  }
  interleavings(const interleavings&) = delete;
  interleavings& operator=(const interleavings&) = delete;

  void live() {
    learn();
    for (const auto& each : consumers_) begin_pass(*each);
    for (std::size_t i = random_.below(12); i != 0; --i) {
      switch (random_.below(8)) {
        case 0:
          run(store_.io, store_->sync());
          break;
        case 1:
        case 2:
          erase();
          break;
        case 3:
          append_in_background();
          break;
        case 4: {
          consumer& one = *consumers_[random_.below(consumers_.size())];
          one.cancel.emit(asio::cancellation_type::terminal);
          run_until(store_.io, [&] { return one.running->done(); });
          end_pass(one);
          BOOST_REQUIRE((one.ended == asio::error::operation_aborted));
          begin_pass(one);
          break;
        }
        default:
          append();
      }
    }
    if (random_.below(2) == 0) {
      close();
    } else {
      abandon();
    }
    for (const auto& each : consumers_) each->running->get();
    background_.clear();
    store_.open();
    learn();
    for (const auto& each : consumers_) end_pass(*each);
  }

  [[nodiscard]] std::size_t passes() const { return passes_; }
  [[nodiscard]] std::uint64_t deleted() const { return first_; }
  [[nodiscard]] std::size_t events() const { return events_.size(); }

 private:
  struct append_under_way {
    std::string stream;
    std::vector<event> events;
    std::unique_ptr<task<append_result>> running;
  };

  std::vector<event> some_events() {
    std::vector<event> made;
    const std::size_t some = 1 + random_.below(6);
    // One in a few appends nearly fills a segment, and none is more than one holds.
    const std::size_t largest = random_.below(2) == 0 ? 30'000 / some : 300;
    while (made.size() != some) {
      event& added = made.emplace_back(numbered("type-", random_.below(3)),
                                       std::string(random_.below(largest), 'x'));
      if (random_.below(2) == 0) added.tags = {numbered("tag-", random_.below(3))};
    }
    return made;
  }
  std::string some_stream() { return numbered("s", random_.below(5)); }

  void append() {
    const append_result result =
        store_.append(some_stream(), expected_revision::any(), some_events());
    acknowledged_ = std::max(acknowledged_, result->last_global_position + 1);
  }
  void append_in_background() {
    append_under_way& added = *background_.emplace_back(std::make_unique<append_under_way>());
    added.stream = some_stream();
    added.events = some_events();
    added.running = std::make_unique<task<append_result>>(
        store_.io.get_executor(), store_->append(added.stream, expected_revision::any(),
                                                 std::span<const event>(added.events)));
  }
  // Never what somebody is not done with.
  void erase() {
    if (erasing_ && !erasing_->done()) return;
    std::uint64_t before = UINT64_MAX;
    for (const auto& each : consumers_) {
      before = std::min(before, each->saved ? *each->saved + 1 : 0);
    }
    learn();
    if (before > events_.size()) return;
    erasing_.emplace(store_.io.get_executor(), store_->delete_before(before));
    if (random_.below(2) == 0) run_until(store_.io, [&] { return erasing_->done(); });
  }

  void begin_pass(consumer& of) {
    of.saw.clear();
    of.after = of.through = std::nullopt;
    of.ended = {};
    of.store_is_gone = false;
    of.running = std::make_unique<task<void>>(store_.io.get_executor(),
                                              follow(&*store_, &of, &random_), of.cancel.slot());
  }
  // Everything from the checkpoint up to where it came, and nothing else.
  void end_pass(consumer& of) {
    ++passes_;
    learn();
    std::vector<found> wanted;
    for (const found& one : events_) {
      if (of.after && one.global <= *of.after) continue;
      if (!of.through || one.global > *of.through) continue;
      if (!one.stream.starts_with(of.how.filter.stream_prefix)) continue;
      const std::vector<std::string_view> tags(one.tags.begin(), one.tags.end());
      if (of.how.filter.matching.matches(one.type, tags)) wanted.push_back(one);
    }
    BOOST_REQUIRE_EQUAL_COLLECTIONS(of.saw.begin(), of.saw.end(), wanted.begin(), wanted.end());
  }

  // What is there joins what was there, which does not change.
  void learn() {
    // A reader that begins where events are just being deleted is told so.
    if (erasing_) run_until(store_.io, [&] { return erasing_->done(); });
    const std::uint64_t first = store_->first_global_position();
    BOOST_REQUIRE(first >= first_);
    BOOST_REQUIRE(first <= events_.size());
    first_ = first;
    std::uint64_t next = first;
    for (found& each : store_.read_all()) {
      BOOST_REQUIRE(each.global == next);
      if (next < events_.size()) {
        BOOST_REQUIRE((each == events_[next]));
      } else {
        events_.push_back(std::move(each));
      }
      ++next;
    }
    BOOST_REQUIRE(next == events_.size());
    BOOST_REQUIRE(next >= acknowledged_);
  }

  [[nodiscard]] bool all_done() const {
    const auto done = [](const auto& each) { return each->running->done(); };
    return std::all_of(consumers_.begin(), consumers_.end(), done) &&
           std::all_of(background_.begin(), background_.end(), done) &&
           (!erasing_ || erasing_->done());
  }
  // Everything is given before it ends.
  void close() {
    const auto appended = [](const auto& each) { return each->running->done(); };
    run_until(store_.io,
              [&] { return std::all_of(background_.begin(), background_.end(), appended); });
    learn();
    run(store_.io, store_->close());
    run_until(store_.io, [&] { return all_done(); });
    store_.crash();
    for (const auto& each : consumers_) {
      BOOST_REQUIRE((each->ended == errc::closed));
      // One that was saving found the store closed, and did not ask for more.
      if (each->saving || events_.empty()) continue;
      BOOST_REQUIRE(each->through.value() == events_.back().global);
    }
  }
  void abandon() {
    for (const auto& each : consumers_) each->store_is_gone = true;
    store_.crash();
    BOOST_REQUIRE(all_done());
    for (const auto& each : background_) {
      try {
        acknowledged_ = std::max(acknowledged_, each->running->get()->last_global_position + 1);
      } catch (const boost::system::system_error&) {
        // In doubt.
      }
    }
  }

  random_source& random_;
  scratch_directory scratch_;
  store_in_scratch store_;
  std::vector<std::unique_ptr<consumer>> consumers_;
  std::vector<std::unique_ptr<append_under_way>> background_;
  std::optional<task<deleted_segments>> erasing_;
  std::vector<found> events_;  ///< all that there ever were
  std::uint64_t first_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::size_t passes_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(resuming)

BOOST_AUTO_TEST_CASE(nothing_is_skipped_or_repeated_through_deletion_and_reopening) {
  random_source random;
  std::size_t passes = 0;
  std::uint64_t events = 0;
  std::uint64_t deleted = 0;
  for (std::size_t stores = scaled(30); stores != 0; --stores) {
    // On a disk other things overtake each other.
    interleavings one(random, stores % 10 == 1 ? std::filesystem::temp_directory_path()
                                               : nori::test::memory_directory());
    for (std::size_t lives = 50; lives != 0; --lives) one.live();
    passes += one.passes();
    events += one.events();
    deleted += one.deleted();
  }
  std::cout << passes << " passes over " << events << " events, " << deleted << " deleted\n";
  BOOST_TEST(deleted > 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
