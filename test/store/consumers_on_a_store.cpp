// Projections and consumer groups on a real store: in files, across segments, reopened and killed.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <nori/store/consumer_group.hpp>
#include <nori/store/metrics.hpp>
#include <nori/store/projection_json.hpp>
#include <nori/store/prometheus.hpp>

#include "store/store_test.hpp"
#include "support/code_of.hpp"
#include "support/files.hpp"

namespace nori::store_test {
namespace {

using nori::test::code_of;
using counts = std::map<std::string, std::uint64_t>;

view_definition<counts> by_stream() {
  return saved_as_json(view_definition<counts>(
      [](counts& into, const recorded_event& what) { ++into[std::string(what.stream)]; }));
}

projection_options counts_named() {
  projection_options options("by-stream");
  options.save_every_events = 100;
  options.idle_ms = std::chrono::milliseconds(1);
  return options;
}

class world : public store_in_scratch {
 public:
  explicit world(fsync_policy fsync = fsync_policy::always()) : store_in_scratch(fsync) {
    options.log.meter = metrics;
    open();
  }

  void append_some(random_source& random, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string stream = "s" + std::to_string(random.below(5));
      const append_result result =
          append(stream, expected_revision::any(), "counted", std::string(random.below(900), 'x'));
      ++model[stream];
      last = result.value().last_global_position;
    }
  }
  [[nodiscard]] bool shows(const std::string& what) const {
    return metrics->text().find(what) != std::string::npos;
  }

  std::shared_ptr<prometheus_exporter> metrics = std::make_shared<prometheus_exporter>();
  counts model;
  std::uint64_t last = 0;
};

// A projection that runs on a world's context.
class running_counts {
 public:
  explicit running_counts(world& of) : in(of), view(*of, counts_named(), by_stream()) {
    work.emplace(in.io.get_executor(), view.run(), cancel.slot());
  }
  ~running_counts() { stop(); }
  void stop() {
    if (!work->done()) cancel.emit(asio::cancellation_type::terminal);
    run_until(in.io, [this] { return work->done(); });
  }
  [[nodiscard]] counts now() const {
    return view.read([](const counts& of, std::optional<std::uint64_t>) { return of; });
  }

