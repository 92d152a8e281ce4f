// A context that is destroyed while coroutines wait for the store.

#include <boost/asio/detached.hpp>

#include "store/store_test.hpp"

namespace nori::store_test {
namespace {

// Lives as long as the coroutine, whose frame nobody else would free.
template <typename Result>
asio::awaitable<void> with(std::shared_ptr<int> witness, asio::awaitable<Result> what) {
  static_cast<void>(witness);
  co_await std::move(what);
}

asio::awaitable<void> read_to_the_end(std::shared_ptr<event_reader> from) {
  for (;;) {
    const std::span<const recorded_event> some = co_await from->next_batch();
    if (some.empty()) co_return;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(going_away)

// Each of them owns the store, and the store holds what would wake it: nobody else frees them.
BOOST_AUTO_TEST_CASE(coroutines_that_wait_for_a_store_go_away_with_their_context) {
  random_source random;
  for (std::size_t round = scaled(120); round != 0; --round) {
    const scratch_directory scratch(nori::test::memory_directory());
    store_config options(scratch.path() / "store");
    options.log.fsync = fsync_policy::os();
    options.log.segment_bytes_max = segment_bytes_lowest;
    options.log.buffer_bytes_max = buffer_bytes_lowest;
    std::weak_ptr<int> freed;
    {
      asio::io_context io;
      event_store::opened opened = run(io, event_store::open(options));
      std::optional<event_store> store(std::move(opened.store));
      const event large("t", std::string(20'000, 'x'));
      for (std::size_t i = 4 + random.below(8); i != 0; --i) {
        run(io, store->append("s", expected_revision::any(), std::span(&large, 1)));
      }
      const auto witness = std::make_shared<int>();
      freed = witness;
      read_events typed;
      typed.filter.matching = query::of_types({"t"});
      const auto reader = std::make_shared<event_reader>(store->read_all(typed));
      asio::co_spawn(io, with(witness, read_to_the_end(reader)), asio::detached);
      asio::co_spawn(io, with(witness, store->delete_before(random.below(12))), asio::detached);
      if (random.below(2) == 0) {
        asio::co_spawn(io, with(witness, store->delete_before(5)), asio::detached);
      }
      if (random.below(2) == 0) asio::co_spawn(io, with(witness, store->close()), asio::detached);
      for (std::size_t steps = random.below(60); steps != 0; --steps) {
        io.restart();
        io.poll_one();
      }
      if (random.below(2) == 0) store.reset();
    }
    BOOST_REQUIRE(freed.expired());
    // Nor is the directory still taken.
    asio::io_context io;
    event_store::opened again = run(io, event_store::open(options));
    run(io, again.store.close());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
