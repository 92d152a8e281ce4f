// The value of a record that holds an event.

#include <cstdint>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "store/event_codec.hpp"
#include "store/limits.hpp"

using namespace nori;
using namespace nori::store;
using namespace nori::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view value = text_of(data, size);
  std::vector<std::string_view> tags;
  decoded_event decoded;
  bool good = false;
  {
    // A tag takes a byte of the input, a view of it 16, and a vector grows by doubling.
    const allocation_bound few(256 + 64 * size);
    good = decode_event(value, tags, decoded);
  }
  if (!good) return 0;
  const recorded_event& event = decoded.event;
  event_view again;
  again.type = event.type;
  again.data = event.data;
  again.metadata = event.metadata;
  again.version = event.version;
  again.id = event.id;
  again.correlation_id = event.correlation_id;
  again.causation_id = event.causation_id;
  again.tags = tags;
  event_place place;
  place.global_position = event.global_position;
  place.revision = event.revision;
  place.recorded_at = event.recorded_at;
  place.id = event.id;
  std::vector<std::byte> bytes(encoded_event_bytes_max(again));
  bytes.resize(encode_event(bytes.data(), again, tags, place));
  const std::string_view spelled(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require(spelled == value, "an event has one spelling");
  return 0;
}
