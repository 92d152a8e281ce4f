// The past: a stream, a state, and a view as they were at an earlier time or event.

#include <boost/describe/class.hpp>

#include <chrono>
#include <cstdint>
#include <vector>

#include <nori/store/command_handler.hpp>

#include "example.hpp"

namespace {

using namespace std::chrono_literals;

struct sold {
  int pieces = 0;
};
BOOST_DESCRIBE_STRUCT(sold, (), (pieces))

struct shop {
  using state = int;  // pieces sold
  using command = int;
  using event = sold;
  using rejection = int;
  static state initial() { return 0; }
  static state evolve(state before, const event& what) { return before + what.pieces; }
  static nori::decision<shop> decide(const state&, const command& pieces) {
    return std::vector<event>{sold{pieces}};
  }
};

asio::awaitable<void> show(nori::store_config options) {
  // Otherwise events have the time of the system's clock.
  const nori::event_time monday = nori::event_time(480'000h);
  nori::event_time now = monday;
  options.clock = [&now] { return now; };
  auto [store, recovered] = co_await nori::event_store::open(options);
  nori::command_handler<shop> shops(store, nori::handler_options<shop>("shop-"));
  for (int day = 0; day < 5; ++day) {
    now = monday + day * 24h;
    (void)co_await shops.handle("rome", 10);
    (void)co_await shops.handle("oslo", 1);
  }

  // A state.
  const nori::handled<int> wednesday =
      co_await shops.load_as_of("rome", nori::as_of::time(monday + 48h));
  check(wednesday.state == 30);
  const nori::handled<int> first = co_await shops.load_as_of("rome", nori::as_of::revision(0));
  check(first.state == 10);
  const nori::handled<int> sunday =
      co_await shops.load_as_of("rome", nori::as_of::time(monday - 1h));
  check(sunday.state == 0 && !sunday.revision);

  // What was in the store.
  const std::optional<std::uint64_t> last = co_await store.position_at(monday + 48h);
  check(last == 5);
  nori::read_events then;
  then.as_of_time = monday + 48h;
  nori::event_reader all = store.read_all(then);
  std::uint64_t events = 0;
  while (co_await all.next()) ++events;
  check(events == 6);

  // A view: what it would have shown.
  nori::projection<int> sales(
      store, nori::projection_options("sales"),
      nori::view_definition<int>([](int& count, const nori::recorded_event&) { ++count; }));
  check(co_await sales.as_of(*last) == 6);
  std::cout << "By Wednesday Rome had sold " << wednesday.state << '\n';
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
