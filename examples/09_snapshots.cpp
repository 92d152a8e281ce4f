// Snapshots: the state of a stream is not replayed from its first event each time. They save work
// and are never believed against the events.

#include <boost/describe/class.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <nori/store/command_handler.hpp>

#include "example.hpp"

namespace {

struct counted {
  int by = 0;
};
BOOST_DESCRIBE_STRUCT(counted, (), (by))

struct counter {
  using state = int;
  using command = int;
  using event = counted;
  using rejection = int;
  static state initial() { return 0; }
  static state evolve(state before, const event& what) { return before + what.by; }
  static nori::decision<counter> decide(const state&, const command& by) {
    return std::vector<event>{counted{by}};
  }
};

// What has to be read of a stream of 250 events to know its state.
asio::awaitable<std::string> events_read(nori::event_store& store,
                                         std::shared_ptr<nori::snapshot_store> snapshots) {
  auto metrics = std::make_shared<nori::prometheus_exporter>();
  nori::handler_options<counter> options("counter-");
  options.snapshots = std::move(snapshots);
  options.meter = metrics;
  nori::command_handler<counter> counters(store, options);
  const nori::handled<int> now = co_await counters.load("1");
  check(now.state == 250 && now.revision == 249);
  const std::string text = metrics->text();
  const std::string name = "nori_command_events_read_sum ";
  const std::size_t at = text.find(name) + name.size();
  co_return text.substr(at, text.find('\n', at) - at);
}

asio::awaitable<void> show(nori::store_config options) {
  nori::snapshot_config where(options.log.dir.string() + "-snapshots");
  auto [store, recovered] = co_await nori::event_store::open(options);
  auto snapshots =
      std::make_shared<nori::snapshot_store>(co_await nori::snapshot_store::open(where));
  {
    nori::handler_options<counter> how("counter-");
    how.snapshots = snapshots;
    how.snapshot_every_events = 100;
    nori::command_handler<counter> counters(store, how);
    for (int i = 0; i < 250; ++i) {
      const auto done = co_await counters.handle("1", 1);
      check(done.has_value());
    }
  }
  const nori::found_snapshot found = co_await snapshots->load("counter-1", 1);
  check(found.latest && found.latest->revision == 199 && found.latest->data == "200");

  const std::string with = co_await events_read(store, snapshots);
  const std::string without = co_await events_read(store, nullptr);
  std::cout << "with a snapshot " << with << " events are read, without " << without << '\n';
  check(with == "50" && without == "250");

  co_await snapshots->remove("counter-1");  // a lost one costs time and nothing else
  check(co_await events_read(store, snapshots) == "250");
  co_await store.close();
  snapshots.reset();
  std::filesystem::remove_all(where.dir);
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
