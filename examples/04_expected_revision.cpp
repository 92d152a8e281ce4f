// Who appends says at which revision the stream was when it was read. Where somebody else was
// faster nothing is stored, and the conflict says what is there instead.

#include <cstdint>
#include <string>

#include "example.hpp"

namespace {

// Adds a line to a list that holds three at most, whoever else adds to it at the same time.
asio::awaitable<bool> add_line(nori::event_store& store, std::string text) {
  for (;;) {
    const std::optional<std::uint64_t> head = co_await store.head("list-1");
    if (head == 2) co_return false;
    const nori::append_result result =
        co_await store.append("list-1", nori::expected_revision::after(head),
                              nori::event_view{.type = "line_added", .data = text});
    if (result) co_return true;
    // The decision was made on an old state: look again. command_handler does this for you.
  }
}

asio::awaitable<void> show(nori::store_config options) {
  auto [store, recovered] = co_await nori::event_store::open(options);
  check(co_await add_line(store, "milk"));
  check(co_await add_line(store, "bread"));

  // Two people have read revision 1. The second one to write is told so.
  const nori::expected_revision seen = nori::expected_revision::exact(1);
  const nori::append_result first = co_await store.append(
      "list-1", seen, nori::event_view{.type = "line_added", .data = "butter"});
  check(first.has_value());
  const nori::append_result second =
      co_await store.append("list-1", seen, nori::event_view{.type = "line_added", .data = "jam"});
  check(second.has_error());
  check(second.error().what == nori::conflict::kind::wrong_revision);
  check(second.error().revision == 2);
  std::cout << second.error().message() << '\n';
  const bool fourth = co_await add_line(store, "jam");
  check(!fourth);

  // Nobody knows whether an append whose answer was lost has happened. With an id of its own the
  // event can be sent again: it is stored once.
  const nori::event_view ordered{.type = "ordered", .id = nori::random_uuid()};
  const nori::append_result original =
      co_await store.append("order-1", nori::expected_revision::no_stream(), ordered);
  const nori::append_result again =
      co_await store.append("order-1", nori::expected_revision::no_stream(), ordered);
  check(original && again && again->repeated);
  check(again->first_global_position == original->first_global_position);
  check(store.next_global_position() == 4);
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
