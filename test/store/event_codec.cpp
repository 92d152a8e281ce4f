#include "store/event_codec.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/random_source.hpp"

namespace nori::store_test {
namespace {

using namespace store;  // NOLINT: what is tested

std::string encode(const event_view& what, const event_place& place) {
  std::string bytes(encoded_event_bytes_max(what), '\xff');
  const std::size_t some =
      encode_event(reinterpret_cast<std::byte*>(bytes.data()), what, what.tags, place);
  BOOST_REQUIRE(some <= bytes.size());
  bytes.resize(some);
  return bytes;
}

// The hex in the document's worked example.
std::string worked_example() {
  std::ifstream document(std::string(NORI_TEST_DATA_DIR) + "/../../src/store/EVENTS.md");
  BOOST_REQUIRE(document.good());
  std::string line;
  while (std::getline(document, line) && line != "## Worked example") {
  }
  while (std::getline(document, line) && line != "```") {
  }
  std::string bytes;
  while (std::getline(document, line) && line != "```") {
    std::istringstream words(line.substr(0, line.find(';')));
    for (std::string word; words >> word;) {
      bytes.push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
    }
  }
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(event_codec)

BOOST_AUTO_TEST_CASE(the_worked_example_is_what_the_code_writes) {
  const std::array<std::string_view, 1> tags{"branch:7"};
  event_view what;
  what.type = "opened";
  what.data = "{}";
  what.tags = tags;
  event_place place;
  place.recorded_at = event_time(std::chrono::seconds(1'767'225'600));
  for (std::uint8_t i = 0; i < 16; ++i) place.id.data[i] = i;
  const std::string wanted = worked_example();
  BOOST_TEST(encode(what, place) == wanted);
  std::vector<std::string_view> found_tags;
  decoded_event found;
  BOOST_REQUIRE(decode_event(wanted, found_tags, found));
  BOOST_TEST(found.event.type == "opened");
  BOOST_TEST(found.event.data == "{}");
  BOOST_TEST(found_tags.at(0) == "branch:7");
  BOOST_TEST((found.event.recorded_at == place.recorded_at));
}

BOOST_AUTO_TEST_CASE(what_is_decoded_is_what_was_encoded) {
  nori::test::random_source random;
  for (std::size_t round = nori::test::scaled(2000); round != 0; --round) {
    std::vector<std::string> tag_bytes;
    for (std::size_t i = random.below(5); i != 0; --i)
      tag_bytes.push_back(random.text(1 + random.below(20)));
    std::sort(tag_bytes.begin(), tag_bytes.end());
    tag_bytes.erase(std::unique(tag_bytes.begin(), tag_bytes.end()), tag_bytes.end());
    const std::vector<std::string_view> tags(tag_bytes.begin(), tag_bytes.end());
    const std::string type = random.text(1 + random.below(200));
    const std::string data = random.text(random.below(500));
    const std::string metadata = random.text(random.below(2) * random.below(300));
    event_view what;
    what.type = type;
    what.data = data;
    what.metadata = metadata;
    what.tags = tags;
    what.version = static_cast<std::uint32_t>(random() >> (random.below(2) == 0 ? 62 : 32));
    if (random.below(2) == 0) what.correlation_id = random_uuid();
    if (random.below(2) == 0) what.causation_id = random_uuid();
    event_place place;
    place.global_position = random() >> random.below(64);
    place.revision = random() >> random.below(64);
    place.recorded_at = event_time(std::chrono::nanoseconds(static_cast<std::int64_t>(random())));
    place.id = random_uuid();
    const std::string bytes = encode(what, place);
    std::vector<std::string_view> found_tags;
    decoded_event found;
    BOOST_REQUIRE(decode_event(bytes, found_tags, found));
    BOOST_REQUIRE(found.event.type == type);
    BOOST_REQUIRE(found.event.data == data);
    BOOST_REQUIRE(found.event.metadata == metadata);
    BOOST_REQUIRE(found_tags == tags);
    BOOST_REQUIRE(found.event.version == what.version);
    BOOST_REQUIRE(found.event.correlation_id == what.correlation_id);
    BOOST_REQUIRE(found.event.causation_id == what.causation_id);
    BOOST_REQUIRE(found.event.id == place.id);
    BOOST_REQUIRE(found.event.global_position == place.global_position);
    BOOST_REQUIRE(found.event.revision == place.revision);
    BOOST_REQUIRE((found.event.recorded_at == place.recorded_at));
  }
}

BOOST_AUTO_TEST_CASE(an_id_that_is_nil_is_not_spelled_out) {
  for (const bool cause : {false, true}) {
    event_view what;
    what.type = "t";
    uuid& id = cause ? what.causation_id : what.correlation_id;
    id.data[0] = 7;
    std::string bytes = encode(what, {});
    std::vector<std::string_view> tags;
    decoded_event found;
    BOOST_TEST(decode_event(bytes, tags, found));
    // The only 7 there is.
    bytes[bytes.find('\x07')] = 0;
    BOOST_TEST(!decode_event(bytes, tags, found));
  }
}

BOOST_AUTO_TEST_CASE(hostile_bytes_are_refused_or_read_within_their_bounds) {
  nori::test::random_source random;
  const std::string example = worked_example();
  for (std::size_t round = nori::test::scaled(20000); round != 0; --round) {
    std::string bytes = random.below(2) == 0 ? example : random.text(random.below(80));
    for (std::size_t i = random.below(4); i != 0 && !bytes.empty(); --i) {
      bytes[random.below(bytes.size())] = static_cast<char>(random());
    }
    bytes.resize(random.below(bytes.size() + 1));
    // On the heap and just as long: a sanitizer sees a step too far.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    const std::string_view view(exact.data(), exact.size());
    std::vector<std::string_view> tags;
    decoded_event found;
    if (!decode_event(view, tags, found)) continue;
    BOOST_REQUIRE(found.event.type.size() + found.event.data.size() <= view.size());
    BOOST_REQUIRE(tags.size() <= tags_max);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
