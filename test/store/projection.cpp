#include <nori/store/projection.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <nori/store/metrics.hpp>
#include <nori/store/projection_json.hpp>

#include "store/memory_source.hpp"
#include "store/running.hpp"
#include "support/random_source.hpp"
#include "support/run.hpp"

namespace nori::store::test {
namespace {

using nori::test::random_source;
using nori::test::run;
using nori::test::run_until;
using nori::test::scaled;
using nori::test::task;

// Any lost, repeated or swapped event makes another one.
struct digest {
  std::uint64_t count = 0;
  std::uint64_t hash = 0;
  friend bool operator==(const digest&, const digest&) = default;
};

void take(digest& into, const recorded_event& what) {
  ++into.count;
  into.hash = into.hash * 1099511628211U + what.global_position + 1;
}

digest digest_of(std::uint64_t events) {
  digest result;
  for (std::uint64_t i = 0; i < events; ++i) {
    recorded_event one;
    one.global_position = i;
    take(result, one);
  }
  return result;
}

view_definition<digest> digests() {
  view_definition<digest> how(take);
  how.to_bytes = [](const digest& of) {
    return std::to_string(of.count) + ' ' + std::to_string(of.hash);
  };
  how.from_bytes = [](std::string_view bytes) {
    const std::string text(bytes);
    std::size_t end = 0;
    digest result;
    result.count = std::stoull(text, &end);
    result.hash = std::stoull(text.substr(end));
    return result;
  };
  return how;
}

projection_options named(std::uint32_t version = 1) {
  projection_options options("totals", version);
  options.save_every_events = 10;
  options.idle_ms = std::chrono::milliseconds(1);
  return options;
}

class running_projection : public running_consumer<projection<digest>> {
 public:
  running_projection(std::shared_ptr<memory_source> from, projection_options options,
                     view_definition<digest> how)
      : running_consumer(std::move(from), std::move(options), std::move(how)) {}

  void wait_for(std::uint64_t position) { run(io, view.wait_for(position)); }
  [[nodiscard]] digest now() const {
    return view.read([](const digest& of, std::optional<std::uint64_t>) { return of; });
  }