  world& in;
  asio::cancellation_signal cancel;
  projection<counts> view;
  std::optional<task<void>> work;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(consumers_on_a_store)

BOOST_AUTO_TEST_CASE(a_view_has_each_event_once_through_restarts_and_crashes) {
  random_source random;
  for (const fsync_policy fsync :
       {fsync_policy::always(), fsync_policy::batch(std::chrono::milliseconds(1))}) {
    world in(fsync);
    for (std::size_t round = 0; round < 8; ++round) {
      in.append_some(random, 1 + random.below(scaled(120)));
      {
        running_counts one(in);
        run(in.io, one.view.wait_for(in.last));
        BOOST_TEST((one.now() == in.model));
        in.append_some(random, random.below(10));
        run(in.io, one.view.wait_for(in.last));
        BOOST_TEST((one.now() == in.model));
        BOOST_TEST(one.view.lag() == 0u);
      }
      if (round % 2 == 0) {
        in.close_and_open();
      } else {
        in.reopen();
      }
    }
    BOOST_TEST(in.segment_files() > 1u);
    running_counts one(in);
    run(in.io, one.view.wait_for(in.last));
    BOOST_TEST((one.now() == in.model));
    BOOST_TEST(in.shows("nori_projection_saves_total{name=\"by-stream\"}"));
    // Folded by the first of the runs only.
    BOOST_TEST(in.shows("nori_projection_events_total{name=\"by-stream\"} " +
                        std::to_string(in.last + 1) + '\n'));
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_view_is_built_again_and_counted) {
  random_source random;
  world in;
  in.append_some(random, 50);
  {
    running_counts one(in);
    run(in.io, one.view.wait_for(in.last));
  }
  const std::filesystem::path file = in.options.log.dir / "projection-by-stream";
  BOOST_TEST_REQUIRE(std::filesystem::exists(file));
  nori::test::overwrite(file, 90, "\xff");
  running_counts one(in);
  run(in.io, one.view.wait_for(in.last));
  BOOST_TEST((one.now() == in.model));
  BOOST_TEST(in.shows("nori_projection_rebuilds_total{name=\"by-stream\"} 2"));
  BOOST_TEST(in.shows("reason=\"damaged\"} 1"));
}

BOOST_AUTO_TEST_CASE(the_past_of_a_view_is_that_of_the_store) {
  random_source random;
  world in;
  std::vector<counts> after;
  for (int i = 0; i < 60; ++i) {
    in.append_some(random, 1);
    after.push_back(in.model);
  }
  run(in.io, in->sync());
  const projection<counts> view(*in, counts_named(), by_stream());
  const std::vector<found> all = in.read_all();
  for (std::uint64_t i = 0; i < 60; i += 7) {
    BOOST_TEST((run(in.io, view.as_of(i)) == after[i]));
    // The last of those that were recorded at the same time.
    std::uint64_t same = i;
    while (same + 1 < 60 && all[same + 1].at == all[i].at) ++same;
    BOOST_TEST((run(in.io, view.as_of(all[i].at)) == after[same]));
  }
}

BOOST_AUTO_TEST_CASE(a_group_goes_on_behind_what_was_acknowledged) {
  random_source random;
  world in;
  in.append_some(random, 200);
  std::map<std::uint64_t, int> handled;
  for (int round = 0; round < 4; ++round) {
    group_options options("workers");
    options.window_events_max = 16;
    options.save_every_ms = std::chrono::milliseconds(1);
    consumer_group group(*in, options);
    asio::cancellation_signal cancel;
    task<void> work(in.io.get_executor(), group.run(), cancel.slot());
    {
      group_member member = group.join();
      for (int i = 0; i < 50; ++i) {
        group_delivery given = run(in.io, member.next());
        ++handled[given.event().global_position];
        BOOST_TEST(given.ack());
      }
      // Taken and not acknowledged.
      const group_delivery given = run(in.io, member.next());
      if (round < 3) BOOST_TEST(given.event().global_position == handled.size());
      if (round == 2) in.append_some(random, 1);
      if (round == 3) BOOST_TEST(given.event().global_position == 200u);
    }
    cancel.emit(asio::cancellation_type::terminal);
    run_until(in.io, [&] { return work.done(); });
    in.close_and_open();
  }
  BOOST_TEST(handled.size() == 200u);
  for (const auto& [position, times] : handled) BOOST_TEST(times == 1);
  BOOST_TEST((run(in.io, in->load_checkpoint("workers")) == 199u));
}

BOOST_AUTO_TEST_CASE(closing_the_store_ends_what_follows_it) {
  random_source random;
  world in;
  in.append_some(random, 20);
  projection<counts> view(*in, counts_named(), by_stream());
  consumer_group group(*in, group_options("workers"));
  task<void> first(in.io.get_executor(), view.run());
  task<void> second(in.io.get_executor(), group.run());
  run(in.io, view.wait_for(in.last));
  run(in.io, in->close());
  run_until(in.io, [&] { return first.done() && second.done(); });
  for (task<void>* const each : {&first, &second}) {
    BOOST_CHECK_EXCEPTION(each->get(), boost::system::system_error,
                          [](const auto& error) { return error.code() == errc::closed; });
  }
}

// It waits for the next event in a coroutine of its own: what ends the outer one has to reach that.
BOOST_AUTO_TEST_CASE(every_type_of_cancellation_ends_a_projection_over_a_store) {
  random_source random;
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                          asio::cancellation_type::total}) {
    asio::cancellation_signal cancel;
    world in;
    in.append_some(random, 1);
    projection<counts> view(*in, counts_named(), by_stream());
    task<void> work(in.io.get_executor(), view.run(), cancel.slot());
    // Saved since there was nothing else to do: now it waits for nothing but an event.
    run_until(in.io,
              [&] { return in.shows("nori_projection_saves_total{name=\"by-stream\"} 1\n"); });
    in.io.restart();
    in.io.poll();
    cancel.emit(type);
    run_until(in.io, [&] { return work.done(); });
    BOOST_TEST((code_of([&] { work.get(); }) == asio::error::operation_aborted));
  }
}

BOOST_AUTO_TEST_CASE(a_rebuild_that_failed_is_done_by_the_next_run) {
  random_source random;
  world in;
  in.append_some(random, 10);
  bool fails = false;
  std::uint64_t step = 1;
  const auto how =
      saved_as_json(view_definition<std::uint64_t>([&](std::uint64_t& sum, const recorded_event&) {
        if (fails) throw std::runtime_error("for now");
        sum += step;
      }));
  projection<std::uint64_t> view(*in, counts_named(), how);
  const auto sum = [&] { return view.read([](std::uint64_t of, auto) { return of; }); };
  const auto run_to_the_end = [&] {
    asio::cancellation_signal cancel;
    task<void> work(in.io.get_executor(), view.run(), cancel.slot());
    run(in.io, view.wait_for(in.last));
    run_until(in.io, [&] { return !view.rebuilding(); });
    cancel.emit(asio::cancellation_type::terminal);
    run_until(in.io, [&] { return work.done(); });
  };
  run_to_the_end();
  BOOST_TEST(sum() == 10u);
  step = 2;
  fails = true;
  view.rebuild();
  BOOST_TEST((code_of([&] { run(in.io, view.run()); }) == errc::fold_failed));
  fails = false;
  in.append_some(random, 1);
  run_to_the_end();
  BOOST_TEST(sum() == 22u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
