#include <nori/store/command_handler.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nori/error.hpp>
#include <nori/store/json_upcasting.hpp>

#include "store/bank_account.hpp"
#include "store/memory_store.hpp"
#include "support/code_of.hpp"
#include "support/counting_meter.hpp"
#include "support/run.hpp"
#include "support/scratch_directory.hpp"

namespace nori {

namespace {

using namespace bank;  // NOLINT: as a service does
using test::code_of;
using test::memory_store;
using test::run;
using handler = command_handler<account, json_codec, memory_store>;

struct fixture {
  fixture() : options("account-") { options.meter = meter; }

  ~fixture() {
    commands.reset();
    options.snapshots.reset();
    io.restart();
    io.run_until(std::chrono::steady_clock::now() + test::patience);
  }

  handler& on() {
    if (!commands) commands.emplace(events, options);
    return *commands;
  }
  /// As another process would begin.
  void restart() { commands.reset(); }

  handler::result handle(const std::string& id, command wanted, const std::string& key = {}) {
    return run(io, on().handle(id, std::move(wanted), command_options(key)));
  }
  balance state_of(const std::string& id) { return run(io, on().load(id)).state; }
  /// Somebody else's event.
  void add(const std::string& id, const bank::event& what) {
    events.add("account-" + id, encode(json_codec(), what));
  }
  void open_snapshots() {
    snapshot_config config(scratch.path() / "snapshots");
    config.meter = meter;
    options.snapshots = std::make_shared<snapshot_store>(run(io, snapshot_store::open(config)));
    options.snapshot_every_events = 10;
  }

