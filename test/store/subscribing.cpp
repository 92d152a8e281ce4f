#include <nori/error.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include "store/store_test.hpp"

namespace nori::store_test {
namespace {

/// What a subscriber saw, and how it ended.
struct seen {
  std::vector<found> events;
  std::vector<std::optional<std::uint64_t>> caught_up_at;
  std::optional<std::uint64_t> through;
  boost::system::error_code ended;
};

asio::awaitable<void> follow(subscription* from, seen* into, random_source* random) {
  try {
    for (;;) {
      const event_batch batch = co_await from->next_batch();
      for (const recorded_event& each : batch.events) into->events.emplace_back(each);
      if (batch.caught_up) into->caught_up_at.push_back(batch.through);
      into->through = batch.through;
      // A slow subscriber.
      while (random->below(3) == 0) co_await asio::post(asio::use_awaitable);
    }
  } catch (const boost::system::system_error& error) {
    into->ended = error.code();
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(subscribing)

BOOST_AUTO_TEST_CASE(an_empty_store_is_caught_up_with_at_once) {
  store_in_scratch store;
  store.open();
  subscription all = store->subscribe();
  const event_batch first = run(store.io, all.next_batch());
  BOOST_TEST(first.caught_up);
  BOOST_TEST(first.events.empty());
  BOOST_TEST(!first.through.has_value());
  task<event_batch> waiting(store.io.get_executor(), all.next_batch());
  store.append("a", expected_revision::any(), "t", "1");
  run(store.io, store->sync());
  run_until(store.io, [&] { return waiting.done(); });
  const event_batch second = waiting.get();
  BOOST_REQUIRE(second.events.size() == 1u);
  BOOST_TEST(second.through.value() == 0u);
  BOOST_TEST(second.caught_up);
  BOOST_TEST(all.lag() == 0u);
}

BOOST_AUTO_TEST_CASE(what_is_not_durable_is_not_given_unless_asked_for) {
  store_in_scratch store(fsync_policy::os());
  store.open();
  subscribe_options early;
  early.sees = visibility::acknowledged;
  subscription written = store->subscribe(early);
  subscription durable = store->subscribe();
  store.append("a", expected_revision::any(), "t", "1");
  BOOST_TEST(run(store.io, written.next_batch()).events.size() == 1u);
  const event_batch nothing = run(store.io, durable.next_batch());
  BOOST_TEST(nothing.events.empty());
  BOOST_TEST(nothing.caught_up);
  BOOST_TEST(durable.lag() == 1u);
  run(store.io, store->sync());
  BOOST_TEST(run(store.io, durable.next_batch()).events.size() == 1u);
}

// Between catching up and live there is no seam: each event once, in order, whatever the store does
// meanwhile.
BOOST_AUTO_TEST_CASE(each_event_is_given_once_and_in_order_through_every_interleaving) {
  random_source random;
  for (std::size_t round = scaled(300); round != 0; --round) {
    const bool always = random.below(3) == 0;
    store_in_scratch store(always ? fsync_policy::always() : fsync_policy::os());
    store.open();
    std::vector<found> model;
    const auto append_some = [&] {
      std::vector<event> events;
      for (std::size_t i = 1 + random.below(12); i != 0; --i) {
        event made(numbered("type-", random.below(3)), random.text(random.below(900)));
        if (random.below(2) == 0) made.tags = {numbered("tag-", random.below(3))};
        events.push_back(std::move(made));
      }
      store.append(numbered("s", random.below(5)), expected_revision::any(), events);
    };
    for (std::size_t i = random.below(60); i != 0; --i) append_some();
    if (random.below(2) == 0) store.close_and_open();
    for (std::size_t i = random.below(20); i != 0; --i) append_some();
    struct follower {
      subscribe_options how;
      std::optional<subscription> events;
      seen saw;
    };
    std::vector<std::unique_ptr<follower>> followers;
    std::vector<std::unique_ptr<task<void>>> running;
    const auto subscribe = [&] {
      auto& added = *followers.emplace_back(std::make_unique<follower>());
      const std::uint64_t events = store->next_global_position();
      if (random.below(2) == 0 && events != 0) added.how.after = random.below(events);
      if (random.below(2) == 0) added.how.sees = visibility::acknowledged;
      if (random.below(2) == 0) added.how.filter.matching = query::of_types({"type-1"});
      if (random.below(4) == 0) added.how.filter.matching = query::with_tags({"tag-2"});
      if (random.below(4) == 0) added.how.filter.stream_prefix = "s3";
      added.how.batch_events_max = 1 + random.below(40);
      added.events.emplace(store->subscribe(added.how));
      running.push_back(std::make_unique<task<void>>(store.io.get_executor(),
                                                     follow(&*added.events, &added.saw, &random)));
    };
    for (std::size_t i = 1 + random.below(3); i != 0; --i) subscribe();
    for (std::size_t i = random.below(40); i != 0; --i) {
      append_some();
      if (random.below(8) == 0) run(store.io, store->sync());
      if (random.below(12) == 0) subscribe();
    }
    model = store.read_all();
    run(store.io, store->close());
    run_until(store.io, [&] {
      return std::all_of(running.begin(), running.end(),
                         [](const auto& each) { return each->done(); });
    });
    for (const auto& each : followers) {
      BOOST_REQUIRE((each->saw.ended == errc::closed));
      std::vector<found> wanted;
      for (const found& one : model) {
        if (each->how.after && one.global <= *each->how.after) continue;
        if (!one.stream.starts_with(each->how.filter.stream_prefix)) continue;
        const std::vector<std::string_view> tags(one.tags.begin(), one.tags.end());
        if (!each->how.filter.matching.matches(one.type, tags)) continue;
        wanted.push_back(one);
      }
      BOOST_REQUIRE_EQUAL_COLLECTIONS(each->saw.events.begin(), each->saw.events.end(),
                                      wanted.begin(), wanted.end());
      if (!model.empty()) BOOST_REQUIRE(each->saw.through.value() == model.back().global);
      BOOST_REQUIRE(!each->saw.caught_up_at.empty());
      BOOST_REQUIRE((each->saw.caught_up_at.back() == each->saw.through));
    }
  }
}

// The buffer has long gone round by the time at which the next sync comes.
BOOST_AUTO_TEST_CASE(a_long_unsynced_segment_is_not_taken_for_durable) {
  store_in_scratch store(fsync_policy::os());
  store.options.log.buffer_bytes_max = buffer_bytes_lowest;
  store.options.log.segment_bytes_max = std::uint64_t{256} << 10;
  store.open();
  const std::string data(1000, 'x');
  std::uint64_t in_second_segment = 0;
  while (in_second_segment < 180) {
    store.append("a", expected_revision::any(), "t", data);
    in_second_segment += store.segment_files() > 1 && store->next_global_position() > 230 ? 1 : 0;
  }
  const std::uint64_t durable = store->durable_global_position();
  BOOST_TEST(durable < store->next_global_position());
  subscribe_options filtered;
  filtered.filter.matching = query::of_types({"t"});
  for (const subscribe_options& how : {subscribe_options(), filtered}) {
    subscription events = store->subscribe(how);
    std::uint64_t next = 0;
    const auto take = [&] {
      for (;;) {
        const event_batch batch = run(store.io, events.next_batch());
        for (const recorded_event& each : batch.events) {
          BOOST_REQUIRE(each.global_position == next);
          ++next;
        }
        if (batch.caught_up) return;
      }
    };
    take();
    BOOST_REQUIRE(next == store->durable_global_position());
    BOOST_REQUIRE(events.at().value() + 1 == next);
    if (how.filter.matching.items.empty()) continue;
    run(store.io, store->sync());
    take();
    BOOST_REQUIRE(next == store->next_global_position());
  }
}

BOOST_AUTO_TEST_CASE(a_cancelled_subscription_goes_on_where_it_was) {
  store_in_scratch store(fsync_policy::always());
  store.open();
  subscription all = store->subscribe();
  BOOST_TEST(run(store.io, all.next_batch()).caught_up);
  asio::cancellation_signal cancel;
  task<event_batch> waiting(store.io.get_executor(), all.next_batch(), cancel.slot());
  store.io.poll();
  cancel.emit(asio::cancellation_type::terminal);
  run_until(store.io, [&] { return waiting.done(); });
  BOOST_TEST(waiting.failed());
  store.append("a", expected_revision::any(), "t", "1");
  BOOST_TEST(run(store.io, all.next_batch()).events.size() == 1u);
}

BOOST_AUTO_TEST_CASE(deleted_events_are_an_error_and_no_gap) {
  store_in_scratch store;
  store.open();
  subscribe_options from_the_start;
  from_the_start.after = 0;
  for (int i = 0; i < 200; ++i) {
    store.append("a", expected_revision::any(), "t", std::string(1000, 'x'));
  }
  store.settle_indexes();
  subscription late = store->subscribe(from_the_start);
  run(store.io, store->delete_before(150));
  const std::uint64_t first = store->first_global_position();
  BOOST_REQUIRE(first > 1u);
  BOOST_CHECK_EXCEPTION(run(store.io, late.next_batch()), boost::system::system_error,
                        [](const auto& error) { return error.code() == errc::position_not_found; });
  subscription fresh = store->subscribe();
  BOOST_TEST(run(store.io, fresh.next_batch()).events.front().global_position == first);
  // Revisions go on, also after reopening.
  BOOST_TEST(store.append("a", expected_revision::exact(199), "t", "")->first_revision == 200u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
