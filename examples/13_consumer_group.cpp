// Work that is shared: each event goes to one member of the group, at least once; events of one
// stream one at a time, in their order.

#include <cstdint>
#include <map>
#include <string>

#include "alongside.hpp"
#include "example.hpp"

namespace {

using revisions = std::map<std::string, std::uint64_t>;  // the next one of each stream

void handle(nori::group_delivery& given, revisions& next) {
  check(given.event().revision == next[given.event().stream]++);
  given.ack();
}

// Usually the members are coroutines of their own, on any thread. Here they take turns.
asio::awaitable<void> work(nori::consumer_group& group) {
  revisions next;
  nori::group_member ann = group.join();
  nori::group_member bob = group.join();
  for (int i = 0; i < 10; ++i) {
    nori::group_delivery first = co_await ann.next();
    nori::group_delivery second = co_await bob.next();
    // Who has an event of a stream has all of that stream until it is done with it.
    check(first.event().stream != second.event().stream);
    handle(first, next);
    if (i == 5) {
      second.nack();  // it comes again, to whichever member; its stream waits for it
    } else {
      handle(second, next);
    }
  }
  int again = 0;
  for (int i = 0; i < 11; ++i) {
    nori::group_delivery given = co_await ann.next();
    if (given.attempt() == 2) ++again;
    handle(given, next);
  }
  // It may have come back while both were still at work.
  check(again <= 1 && next["customer-0"] == 10 && next["customer-1"] == 10);
  check(group.unacknowledged() == 0);
}

asio::awaitable<void> show(nori::store_config options) {
  auto [store, recovered] = co_await nori::event_store::open(options);
  for (int i = 0; i < 30; ++i) {
    const std::string stream = "customer-" + std::to_string(i % 3);
    (co_await store.append(stream, nori::expected_revision::any(),
                           nori::event_view{.type = "mail_to_be_sent"}))
        .value();
  }

  nori::group_options how("mailers");
  how.on_poison = [](const nori::group_event&, std::uint32_t) -> asio::awaitable<nori::poison> {
    co_return nori::poison::park;  // an event that failed too often: put it aside, go on
  };
  {
    nori::consumer_group group(store, how);
    // run() serves the members until it is cancelled, and then saves the checkpoint.
    co_await alongside(group.run(), work(group));
  }
  check(co_await store.load_checkpoint("mailers") == 29);
  std::cout << "all mail is sent\n";
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
