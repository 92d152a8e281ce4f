#include "format/frame.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include <boost/test/unit_test.hpp>

#include "format/crc32c.hpp"
#include "format_test.hpp"

using namespace nori::format;
using namespace nori::format::test;

namespace {

constexpr std::uint64_t no_limit = UINT64_MAX;
constexpr std::uint32_t seed = 0x12345678;

frame_header some_header() {
  frame_header header;
  header.sequence = 0x1122334455667788;
  header.previous_crc = 0xa1b2c3d4;
  header.durable_lag = 9;
  header.epoch = 0x0badcafe;
  return header;
}

/// Writes an integer over part of a frame and makes the crc right again.
template <class Integer>
byte_vector with_field(byte_vector frame, std::size_t offset, Integer value) {
  std::memcpy(frame.data() + offset, &value, sizeof value);
  const std::uint32_t crc = crc32c(seed, frame.data() + 4, frame.size() - 4);
  std::memcpy(frame.data(), &crc, 4);
  return frame;
}

frame_verdict verdict_of(const byte_vector& bytes) {
  return check_frame(bytes, seed, no_limit).verdict;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(frame_)

BOOST_AUTO_TEST_CASE(a_header_survives_sealing) {
  random_source random;
  for (std::size_t length = 0; length != 300; ++length) {
    frame_header header;
    header.sequence = random() | 1;
    header.previous_crc = static_cast<std::uint32_t>(random());
    header.durable_lag = static_cast<std::uint32_t>(random());
    header.epoch = static_cast<std::uint32_t>(random());
    header.kind = length % 2 == 0 ? frame_kind::record : frame_kind::filler;
    header.flags = static_cast<std::uint8_t>(length / 2 % 2);

    const byte_vector body = random.bytes(length);
    const byte_vector frame = sealed_frame(header, body, seed);
    const frame_check check = check_frame(frame, seed, frame.size());
    BOOST_REQUIRE(check.verdict == frame_verdict::valid);
    BOOST_TEST(check.header.length == length);
    BOOST_TEST(check.header.sequence == header.sequence);
    BOOST_TEST(check.header.previous_crc == header.previous_crc);
    BOOST_TEST(check.header.durable_lag == header.durable_lag);
    BOOST_TEST(check.header.epoch == header.epoch);
    BOOST_TEST(check.header.flags == header.flags);
    BOOST_TEST((check.header.kind == header.kind));
    BOOST_TEST(std::equal(body.begin(), body.end(), frame.begin() + frame_header_bytes));
  }
}

BOOST_AUTO_TEST_CASE(sealing_returns_the_crc_that_the_header_holds_and_pads_with_zeros) {
  for (std::size_t length = 0; length != 40; ++length) {
    frame_header header = some_header();
    header.length = static_cast<std::uint32_t>(length);
    byte_vector frame(static_cast<std::size_t>(frame_bytes(length)) + 8, std::byte{0xee});
    const std::uint32_t crc = seal_frame(frame.data(), header, seed);
    BOOST_TEST(crc == load_frame_header(frame.data()).crc);
    const std::size_t end = frame.size() - 8;
    for (std::size_t i = frame_header_bytes + length; i != end; ++i)
      BOOST_TEST(std::to_integer<int>(frame[i]) == 0);
    for (std::size_t i = end; i != frame.size(); ++i)
      BOOST_TEST(std::to_integer<int>(frame[i]) == 0xee);  // nothing is written behind the frame
  }
}

BOOST_AUTO_TEST_CASE(every_single_bit_flip_is_detected) {
  random_source random;
  for (const std::size_t length : {0u, 1u, 7u, 8u, 100u}) {
    byte_vector frame = sealed_frame(some_header(), random.bytes(length), seed);
    for (std::size_t bit = 0; bit != 8 * frame.size(); ++bit) {
      flip_bit(frame, bit);
      if (verdict_of(frame) == frame_verdict::valid) BOOST_ERROR("bit " << bit);
      flip_bit(frame, bit);
    }
    BOOST_TEST((verdict_of(frame) == frame_verdict::valid));
  }
}

BOOST_AUTO_TEST_CASE(every_truncation_asks_for_more) {
  random_source random;
  const byte_vector frame = sealed_frame(some_header(), random.bytes(77), seed);
  for (std::size_t n = 0; n != frame.size(); ++n) {
    const byte_vector cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n));
    const frame_check check = check_frame(cut, seed, no_limit);
    BOOST_REQUIRE(check.verdict == frame_verdict::incomplete);
    BOOST_TEST(check.needed_bytes == (n < frame_header_bytes ? frame_header_bytes : frame.size()));
  }
}

