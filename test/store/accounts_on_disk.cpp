#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nori/store/command_handler.hpp>
#include <nori/store/event_store.hpp>
#include <nori/store/json_upcasting.hpp>

#include "store/bank_account.hpp"
#include "support/random_source.hpp"
#include "support/run.hpp"
#include "support/scratch_directory.hpp"

// Command handlers on a real event store.

namespace nori {

namespace {

using namespace bank;  // NOLINT: as a service does
using test::run;
using accounts = command_handler<account>;

struct fixture {
  fixture() : config(scratch.path() / "events"), options("account-") {
    config.log.fsync = fsync_policy::always();
    config.log.segment_bytes_max = segment_bytes_lowest;
    config.log.buffer_bytes_max = buffer_bytes_lowest;
    config.clock = [this] { return now; };
    options.snapshot_every_events = 10;
    open();
  }
  ~fixture() { close(); }

  void open() {
    event_store::opened opened = run(io, event_store::open(config));
    store.emplace(std::move(opened.store));
    options.snapshots = std::make_shared<snapshot_store>(
        run(io, snapshot_store::open(snapshot_config(scratch.path() / "snapshots"))));
    on.emplace(*store, options);
  }
  void close() {
    on.reset();
    options.snapshots.reset();
    if (store) run(io, store->close());
    store.reset();
    io.restart();
    io.run_until(std::chrono::steady_clock::now() + test::patience);
  }
  void reopen() {
    close();
    open();
  }

  accounts::result handle(const std::string& id, command wanted, const std::string& key = {}) {
    return run(io, on->handle(id, std::move(wanted), command_options(key)));
  }
  handled<balance> load(const std::string& id) { return run(io, on->load(id)); }

