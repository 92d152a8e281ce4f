// Streams of events in a directory: append, conflict, read, query, follow.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <iostream>
#include <string_view>

#include <nori/nori.hpp>

namespace asio = boost::asio;

namespace {

asio::awaitable<void> append(nori::event_store& store) {
  nori::append_result opened =
      co_await store.append("account-alice", nori::expected_revision::no_stream(),
                            nori::event_view{.type = "opened", .data = R"({"cents":100000})"});
  if (!opened) {
    // A conflict is a value: it says what was found.
    std::cout << opened.error().message() << '\n';
  }
  const std::array<std::string_view, 1> tags{"branch:7"};
  const nori::event_view deposited{.type = "deposited", .data = R"({"cents":50000})", .tags = tags};
  (co_await store.append("account-alice", nori::expected_revision::stream_exists(), deposited))
      .value();
}

asio::awaitable<void> read(nori::event_store& store) {
  nori::event_reader account = store.read_stream("account-alice");
  while (const auto event = co_await account.next()) {
    std::cout << event->revision << ' ' << event->type << ' ' << event->data << '\n';
  }

  nori::read_events last_ten;
  last_ten.order = nori::direction::backwards;
  last_ten.limit = 10;
  last_ten.filter.matching = nori::query::with_tags({"branch:7"});
  nori::event_reader branch = store.read_all(last_ten);
  std::size_t found = 0;
  while (co_await branch.next()) ++found;
  std::cout << found << " of branch 7\n";
}

asio::awaitable<void> decide_on_what_was_read(nori::event_store& store) {
  const nori::query of_branch = nori::query::with_tags({"branch:7"});
  nori::read_events how;
  how.filter.matching = of_branch;
  nori::event_reader branch = store.read_all(how);
  while (co_await branch.next()) {
  }
  const std::array<nori::event_view, 1> audited{nori::event_view{.type = "audited"}};
  nori::append_request request;
  request.to("audit-7", nori::expected_revision::any(), audited)
      .fail_if_match(of_branch, branch.watermark());
  const nori::append_result result = co_await store.append(request);
  std::cout << (result ? "audited" : result.error().message()) << '\n';
}

asio::awaitable<void> follow(nori::event_store& store) {
  nori::subscribe_options from_checkpoint;
  from_checkpoint.after = co_await store.load_checkpoint("printer");
  nori::subscription events = store.subscribe(from_checkpoint);
  for (bool caught_up = false; !caught_up;) {
    const nori::event_batch batch = co_await events.next_batch();
    for (const nori::recorded_event& event : batch.events) {
      std::cout << "#" << event.global_position << ' ' << event.type << '\n';
    }
    if (batch.through) co_await store.save_checkpoint("printer", *batch.through);
    caught_up = batch.caught_up;
  }
}

asio::awaitable<void> tour(nori::store_config options) {
  auto [store, recovered] = co_await nori::event_store::open(options);
  std::cout << recovered.events << " events recovered\n";
  co_await append(store);
  co_await read(store);
  co_await decide_on_what_was_read(store);
  co_await follow(store);
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) {
  nori::store_config options(argc > 1 ? argv[1] : "events");
  options.log.fsync = nori::fsync_policy::always();
  asio::io_context context;
  asio::co_spawn(context, tour(options), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}
