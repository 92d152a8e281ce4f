#include "format/frame_scan.hpp"

#include <algorithm>
#include <cstring>

#include <boost/test/unit_test.hpp>

#include "format_test.hpp"

using namespace nori::format;
using namespace nori::format::test;

namespace {

constexpr std::uint32_t scan_seed = 0x5eed;

void place(byte_vector& bytes, std::size_t at, const byte_vector& frame) {
  BOOST_REQUIRE(at + frame.size() <= bytes.size());
  std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

byte_vector frame_of(std::uint64_t sequence, const byte_vector& body, std::uint32_t lag = 1) {
  frame_header header;
  header.sequence = sequence;
  header.durable_lag = lag;
  return sealed_frame(header, body, scan_seed);
}

/// By trying everywhere.
std::optional<std::size_t> find_slowly(const byte_vector& bytes, std::size_t from,
                                       const frame_pattern& pattern) {
  for (std::size_t at = (from + 7) / 8 * 8; at < bytes.size(); at += 8) {
    const frame_check check =
        check_frame(std::span(bytes).subspan(at), scan_seed, bytes.size() - at);
    if (check.verdict == frame_verdict::valid && pattern.matches(check.header)) return at;
  }
  return std::nullopt;
}

std::vector<std::size_t> find_all(frame_scanner& scanner, const frame_pattern& pattern) {
  std::vector<std::size_t> found;
  for (auto at = scanner.next(0, pattern); at; at = scanner.next(*at + 8, pattern))
    found.push_back(*at);
  return found;
}

/// A header that everything but the crc speaks for, every 16 bytes or so: the words of one are
/// those of the next.
void fill_with_bait(random_source& random, byte_vector& bytes) {
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    // Words 0 to 2 of six are the starts of headers (crc, length), words 3 to 5 their ends (epoch,
    // kind). Taken as sequences, both are plausible.
    const std::uint64_t high = at / 8 % 6 < 3 ? random.below(bytes.size() - at) : 1;
    const std::uint64_t word = high << 32 | (random() & UINT32_MAX);
    std::memcpy(bytes.data() + at, &word, 8);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(frame_scan)

BOOST_AUTO_TEST_CASE(finds_a_frame_at_every_aligned_offset_and_at_no_other) {
  random_source random;
  const byte_vector frame = frame_of(3, random.bytes(20));
  for (std::size_t at = 0; at != 100; ++at) {
    byte_vector bytes(200);
    place(bytes, at, frame);
    const std::size_t expected = at % 8 == 0 ? at : SIZE_MAX;
    const auto found = [&](std::size_t from, std::uint32_t with_seed, std::uint64_t minimum) {
      return find_frame(bytes, from, with_seed, minimum).value_or(SIZE_MAX);
    };
    BOOST_TEST(found(0, scan_seed, 1) == expected);
    BOOST_TEST(found(at, scan_seed, 1) == expected);
    BOOST_TEST(found(at + 1, scan_seed, 1) == SIZE_MAX);
    BOOST_TEST(found(0, scan_seed, 3) == expected);
    BOOST_TEST(found(0, scan_seed, 4) == SIZE_MAX);
    BOOST_TEST(found(0, scan_seed + 1, 1) == SIZE_MAX);
  }
}

BOOST_AUTO_TEST_CASE(does_not_find_a_frame_that_reaches_past_the_end) {
  const byte_vector frame = frame_of(3, byte_vector(20, std::byte{7}));
  for (std::size_t n = 0; n <= frame.size(); ++n) {
    const byte_vector bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n));
    BOOST_TEST(find_frame(bytes, 0, scan_seed, 3).has_value() == (n == frame.size()));
    BOOST_TEST(!find_frame(bytes, n, scan_seed, 3).has_value());
    BOOST_TEST(!find_frame(bytes, SIZE_MAX, scan_seed, 3).has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_pattern_selects_by_sequence_watermark_and_previous_crc) {
  byte_vector bytes;
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
    frame_header header;
    header.sequence = sequence;
    header.durable_lag = sequence < 10 ? 5 : 2;
    header.previous_crc = static_cast<std::uint32_t>(100 + sequence);
    const byte_vector frame = sealed_frame(header, {}, scan_seed);
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  }
  const auto first = [&](frame_pattern pattern) {
    const auto at = frame_scanner(bytes, scan_seed).next(0, pattern);
    return at ? *at / 32 + 1 : 0;  // the sequence
  };
  BOOST_TEST(first({}) == 1u);
  BOOST_TEST(first({.sequence_min = 7}) == 7u);
  BOOST_TEST(first({.sequence_min = 21}) == 0u);
  BOOST_TEST(first({.sequence_min = 2, .sequence_max = 2}) == 2u);
  BOOST_TEST(first({.sequence_max = 0}) == 0u);
  BOOST_TEST(first({.watermark_min = 1}) == 6u);
  BOOST_TEST(first({.watermark_min = 5}) == 10u);
  BOOST_TEST(first({.watermark_min = 18}) == 20u);
  BOOST_TEST(first({.watermark_min = 19}) == 0u);
  BOOST_TEST(first({.previous_crc = 113}) == 13u);
  BOOST_TEST(first({.sequence_min = 14, .previous_crc = 113}) == 0u);
}

BOOST_AUTO_TEST_CASE(find_frame_takes_sequences_that_fit_into_the_bytes) {
  byte_vector bytes(320);
  for (const auto& [sequence, found] :
       {std::pair{99u, false}, {100u, true}, {110u, true}, {111u, false}}) {
    place(bytes, 64, frame_of(sequence, {}));
    BOOST_TEST(find_frame(bytes, 0, scan_seed, 100).has_value() == found);
  }
  frame_header last;
  last.sequence = UINT64_MAX;
  place(bytes, 64, sealed_frame(last, {}, scan_seed));
  BOOST_TEST(find_frame(bytes, 0, scan_seed, UINT64_MAX - 2).has_value());
}

BOOST_AUTO_TEST_CASE(finds_what_trying_everywhere_finds) {
  random_source random;
  for (int round = 0; round != 200; ++round) {
    byte_vector bytes = round % 2 == 0 ? random.bytes(4096) : byte_vector(4096);
    for (std::size_t i = 0; i != 6; ++i) {
      byte_vector frame = frame_of(1 + random.below(9), random.bytes(random.below(600)));
      if (random.below(3) == 0) flip_bit(frame, random.below(8 * frame.size()));
      place(bytes, random.below(3000), frame);  // over one another, at times
    }
    const frame_pattern pattern{.sequence_min = random.below(4)};
    frame_scanner scanner(bytes, scan_seed);
    for (std::size_t from = 0; from < bytes.size(); from += 1 + random.below(200)) {
      const auto expected = find_slowly(bytes, from, pattern);
      BOOST_TEST((frame_scanner(bytes, scan_seed).next(from, pattern) == expected));
      BOOST_TEST((scanner.next(from, pattern) == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE(hostile_lengths_cost_linear_time_and_hide_nothing) {
  random_source random;
  for (const std::size_t size : {std::size_t{64} << 10, std::size_t{1} << 20}) {
    byte_vector bytes(size);
    fill_with_bait(random, bytes);
    // Short and long ones, behind so much bait that the budget for hashing is used up.
    const std::size_t places[] = {size / 2, size / 2 + 4096, size / 2 + 12288};
    place(bytes, places[0], frame_of(1000, random.bytes(100)));
    place(bytes, places[1], frame_of(1001, random.bytes(5000)));
    place(bytes, places[2], frame_of(1002, random.bytes(size / 4 + 3)));

    frame_scanner scanner(bytes, scan_seed);
    const auto found = find_all(scanner, {});
    BOOST_TEST(found == std::vector<std::size_t>(std::begin(places), std::end(places)),
               boost::test_tools::per_element());
    BOOST_TEST(scanner.hashed_bytes() > 3 * size);  // the bait was taken
    // The budget, the prefixes, and less than 1 KiB for each multiple of 8.
    BOOST_TEST(scanner.hashed_bytes() < (2 + 1 + 128) * size);
  }
}

BOOST_AUTO_TEST_CASE(long_frames_within_long_frames_are_found_in_linear_time) {
  // Every frame is valid and contains all that follow.
  random_source random;
  constexpr std::size_t depth = 2000;
  byte_vector bytes = random.bytes(4096);
  for (std::size_t level = 0; level != depth; ++level) {
    frame_header header;
    header.sequence = 1 + level;
    header.length = static_cast<std::uint32_t>(bytes.size());
    byte_vector outer(frame_header_bytes);
    outer.insert(outer.end(), bytes.begin(), bytes.end());
    seal_frame(outer.data(), header, scan_seed);
    bytes = std::move(outer);
  }
  frame_scanner scanner(bytes, scan_seed);
  const auto found = find_all(scanner, {});
  BOOST_TEST(found.size() == depth);
  for (std::size_t i = 0; i != found.size(); ++i) BOOST_TEST(found[i] == 32 * i);
  BOOST_TEST(scanner.hashed_bytes() < 131 * bytes.size());
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_hostile_are_hashed_once) {
  random_source random;
  byte_vector bytes;
  for (std::uint64_t sequence = 1; sequence != 2000; ++sequence) {
    const byte_vector frame = frame_of(sequence, random.bytes(random.below(400)));
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  }
  frame_scanner scanner(bytes, scan_seed);
  BOOST_TEST(find_all(scanner, {.sequence_max = 1999}).size() == 1999u);
  BOOST_TEST(scanner.hashed_bytes() <= bytes.size());

  frame_scanner picky(bytes, scan_seed);
  BOOST_TEST(find_all(picky, {.sequence_max = 1999, .watermark_min = 1990}).size() == 9u);
  BOOST_TEST(picky.hashed_bytes() <= std::uint64_t{9 * 440});
}

BOOST_AUTO_TEST_SUITE_END()