BOOST_AUTO_TEST_CASE(a_length_beyond_the_limit_is_never_asked_for) {
  const byte_vector frame = sealed_frame(some_header(), byte_vector(100), seed);
  const byte_vector head(frame.begin(), frame.begin() + frame_header_bytes);
  BOOST_TEST((check_frame(head, seed, frame.size()).verdict == frame_verdict::incomplete));
  BOOST_TEST((check_frame(head, seed, frame.size() - 1).verdict == frame_verdict::bad_length));
  BOOST_TEST((check_frame(frame, seed, frame.size() - 1).verdict == frame_verdict::bad_length));

  // What is left of the segment has no room for a header.
  for (std::size_t limit = 0; limit != frame_header_bytes; ++limit)
    BOOST_TEST((check_frame({}, seed, limit).verdict == frame_verdict::bad_length));

  byte_vector huge = head;
  for (const std::uint32_t length : {body_bytes_highest + 1, UINT32_MAX}) {
    std::memcpy(huge.data() + 4, &length, 4);
    BOOST_TEST((verdict_of(huge) == frame_verdict::bad_length));
  }
  std::memcpy(huge.data() + 4, &body_bytes_highest, 4);
  const frame_check largest = check_frame(huge, seed, no_limit);
  BOOST_TEST((largest.verdict == frame_verdict::incomplete));
  BOOST_TEST(largest.needed_bytes == std::uint64_t{body_bytes_highest} + 32);
}

BOOST_AUTO_TEST_CASE(a_header_of_zeros_is_told_from_a_damaged_one) {
  byte_vector bytes(64);
  BOOST_TEST((verdict_of(bytes) == frame_verdict::zero));
  for (std::size_t bit = 0; bit != 8 * frame_header_bytes; ++bit) {
    flip_bit(bytes, bit);
    BOOST_TEST((verdict_of(bytes) != frame_verdict::zero));
    BOOST_TEST((verdict_of(bytes) != frame_verdict::valid));
    flip_bit(bytes, bit);
  }
  bytes[40] = std::byte{1};  // behind the header: as a torn write leaves it
  BOOST_TEST((verdict_of(bytes) == frame_verdict::zero));
}

BOOST_AUTO_TEST_CASE(a_frame_of_another_log_or_segment_does_not_pass) {
  log_id here{};
  log_id there{};
  there[15] = 1;
  const std::uint32_t own = segment_seed(here, 1);
  const byte_vector frame = sealed_frame(some_header(), byte_vector(50), own);
  BOOST_TEST((check_frame(frame, own, no_limit).verdict == frame_verdict::valid));
  for (const std::uint32_t foreign : {segment_seed(there, 1), segment_seed(here, 2),
                                      segment_seed(here, std::uint64_t{1} << 32), 0u})
    BOOST_TEST((check_frame(frame, foreign, no_limit).verdict == frame_verdict::bad_crc));
}

BOOST_AUTO_TEST_CASE(what_a_later_version_wrote_is_a_bad_header_and_not_a_bad_crc) {
  const byte_vector frame = sealed_frame(some_header(), byte_vector(8), seed);
  BOOST_TEST((verdict_of(with_field(frame, 28, std::uint8_t{1})) == frame_verdict::valid));

  for (unsigned kind = 0; kind != 256; ++kind) {
    const bool with_body = kind == 1 || kind == 4;
    BOOST_TEST((verdict_of(with_field(frame, 28, static_cast<std::uint8_t>(kind))) ==
                (with_body ? frame_verdict::valid : frame_verdict::bad_header)));
  }
  for (unsigned flags = 0; flags != 256; ++flags)
    BOOST_TEST((verdict_of(with_field(frame, 29, static_cast<std::uint8_t>(flags))) ==
                (flags <= 1 ? frame_verdict::valid : frame_verdict::bad_header)));
  for (unsigned bit = 0; bit != 16; ++bit)
    BOOST_TEST((verdict_of(with_field(frame, 30, static_cast<std::uint16_t>(1u << bit))) ==
                frame_verdict::bad_header));
  BOOST_TEST((verdict_of(with_field(frame, 8, std::uint64_t{0})) == frame_verdict::bad_header));
  BOOST_TEST((verdict_of(with_field(frame, 8, std::uint64_t{1})) == frame_verdict::valid));

  // A right crc does not make up for the body.
  byte_vector torn = with_field(frame, 28, std::uint8_t{200});
  flip_bit(torn, 8 * 33);
  BOOST_TEST((verdict_of(torn) == frame_verdict::bad_crc));
}