  projection<digest>& view = consumer;
};

std::shared_ptr<memory_source> source_with(std::uint64_t events) {
  auto source = std::make_shared<memory_source>();
  for (std::uint64_t i = 0; i < events; ++i) source->append("s", "t");
  return source;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(projections)

BOOST_AUTO_TEST_CASE(it_catches_up_and_follows) {
  running_projection one(source_with(1000), named(), digests());
  BOOST_TEST((one.now() == digest{}));
  BOOST_TEST(one.view.lag() == 1000u);
  one.wait_for(999);
  BOOST_TEST((one.now() == digest_of(1000)));
  BOOST_TEST(one.view.lag() == 0u);
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t at = one.source->append("s", "t");
    one.wait_for(at);
    BOOST_TEST((one.now() == digest_of(at + 1)));
    BOOST_TEST((one.view.through() == at));
  }
  BOOST_TEST(one.source->counted.count(metrics::projection_events, "totals") == 1005u);
}

BOOST_AUTO_TEST_CASE(an_empty_store_is_no_event) {
  running_projection one(source_with(0), named(), digests());
  one.io.restart();
  one.io.run_for(std::chrono::milliseconds(20));
  BOOST_TEST(!one.view.through());
  BOOST_TEST(one.view.lag() == 0u);
  BOOST_TEST((one.stop() == asio::error::operation_aborted));
  BOOST_TEST(one.source->views.empty());
}

BOOST_AUTO_TEST_CASE(it_goes_on_where_it_was_saved_and_each_event_counts_once) {
  const auto source = source_with(0);
  random_source random;
  std::uint64_t events = 0;
  for (std::size_t round = 0; round < scaled(50); ++round) {
    for (std::size_t n = random.below(40); n > 0; --n) source->append("s", "t"), ++events;
    running_projection one(source, named(), digests());
    // Stopped anywhere: by cancellation, which saves, or by a crash, which does not.
    one.io.restart();
    for (std::size_t n = random.below(60); n > 0; --n) one.io.poll_one();
    if (random.below(2) == 0) {
      one.stop();
      const auto through = one.view.through();
      BOOST_TEST((one.now() == digest_of(through ? *through + 1 : 0)));
      if (through) BOOST_TEST(source->views.at("totals").through == *through);
    } else {
      source->save_error = boost::system::errc::make_error_code(boost::system::errc::io_error);
    }
    if (source->save_error) {
      one.stop();
      source->save_error = {};
    }
  }
  if (events == 0) source->append("s", "t"), ++events;
  running_projection last(source, named(), digests());
  last.wait_for(events - 1);
  BOOST_TEST((last.now() == digest_of(events)));
}

BOOST_AUTO_TEST_CASE(it_is_saved_every_so_many_events_and_when_idle) {
  projection_options options = named();
  options.batch_events_max = 1;
  options.save_every_events = 100;
  options.idle_ms = std::chrono::milliseconds(5);
  running_projection one(source_with(1050), options, digests());
  one.wait_for(1049);
  BOOST_TEST(one.source->views.at("totals").through == 999u);
  BOOST_TEST(one.source->saves == 10u);
  one.until([&] { return one.source->views.at("totals").through == 1049; });
  BOOST_TEST(one.source->saves == 11u);
}

BOOST_AUTO_TEST_CASE(it_is_saved_after_a_time_where_events_keep_coming) {
  projection_options options = named();
  options.save_every_events = 1'000'000;
  options.save_every_ms = std::chrono::milliseconds(20);
  options.idle_ms = std::chrono::hours(1);
  running_projection one(source_with(1), options, digests());
  one.until([&] {
    one.source->append("s", "t");
    return one.source->saves >= 3;
  });
  BOOST_TEST(one.source->views.at("totals").through > 0u);
}

BOOST_AUTO_TEST_CASE(what_does_not_match_is_passed_over_and_saved) {
  const auto source = source_with(20);
  projection_options options = named();
  options.filter = event_filter(query::of_types({"wanted"}));
  {
    running_projection one(source, options, digests());
    one.wait_for(19);
    BOOST_TEST(one.now().count == 0u);
    const std::uint64_t at = source->append("s", "wanted");
    one.wait_for(at);
    BOOST_TEST(one.now().count == 1u);
    source->append("s", "t");
    one.wait_for(21);
    one.stop();
  }
  BOOST_TEST(source->views.at("totals").through == 21u);
}

BOOST_AUTO_TEST_CASE(what_is_saved_and_can_not_be_believed_is_built_again) {
  const auto wrong = [](derived kept, std::string_view reason) {
    const auto source = source_with(30);
    source->views["totals"] = std::move(kept);
    running_projection one(source, named(), digests());
    one.wait_for(29);
    BOOST_TEST((one.now() == digest_of(30)), reason);
    BOOST_TEST(source->counted.count(metrics::projection_views_ignored, reason) == 1u, reason);
    BOOST_TEST(source->counted.count(metrics::projection_rebuilds, "totals") == 1u);
    one.until([&] { return source->views.at("totals").through == 29; });
    BOOST_TEST(source->views.at("totals").version == 1u);
  };
  wrong(derived(30, 1, "31 0"), "newer_than_store");
  wrong(derived(10, 1, "nonsense"), "unreadable");
  wrong(derived(10, 7, "11 0"), "other_version");
}

BOOST_AUTO_TEST_CASE(the_view_of_an_old_version_serves_while_the_new_one_is_built) {
  const auto source = source_with(100);
  source->views["totals"] = derived(49, 1, "old");
  view_definition<digest> how = digests();
  how.from_other_version = [](std::uint32_t version,
                              std::string_view bytes) -> std::optional<digest> {
    if (version != 1 || bytes != "old") return std::nullopt;
    return digest{4711, 1};
  };
  projection_options options = named(2);
  options.batch_events_max = 7;
  {
    running_projection one(source, options, how);
    std::size_t old_seen = 0;
    one.until([&] {
      const digest seen = one.now();
      if (seen == digest{4711, 1}) {
        ++old_seen;
        BOOST_TEST((one.view.through() == 49u));
        BOOST_TEST(one.view.lag() == 50u);
      }
      // Nothing in between is ever seen.
      const bool new_seen = seen == digest_of(100);
      BOOST_TEST((new_seen || seen == digest{} || seen == digest{4711, 1}));
      return new_seen;
    });
    BOOST_TEST(old_seen > 10u);
    BOOST_TEST(!one.view.rebuilding());
    one.until([&] { return source->views.size() == 1; });
    BOOST_TEST(source->views.at("totals").version == 2u);
    BOOST_TEST(source->views.at("totals").through == 99u);
  }
}

BOOST_AUTO_TEST_CASE(a_rebuild_that_was_interrupted_goes_on) {
  const auto source = source_with(100);
  source->views["totals"] = derived(49, 1, "old");
  const digest half = digest_of(61);
  source->views["totals.next"] =
      derived(60, 2, std::to_string(half.count) + ' ' + std::to_string(half.hash));
  view_definition<digest> how = digests();
  how.from_other_version = [](std::uint32_t, std::string_view) -> std::optional<digest> {
    return digest{4711, 1};
  };
  running_projection one(source, named(2), how);
  one.until([&] { return source->views.size() == 1; });
  BOOST_TEST((one.now() == digest_of(100)));
  BOOST_TEST(source->counted.count(metrics::projection_events, "totals") == 39u);
}

BOOST_AUTO_TEST_CASE(a_rebuild_on_demand_replaces_the_view_at_once) {
  const auto source = source_with(50);
  // A view that is wrong, as after a mistake in the fold function.
  source->views["totals"] = derived(49, 1, "4711 1");
  projection_options options = named();
  options.batch_events_max = 7;
  running_projection one(source, options, digests());
  one.wait_for(49);
  BOOST_TEST((one.now() == digest{4711, 1}));
  one.io.restart();
  one.io.run_for(std::chrono::milliseconds(10));  // it waits for events now
  one.view.rebuild();
  BOOST_TEST(one.view.rebuilding());
  one.until([&] {
    const digest seen = one.now();
    if (seen != digest_of(50)) BOOST_TEST((seen == digest{4711, 1}));
    return !one.view.rebuilding();
  });
  BOOST_TEST((one.now() == digest_of(50)));
  one.until([&] { return source->views.at("totals").bytes != "4711 1"; });
  BOOST_TEST(!source->views.contains("totals.next"));
  const std::uint64_t at = source->append("s", "t");
  one.wait_for(at);
  BOOST_TEST((one.now() == digest_of(51)));
}

BOOST_AUTO_TEST_CASE(an_error_in_the_fold_function_ends_it_and_tells_where) {
  const auto source = source_with(25);
  bool broken = true;
  view_definition<digest> how = digests();
  how.fold = [&broken](digest& into, const recorded_event& what) {
    if (broken && what.global_position == 17) {
      into.hash = 666;  // half done
      throw std::runtime_error("cannot");
    }
    take(into, what);
  };
  projection_options options = named();
  options.batch_events_max = 4;
  running_projection one(source, options, how);
  run_until(one.io, [&] { return one.work->done(); });
  try {
    one.work->get();
    BOOST_ERROR("nothing was thrown");
  } catch (const fold_error& error) {
    BOOST_TEST(error.global_position() == 17u);
    BOOST_TEST((error.code() == errc::fold_failed));
    BOOST_TEST(std::string(error.what()).find("event 17") != std::string::npos, error.what());
    BOOST_CHECK_THROW(std::rethrow_if_nested(error), std::runtime_error);
  }
  // Others that wait are told, what is half done is not kept, and it can run again.
  BOOST_CHECK_THROW(one.wait_for(17), fold_error);
  BOOST_TEST(source->views.at("totals").through < 17u);
  broken = false;
  one.start();
  one.wait_for(24);
  BOOST_TEST((one.now() == digest_of(25)));
}

BOOST_AUTO_TEST_CASE(cancelled_it_saves_and_stops_and_can_run_again) {
  projection_options options = named();
  options.save_every_events = 1'000'000;
  options.idle_ms = std::chrono::hours(1);
  for (const auto how : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                         asio::cancellation_type::total}) {
    const auto source = source_with(42);
    running_projection one(source, options, digests());
    one.wait_for(41);
    BOOST_TEST(source->views.empty());
    BOOST_TEST((one.stop(how) == asio::error::operation_aborted));
    BOOST_TEST(source->views.at("totals").through == 41u);
    try {
      one.wait_for(42);
      BOOST_ERROR("nothing was thrown");
    } catch (const boost::system::system_error& error) {
      BOOST_TEST((error.code() == errc::closed));
    }
    source->append("s", "t");
    one.start();
    one.wait_for(42);
    BOOST_TEST((one.now() == digest_of(43)));
  }
}

BOOST_AUTO_TEST_CASE(a_closed_store_ends_it_with_the_view_saved) {
  projection_options options = named();
  options.idle_ms = std::chrono::hours(1);
  options.save_every_events = 1'000'000;
  running_projection one(source_with(5), options, digests());
  one.wait_for(4);
  one.source->close();
  BOOST_TEST((one.outcome() == errc::closed));
  BOOST_TEST(one.source->views.at("totals").through == 4u);
}

BOOST_AUTO_TEST_CASE(an_error_while_saving_ends_it) {
  const auto source = source_with(42);
  source->save_error =
      boost::system::errc::make_error_code(boost::system::errc::no_space_on_device);
  running_projection one(source, named(), digests());
  BOOST_TEST((one.outcome() == boost::system::errc::no_space_on_device));
}

BOOST_AUTO_TEST_CASE(without_a_way_to_save_it_builds_from_the_first_event_each_time) {
  const auto source = source_with(42);
  for (int i = 0; i < 2; ++i) {
    running_projection one(source, named(), view_definition<digest>(take));
    one.wait_for(41);
    BOOST_TEST((one.now() == digest_of(42)));
    one.stop();
  }
  BOOST_TEST(source->views.empty());
  BOOST_TEST(source->counted.count(metrics::projection_events, "totals") == 84u);
}

BOOST_AUTO_TEST_CASE(the_past_can_be_looked_at) {
  running_projection one(source_with(20), named(), digests());
  for (std::uint64_t i = 0; i < 20; ++i) {
    BOOST_TEST((run(one.io, one.view.as_of(i)) == digest_of(i + 1)));
    const event_time then = memory_source::time_of(i);
    BOOST_TEST((run(one.io, one.view.as_of(then)) == digest_of(i + 1)));
    BOOST_TEST((run(one.io, one.view.as_of(then - std::chrono::nanoseconds(1))) == digest_of(i)));
  }
  BOOST_TEST((run(one.io, one.view.as_of(std::uint64_t{1000})) == digest_of(20)));
}

BOOST_AUTO_TEST_CASE(a_wait_can_be_cancelled_and_ends_with_the_projection) {
  asio::io_context io;
  const auto source = source_with(1);
  std::optional<projection<digest>> view(std::in_place, source, named(), digests());
  asio::cancellation_signal cancel;
  task<void> first(io.get_executor(), view->wait_for(5), cancel.slot());
  task<void> second(io.get_executor(), view->wait_for(5));
  io.restart();
  io.poll();
  BOOST_TEST(!first.done());
  cancel.emit(asio::cancellation_type::total);
  io.restart();
  io.poll();
  BOOST_CHECK_EXCEPTION(first.get(), boost::system::system_error, [](const auto& error) {
    return error.code() == asio::error::operation_aborted;
  });
  BOOST_TEST(!second.done());
  view.reset();
  io.restart();
  io.poll();
  BOOST_CHECK_EXCEPTION(second.get(), boost::system::system_error,
                        [](const auto& error) { return error.code() == errc::closed; });
}

BOOST_AUTO_TEST_CASE(readers_on_other_threads_see_view_and_position_that_fit) {
  const auto source = source_with(0);
  asio::thread_pool pool(2);
  asio::cancellation_signal cancel;
  projection_options options = named();
  options.batch_events_max = 3;
  projection<digest> view(source, options, digests());
  std::promise<void> ended;
  asio::co_spawn(
      pool, view.run(),
      asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr) { ended.set_value(); }));
  const std::uint64_t events = scaled(5000);
  std::atomic<bool> done{false};
  std::atomic<std::size_t> wrong{0};
  std::thread reader([&] {
    while (!done) {
      view.read([&](const digest& of, std::optional<std::uint64_t> through) {
        if (of.count != (through ? *through + 1 : 0)) ++wrong;
      });
      if (view.lag() > events) ++wrong;
    }
  });
  for (std::uint64_t i = 0; i < events; ++i) {
    source->append("s", "t");
    if (i % 500 == 250) view.rebuild();
  }
  asio::co_spawn(pool, view.wait_for(events - 1), asio::use_future).get();
  BOOST_TEST(wrong == 0u);
  BOOST_TEST((view.read([](const digest& of, auto) { return of; }) == digest_of(events)));
  done = true;
  reader.join();
  source->close();
  ended.get_future().get();
  pool.join();
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  const auto source = source_with(0);
  const auto refused = [&](projection_options options, view_definition<digest> how = digests()) {
    try {
      projection<digest> view(source, std::move(options), std::move(how));
    } catch (const boost::system::system_error& error) {
      return error.code() == errc::invalid_config;
    }
    return false;
  };
  BOOST_TEST(!refused(named()));
  for (const auto* const name : {"", "a/b", ".a", "a.tmp", "a.next"}) {
    BOOST_TEST(refused(projection_options(name)), name);
  }
  BOOST_TEST(refused(projection_options(std::string(91, 'x'))));
  projection_options options = named();
  options.batch_events_max = 0;
  BOOST_TEST(refused(options));
  options = named();
  options.save_every_events = 0;
  BOOST_TEST(refused(options));
  BOOST_TEST(refused(named(), view_definition<digest>()));
}

BOOST_AUTO_TEST_CASE(a_view_can_be_saved_as_json) {
  const auto source = source_with(12);
  using counts = std::map<std::string, std::uint64_t>;
  for (int i = 0; i < 2; ++i) {
    asio::io_context io;
    asio::cancellation_signal cancel;
    auto how = saved_as_json(view_definition<counts>(
        [](counts& into, const recorded_event& what) { ++into[std::string(what.type)]; }));
    projection<counts> view(source, named(), how);
    task<void> work(io.get_executor(), view.run(), cancel.slot());
    run(io, view.wait_for(11));
    BOOST_TEST(view.read([](const counts& of, auto) { return of.at("t"); }) == 12u);
    cancel.emit(asio::cancellation_type::terminal);
    run_until(io, [&] { return work.done(); });
  }
  BOOST_TEST(source->views.at("totals").bytes == R"({"t":12})");
  BOOST_TEST(source->counted.count(metrics::projection_events, "totals") == 12u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store::test
