// Events as they come, and a checkpoint that says how far somebody has got.

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <cstddef>
#include <string>

#include "example.hpp"

namespace {

asio::awaitable<void> add(nori::event_store& store, std::string type) {
  (co_await store.append("house", nori::expected_revision::any(), nori::event_view{.type = type}))
      .value();
}

// Prints what has come since the last time, be it that another process did that.
asio::awaitable<std::size_t> print_new(nori::event_store& store) {
  nori::subscribe_options from_checkpoint;
  from_checkpoint.after = co_await store.load_checkpoint("printer");
  nori::subscription events = store.subscribe(from_checkpoint);
  std::size_t printed = 0;
  for (;;) {
    const nori::event_batch batch = co_await events.next_batch();
    for (const nori::recorded_event& event : batch.events) {
      std::cout << "#" << event.global_position << ' ' << event.type << '\n';
      ++printed;
    }
    // After what it stands for, not before: a crash in between prints events again and skips none.
    if (batch.through) co_await store.save_checkpoint("printer", *batch.through);
    if (batch.caught_up) co_return printed;
  }
}

// Catching up and following are one loop. It ends when the store is closed.
asio::awaitable<void> follow(const nori::event_store& store, std::size_t& seen) {
  nori::subscription events = store.subscribe();
  try {
    for (;;) {
      const nori::event_batch batch = co_await events.next_batch();
      for (const nori::recorded_event& event : batch.events) {
        check(event.global_position == seen++);  // no gap, no repeat
      }
    }
  } catch (const boost::system::system_error& error) {
    if (error.code() != nori::errc::closed) throw;
  }
}

asio::awaitable<void> write_and_close(nori::event_store& store) {
  for (int i = 0; i < 10; ++i) co_await add(store, "light_switched");
  co_await store.close();
}

asio::awaitable<void> show(nori::store_config options) {
  auto [store, recovered] = co_await nori::event_store::open(options);
  co_await add(store, "door_opened");
  co_await add(store, "door_closed");
  check(co_await print_new(store) == 2);
  co_await add(store, "door_opened");
  check(co_await print_new(store) == 1);
  check(co_await print_new(store) == 0);

  using namespace asio::experimental::awaitable_operators;
  std::size_t seen = 0;
  co_await (write_and_close(store) && follow(store, seen));
  check(seen == 13);
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