  test::scratch_directory scratch;
  asio::io_context io;
  event_time now{std::chrono::hours(1)};
  store_config config;
  accounts::options options;
  std::optional<event_store> store;
  std::optional<accounts> on;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(accounts_on_disk, fixture)

BOOST_AUTO_TEST_CASE(an_account_survives_and_so_do_the_rules) {
  BOOST_TEST(handle("1", bank::open{"ann", 1000}).has_value());
  for (int i = 0; i < 34; ++i) BOOST_TEST(handle("1", withdraw{10}).has_value());
  const handled<balance> before = load("1");
  BOOST_TEST(before.state.cents == 660);
  for (int pass = 0; pass < 2; ++pass) {
    reopen();
    if (pass == 1) {
      options.snapshots.reset();  // without them, the same
      on.emplace(*store, options);
    }
    const handled<balance> after = load("1");
    BOOST_TEST((after.state == before.state));
    BOOST_TEST((after.revision == before.revision));
    BOOST_TEST(handle("1", withdraw{661}).error().why == "Insufficient balance");
  }
}

BOOST_AUTO_TEST_CASE(a_repeat_is_recognised_across_reopening) {
  (void)handle("1", bank::open{"ann", 100});
  const auto original = handle("1", bank::close{}, "key");
  BOOST_REQUIRE(original.has_value());
  for (int pass = 0; pass < 2; ++pass) {
    const auto repeated = handle("1", bank::close{}, "key");
    BOOST_REQUIRE(repeated.has_value());
    BOOST_TEST(repeated->repeated);
    BOOST_TEST((repeated->state == original->state));
    BOOST_TEST(repeated->appended->first_global_position ==
               original->appended->first_global_position);
    BOOST_TEST(repeated->appended->last_revision == original->appended->last_revision);
    reopen();
  }
  BOOST_TEST(store->next_global_position() == 3u);
}

BOOST_AUTO_TEST_CASE(a_repeat_that_would_be_accepted_again_is_not) {
  (void)handle("1", bank::open{"ann", 100});
  (void)handle("1", deposit{1}, "key");
  for (int i = 0; i < 20; ++i) (void)handle("1", deposit{1});
  const auto repeated = handle("1", deposit{1}, "key");
  BOOST_TEST(repeated->repeated);
  BOOST_TEST(repeated->state.cents == 101);
  BOOST_TEST(load("1").state.cents == 121);
}

BOOST_AUTO_TEST_CASE(somebody_elses_events_are_seen) {
  (void)handle("1", bank::open{"ann", 0});
  const nori::event gift = encode(json_codec(), deposited{50});
  event_view view;
  view.type = gift.type;
  view.data = gift.data;
  BOOST_TEST(run(io, store->append("account-1", expected_revision::any(), view)).has_value());
  BOOST_TEST(handle("1", withdraw{50}).has_value());
  BOOST_TEST(run(io, store->append("account-1", expected_revision::any(), view)).has_value());
  const auto done = handle("1", deposit{1});
  BOOST_TEST(done->state.cents == 51);
  BOOST_TEST(done->attempts == 2u);
}

BOOST_AUTO_TEST_CASE(events_of_version_1_are_read_as_version_2) {
  event_view old;
  old.type = "account_opened";
  old.data = R"({"owner":"ann","cents":7})";
  BOOST_TEST(run(io, store->append("account-1", expected_revision::no_stream(), old)).has_value());
  auto all = std::make_shared<upcasters>();
  all->add("account_opened", 1, json_upcasting::add_member("currency", "USD"));
  options.upcasting = all;
  on.emplace(*store, options);
  BOOST_TEST(load("1").state.currency == "USD");
  BOOST_TEST(handle("1", withdraw{7})->state.cents == 0);
}

BOOST_AUTO_TEST_CASE(the_past_is_seen_by_revision_position_and_time) {
  const event_time begin = now;
  for (int i = 0; i < 35; ++i) {
    now = begin + std::chrono::seconds(i);
    if (i == 0) {
      (void)handle("1", bank::open{"ann", 0});
    } else {
      (void)handle("1", deposit{1});
    }
    (void)handle("other", i == 0 ? command(bank::open{"bob", 0}) : command(deposit{1}));
  }
  reopen();
  for (std::uint64_t i = 0; i < 35; ++i) {
    for (const as_of& when :
         {as_of::revision(i), as_of::position(2 * i), as_of::position(2 * i + 1),
          as_of::time(begin + std::chrono::seconds(i))}) {
      const handled<balance> then = run(io, on->load_as_of("1", when));
      BOOST_TEST(then.state.cents == static_cast<std::int64_t>(i));
      BOOST_TEST(then.revision.value() == i);
    }
  }
  BOOST_TEST(!run(io, on->load_as_of("1", as_of::time(begin - std::chrono::seconds(1)))).revision);
}

BOOST_AUTO_TEST_CASE(many_threads_lose_no_command_and_repeat_none) {
  constexpr int threads = 4;
  const std::size_t commands = test::scaled(100);
  // Two handlers are in each other's way all the time here: one of them may lose often in a row.
  options.attempts_max = 10'000;
  on.emplace(*store, options);
  (void)handle("1", bank::open{"ann", 0});
  // The store works on `io`, the commands are handled elsewhere.
  const auto work = asio::make_work_guard(io);
  io.restart();
  std::thread running([&] { io.run(); });
  {
    accounts::options its_options("account-");
    its_options.attempts_max = options.attempts_max;
    accounts second(*store, its_options);
    asio::thread_pool pool(threads);
    std::vector<std::future<accounts::result>> results;
    for (std::size_t i = 0; i < commands; ++i) {
      // Each twice at the same time, by two handlers.
      const command_options how("key-" + std::to_string(i));
      results.push_back(asio::co_spawn(pool, on->handle("1", deposit{1}, how), asio::use_future));
      results.push_back(
          asio::co_spawn(pool, second.handle("1", deposit{1}, how), asio::use_future));
    }
    std::size_t repeated = 0;
    std::set<std::uint64_t> revisions;
    // Whatever goes wrong, the threads are to be joined.
    for (auto& each : results) {
      try {
        const accounts::result done = each.get();
        if (done->repeated) ++repeated;
        revisions.insert(done->appended->last_revision);
      } catch (const std::exception& error) {
        BOOST_ERROR(error.what());
      }
    }
    pool.join();
    BOOST_TEST(repeated == commands);
    BOOST_TEST(revisions.size() == commands);
  }
  io.stop();
  running.join();
  io.restart();
  BOOST_TEST(load("1").state.cents == static_cast<std::int64_t>(commands));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori
