// A view that events add up to, kept together with how far it has got: each event counts once in
// it, through restarts and crashes.

#include <map>
#include <string>

#include <nori/store/projection_json.hpp>

#include "alongside.hpp"
#include "example.hpp"

namespace {

using counts = std::map<std::string, int>;  // of each type of event

nori::view_definition<counts> events_by_type() {
  return nori::saved_as_json(nori::view_definition<counts>(
      [](counts& view, const nori::recorded_event& what) { ++view[std::string(what.type)]; }));
}

asio::awaitable<std::uint64_t> add(nori::event_store& store, std::string type) {
  const nori::append_result done = co_await store.append("house", nori::expected_revision::any(),
                                                         nori::event_view{.type = type});
  co_return done.value().last_global_position;
}

asio::awaitable<void> look(nori::event_store& store, const nori::projection<counts>& view,
                           int expected) {
  const std::uint64_t last = co_await add(store, "door_opened");
  co_await view.wait_for(last);  // an append is not in the view at once
  view.read([&](const counts& now, std::optional<std::uint64_t> through) {
    std::cout << now.at("door_opened") << " doors opened, up to event " << *through << '\n';
    check(now.at("door_opened") == expected);
    check(through == last);
  });
}

asio::awaitable<void> show(nori::store_config options) {
  for (int pass = 1; pass <= 2; ++pass) {
    auto metrics = std::make_shared<nori::prometheus_exporter>();
    options.log.meter = metrics;
    auto [store, recovered] = co_await nori::event_store::open(options);
    nori::projection<counts> view(store, nori::projection_options("by-type"), events_by_type());
    // run() never ends by itself: it is cancelled when the other side is done, and saves the view.
    co_await alongside(view.run(), look(store, view, pass));
    co_await store.close();
    // The second time it went on from what was saved.
    check(metrics->text().find("nori_projection_events_total{name=\"by-type\"} 1\n") !=
          std::string::npos);
  }
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
