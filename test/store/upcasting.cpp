#include <boost/json/object.hpp>
#include <boost/test/unit_test.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nori/error.hpp>
#include <nori/store/decoder.hpp>
#include <nori/store/json_codec.hpp>
#include <nori/store/json_upcasting.hpp>
#include <nori/store/upcasting.hpp>

#include "store/bank_account.hpp"

namespace nori {

namespace {

namespace up = json_upcasting;
using content = upcasters::content;
using contents = upcasters::contents;

recorded_event stored(std::string_view type, std::uint32_t version, std::string_view data) {
  recorded_event made;
  made.global_position = 9;
  made.revision = 4;
  made.type = type;
  made.version = version;
  made.data = data;
  return made;
}

contents applied(const upcasters& all, content what) { return all.apply(std::move(what)).value(); }

struct seen {
  bank::event what;
  event_part part;
};

std::vector<seen> decoded(const upcasters& all, const recorded_event& what,
                          undecodable_handler<bank::event> handler = {}) {
  const decoder<bank::event, json_codec> reading(json_codec(),
                                                 std::make_shared<const upcasters>(all), handler);
  std::vector<seen> result;
  reading.decode(
      what, [&](bank::event&& one, event_part part) { result.push_back({std::move(one), part}); });
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(upcasting)

BOOST_AUTO_TEST_CASE(an_account_of_version_1_gets_its_currency_while_it_is_read) {
  upcasters all;
  all.add("account_opened", 1, up::add_member("currency", "USD"));
  const auto got = decoded(all, stored("account_opened", 1, R"({"owner":"ann","cents":5})"));
  BOOST_REQUIRE_EQUAL(got.size(), 1u);
  BOOST_TEST((got[0].what == bank::event(bank::opened{"ann", 5, "USD"})));
  // What is of today already is left alone.
  const auto now =
      decoded(all, stored("account_opened", 2, R"({"owner":"ann","cents":5,"currency":"EUR"})"));
  BOOST_TEST((now[0].what == bank::event(bank::opened{"ann", 5, "EUR"})));
}

BOOST_AUTO_TEST_CASE(steps_are_chained_until_none_applies) {
  upcasters all;
  all.add("AccountCreated", 1, up::rename_member("name", "owner"))
      .add("AccountCreated", 2, up::rename_member("amount", "cents"))
      .rename("AccountCreated", 3, "account_opened", 1)
      .add("account_opened", 1, up::add_member("currency", "USD"));
  const auto got = decoded(all, stored("AccountCreated", 1, R"({"name":"bob","amount":7})"));
  BOOST_REQUIRE_EQUAL(got.size(), 1u);
  BOOST_TEST((got[0].what == bank::event(bank::opened{"bob", 7, "USD"})));
}

BOOST_AUTO_TEST_CASE(one_event_may_become_several_which_say_which_they_are) {
  upcasters all;
  all.add("transferred", 1, up::split([](const boost::json::object& from) {
            std::vector<up::content> parts;
            parts.emplace_back("withdrawn", 1, boost::json::object{{"cents", from.at("cents")}});
            parts.emplace_back("noise", 1, boost::json::object());
            parts.emplace_back("deposited", 1, boost::json::object{{"cents", from.at("cents")}});
            return parts;
          }));
  all.drop("noise", 1);
  const auto got = decoded(all, stored("transferred", 1, R"({"cents":3})"));
  BOOST_REQUIRE_EQUAL(got.size(), 2u);
  BOOST_TEST((got[0].what == bank::event(bank::withdrawn{3})));
  BOOST_TEST((got[1].what == bank::event(bank::deposited{3})));
  BOOST_TEST(got[0].part.index == 0u);
  BOOST_TEST(got[1].part.index == 1u);
  BOOST_TEST(got[1].part.count == 2u);
  BOOST_TEST(decoded(all, stored("noise", 1, "no JSON at all")).empty());
  // A step that throws (at() finds nothing) makes the event undecodable.
  BOOST_TEST(all.apply(content("transferred", 1, "{}")).has_error());
}

BOOST_AUTO_TEST_CASE(the_order_of_parts_is_kept_through_further_steps) {
  upcasters all;
  const auto two = [](const char* a, const char* b) {
    return [a, b](const content& from) {
      contents parts;
      parts.emplace_back(a, 1, from.data + a);
      parts.emplace_back(b, 1, from.data + b);
      return parts;
    };
  };
  all.add("x", 1, two("y", "z")).add("y", 1, two("a", "b")).add("z", 1, two("c", "d"));
  const contents got = applied(all, content("x", 1, ""));
  const contents expected{content("a", 1, "ya"), content("b", 1, "yb"), content("c", 1, "zc"),
                          content("d", 1, "zd")};
  BOOST_TEST((got == expected));
}

BOOST_AUTO_TEST_CASE(a_circle_is_an_error_and_so_is_an_explosion) {
  upcasters all;
  all.rename("a", 1, "b", 1).rename("b", 1, "a", 1);
  const auto circle = all.apply(content("a", 1, "secret"));
  BOOST_REQUIRE(circle.has_error());
  BOOST_TEST(circle.error().what.find("circle") != std::string::npos);
  BOOST_TEST(circle.error().what.find("secret") == std::string::npos);

  upcasters doubling;
  doubling.add("a", 1, [](const content& from) { return contents{from, from}; });
  BOOST_TEST(doubling.apply(content("a", 1, "")).has_error());

  upcasters longest;
  for (std::uint32_t v = 1; v <= upcasters::steps_max; ++v) longest.rename("a", v, "a", v + 1);
  BOOST_TEST(applied(longest, content("a", 1, ""))[0].version == upcasters::steps_max + 1);
  longest.rename("a", upcasters::steps_max + 1, "a", upcasters::steps_max + 2);
  BOOST_TEST(longest.apply(content("a", 1, "")).has_error());
}

BOOST_AUTO_TEST_CASE(members_are_added_renamed_and_removed) {
  upcasters all;
  all.add("t", 1, up::add_member("new", boost::json::value(1)))
      .add("t", 2, up::rename_member("old", "name"))
      .add("t", 3, up::remove_member("gone"))
      .add("t", 4, up::change([](boost::json::object& members) { members["n"] = members.size(); }));
  const auto json_of = [&](const char* data) {
    return parse_json(applied(all, content("t", 1, data))[0].data).value();
  };
  BOOST_TEST((json_of(R"({"old":"o","gone":[]})") ==
              boost::json::value{{"name", "o"}, {"new", 1}, {"n", 2}}));
  // One that is there is not overwritten.
  BOOST_TEST(applied(all, content("t", 1, R"({"old":1,"new":2})"))[0].data.find("\"new\":2") !=
             std::string::npos);
  BOOST_TEST(all.apply(content("t", 1, "{}")).error().what.find("old is missing") !=
             std::string::npos);
  BOOST_TEST(all.apply(content("t", 1, "[]")).has_error());
  BOOST_TEST(all.apply(content("t", 1, "{")).has_error());
}

BOOST_AUTO_TEST_CASE(what_a_step_refuses_goes_to_the_handler_with_the_stored_type) {
  upcasters all;
  all.add("deposited", 1, [](const content&) -> contents { throw std::runtime_error("no"); });
  std::string told;
  const auto got = decoded(all, stored("deposited", 1, "{}"),
                           [&](const recorded_event& event, const undecodable& what) {
                             told = what.message();
                             BOOST_TEST(event.global_position == 9u);
                             return bank::event(bank::closed{});
                           });
  BOOST_TEST(got.size() == 1u);
  BOOST_TEST(told.find("global position 9") != std::string::npos);
  BOOST_TEST(told.find("deposited version 1") != std::string::npos);
  BOOST_CHECK_EXCEPTION(decoded(all, stored("deposited", 1, "{}")), boost::system::system_error,
                        [](const auto& error) { return error.code() == errc::undecodable_event; });
}

BOOST_AUTO_TEST_CASE(a_second_step_for_the_same_type_and_version_is_refused) {
  upcasters all;
  all.drop("a", 1).drop("a", 2);
  BOOST_CHECK_EXCEPTION(all.drop("a", 1), boost::system::system_error,
                        [](const auto& error) { return error.code() == errc::invalid_config; });
  BOOST_CHECK_THROW(all.add("b", 1, {}), boost::system::system_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori
