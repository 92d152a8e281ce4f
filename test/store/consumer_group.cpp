#include <nori/store/consumer_group.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nori/error.hpp>
#include <nori/store/metrics.hpp>

#include "store/memory_source.hpp"
#include "store/running.hpp"
#include "support/code_of.hpp"
#include "support/random_source.hpp"
#include "support/run.hpp"

namespace nori::store::test {
namespace {

using nori::test::code_of;
using nori::test::random_source;
using nori::test::run;
using nori::test::scaled;
using nori::test::task;
using std::chrono::milliseconds;

group_options group_named() {
  group_options options("workers");
  options.save_every_ms = milliseconds(1);
  return options;
}

class running_group : public running_consumer<consumer_group> {
 public:
  explicit running_group(std::shared_ptr<memory_source> from, group_options options = group_named())
      : running_consumer(std::move(from), std::move(options)) {}

  group_delivery next(group_member& of) { return run(io, of.next()); }
  void until_saved(std::uint64_t through) {
    until([&] {
      return source->checkpoints.contains("workers") &&
             source->checkpoints.at("workers") == through;
    });
  }
  void settle() {
    io.restart();
    io.run_for(milliseconds(10));
  }

  consumer_group& group = consumer;
};

std::shared_ptr<memory_source> source_of_streams(const std::vector<std::string>& streams) {
  auto source = std::make_shared<memory_source>();
  for (const std::string& each : streams) source->append(each, "t", "of " + each);
  return source;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(consumer_groups)

BOOST_AUTO_TEST_CASE(events_of_a_stream_are_given_one_at_a_time_in_order) {
  running_group one(source_of_streams({"a", "a", "b", "a"}));
  group_member x = one.group.join();
  group_member y = one.group.join();
  group_delivery a0 = one.next(x);
  BOOST_TEST(a0.event().stream == "a");
  BOOST_TEST(a0.event().revision == 0u);
  BOOST_TEST(a0.event().what.type == "t");
  BOOST_TEST(a0.event().what.data == "of a");
  BOOST_TEST(a0.attempt() == 1u);
  group_delivery b0 = one.next(y);
  BOOST_TEST(b0.event().stream == "b");
  task<group_delivery> waiting(one.io.get_executor(), y.next());
  one.settle();
  BOOST_TEST(!waiting.done());
  BOOST_TEST(a0.ack());
  BOOST_TEST(!a0.ack());
  one.until([&] { return waiting.done(); });
  group_delivery a1 = waiting.get();
  BOOST_TEST(a1.event().revision == 1u);
  one.until_saved(0);
  BOOST_TEST(b0.ack());
  BOOST_TEST(a1.ack());
  one.until_saved(2);
  group_delivery a2 = one.next(x);
  BOOST_TEST(a2.event().revision == 2u);
  BOOST_TEST(a2.ack());
  one.until_saved(3);
  BOOST_TEST(one.group.lag() == 0u);
  BOOST_TEST(one.group.unacknowledged() == 0u);
}

BOOST_AUTO_TEST_CASE(what_is_given_back_comes_again_and_blocks_its_stream_only) {
  running_group one(source_of_streams({"a", "a", "b"}));
  group_member x = one.group.join();
  group_delivery a0 = one.next(x);
  const auto before = std::chrono::steady_clock::now();
  BOOST_TEST(a0.nack(milliseconds(30)));
  BOOST_TEST(!a0.ack());
  group_delivery b0 = one.next(x);
  BOOST_TEST(b0.event().stream == "b");
  BOOST_TEST(b0.ack());
  group_delivery again = one.next(x);
  BOOST_TEST((std::chrono::steady_clock::now() - before >= milliseconds(30)));
  BOOST_TEST(again.event().global_position == 0u);
  BOOST_TEST(again.attempt() == 2u);
  BOOST_TEST(again.nack());
  again = one.next(x);
  BOOST_TEST(again.attempt() == 3u);
  BOOST_TEST(again.ack());
  BOOST_TEST(one.source->counted.count(metrics::group_redeliveries, "workers") == 2u);
}

BOOST_AUTO_TEST_CASE(a_member_that_goes_away_gives_back_what_it_has) {
  running_group one(source_of_streams({"a", "b"}));
  group_member y = one.group.join();
  std::optional<group_member> x(one.group.join());
  group_delivery a0 = one.next(*x);
  {
    const group_delivery dropped = one.next(*x);
  }
  group_delivery b0 = one.next(y);
  BOOST_TEST(b0.event().stream == "b");
  BOOST_TEST(b0.attempt() == 2u);
  x.reset();
  group_delivery again = one.next(y);
  BOOST_TEST(again.event().stream == "a");
  BOOST_TEST(again.attempt() == 2u);
  BOOST_TEST(!a0.ack());
  BOOST_TEST(again.ack());
  BOOST_TEST(b0.ack());
  one.until_saved(1);
}

BOOST_AUTO_TEST_CASE(a_wait_that_was_cancelled_takes_nothing) {
  running_group one(source_of_streams({}));
  group_member x = one.group.join();
  asio::cancellation_signal cancel;
  task<group_delivery> waiting(one.io.get_executor(), x.next(), cancel.slot());
  one.settle();
  cancel.emit(asio::cancellation_type::partial);
  one.source->append("a", "t");
  one.until([&] { return waiting.done(); });
  BOOST_TEST((code_of([&] { waiting.get(); }) == asio::error::operation_aborted));
  BOOST_TEST(one.next(x).attempt() == 1u);
}

BOOST_AUTO_TEST_CASE(after_a_restart_what_was_not_acknowledged_comes_again) {
  const auto source = source_of_streams({"a", "b", "c", "d"});
  {
    running_group one(source);
    group_member x = one.group.join();
    std::vector<group_delivery> taken;
    for (int i = 0; i < 4; ++i) taken.push_back(one.next(x));
    BOOST_TEST(taken[0].ack());
    BOOST_TEST(taken[2].ack());
    BOOST_TEST((one.stop() == asio::error::operation_aborted));
    BOOST_TEST(source->checkpoints.at("workers") == 0u);
    BOOST_TEST((code_of([&] { (void)one.next(x); }) == errc::closed));
  }
  running_group two(source);
  group_member x = two.group.join();
  std::vector<group_delivery> taken;
  for (const char* const stream : {"b", "c", "d"}) {
    taken.push_back(two.next(x));
    BOOST_TEST(taken.back().event().stream == stream);
    BOOST_TEST(taken.back().ack());
  }
  two.until_saved(3);
}

BOOST_AUTO_TEST_CASE(it_can_run_again_and_goes_on_with_what_is_in_memory) {
  running_group one(source_of_streams({"a", "b"}));
  group_member x = one.group.join();
  group_delivery a0 = one.next(x);
  one.stop();
  // It still counts.
  BOOST_TEST(a0.ack());
  one.start();
  group_delivery b0 = one.next(x);
  BOOST_TEST(b0.event().stream == "b");
  BOOST_TEST(b0.ack());
  one.source->append("c", "t");
  BOOST_TEST(one.next(x).ack());
  one.until_saved(2);
  BOOST_TEST(one.source->counted.count(metrics::group_deliveries, "workers") == 3u);
}

BOOST_AUTO_TEST_CASE(nothing_is_read_beyond_the_window) {
  group_options options = group_named();
  options.window_events_max = 3;
  const auto source = std::make_shared<memory_source>();
  for (int i = 0; i < 100; ++i) source->append("s" + std::to_string(i), "t");
  running_group one(source, options);
  group_member x = one.group.join();
  std::vector<group_delivery> taken;
  for (int i = 0; i < 3; ++i) taken.push_back(one.next(x));
  task<group_delivery> waiting(one.io.get_executor(), x.next());
  one.settle();
  BOOST_TEST(!waiting.done());
  BOOST_TEST(one.group.unacknowledged() == 3u);
  BOOST_TEST(taken[1].ack());
  one.until([&] { return waiting.done(); });
  BOOST_TEST(waiting.get().ack());
  taken.clear();
  for (int i = 0; i < 98; ++i) BOOST_TEST(one.next(x).ack());
  one.until_saved(99);
}

BOOST_AUTO_TEST_CASE(events_that_are_not_for_the_group_move_its_checkpoint) {
  group_options options = group_named();
  options.filter = event_filter(query::of_types({"wanted"}));
  running_group one(source_of_streams({"a", "b", "c"}), options);
  one.until_saved(2);
  one.source->append("a", "wanted");
  one.source->append("a", "t");
  group_member x = one.group.join();
  group_delivery given = one.next(x);
  one.settle();
  BOOST_TEST(one.source->checkpoints.at("workers") == 2u);
  BOOST_TEST(given.ack());
  one.until_saved(4);
}

BOOST_AUTO_TEST_CASE(the_checkpoint_is_saved_every_so_many_events) {
  group_options options = group_named();
  options.save_every_events = 10;
  options.save_every_ms = std::chrono::hours(1);
  const auto source = std::make_shared<memory_source>();
  for (int i = 0; i < 25; ++i) source->append("a", "t");
  running_group one(source, options);
  group_member x = one.group.join();
  for (int i = 0; i < 25; ++i) {
    BOOST_TEST(one.next(x).ack());
    one.io.restart();
    one.io.poll();
  }
  BOOST_TEST(source->saves == 2u);
  BOOST_TEST(source->checkpoints.at("workers") == 19u);
  one.stop();
  BOOST_TEST(source->checkpoints.at("workers") == 24u);
}

BOOST_AUTO_TEST_CASE(an_event_out_of_attempts_is_parked_or_stops_the_group) {
  group_options options = group_named();
  options.attempts_max = 2;
  {
    running_group one(source_of_streams({"a", "a"}), options);
    group_member x = one.group.join();
    BOOST_TEST(one.next(x).nack());
    BOOST_TEST(one.next(x).nack());
    BOOST_TEST((one.outcome() == errc::poisonous_event));
    BOOST_TEST((code_of([&] { (void)one.next(x); }) == errc::poisonous_event));
    // Corrected meanwhile.
    one.start();
    one.settle();
    group_delivery again = one.next(x);
    BOOST_TEST(again.event().global_position == 0u);
    BOOST_TEST(again.attempt() == 1u);
    BOOST_TEST(again.ack());
    BOOST_TEST(one.next(x).ack());
    one.until_saved(1);
  }
  std::vector<std::string> parked;
  struct handler {
    static asio::awaitable<poison> park(std::vector<std::string>* into, std::string what) {
      into->push_back(std::move(what));
      co_return poison::park;
    }
  };
  options.on_poison = [&parked](const group_event& what, std::uint32_t attempts) {
    return handler::park(&parked, what.stream + std::to_string(what.global_position) + " after " +
                                      std::to_string(attempts));
  };
  running_group one(source_of_streams({"a", "a"}), options);
  group_member x = one.group.join();
  BOOST_TEST(one.next(x).nack());
  {
    const group_delivery dropped = one.next(x);
  }
  group_delivery next = one.next(x);
  BOOST_TEST(next.event().global_position == 1u);
  BOOST_TEST(parked == std::vector<std::string>{"a0 after 2"}, boost::test_tools::per_element());
  BOOST_TEST(next.ack());
  one.until_saved(1);
  BOOST_TEST(one.source->counted.count(metrics::group_poisonous, "workers") == 1u);
}

BOOST_AUTO_TEST_CASE(an_error_ends_it_for_the_members_too) {
  running_group one(source_of_streams({}));
  group_member x = one.group.join();
  task<group_delivery> waiting(one.io.get_executor(), x.next());
  one.settle();
  one.source->close();
  BOOST_TEST((one.outcome() == errc::closed));
  one.until([&] { return waiting.done(); });
  BOOST_TEST((code_of([&] { waiting.get(); }) == errc::closed));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_beyond_the_store_is_not_believed) {
  const auto source = source_of_streams({"a"});
  source->checkpoints["workers"] = 1;
  running_group one(source);
  group_member x = one.group.join();
  BOOST_TEST(one.next(x).event().global_position == 0u);
}

// Members come, crash and go on several threads; nothing is lost, and streams stay in order.
BOOST_AUTO_TEST_CASE(members_on_several_threads_lose_nothing) {
  struct world {
    std::mutex mutex;
    random_source random;
    std::map<std::string, std::uint64_t> next;  ///< revision to be acknowledged next, by stream
    std::map<std::string, int> held;
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::size_t> wrong{0};
    std::uint64_t events = 0;

    static asio::awaitable<void> work(world* in, consumer_group* group) {
      for (;;) {
        group_member member = group->join();
        for (bool stays = true; stays;) {
          group_delivery given = co_await member.next();
          std::size_t dice = 0;
          {
            const std::lock_guard lock(in->mutex);
            if (++in->held[given.event().stream] != 1) ++in->wrong;
            if (given.event().revision != in->next[given.event().stream]) ++in->wrong;
            dice = in->random.below(10);
            --in->held[given.event().stream];
            if (dice > 2) ++in->next[given.event().stream];
          }
          if (dice == 0) {
            given.nack(milliseconds(1));
          } else if (dice == 1) {
            given = group_delivery();
          } else if (dice == 2) {
            stays = false;
          } else {
            if (!given.ack()) ++in->wrong;
            ++in->done;
          }
        }
      }
    }
  } in;
  in.events = scaled(3000);
  const auto source = std::make_shared<memory_source>();
  group_options options = group_named();
  options.attempts_max = UINT32_MAX;
  options.window_events_max = 50;
  asio::thread_pool pool(3);
  asio::cancellation_signal cancel;
  {
    consumer_group group(source, options);
    auto ran = std::make_shared<std::promise<void>>();
    asio::co_spawn(pool, group.run(),
                   asio::bind_cancellation_slot(cancel.slot(),
                                                [ran](std::exception_ptr) { ran->set_value(); }));
    for (int i = 0; i < 5; ++i) asio::co_spawn(pool, world::work(&in, &group), asio::detached);
    for (std::uint64_t i = 0; i < in.events; ++i) {
      source->append("s" + std::to_string(i * 7919 % 23), "t");
    }
    const auto deadline = std::chrono::steady_clock::now() + nori::test::patience;
    while (in.done < in.events && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    BOOST_TEST(in.done == in.events);
    BOOST_TEST(in.wrong == 0u);
    source->close();
    ran->get_future().get();
    pool.join();
  }
  BOOST_TEST(source->checkpoints.at("workers") == in.events - 1);
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  const auto refused = [&](const group_options& options) {
    return code_of([&] { consumer_group(std::make_shared<memory_source>(), options); }) ==
           errc::invalid_config;
  };
  BOOST_TEST(!refused(group_named()));
  BOOST_TEST(refused(group_options("a/b")));
  group_options options = group_named();
  options.window_events_max = 0;
  BOOST_TEST(refused(options));
  options = group_named();
  options.attempts_max = 0;
  BOOST_TEST(refused(options));
  options = group_named();
  options.save_every_events = 0;
  BOOST_TEST(refused(options));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store::test