  test::scratch_directory scratch;
  asio::io_context io;
  std::shared_ptr<test::counting_meter> meter = std::make_shared<test::counting_meter>();
  memory_store events;
  handler::options options;
  std::optional<handler> commands;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(command_handlers, fixture)

BOOST_AUTO_TEST_CASE(a_command_is_decided_on_the_state_and_appended) {
  const auto made = handle("1", bank::open{"ann", 100});
  BOOST_REQUIRE(made.has_value());
  BOOST_TEST(made->state.cents == 100);
  BOOST_TEST(made->revision.value() == 0u);
  BOOST_TEST(made->appended->first_global_position == 0u);
  BOOST_TEST(!made->repeated);
  BOOST_TEST(handle("1", withdraw{101}).error().why == "Insufficient balance");
  BOOST_TEST(handle("2", deposit{1}).error().why == "No such account");
  const auto closed_now = handle("1", bank::close{});
  BOOST_TEST(closed_now->appended->first_revision == 1u);
  BOOST_TEST(closed_now->revision.value() == 2u);
  BOOST_TEST(events.events.size() == 3u);
  BOOST_TEST(events.events[0].stream == "account-1");
  BOOST_TEST(events.events[0].what.type == "account_opened");
  BOOST_TEST(events.events[0].what.version == 2u);
  BOOST_TEST(meter->count("nori_commands_total/accepted") == 2u);
  BOOST_TEST(meter->count("nori_commands_total/rejected") == 2u);
}

BOOST_AUTO_TEST_CASE(what_appends_nothing_is_told_so) {
  (void)handle("1", bank::open{"ann", 100});
  const auto touched = handle("1", touch{});
  BOOST_TEST(!touched->appended);
  BOOST_TEST(touched->revision.value() == 0u);
  BOOST_TEST(!handle("2", touch{})->revision);
  BOOST_TEST(events.appends == 1u);
}

BOOST_AUTO_TEST_CASE(a_cached_state_saves_reading_and_never_decides_wrongly) {
  (void)handle("1", bank::open{"ann", 100});
  for (int i = 0; i < 10; ++i) (void)handle("1", deposit{1});
  BOOST_TEST(events.read == 0u);
  BOOST_TEST(meter->count("nori_command_cache_total/hit") == 10u);
  // Somebody else gave the money that the cached state does not know of.
  add("1", deposited{1000});
  const auto done = handle("1", withdraw{1000});
  BOOST_REQUIRE(done.has_value());
  BOOST_TEST(done->state.cents == 110);
  BOOST_TEST(events.read == 1u);
  // And took some away, which the append finds out.
  add("1", withdrawn{110});
  BOOST_TEST(handle("1", withdraw{1}).error().why == "Insufficient balance");
  BOOST_TEST(meter->count("nori_command_conflicts_total/") == 1u);
  BOOST_TEST((state_of("1") == run(io, on().load("1")).state));
}

BOOST_AUTO_TEST_CASE(the_cache_is_bounded_and_forgets_the_one_used_longest_ago) {
  options.cached_streams_max = 2;
  for (const char* id : {"1", "2", "3"}) (void)handle(id, bank::open{"ann", 1});
  BOOST_TEST(on().cached_streams() == 2u);
  events.read = 0;
  (void)handle("3", deposit{1});
  (void)handle("2", deposit{1});
  BOOST_TEST(events.read == 0u);
  (void)handle("1", deposit{1});
  BOOST_TEST(events.read == 1u);
  (void)handle("2", deposit{1});
  BOOST_TEST(events.read == 1u);
  // What is final is not kept.
  (void)handle("2", bank::close{});
  BOOST_TEST(on().cached_streams() == 1u);
  BOOST_TEST(handle("2", deposit{1}).error().why == "No such account");
}

BOOST_AUTO_TEST_CASE(a_conflict_is_decided_again_as_often_as_is_allowed) {
  options.attempts_max = 3;
  (void)handle("1", bank::open{"ann", 100});
  int others = 2;
  events.before_append = [&] {
    if (others-- > 0) add("1", deposited{1});
  };
  const auto done = handle("1", deposit{10});
  BOOST_TEST(done->attempts == 3u);
  BOOST_TEST(done->state.cents == 112);
  others = 3;
  std::string text;
  BOOST_TEST((code_of([&] { (void)handle("1", deposit{10}); }, &text) == errc::conflict));
  BOOST_TEST(text.find("3 times") != std::string::npos);
  events.before_append = {};
  BOOST_TEST(state_of("1").cents == 115);
  BOOST_TEST(meter->count("nori_command_conflicts_total/") == 5u);
  BOOST_TEST(meter->count("nori_command_retries_total/") == 4u);
  options.attempts_max = 0;
  BOOST_TEST((code_of([&] { handler bad(events, options); }) == errc::invalid_config));
}

BOOST_AUTO_TEST_CASE(commands_to_one_stream_take_turns_and_all_succeed) {
  (void)handle("1", bank::open{"ann", 0});
  std::vector<test::task<handler::result>> tasks;
  for (int i = 0; i < 100; ++i) tasks.emplace_back(io.get_executor(), on().handle("1", deposit{1}));
  test::run_until(io, [&] {
    return std::all_of(tasks.begin(), tasks.end(), [](const auto& each) { return each.done(); });
  });
  std::set<std::uint64_t> revisions;
  for (auto& each : tasks) revisions.insert(each.get()->revision.value());
  BOOST_TEST(revisions.size() == 100u);
  BOOST_TEST(state_of("1").cents == 100);
  BOOST_TEST(meter->count("nori_command_conflicts_total/") == 0u);
}

BOOST_AUTO_TEST_CASE(a_cancelled_command_gives_its_turn_to_the_next) {
  (void)handle("1", bank::open{"ann", 0});
  asio::cancellation_signal stop;
  test::task<handler::result> first(io.get_executor(), on().handle("1", deposit{1}));
  test::task<handler::result> second(io.get_executor(), on().handle("1", deposit{10}), stop.slot());
  test::task<handler::result> third(io.get_executor(), on().handle("1", deposit{100}));
  for (int i = 0; i < 3; ++i) io.poll_one();
  stop.emit(asio::cancellation_type::terminal);
  test::run_until(io, [&] { return first.done() && second.done() && third.done(); });
  BOOST_TEST((code_of([&] { (void)second.get(); }) == asio::error::operation_aborted));
  BOOST_TEST(third.get()->state.cents == 101);
}

BOOST_AUTO_TEST_CASE(a_repeated_command_gives_what_it_did_whatever_has_happened_since) {
  (void)handle("1", bank::open{"ann", 100}, "k0");
  const auto original = handle("1", withdraw{60}, "k1");
  BOOST_TEST(!original->repeated);
  // It would be rejected now, decided on the cached state as well as on one that was read.
  for (int pass = 0; pass < 2; ++pass) {
    const auto repeated = handle("1", withdraw{60}, "k1");
    BOOST_REQUIRE(repeated.has_value());
    BOOST_TEST(repeated->repeated);
    BOOST_TEST((repeated->state == original->state));
    BOOST_TEST(repeated->revision.value() == 1u);
    BOOST_TEST(repeated->appended->first_global_position == 1u);
    BOOST_TEST(repeated->appended->last_revision == 1u);
    restart();
  }
  // And now it would be accepted once more.
  (void)handle("1", deposit{1000}, "k2");
  const auto again = handle("1", withdraw{60}, "k1");
  BOOST_TEST(again->repeated);
  BOOST_TEST(again->state.cents == 40);
  BOOST_TEST(events.events.size() == 3u);
  BOOST_TEST(meter->count("nori_commands_total/repeated") == 3u);
  // The same key means another command in another stream.
  BOOST_TEST(!handle("2", bank::open{"bob", 5}, "k1")->repeated);
  // Several events are one command.
  const auto both = handle("1", bank::close{}, "k3");
  const auto both_again = handle("1", bank::close{}, "k3");
  BOOST_TEST(both_again->appended->first_revision == both->appended->first_revision);
  BOOST_TEST(both_again->appended->last_revision == both->appended->last_revision);
  BOOST_TEST(both_again->appended->last_global_position == both->appended->last_global_position);
}

BOOST_AUTO_TEST_CASE(what_left_no_event_is_decided_anew) {
  (void)handle("1", bank::open{"ann", 10});
  BOOST_TEST(handle("1", withdraw{11}, "k").has_error());
  (void)handle("1", deposit{1});
  const auto now = handle("1", withdraw{11}, "k");
  BOOST_TEST(now.has_value());
  BOOST_TEST(!now->repeated);
}

BOOST_AUTO_TEST_CASE(the_same_command_at_the_same_time_by_two_handlers_happens_once) {
  (void)handle("1", bank::open{"ann", 100});
  handler other(events, options);
  test::task<handler::result> a(io.get_executor(),
                                on().handle("1", withdraw{10}, command_options("k")));
  test::task<handler::result> b(io.get_executor(),
                                other.handle("1", withdraw{10}, command_options("k")));
  test::run_until(io, [&] { return a.done() && b.done(); });
  const auto one = a.get();
  const auto two = b.get();
  BOOST_TEST(one->repeated != two->repeated);
  BOOST_TEST(one->revision.value() == two->revision.value());
  BOOST_TEST(state_of("1").cents == 90);
}

BOOST_AUTO_TEST_CASE(ids_metadata_and_tags_are_what_the_caller_says) {
  options.annotate = [](const bank::event& what, nori::event& to) {
    if (const auto* o = std::get_if<opened>(&what)) to.tags.push_back("owner:" + o->owner);
  };
  command_options how("key");
  how.correlation_id.data[0] = 1;
  how.causation_id.data[0] = 2;
  how.metadata = "meta";
  (void)run(io, on().handle("1", bank::open{"ann", 1}, how));
  const nori::event& made = events.events[0].what;
  BOOST_TEST(made.correlation_id.data[0] == 1);
  BOOST_TEST(made.causation_id.data[0] == 2);
  BOOST_TEST(made.metadata == "meta");
  const std::vector<std::string> tags{store::command_tag("account-1", "key"), "owner:ann"};
  BOOST_TEST(made.tags == tags, boost::test_tools::per_element());
  BOOST_TEST((made.id == store::command_event_id("account-1", "key", 0)));
  BOOST_TEST(made.id.version() == boost::uuids::uuid::version_name_based_sha1);
  BOOST_TEST((made.id != store::command_event_id("account-1", "key", 1)));
  BOOST_TEST(store::command_tag("a", "bc") != store::command_tag("ab", "c"));
}

BOOST_AUTO_TEST_CASE(old_events_are_upcast_and_bad_ones_are_not_skipped_in_silence) {
  auto all = std::make_shared<upcasters>();
  all->add("account_opened", 1, json_upcasting::add_member("currency", "USD"))
      .drop("noise", 1)
      .add("swapped", 1, json_upcasting::split([](const boost::json::object& from) {
             std::vector<json_upcasting::content> parts;
             parts.emplace_back("withdrawn", 1, boost::json::object{{"cents", from.at("out")}});
             parts.emplace_back("deposited", 1, boost::json::object{{"cents", from.at("in")}});
             return parts;
           }));
  options.upcasting = all;
  events.add("account-1", nori::event("account_opened", R"({"owner":"ann","cents":5})"));
  events.add("account-1", nori::event("noise", "?"));
  events.add("account-1", nori::event("swapped", R"({"out":1,"in":2})"));
  const auto loaded = run(io, on().load("1"));
  BOOST_TEST(loaded.state.currency == "USD");
  BOOST_TEST(loaded.state.cents == 6);
  BOOST_TEST(loaded.state.events == 3u);  // none of noise, two of swapped
  BOOST_TEST(loaded.revision.value() == 2u);
  BOOST_TEST(handle("1", deposit{1})->revision.value() == 3u);

  events.add("account-1", nori::event("burnt", "{}"));
  std::string text;
  BOOST_TEST((code_of([&] { (void)state_of("1"); }, &text) == errc::undecodable_event));
  BOOST_TEST(text.find("global position 4") != std::string::npos);
  options.on_undecodable = [](const recorded_event&, const undecodable&) {
    return std::optional<bank::event>();
  };
  restart();
  BOOST_TEST(state_of("1").cents == 7);
  BOOST_TEST(run(io, on().load("1")).revision.value() == 4u);
}

BOOST_AUTO_TEST_CASE(the_past_is_seen_by_revision_position_and_time) {
  const auto at = [](int seconds) { return event_time(std::chrono::seconds(seconds)); };
  for (const bool with_snapshots : {false, true}) {
    if (with_snapshots) open_snapshots();
    restart();
    const std::string id = with_snapshots ? "1" : "2";
    const std::uint64_t base = events.events.size();
    for (int i = 0; i < 25; ++i) {
      events.now = at(i);
      if (i == 0) {
        (void)handle(id, bank::open{"ann", 0});
      } else {
        (void)handle(id, deposit{1});
      }
    }
    for (std::uint64_t i = 0; i < 25; ++i) {
      const auto cents = static_cast<std::int64_t>(i);
      const std::optional<std::uint64_t> revision = i;
      for (const as_of& when :
           {as_of::revision(i), as_of::position(base + i), as_of::time(at(static_cast<int>(i)))}) {
        const auto then = run(io, on().load_as_of(id, when));
        BOOST_TEST(then.state.cents == cents);
        BOOST_TEST((then.revision == revision));
      }
    }
    BOOST_TEST(run(io, on().load_as_of(id, as_of::revision(UINT64_MAX))).state.cents == 24);
    BOOST_TEST(!run(io, on().load_as_of(id, as_of::time(at(-1)))).revision);
  }
}

BOOST_AUTO_TEST_CASE(a_snapshot_saves_reading_the_events_before_it) {
  open_snapshots();
  (void)handle("1", bank::open{"ann", 0});
  for (int i = 0; i < 24; ++i) (void)handle("1", deposit{1});
  BOOST_TEST(meter->count("nori_snapshots_saved_total/") == 2u);
  BOOST_TEST(events.syncs == 2u);  // nothing that may be lost is in a snapshot
  restart();
  events.read = 0;
  BOOST_TEST((state_of("1") == balance{true, false, 24, "USD", 25}));
  BOOST_TEST(events.read == 6u);  // of 25: the snapshot's last one, and five
  BOOST_TEST(meter->last("nori_snapshot_age_events/") == 5.0);
  // Another schema: from the beginning.
  options.snapshot_schema = 2;
  restart();
  events.read = 0;
  BOOST_TEST(state_of("1").cents == 24);
  BOOST_TEST(events.read == 25u);
}

BOOST_AUTO_TEST_CASE(a_snapshot_of_a_history_that_was_lost_is_not_used) {
  open_snapshots();
  (void)handle("1", bank::open{"ann", 0});
  for (int i = 0; i < 9; ++i) (void)handle("1", deposit{1});
  BOOST_TEST(meter->count("nori_snapshots_saved_total/") == 1u);
  events.lose_from(5);
  restart();
  BOOST_TEST(state_of("1").cents == 4);
  // Other events take the lost ones' places, up to and past the snapshot.
  for (int i = 0; i < 8; ++i) add("1", deposited{100});
  events.events[9].what.id = {};
  events.events[9].what.id.data[1] = 99;
  restart();
  BOOST_TEST(state_of("1").cents == 804);
  BOOST_TEST(meter->count("nori_snapshots_ignored_total/other_history") == 1u);
}

BOOST_AUTO_TEST_CASE(deleted_events_are_replaced_by_a_snapshot_or_missed_loudly) {
  open_snapshots();
  (void)handle("1", bank::open{"ann", 0});
  for (int i = 0; i < 14; ++i) (void)handle("1", deposit{1});
  events.first = 10;  // the snapshot has revisions 0 to 9
  restart();
  BOOST_TEST(state_of("1").cents == 14);
  options.snapshots.reset();
  restart();
  BOOST_TEST((code_of([&] { (void)state_of("1"); }) == errc::position_not_found));
}

// Nothing depends on what is cached but time.
BOOST_AUTO_TEST_CASE(a_cached_state_is_no_obstacle_where_a_snapshot_has_what_was_deleted) {
  open_snapshots();
  (void)handle("1", bank::open{"ann", 0});
  for (int i = 0; i < 3; ++i) (void)handle("1", deposit{1});
  {
    handler another(events, options);
    for (int i = 0; i < 10; ++i) {
      (void)run(io, another.handle("1", deposit{1}, command_options()));
    }
  }
  events.first = 10;  // the snapshot has revisions 0 to 9
  BOOST_TEST(state_of("1").cents == 13);
  BOOST_TEST(handle("1", deposit{1}).has_value());
  BOOST_TEST(state_of("1").cents == 14);
}

BOOST_AUTO_TEST_CASE(a_snapshot_that_cant_be_saved_is_no_error_of_the_command) {
  open_snapshots();
  (void)handle("1", bank::open{"ann", 0});
  std::filesystem::permissions(scratch.path() / "snapshots", std::filesystem::perms::none);
  std::filesystem::remove_all(scratch.path() / "snapshots");
  for (int i = 0; i < 12; ++i) BOOST_TEST(handle("1", deposit{1}).has_value());
  BOOST_TEST(meter->count("nori_handler_snapshot_failures_total/") == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori
