// JSON: a byte for the depth that is allowed, then the text.

#include <boost/describe/class.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nori/error.hpp>
#include <nori/store/json.hpp>
#include <nori/store/json_codec.hpp>

#include "fuzz/fuzz.hpp"

using namespace nori;
using namespace nori::fuzz;
namespace json = boost::json;

namespace fuzzed {

struct line {
  std::string text;
  std::int32_t count = 0;
  double price = 0;
  std::optional<bool> free;
};
BOOST_DESCRIBE_STRUCT(line, (), (text, count, price, free))

struct order {
  std::uint64_t id = 0;
  std::vector<line> lines;
  std::map<std::string, std::int8_t> tags;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, lines, tags))

}  // namespace fuzzed

namespace {

std::size_t depth_of(const json::value& what) {
  std::size_t deepest = 0;
  if (const auto* const array = what.if_array()) {
    for (const json::value& each : *array) deepest = std::max(deepest, depth_of(each));
    return deepest + 1;
  }
  if (const auto* const object = what.if_object()) {
    for (const auto& each : *object) deepest = std::max(deepest, depth_of(each.value()));
    return deepest + 1;
  }
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  json_limits limits;
  limits.depth_max = 1 + data[0] % 40;
  limits.members_max = 64;
  const std::string_view text = text_of(data + 1, size - 1);
  // A number of two bytes becomes a value of 16, which is moved as its array grows.
  const allocation_bound bounded(std::size_t{64} * 1024 + 512 * size);
  const auto parsed = parse_json(text, limits);
  if (!parsed) return 0;
  require(depth_of(*parsed) <= limits.depth_max, "JSON is no deeper than it may be");
  std::string written;
  try {
    written = write_json(*parsed, limits);
  } catch (const boost::system::system_error&) {
    require(false, "what was read can be written");
  }
  const auto again = parse_json(written, limits);
  require(again && *again == *parsed, "what was written is what was read");

  const json_codec codec(limits);
  const auto order = codec.decode<fuzzed::order>(text);
  if (order) {
    const auto same = codec.decode<fuzzed::order>(codec.encode(*order));
    require(same && codec.encode(*same) == codec.encode(*order), "a struct comes back as it was");
  }
  return 0;
}
