// Expected revisions under many writers on several threads: every success was justified at one
// moment, and nobody else's moment was the same.

#include <boost/asio/executor_work_guard.hpp>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include <nori/error.hpp>

#include "store/store_test.hpp"

namespace nori::store_test {
namespace {

struct outcome {
  std::string stream;
  expected_revision expected = expected_revision::any();
  std::optional<appended> done;
  std::optional<std::uint64_t> found;
  bool conflicted = false;
};

asio::awaitable<void> write_some(event_store* store, std::uint64_t seed, std::size_t appends,
                                 std::vector<outcome>* into) {
  std::mt19937_64 random(seed);
  std::map<std::string, std::optional<std::uint64_t>> believed;
  for (std::size_t i = 0; i < appends; ++i) {
    outcome one;
    one.stream = numbered("s", random() % 4);
    auto& head = believed[one.stream];
    one.expected = random() % 8 == 0 ? expected_revision::any() : expected_revision::after(head);
    const std::string data(random() % 300, 'x');
    const std::vector<event_view> events(1 + random() % 3, event_view{.type = "t", .data = data});
    const append_result result =
        co_await store->append(one.stream, one.expected, std::span<const event_view>(events));
    if (result) {
      one.done = *result;
      head = result->last_revision;
    } else {
      one.conflicted = true;
      one.found = result.error().revision;
      head = one.found;
    }
    into->push_back(std::move(one));
  }
}

void check(store_in_scratch& store, const std::vector<std::vector<outcome>>& all) {
  const std::vector<found> events = store.read_all();
  std::map<std::string, std::uint64_t> next;
  for (std::size_t i = 0; i < events.size(); ++i) {
    BOOST_REQUIRE(events[i].global == i);
    BOOST_REQUIRE(events[i].revision == next[events[i].stream]++);
  }
  std::set<std::uint64_t> taken;
  std::size_t appended_events = 0;
  for (const auto& of_one : all) {
    std::map<std::string, std::uint64_t> seen;
    for (const outcome& each : of_one) {
      if (each.done) {
        appended_events += each.done->last_global_position - each.done->first_global_position + 1;
        for (std::uint64_t g = each.done->first_global_position;
             g <= each.done->last_global_position; ++g) {
          BOOST_REQUIRE(taken.insert(g).second);
          BOOST_REQUIRE(events[g].stream == each.stream);
        }
        BOOST_REQUIRE(events[each.done->first_global_position].revision ==
                      each.done->first_revision);
        switch (each.expected.which()) {
          case expected_revision::kind::exact:
            BOOST_REQUIRE(each.done->first_revision == each.expected.revision() + 1);
            break;
          case expected_revision::kind::no_stream:
            BOOST_REQUIRE(each.done->first_revision == 0u);
            break;
          default:
            break;
        }
        seen[each.stream] = each.done->last_revision;
      } else {
        // What was found had been there, and was not what was expected, and time does not go back.
        BOOST_REQUIRE(each.found.has_value());
        BOOST_REQUIRE(*each.found < next[each.stream]);
        BOOST_REQUIRE((each.expected != expected_revision::exact(*each.found)));
        BOOST_REQUIRE(*each.found >= seen[each.stream]);
        seen[each.stream] = *each.found;
      }
    }
  }
  BOOST_REQUIRE(appended_events == events.size());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(concurrency)

BOOST_AUTO_TEST_CASE(success_means_unique_dense_revisions_and_a_conflict_is_justified) {
  random_source random;
  for (const fsync_policy& policy : {fsync_policy::always(), fsync_policy::os()}) {
    store_in_scratch store(policy);
    store.open();
    constexpr std::size_t writers = 16;
    std::vector<std::vector<outcome>> all(writers);
    std::vector<std::unique_ptr<task<void>>> running;
    std::atomic<std::size_t> left = writers;
    // Half of them on a context of their own.
    asio::io_context other;
    for (std::size_t i = 0; i < writers; ++i) {
      asio::io_context& on = i % 2 == 0 ? store.io : other;
      asio::co_spawn(on, write_some(&*store, random(), scaled(300), &all[i]),
                     [&left](std::exception_ptr error) {
                       if (error) std::rethrow_exception(error);
                       --left;
                     });
    }
    const auto work = [&](asio::io_context& on) {
      while (left != 0) on.run_for(std::chrono::milliseconds(5));
    };
    store.io.restart();
    // One that has nothing to do for a moment would stop for good, and the store with it.
    auto store_works = asio::make_work_guard(store.io);
    auto other_works = asio::make_work_guard(other);
    std::thread second([&] { work(store.io); });
    std::thread third([&] { work(other); });
    work(store.io);
    second.join();
    third.join();
    store_works.reset();
    other_works.reset();
    store.io.restart();
    check(store, all);
    store.close_and_open();
    check(store, all);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
