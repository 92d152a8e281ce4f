// Streams of events in a directory: how they are appended, and how they are read back.

#include <array>
#include <cstddef>
#include <string_view>

#include "example.hpp"

namespace {

asio::awaitable<void> append(nori::event_store& store) {
  nori::append_result opened =
      co_await store.append("account-alice", nori::expected_revision::no_stream(),
                            nori::event_view{.type = "opened", .data = R"({"cents":100000})"});
  if (!opened) {
    // A conflict is a value: it says what was found.
    std::cout << opened.error().message() << '\n';
  }

  // Several events are stored together or not at all. Queries look for tags.
  const std::array<std::string_view, 1> tags{"branch:7"};
  const std::array<nori::event_view, 2> day{
      {{.type = "deposited", .data = R"({"cents":50000})", .tags = tags},
       {.type = "withdrawn", .data = R"({"cents":20000})", .tags = tags}}};
  const nori::append_result done =
      co_await store.append("account-alice", nori::expected_revision::stream_exists(), day);
  check(done->last_revision == 2);  // counts in its stream, from 0
  nori::append_result other =
      co_await store.append("account-bob", nori::expected_revision::any(),
                            nori::event_view{.type = "opened", .data = R"({"cents":200000})"});
  check(other->last_revision == 0);
  check(other->last_global_position == 3);  // counts in the store, from 0
}

asio::awaitable<void> read(nori::event_store& store) {
  nori::event_reader account = store.read_stream("account-alice");
  std::size_t revisions = 0;
  while (const auto event = co_await account.next()) {
    std::cout << event->revision << ' ' << event->type << ' ' << event->data << '\n';
    check(event->revision == revisions++);
  }
  check(revisions == 3);

  nori::read_events last_ten;
  last_ten.order = nori::direction::backwards;
  last_ten.limit = 10;
  last_ten.filter.matching = nori::query::with_tags({"branch:7"});
  nori::event_reader branch = store.read_all(last_ten);
  const auto newest = co_await branch.next();
  check(newest && newest->type == "withdrawn");
  const auto before = co_await branch.next();
  check(before && before->type == "deposited");
  const auto end = co_await branch.next();
  check(!end);
}

asio::awaitable<void> show(nori::store_config options) {
  auto [store, recovered] = co_await nori::event_store::open(options);
  std::cout << recovered.events << " events recovered\n";
  co_await append(store);
  co_await read(store);
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
