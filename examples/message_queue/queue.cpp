#include "queue.hpp"

#include <utility>

asio::awaitable<void> send(nori::event_store& store, std::vector<std::string> texts) {
  std::vector<nori::event_view> messages;
  for (const std::string& text : texts) {
    messages.push_back({.type = "message", .data = text});
  }
  (co_await store.append("queue", nori::expected_revision::any(), messages)).value();
}

asio::awaitable<void> receive(nori::event_store& store, std::string consumer, until end,
                              handle_message handle) {
  nori::subscribe_options how;
  how.after = co_await store.load_checkpoint(consumer);
  nori::subscription messages = store.subscribe(how);
  for (std::size_t received = 0; received < end.messages;) {
    const nori::event_batch batch = co_await messages.next_batch();
    for (const nori::recorded_event& each : batch.events) {
      if (received == end.messages) break;
      handle(each.global_position, each.data);
      // Here lies "at least once". The other way round it would be "at most once".
      co_await store.save_checkpoint(consumer, each.global_position);
      ++received;
    }
    if (batch.caught_up && end.empty) break;
  }
}
