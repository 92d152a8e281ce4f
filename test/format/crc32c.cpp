#include "format/crc32c.hpp"

#include <boost/test/unit_test.hpp>

#include "format_test.hpp"

using namespace nori::format;
using namespace nori::format::test;

namespace {

std::uint32_t crc_of(const byte_vector& bytes) { return crc32c(0, bytes.data(), bytes.size()); }

}  // namespace

BOOST_AUTO_TEST_SUITE(crc32c_)

BOOST_AUTO_TEST_CASE(gives_the_values_of_rfc_3720) {
  byte_vector bytes(32, std::byte{0});
  BOOST_TEST(crc_of(bytes) == 0x8a9136aau);
  bytes.assign(32, std::byte{0xff});
  BOOST_TEST(crc_of(bytes) == 0x62a8ab43u);
  for (std::size_t i = 0; i != 32; ++i) bytes[i] = static_cast<std::byte>(i);
  BOOST_TEST(crc_of(bytes) == 0x46dd794eu);
  for (std::size_t i = 0; i != 32; ++i) bytes[i] = static_cast<std::byte>(31 - i);
  BOOST_TEST(crc_of(bytes) == 0x113fdb5cu);

  bytes.assign(48, std::byte{0});  // an iSCSI read command
  const std::pair<std::size_t, int> values[] = {{0, 0x01},  {1, 0xc0},  {16, 0x14}, {22, 0x04},
                                                {27, 0x14}, {31, 0x18}, {32, 0x28}, {40, 0x02}};
  for (const auto& [offset, value] : values) bytes[offset] = static_cast<std::byte>(value);
  BOOST_TEST(crc_of(bytes) == 0xd9963a56u);
  BOOST_TEST(crc_of(to_bytes("123456789")) == 0xe3069283u);
  BOOST_TEST(crc_of({}) == 0u);
}

BOOST_AUTO_TEST_CASE(instructions_and_tables_agree_at_every_short_length_and_alignment) {
  random_source random;
  const byte_vector bytes = random.bytes(700);
  for (std::size_t start = 0; start != 17; ++start)
    for (std::size_t length = 0; length <= 640; ++length) {
      const auto crc = static_cast<std::uint32_t>(random());
      const std::byte* const at = bytes.data() + start;
      if (crc32c(crc, at, length) != crc32c_portable(crc, at, length))
        BOOST_ERROR("length " << length << " at alignment " << start % 8);
    }
}

BOOST_AUTO_TEST_CASE(instructions_and_tables_agree_on_long_inputs) {
  random_source random;
  const byte_vector bytes = random.bytes(100000);
  for (int round = 0; round != 300; ++round) {
    const std::size_t start = random.below(64);
    const std::size_t length = random.below(bytes.size() - start);
    const std::byte* const at = bytes.data() + start;
    BOOST_TEST(crc32c(7, at, length) == crc32c_portable(7, at, length));
  }
}

BOOST_AUTO_TEST_CASE(continues_over_any_split) {
  random_source random;
  const byte_vector bytes = random.bytes(5000);
  const std::uint32_t whole = crc_of(bytes);
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    const std::uint32_t first = crc32c(0, bytes.data(), split);
    if (crc32c(first, bytes.data() + split, bytes.size() - split) != whole)
      BOOST_ERROR("split at " << split);
  }
}

BOOST_AUTO_TEST_CASE(shift_is_what_a_start_value_contributes) {
  random_source random;
  const byte_vector bytes = random.bytes(70000);
  for (std::size_t i = 0; i != 1000; ++i) {
    const std::size_t length = i < 600 ? i : random.below(bytes.size());
    const auto crc = static_cast<std::uint32_t>(random());
    BOOST_TEST((crc32c_shift(crc, length) ^ crc32c(0, bytes.data(), length)) ==
               crc32c(crc, bytes.data(), length));
  }
}

BOOST_AUTO_TEST_CASE(shifts_add_up_beyond_32_bits) {
  random_source random;
  for (int round = 0; round != 1000; ++round) {
    const std::uint64_t first = random() >> (1 + random.below(63));
    const std::uint64_t second = random() >> (1 + random.below(63));
    const auto crc = static_cast<std::uint32_t>(random());
    BOOST_TEST(crc32c_shift(crc32c_shift(crc, first), second) == crc32c_shift(crc, first + second));
  }
}

BOOST_AUTO_TEST_SUITE_END()
