// Structs as events: described once, stored as JSON, read back as a variant of them.

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nori/store/json_codec.hpp>

#include "example.hpp"

namespace {

enum class priority { normal, urgent };
BOOST_DESCRIBE_ENUM(priority, normal, urgent)

struct line {
  std::string product;
  std::uint32_t pieces = 0;
};
BOOST_DESCRIBE_STRUCT(line, (), (product, pieces))

struct order_placed {
  std::vector<line> lines;
  priority how = priority::normal;
  std::optional<std::string> note;  // not written where there is none
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (lines, how, note))

struct order_shipped {
  std::string carrier;
  // Without this the struct's name is the type's: renaming the struct would lose its events.
  static constexpr std::string_view event_type = "shipped";
};
BOOST_DESCRIBE_STRUCT(order_shipped, (), (carrier))

using order_event = std::variant<order_placed, order_shipped>;

asio::awaitable<void> show(nori::store_config options) {
  auto [store, recovered] = co_await nori::event_store::open(options);
  const nori::json_codec codec;
  const std::vector<nori::event> events{
      nori::encode(codec, order_placed{{{"pen", 2}}, priority::urgent, std::nullopt}),
      nori::encode(codec, order_event(order_shipped{"mail"}))};
  check(events[0].data == R"({"lines":[{"product":"pen","pieces":2}],"how":"urgent"})");
  (co_await store.append("order-1", nori::expected_revision::no_stream(), events)).value();

  nori::event_reader order = store.read_stream("order-1");
  while (const auto stored = co_await order.next()) {
    const order_event read = nori::decode<order_event>(codec, *stored);
    if (const auto* placed = std::get_if<order_placed>(&read)) {
      std::cout << placed->lines.size() << " line, for " << placed->lines[0].product << '\n';
      check(placed->lines[0].pieces == 2 && placed->how == priority::urgent && !placed->note);
    } else {
      check(std::get<order_shipped>(read).carrier == "mail");
      check(stored->type == "shipped");
    }
  }

  // What is not as described is refused, and named; what is unknown is ignored.
  const auto missing = nori::decode_as<order_event>(codec, "shipped", 1, R"({"by":"mail"})");
  check(missing.has_error() && missing.error().path == "carrier");
  std::cout << missing.error().message() << '\n';
  check(nori::decode_as<order_event>(codec, "shipped", 1, R"({"carrier":"mail","by":1})")
            .has_value());
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