BOOST_AUTO_TEST_CASE(markers_and_epochs_have_no_body_and_their_own_flags) {
  const auto verdict = [](frame_kind kind, unsigned flags, std::size_t length) {
    frame_header header = some_header();
    header.kind = kind;
    header.flags = static_cast<std::uint8_t>(flags);
    return verdict_of(sealed_frame(header, byte_vector(length), seed));
  };
  for (unsigned flags = 0; flags != 4; ++flags)
    for (const std::size_t length : {0u, 1u, 8u}) {
      const auto when = [](bool holds) {
        return holds ? frame_verdict::valid : frame_verdict::bad_header;
      };
      const bool bare = length == 0;
      BOOST_TEST((verdict(frame_kind::record, flags, length) == when(flags <= 1)));
      BOOST_TEST((verdict(frame_kind::filler, flags, length) == when(flags <= 1)));
      BOOST_TEST(
          (verdict(frame_kind::marker, flags, length) == when(bare && (flags == 0 || flags == 2))));
      BOOST_TEST((verdict(frame_kind::epoch, flags, length) == when(bare && flags == 0)));
    }
}

BOOST_AUTO_TEST_CASE(the_watermark_is_the_sequence_less_the_lag_or_unknown) {
  frame_header header;
  header.sequence = 10;
  header.durable_lag = 3;
  BOOST_TEST(header.durable_watermark() == 7u);
  header.durable_lag = 10;
  BOOST_TEST(header.durable_watermark() == 0u);
  header.durable_lag = UINT32_MAX;
  BOOST_TEST(header.durable_watermark() == 0u);
  header.sequence = std::uint64_t{UINT32_MAX} + 5;
  BOOST_TEST(header.durable_watermark() == 5u);
}

BOOST_AUTO_TEST_CASE(a_frame_is_a_multiple_of_8) {
  for (std::uint64_t length = 0; length != 100; ++length) {
    BOOST_TEST(frame_bytes(length) % 8 == 0u);
    BOOST_TEST(frame_bytes(length) >= 32 + length);
    BOOST_TEST(frame_bytes(length) < 40 + length);
  }
}

// What readers ask first is never more lenient than the whole check.
BOOST_AUTO_TEST_CASE(the_quick_check_of_a_record_agrees_with_the_whole_one) {
  random_source random;
  const auto agrees = [](std::span<const std::byte> bytes, std::uint64_t limit) {
    frame_header quick;
    const bool is_record = is_record_frame(bytes, seed, limit, quick);
    const frame_check whole = check_frame(bytes, seed, limit);
    BOOST_TEST(is_record ==
               (whole.verdict == frame_verdict::valid && whole.header.kind == frame_kind::record));
    if (is_record) {
      BOOST_TEST(quick.length == whole.header.length);
      BOOST_TEST(quick.sequence == whole.header.sequence);
      BOOST_TEST(quick.crc == whole.header.crc);
    }
    return is_record;
  };
  for (std::size_t length = 0; length < 100; ++length) {
    const byte_vector frame = sealed_frame(some_header(), random.bytes(length), seed);
    BOOST_TEST(agrees(frame, no_limit));
    BOOST_TEST(agrees(frame, frame.size()));
    BOOST_TEST(!agrees(frame, frame.size() - 1));
    for (std::size_t cut = 0; cut < frame.size(); ++cut) {
      BOOST_TEST(!agrees({frame.data(), cut}, no_limit));
    }
    byte_vector flipped = frame;
    const std::size_t bit = random.below(8 * frame.size());
    flipped[bit / 8] ^= std::byte{1} << bit % 8;
    BOOST_TEST(!agrees(flipped, no_limit));
    // With the right crc, and wrong even so; the length is judged before it.
    BOOST_TEST(!agrees(with_field(frame, 4, body_bytes_highest + 1), no_limit));
    BOOST_TEST(!agrees(with_field(frame, 8, std::uint64_t{0}), no_limit));
    for (const frame_kind kind : {frame_kind::filler, frame_kind::marker, frame_kind::epoch}) {
      BOOST_TEST(!agrees(with_field(frame, 28, static_cast<std::uint8_t>(kind)), no_limit));
    }
    BOOST_TEST(agrees(with_field(frame, 29, std::uint8_t{1}), no_limit));
    BOOST_TEST(!agrees(with_field(frame, 29, std::uint8_t{2}), no_limit));
    BOOST_TEST(!agrees(with_field(frame, 30, std::uint16_t{1}), no_limit));
  }
}

BOOST_AUTO_TEST_CASE(garbage_is_never_valid) {
  random_source random;
  for (int round = 0; round != 100000; ++round) {
    byte_vector bytes = random.bytes(random.below(200));
    if (bytes.size() >= 8 && round % 2 == 0) {  // a length that stays inside
      const auto length = static_cast<std::uint32_t>(random.below(200));
      std::memcpy(bytes.data() + 4, &length, 4);
    }
    // One in 4 billion that get as far as the crc.
    if (verdict_of(bytes) == frame_verdict::valid) BOOST_ERROR("round " << round);
  }
}

BOOST_AUTO_TEST_SUITE_END()
