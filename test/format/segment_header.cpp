#include "format/segment_header.hpp"

#include <algorithm>
#include <cstring>

#include <boost/test/unit_test.hpp>

#include "format/crc32c.hpp"
#include "format_test.hpp"

using namespace nori::format;
using namespace nori::format::test;

namespace {

segment_header random_header(random_source& random) {
  segment_header header;
  for (std::uint8_t& b : header.log) b = static_cast<std::uint8_t>(random());
  header.segment_id = random() | 1;
  header.first_sequence = random() | 1;
  header.records_before = random();
  header.previous_segment_id = random();
  header.previous_end = random();
  header.previous_last_frame = random();
  header.previous_crc = static_cast<std::uint32_t>(random());
  header.epoch = static_cast<std::uint32_t>(random());
  header.created_ns = random();
  header.segment_bytes_max = random();
  header.record_bytes_max = random();
  header.node_id = static_cast<std::uint32_t>(random());
  return header;
}

byte_vector stored(const segment_header& header) {
  byte_vector bytes(segment_header_bytes, std::byte{0xee});
  store_segment_header(bytes.data(), header);
  return bytes;
}

byte_vector stored(const log_identity& identity) {
  byte_vector bytes(log_identity_bytes, std::byte{0xee});
  store_log_identity(bytes.data(), identity);
  return bytes;
}

/// Changes a block and makes its crc right again.
template <class Integer>
void set_field(byte_vector& bytes, std::size_t block, std::size_t offset, Integer value) {
  std::byte* const start = bytes.data() + block * block_bytes;
  std::memcpy(start + offset, &value, sizeof value);
  const std::uint32_t crc = crc32c(0, start, block_bytes - 4);
  std::memcpy(start + block_bytes - 4, &crc, 4);
}

header_verdict header_verdict_of(const byte_vector& bytes) {
  return check_segment_header(bytes).verdict;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(segment_header_)

BOOST_AUTO_TEST_CASE(every_field_survives) {
  random_source random;
  for (int round = 0; round != 200; ++round) {
    const segment_header header = random_header(random);
    const header_check check = check_segment_header(stored(header));
    BOOST_REQUIRE((check.verdict == header_verdict::valid));
    BOOST_TEST((check.header == header));
    BOOST_TEST(!check.copy_damaged);
  }
}

BOOST_AUTO_TEST_CASE(either_copy_may_be_damaged_in_any_bit) {
  random_source random;
  const segment_header header = random_header(random);
  byte_vector bytes = stored(header);
  for (std::size_t bit = 0; bit != 8 * bytes.size(); ++bit) {
    flip_bit(bytes, bit);
    const header_check check = check_segment_header(bytes);
    if (check.verdict != header_verdict::valid || check.header != header || !check.copy_damaged)
      BOOST_ERROR("bit " << bit);
    flip_bit(bytes, bit);
  }
}

BOOST_AUTO_TEST_CASE(either_copy_may_be_missing) {
  random_source random;
  const segment_header header = random_header(random);
  for (const std::size_t copy : {0u, 1u})
    for (const int filling : {0x00, 0xee}) {
      byte_vector bytes = stored(header);
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(copy * block_bytes), block_bytes,
                  static_cast<std::byte>(filling));
      const header_check check = check_segment_header(bytes);
      BOOST_TEST((check.verdict == header_verdict::valid));
      BOOST_TEST((check.header == header));
      BOOST_TEST(check.copy_damaged);
    }
}

BOOST_AUTO_TEST_CASE(both_copies_damaged_are_damaged) {
  random_source random;
  byte_vector bytes = stored(random_header(random));
  for (const std::size_t second : {std::size_t{100}, std::size_t{4095}}) {
    flip_bit(bytes, 8 * (block_bytes + second));
    for (std::size_t at = 0; at != block_bytes; ++at) {
      flip_bit(bytes, 8 * at);
      if (header_verdict_of(bytes) != header_verdict::damaged) BOOST_ERROR("byte " << at);
      flip_bit(bytes, 8 * at);
    }
    flip_bit(bytes, 8 * (block_bytes + second));
  }
  // One gone, one damaged.
  std::fill_n(bytes.begin(), block_bytes, std::byte{0});
  flip_bit(bytes, 8 * (block_bytes + 50));
  BOOST_TEST((header_verdict_of(bytes) == header_verdict::damaged));
}

BOOST_AUTO_TEST_CASE(too_few_bytes_are_damaged_and_zeros_are_zero) {
  random_source random;
  const byte_vector bytes = stored(random_header(random));
  for (const std::size_t n :
       {std::size_t{1}, std::size_t{100}, block_bytes, block_bytes + 1, segment_header_bytes - 1}) {
    BOOST_TEST(
        (check_segment_header(std::span(bytes).first(n)).verdict == header_verdict::damaged));
    BOOST_TEST((header_verdict_of(byte_vector(n)) == header_verdict::zero));
  }
  BOOST_TEST((header_verdict_of({}) == header_verdict::zero));
  BOOST_TEST((header_verdict_of(byte_vector(segment_header_bytes)) == header_verdict::zero));
}

BOOST_AUTO_TEST_CASE(what_follows_the_header_is_not_looked_at) {
  random_source random;
  const segment_header header = random_header(random);
  byte_vector bytes = stored(header);
  const byte_vector more = random.bytes(100);
  bytes.insert(bytes.end(), more.begin(), more.end());
  BOOST_TEST((check_segment_header(bytes).header == header));
}

BOOST_AUTO_TEST_CASE(another_version_is_refused_by_name_even_where_one_copy_is_of_this_one) {
  random_source random;
  for (const std::uint32_t version : {0u, 2u, 77u, UINT32_MAX})
    for (unsigned copies = 1; copies != 4; ++copies) {
      byte_vector bytes = stored(random_header(random));
      for (const std::size_t copy : {0u, 1u})
        if ((copies >> copy & 1) != 0) set_field(bytes, copy, 8, version);
      const header_check check = check_segment_header(bytes);
      BOOST_TEST((check.verdict == header_verdict::unsupported_version));
      BOOST_TEST(check.header.version == version);
    }
}

BOOST_AUTO_TEST_CASE(a_version_whose_crc_is_wrong_is_damage) {
  random_source random;
  byte_vector bytes = stored(random_header(random));
  bytes[8] = bytes[block_bytes + 8] = std::byte{2};
  BOOST_TEST((header_verdict_of(bytes) == header_verdict::damaged));
}

BOOST_AUTO_TEST_CASE(another_magic_is_not_a_segment) {
  random_source random;
  BOOST_TEST(
      (header_verdict_of(random.bytes(segment_header_bytes)) == header_verdict::not_a_segment));
  byte_vector identity = stored(log_identity{});
  identity.resize(segment_header_bytes, std::byte{1});
  BOOST_TEST((header_verdict_of(identity) == header_verdict::not_a_segment));
}

BOOST_AUTO_TEST_CASE(bytes_that_version_1_leaves_zero_must_be_zero) {
  random_source random;
  const segment_header header = random_header(random);
  for (const std::size_t offset : {12u, 15u, 120u, 121u, 2000u, 4091u}) {
    byte_vector bytes = stored(header);
    set_field(bytes, 0, offset, std::uint8_t{1});
    BOOST_TEST(check_segment_header(bytes).copy_damaged);
    set_field(bytes, 1, offset, std::uint8_t{1});
    BOOST_TEST((header_verdict_of(bytes) == header_verdict::damaged));
  }
}

BOOST_AUTO_TEST_CASE(ids_and_sequences_count_from_1) {
  random_source random;
  for (const std::size_t offset : {32u, 40u}) {
    byte_vector bytes = stored(random_header(random));
    set_field(bytes, 0, offset, std::uint64_t{0});
    set_field(bytes, 1, offset, std::uint64_t{0});
    BOOST_TEST((header_verdict_of(bytes) == header_verdict::damaged));
  }
}

BOOST_AUTO_TEST_CASE(of_two_copies_that_differ_the_higher_segment_id_is_the_newer) {
  // A reused segment whose new header was torn between its two blocks, either way.
  random_source random;
  segment_header older = random_header(random);
  segment_header newer = older;
  older.segment_id = 3;
  newer.segment_id = 7;
  const byte_vector old_bytes = stored(older);
  for (const std::size_t torn : {0u, 1u}) {
    byte_vector bytes = stored(newer);
    std::copy_n(old_bytes.begin(), block_bytes,
                bytes.begin() + static_cast<std::ptrdiff_t>(torn * block_bytes));
    const header_check check = check_segment_header(bytes);
    BOOST_TEST((check.verdict == header_verdict::valid));
    BOOST_TEST((check.header == newer));
    BOOST_TEST(check.copy_damaged);
  }
}

BOOST_AUTO_TEST_CASE(an_identity_survives) {
  random_source random;
  for (int round = 0; round != 100; ++round) {
    log_identity identity;
    identity.log = random_header(random).log;
    identity.first_segment_id = random() | 1;
    identity.last_segment_id = random();
    const identity_check check = check_log_identity(stored(identity));
    BOOST_TEST((check.verdict == header_verdict::valid));
    BOOST_TEST((check.identity == identity));
  }
}

BOOST_AUTO_TEST_CASE(every_bit_of_an_identity_counts) {
  byte_vector bytes = stored(log_identity{});
  for (std::size_t bit = 0; bit != 8 * bytes.size(); ++bit) {
    flip_bit(bytes, bit);
    const header_verdict expected =
        bit < 64 ? header_verdict::not_a_segment : header_verdict::damaged;
    if (check_log_identity(bytes).verdict != expected) BOOST_ERROR("bit " << bit);
    flip_bit(bytes, bit);
  }
  BOOST_TEST((check_log_identity(std::span(bytes).first(4095)).verdict == header_verdict::damaged));
  BOOST_TEST((check_log_identity({}).verdict == header_verdict::zero));
  BOOST_TEST((check_log_identity(byte_vector(4096)).verdict == header_verdict::zero));

  set_field(bytes, 0, 8, std::uint32_t{2});
  BOOST_TEST((check_log_identity(bytes).verdict == header_verdict::unsupported_version));
  BOOST_TEST(check_log_identity(bytes).identity.version == 2u);
  bytes = stored(log_identity{});
  set_field(bytes, 0, 48, std::uint8_t{1});
  BOOST_TEST((check_log_identity(bytes).verdict == header_verdict::damaged));
  bytes = stored(log_identity{});
  set_field(bytes, 0, 32, std::uint64_t{0});
  BOOST_TEST((check_log_identity(bytes).verdict == header_verdict::damaged));
}

BOOST_AUTO_TEST_CASE(file_names_sort_like_ids_and_parse_back) {
  BOOST_TEST(segment_file_name(1) == "00000000000000000001.segment");
  BOOST_TEST(segment_file_name(UINT64_MAX) == "18446744073709551615.segment");
  random_source random;
  for (int round = 0; round != 1000; ++round) {
    const std::uint64_t a = 1 + (random() >> 1 >> random.below(63));
    const std::uint64_t b = 1 + (random() >> 1 >> random.below(63));
    BOOST_TEST((parse_segment_file_name(segment_file_name(a)) == a));
    BOOST_TEST((a < b) == (segment_file_name(a) < segment_file_name(b)));
  }
}

BOOST_AUTO_TEST_CASE(other_file_names_are_nobodys_segment) {
  for (const char* const name :
       {"", "log", "lock", "staging", ".segment", "1.segment", "00000000000000000000.segment",
        "00000000000000000001.segmen", "00000000000000000001.segment ",
        "000000000000000000001.segment", "0000000000000000001.segment",
        "+0000000000000000001.segment", "-0000000000000000001.segment",
        " 0000000000000000001.segment", "0000000000000000000x.segment",
        "18446744073709551616.segment", "99999999999999999999.segment",
        "00000000000000000001.SEGMENT", "00000000000000000001_segment"})
    BOOST_TEST(!parse_segment_file_name(name).has_value(), name);
}

BOOST_AUTO_TEST_SUITE_END()
