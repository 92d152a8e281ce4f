// The worked example of src/format/FORMAT.md is what the code writes.

#include <algorithm>
#include <fstream>

#include <boost/test/unit_test.hpp>

#include "format/segment_header.hpp"
#include "format_test.hpp"

using namespace nori;
using namespace nori::format;
using namespace nori::format::test;

namespace {

std::vector<listed_bytes> worked_example() {
  std::ifstream document(NORI_TEST_DATA_DIR "/../../src/format/FORMAT.md");
  BOOST_REQUIRE(document);
  std::vector<listed_bytes> example;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("## ")) inside = line == "## Worked example";
    if (!inside) continue;
    listed_bytes listed = parse_listing(line);
    if (!listed.bytes.empty()) example.push_back(std::move(listed));
  }
  return example;
}

byte_vector written_example() {
  segment_header header;
  for (std::size_t i = 0; i != header.log.size(); ++i) header.log[i] = static_cast<std::uint8_t>(i);
  header.segment_id = 1;
  header.epoch = 0xc0ffee01;
  header.created_ns = 1767225600000000000;
  header.segment_bytes_max = std::uint64_t{128} << 20;
  header.record_bytes_max = std::uint64_t{2} << 20;
  byte_vector bytes(segment_header_bytes);
  store_segment_header(bytes.data(), header);

  const std::uint32_t seed = segment_seed(header.log, header.segment_id);
  BOOST_TEST(seed == 0x87daaca5u);
  frame_header frame;
  frame.epoch = header.epoch;
  const auto append = [&](frame_kind kind, frame_flag flag, std::uint32_t lag,
                          const byte_vector& body) {
    frame.kind = kind;
    frame.flags = static_cast<std::uint8_t>(flag);
    frame.durable_lag = lag;
    frame.sequence += 1;
    const byte_vector sealed = sealed_frame(frame, body, seed);
    frame.previous_crc = load_frame_header(sealed.data()).crc;
    bytes.insert(bytes.end(), sealed.begin(), sealed.end());
  };
  append(frame_kind::record, frame_flag::none, 1, encoded_body(record::put("order-1", "paid")));
  append(frame_kind::record, frame_flag::batch_continues, 2,
         encoded_body(record::put("order-2", "paid")));
  append(frame_kind::record, frame_flag::none, 3, encoded_body(record::remove("cart-2")));
  append(frame_kind::marker, frame_flag::closed, 1, {});
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(format_document)

BOOST_AUTO_TEST_CASE(the_worked_example_is_what_the_code_writes) {
  const byte_vector written = written_example();
  byte_vector listed(written.size());
  for (const auto& [offset, bytes] : worked_example()) {
    BOOST_REQUIRE(offset + bytes.size() <= listed.size());
    std::copy(bytes.begin(), bytes.end(), listed.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  // The second copy is said to be the first.
  std::copy_n(listed.begin(), block_bytes, listed.begin() + block_bytes);
  for (std::size_t i = 0; i != written.size(); ++i)
    if (listed[i] != written[i])
      BOOST_ERROR("offset " << i << ": listed " << std::to_integer<int>(listed[i]) << ", written "
                            << std::to_integer<int>(written[i]));
}

BOOST_AUTO_TEST_SUITE_END()
