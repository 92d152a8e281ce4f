#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nori/error.hpp>
#include <nori/store/codec.hpp>
#include <nori/store/decoder.hpp>
#include <nori/store/json.hpp>
#include <nori/store/json_codec.hpp>

#include "store/bank_account.hpp"
#include "support/random_source.hpp"

namespace nori {

namespace {

enum class colour { red, green, blue };
BOOST_DESCRIBE_ENUM(colour, red, green)

struct price {
  std::int64_t cents = 0;
  std::string currency;
  friend bool operator==(const price&, const price&) = default;
};
BOOST_DESCRIBE_STRUCT(price, (), (cents, currency))

struct line {
  std::string article;
  price each;
  std::uint8_t count = 0;
  friend bool operator==(const line&, const line&) = default;
};
BOOST_DESCRIBE_STRUCT(line, (), (article, each, count))

struct order_placed {
  std::string customer;
  std::vector<line> lines;
  std::map<std::string, std::int32_t> points;
  std::set<std::string> labels;
  std::optional<std::string> note;
  std::optional<price> discount;
  double weight = 0;
  bool gift = false;
  colour wrapped = colour::red;
  std::uint64_t serial = 0;
  std::int8_t small = 0;
  friend bool operator==(const order_placed&, const order_placed&) = default;
};
BOOST_DESCRIBE_STRUCT(order_placed, (),
                      (customer, lines, points, labels, note, discount, weight, gift, wrapped,
                       serial, small))

struct base {
  int first = 0;
};
BOOST_DESCRIBE_STRUCT(base, (), (first))
struct derived : base {
  int second = 0;
};
BOOST_DESCRIBE_STRUCT(derived, (base), (second))

struct deep {
  std::vector<deep> children;
};
BOOST_DESCRIBE_STRUCT(deep, (), (children))

struct number {
  double value = 0;
};
BOOST_DESCRIBE_STRUCT(number, (), (value))

// A type that is written as a string.
struct day {
  int ordinal = 0;
};
struct meeting {
  std::vector<day> days;
};
BOOST_DESCRIBE_STRUCT(meeting, (), (days))

struct blob {
  std::string bytes;
};

struct v1 {
  int cents = 0;
  static constexpr std::string_view event_type = "paid";
};
BOOST_DESCRIBE_STRUCT(v1, (), (cents))
struct v2 {
  int cents = 0;
  std::string currency;
  static constexpr std::string_view event_type = "paid";
  static constexpr std::uint32_t event_version = 2;
};
BOOST_DESCRIBE_STRUCT(v2, (), (cents, currency))

struct elsewhere {};

// One more codec: eight bytes, the lowest first.
struct counted {
  std::uint64_t count = 0;
};
struct little_endian_codec {
  [[nodiscard]] std::string encode(const counted& value) const {
    std::string bytes;
    for (int shift = 0; shift < 64; shift += 8) {
      bytes += static_cast<char>(value.count >> shift & 0xff);
    }
    return bytes;
  }
  template <typename T>
    requires std::same_as<T, counted>
  [[nodiscard]] boost::system::result<T, decode_error> decode(std::string_view bytes) const {
    if (bytes.size() != 8) return decode_error("is not 8 bytes long");
    counted made;
    for (int i = 7; i >= 0; --i) {
      made.count = made.count << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
    }
    return made;
  }
};

const json_codec json{};

recorded_event stored(std::string_view type, std::string_view data, std::uint32_t version = 1) {
  recorded_event made;
  made.stream = "secret-stream";
  made.revision = 3;
  made.global_position = 4711;
  made.type = type;
  made.data = data;
  made.version = version;
  return made;
}

order_placed sample() {
  order_placed made;
  made.customer = "M\xc3\xbcller \"&\" \n\t\x01 \xf0\x9f\x8d\xba";
  made.lines = {{"tea", {250, "USD"}, 255}, {"", {-1, ""}, 0}};
  made.points = {{"a.b", 1}, {"", -2147483647 - 1}};
  made.labels = {"x", "y"};
  made.discount = price{5, "EUR"};
  made.weight = 0.1 + 0.2;
  made.gift = true;
  made.wrapped = colour::green;
  made.serial = std::numeric_limits<std::uint64_t>::max();
  made.small = -128;
  return made;
}

decode_error failure_of(std::string_view data) {
  const auto decoded = json.decode<order_placed>(data);
  BOOST_REQUIRE_MESSAGE(decoded.has_error(), data);
  return decoded.error();
}

template <typename Call>
std::string refusal(errc code, Call call) {
  try {
    call();
  } catch (const boost::system::system_error& error) {
    BOOST_TEST((error.code() == code));
    return error.what();
  }
  BOOST_ERROR("nothing was thrown");
  return {};
}

}  // namespace

template <>
struct json_form<day> {
  static boost::json::value write(const day& of) {
    return boost::json::value("day " + std::to_string(of.ordinal));
  }
  static boost::system::result<day, decode_error> read(const boost::json::value& from) {
    if (!from.is_string() || from.get_string().size() != 5) return decode_error("is no day");
    return day{from.get_string()[4] - '0'};
  }
};

template <>
struct event_type<elsewhere> {
  static constexpr std::string_view name = "from elsewhere";
  static constexpr std::uint32_t version = 7;
};

BOOST_AUTO_TEST_SUITE(codecs)

BOOST_AUTO_TEST_CASE(an_event_is_named_after_its_struct_its_member_or_its_trait) {
  BOOST_TEST(event_type<bank::deposited>::name == "deposited");
  BOOST_TEST(event_type<order_placed>::name == "order_placed");  // in an unnamed namespace
  BOOST_TEST(event_type<bank::opened>::name == "account_opened");
  BOOST_TEST(event_type<elsewhere>::name == "from elsewhere");
  BOOST_TEST(event_type<bank::deposited>::version == 1u);
  BOOST_TEST(event_type<bank::opened>::version == 2u);
  BOOST_TEST(event_type<elsewhere>::version == 7u);
  struct local {};
  BOOST_TEST(event_type<local>::name == "local");
}

BOOST_AUTO_TEST_CASE(what_was_encoded_is_decoded_as_it_was) {
  const order_placed before = sample();
  const event made = encode(json, before);
  BOOST_TEST(made.type == "order_placed");
  BOOST_TEST((decode<order_placed>(json, stored(made.type, made.data)) == before));
  // An empty optional is not written.
  BOOST_TEST(made.data.find("note") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_variant_is_encoded_as_what_it_holds) {
  const std::vector<bank::event> all{bank::opened{"ann", 1, "USD"}, bank::deposited{2},
                                     bank::withdrawn{3}, bank::closed{}};
  for (const bank::event& each : all) {
    const event made = encode(json, each);
    BOOST_TEST((decode<bank::event>(json, stored(made.type, made.data, made.version)) == each));
  }
  BOOST_TEST(encode(json, all[0]).version == 2u);
}

BOOST_AUTO_TEST_CASE(versions_of_one_type_may_be_alternatives) {
  using both = std::variant<v1, v2>;
  BOOST_TEST(decode<both>(json, stored("paid", R"({"cents":1})", 1)).index() == 0u);
  BOOST_TEST(decode<both>(json, stored("paid", R"({"cents":1,"currency":"x"})", 2)).index() == 1u);
}

BOOST_AUTO_TEST_CASE(members_of_base_classes_are_members) {
  derived before;
  before.first = 1;
  before.second = 2;
  BOOST_TEST(json.encode(before) == R"({"first":1,"second":2})");
  BOOST_TEST(json.decode<derived>(R"({"second":4,"first":3})").value().first == 3);
}

BOOST_AUTO_TEST_CASE(any_double_is_read_back_exactly) {
  test::random_source random;
  std::size_t tried = 0;
  for (std::size_t i = 0; i < test::scaled(50'000); ++i) {
    const std::uint64_t bits = random();
    number before;
    std::memcpy(&before.value, &bits, sizeof bits);
    if (!std::isfinite(before.value)) continue;
    const auto after = json.decode<number>(json.encode(before));
    BOOST_REQUIRE(after.has_value());
    BOOST_REQUIRE_EQUAL(std::memcmp(&after->value, &before.value, sizeof bits), 0);
    ++tried;
  }
  BOOST_TEST(tried > 100u);
  BOOST_TEST(json.decode<number>(R"({"value":3})").value().value == 3.0);
  BOOST_TEST(json.decode<number>(R"({"value":1e999})").has_error());
}

BOOST_AUTO_TEST_CASE(unknown_members_are_ignored) {
  BOOST_TEST(json.decode<price>(R"({"cents":1,"currency":"c","new":[{}]})").value().cents == 1);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_told_with_its_path_and_without_its_content) {
  const std::string good = json.encode(sample());
  const auto broken = [&](const std::string& from, const std::string& to) {
    std::string data = good;
    const std::size_t at = data.find(from);
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, from << " in " << data);
    return data.replace(at, from.size(), to);
  };
  const auto expect = [&](const std::string& data, std::string_view path, std::string_view what) {
    const decode_error why = failure_of(data);
    BOOST_TEST(why.path == path);
    BOOST_TEST(why.what == what);
  };
  expect(broken(R"("gift":true,)", ""), "gift", "is missing");
  expect(broken(R"("gift":true)", R"("gift":"secret")"), "gift", "is a string, not true or false");
  expect(broken(R"("count":255)", R"("count":256)"), "lines[0].count", "is out of range");
  expect(broken(R"("count":255)", R"("count":-1)"), "lines[0].count", "is out of range");
  expect(broken(R"("count":255)", R"("count":25.5)"), "lines[0].count",
         "is a number with fraction or exponent, or too large, not an integer");
  expect(broken(R"("cents":-1)", R"("cents":9223372036854775808)"), "lines[1].each.cents",
         "is out of range");
  expect(broken(R"("small":-128)", R"("small":-129)"), "small", "is out of range");
  expect(broken(R"("small":-128)", R"("small":128)"), "small", "is out of range");
  expect(broken(R"("a.b":1)", R"("a.b":"secret")"), "points[*]", "is a string, not an integer");
  expect(broken(R"("green")", R"("blue")"), "wrapped", "is no enumerator that is known here");
  expect(broken(R"("green")", R"("red\u0000")"), "wrapped", "is no enumerator that is known here");
  expect(broken(R"("labels":[)", R"("labels":[null,)"), "labels[0]", "is null, not a string");
  expect(broken(R"("currency":"EUR")", R"("currency":0)"), "discount.currency",
         "is an integer, not a string");
  expect("[]", "", "is an array, not an object");
  const std::string with_null = broken(R"("discount":{)", R"("note":null,"discount":{)");
  BOOST_TEST((json.decode<order_placed>(with_null).value() == sample()));
}

BOOST_AUTO_TEST_CASE(an_own_form_takes_part_in_paths) {
  meeting before;
  before.days = {{1}, {2}};
  BOOST_TEST(json.encode(before) == R"({"days":["day 1","day 2"]})");
  const auto decoded = json.decode<meeting>(R"({"days":["day 1","night 2"]})");
  BOOST_TEST(decoded.error().message() == "days[1] is no day");
}

BOOST_AUTO_TEST_CASE(an_undecodable_event_is_thrown_with_position_and_type_but_no_payload) {
  const auto text_of = [](std::string_view type, std::string_view data, std::uint32_t version) {
    return refusal(errc::undecodable_event,
                   [&] { (void)decode<bank::event>(json, stored(type, data, version)); });
  };
  const std::string wrong = text_of("deposited", R"({"cents":"secret"})", 1);
  for (const std::string_view part : {"4711", "deposited", "version 1", "cents", "a string"}) {
    BOOST_TEST(wrong.find(part) != std::string::npos, part << " in " << wrong);
  }
  BOOST_TEST(wrong.find("secret") == std::string::npos);
  BOOST_TEST(text_of("burnt", "{}", 1).find("unknown type") != std::string::npos);
  BOOST_TEST(text_of("deposited", "{}", 2).find("version that is unknown") != std::string::npos);
  BOOST_TEST(text_of("deposited", "{\"secret", 1).find("secret") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_handler_replaces_skips_or_throws) {
  std::vector<std::string> told;
  std::optional<bank::event> instead;
  const decoder<bank::event, json_codec> reading(
      json, {}, [&](const recorded_event&, const undecodable& what) {
        told.push_back(what.message());
        return instead;
      });
  std::vector<bank::event> got;
  const auto use = [&](bank::event&& one, event_part) { got.push_back(std::move(one)); };
  reading.decode(stored("burnt", "{}"), use);
  BOOST_TEST(got.empty());
  instead = bank::deposited{0};
  reading.decode(stored("burnt", "{}"), use);
  BOOST_TEST((got == std::vector<bank::event>{bank::deposited{0}}));
  BOOST_TEST(told.size() == 2u);
  const decoder<bank::event, json_codec> strict{json};
  refusal(errc::undecodable_event, [&] { strict.decode(stored("burnt", "{}"), use); });
}

BOOST_AUTO_TEST_CASE(no_json_is_accepted_that_exceeds_its_bounds) {
  const auto nested = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += R"({"children":[)";
    for (std::size_t i = 0; i < depth; ++i) text += "]}";
    return text;
  };
  // Each level is an object and an array.
  BOOST_TEST(json.decode<deep>(nested(16)).has_value());
  BOOST_TEST(json.decode<deep>(nested(17)).has_error());
  BOOST_TEST(json.decode<deep>(std::string(1'000'000, '[')).has_error());
  deep before;
  for (int i = 0; i < 16; ++i) {
    deep outer;
    outer.children.push_back(std::move(before));
    before = std::move(outer);
  }
  refusal(errc::invalid_event, [&] { (void)json.encode(before); });
  BOOST_TEST(json.decode<deep>(json.encode(before.children[0])).has_value());

  json_limits limits;
  limits.bytes_max = 30;
  const json_codec narrow(limits);
  BOOST_TEST(narrow.encode(price{1, "1234"}).size() == 29u);
  BOOST_TEST(narrow.decode<price>(R"({"cents":1,"currency":"12345"})").has_value());
  BOOST_TEST(narrow.decode<price>(R"({"cents":1,"currency":"123456"})").has_error());
  refusal(errc::invalid_event, [&] { (void)narrow.encode(price{1, "123456"}); });
}

BOOST_AUTO_TEST_CASE(no_json_is_accepted_that_has_too_many_members) {
  const auto members = [](std::size_t count) {
    std::string text = "[{";
    for (std::size_t i = 0; i < count; ++i) {
      if (i == count / 2) text += "},{";
      text += (text.back() == '{' ? "\"" : ",\"") + std::to_string(i) + "\":0";
    }
    return text + "}]";
  };
  json_limits limits;
  limits.members_max = 10;
  const auto ten = parse_json(members(10), limits);
  BOOST_TEST_REQUIRE(ten.has_value());
  BOOST_TEST(write_json(*ten, limits) == members(10));
  BOOST_TEST(parse_json(members(11), limits).has_error());
  const auto eleven = parse_json(members(11));
  BOOST_TEST_REQUIRE(eleven.has_value());
  refusal(errc::invalid_event, [&] { (void)write_json(*eleven, limits); });
  // Members of the same name are counted, too.
  BOOST_TEST(parse_json(R"({"a":0,"a":1})", limits).has_value());
  limits.members_max = 1;
  BOOST_TEST(parse_json(R"({"a":0,"a":1})", limits).has_error());
}

BOOST_AUTO_TEST_CASE(what_could_not_be_read_is_not_written) {
  refusal(errc::invalid_event, [] { (void)json.encode(price{1, "\xff"}); });
  for (const std::string_view bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82",
                                     "\x80", "\xf5\x80\x80\x80", "\xe0\x80\x80"}) {
    refusal(errc::invalid_event, [&] { (void)json.encode(price{1, std::string(bad)}); });
  }
  refusal(errc::invalid_event, [] { (void)json.encode(number{NAN}); });
  refusal(errc::invalid_event, [] { (void)json.encode(number{INFINITY}); });
  order_placed blue;
  blue.wrapped = colour::blue;
  refusal(errc::invalid_event, [&] { (void)json.encode(blue); });
}

BOOST_AUTO_TEST_CASE(no_bytes_do_more_than_fail) {
  test::random_source random;
  const std::string good = json.encode(sample());
  std::size_t accepted = 0;
  for (std::size_t n = 0; n < good.size(); ++n) {
    BOOST_TEST(json.decode<order_placed>(good.substr(0, n)).has_error());
  }
  for (std::size_t i = 0; i < test::scaled(20'000); ++i) {
    std::string data = good;
    for (std::size_t k = random.below(4) + 1; k > 0; --k) {
      data[random.below(data.size())] = static_cast<char>(random());
    }
    const auto decoded = json.decode<order_placed>(data);
    if (!decoded.has_value()) continue;
    ++accepted;
    BOOST_REQUIRE((json.decode<order_placed>(json.encode(*decoded)).value() == *decoded));
  }
  BOOST_TEST(accepted > 0u);
  BOOST_TEST(json.decode<order_placed>("").has_error());
  BOOST_TEST(json.decode<price>(R"({"cents":1,"currency":""} x)").has_error());
}

BOOST_AUTO_TEST_CASE(other_codecs_store_other_bytes) {
  const bytes_codec bytes;
  const std::string any("\0\xff", 2);
  BOOST_TEST(encode(bytes, blob{any}).data == any);
  BOOST_TEST(decode<blob>(bytes, stored("blob", any)).bytes == any);

  const little_endian_codec little;
  const event made = encode(little, counted{0x0102});
  BOOST_TEST(made.data == std::string("\x02\x01\0\0\0\0\0\0", 8));
  BOOST_TEST(decode<counted>(little, stored("counted", made.data)).count == 0x0102u);
  refusal(errc::undecodable_event, [&] { (void)decode<counted>(little, stored("counted", "x")); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori
