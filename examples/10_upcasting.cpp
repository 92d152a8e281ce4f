// Events of last year, read by the program of today. What is stored never changes: old events
// become new ones when they are read.

#include <boost/describe/class.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <nori/store/decoder.hpp>
#include <nori/store/json_codec.hpp>
#include <nori/store/json_upcasting.hpp>

#include "example.hpp"

namespace {

// Version 1 had no currency and called its amount "dollars"; version 2 had no currency.
struct paid {
  std::int64_t cents = 0;
  std::string currency;
  static constexpr std::uint32_t event_version = 3;
};
BOOST_DESCRIBE_STRUCT(paid, (), (cents, currency))
struct shipped {};
BOOST_DESCRIBE_STRUCT(shipped, (), ())
using order_event = std::variant<paid, shipped>;

std::shared_ptr<const nori::upcasters> old_events() {
  namespace json = boost::json;
  namespace to = nori::json_upcasting;
  auto all = std::make_shared<nori::upcasters>();
  // Each step makes the next version: an event of version 1 takes both.
  all->add("paid", 1, to::change([](json::object& data) {
             data["cents"] = data.at("dollars").to_number<std::int64_t>() * 100;
             data.erase("dollars");
           }));
  all->add("paid", 2, to::add_member("currency", "USD"));
  // One event that became two, one that got another name, and one that nobody needs.
  all->add("paid_and_shipped", 1, to::split([](const json::object& data) {
             return std::vector<to::content>{{"paid", 1, data}, {"shipped", 1, json::object()}};
           }));
  all->rename("sent", 1, "shipped");
  all->drop("page_viewed", 1);
  return all;
}

asio::awaitable<void> show(nori::store_config options) {
  auto [store, recovered] = co_await nori::event_store::open(options);
  const std::array<nori::event_view, 5> history{
      {{.type = "paid", .data = R"({"dollars":7})"},
       {.type = "paid", .data = R"({"cents":750})", .version = 2},
       {.type = "page_viewed", .data = R"({})"},
       {.type = "paid_and_shipped", .data = R"({"dollars":9})"},
       {.type = "sent", .data = R"({})"}}};
  (co_await store.append("order-1", nori::expected_revision::no_stream(), history)).value();

  // Command handlers take the same upcasters as handler_options::upcasting.
  const nori::decoder<order_event, nori::json_codec> decoder(nori::json_codec(), old_events());
  std::string read;
  nori::event_reader order = store.read_stream("order-1");
  while (const auto stored = co_await order.next()) {
    decoder.decode(*stored, [&](const order_event& what, nori::event_part) {
      if (const auto* money = std::get_if<paid>(&what)) {
        read += std::to_string(money->cents) + ' ' + money->currency + ", ";
      } else {
        read += "shipped, ";
      }
    });
  }
  std::cout << read << '\n';
  check(read == "700 USD, 750 USD, 900 USD, shipped, shipped, ");
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
