// The scanner against every cut and every flipped bit, and against frames that should have stayed
// dead.

#include "engine/chain_scanner.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine_test.hpp"

using namespace nori;
using namespace nori::engine;
using namespace nori::engine::test;
using format::frame_header_bytes;
using format::frame_kind;
using format::segment_header_bytes;

namespace {

const std::uint32_t seed = format::segment_seed(test_log, 1);

/// One segment with frames of every kind, in batches of one to three.
class chain {
 public:
  explicit chain(random_source& random, std::size_t batches = 25)
      : ring_(storage::map_memory(ring_bytes_least)),
        end_(ring_->data(), ring_->bytes(), settings_with(64 * 1024), 0, 0, {}) {
    end_.begin_epoch(1);
    for (std::size_t i = 0; i != batches; ++i) {
      std::vector<std::string> batch(1 + random.below(3));
      for (std::string& value : batch) value = random.text(random.below(100));
      const position at = lay(end_, batch, settled_);
      const stream_offset from = end_.stream_of(at);
      if (random.below(8) == 0) end_.cancel(from, end_.head());
      if (random.below(2) == 0) settled_ = end_.chain().sequence;
      if (random.below(6) == 0) end_.append_marker(false, settled_);
      if (random.below(8) == 0) end_.begin_epoch(static_cast<std::uint32_t>(i + 2));
    }
    end_.append_marker(true, end_.chain().sequence);
    segment_images segments;
    copy_out(end_, 0, end_.head(), segments);
    bytes = segments.at(1);
    list_frames(1, std::span(bytes).subspan(segment_header_bytes), segment_header_bytes, frames);
    for (std::size_t i = 0; i != frames.size(); ++i) {
      ends.push_back(i + 1 != frames.size() ? frames[i + 1].at.offset : bytes.size());
    }
  }

  [[nodiscard]] chain_scanner scanner(std::uint64_t limit) const {
    return {seed, chain_before(format::check_segment_header(bytes).header), segment_header_bytes,
            limit};
  }
  /// Where the last batch ends that consists of the first `count` frames or of some of them.
  [[nodiscard]] std::uint64_t batch_end(std::size_t count) const {
    while (count != 0 && frames[count - 1].header.has(format::frame_flag::batch_continues)) --count;
    return count != 0 ? ends[count - 1] : segment_header_bytes;
  }
  [[nodiscard]] std::uint64_t frame_end(std::size_t count) const {
    return count != 0 ? ends[count - 1] : segment_header_bytes;
  }

  byte_vector bytes;
  std::vector<seen_frame> frames;
  std::vector<std::uint64_t> ends;  ///< of each frame

 private:
  std::unique_ptr<storage::ring_memory> ring_;
  tail end_;
  std::uint64_t settled_ = 0;
};

std::span<const std::byte> from(const byte_vector& bytes, std::uint64_t offset) {
  return std::span(bytes).subspan(std::min<std::size_t>(offset, bytes.size()));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(chain_scanner_follows)

BOOST_AUTO_TEST_CASE(any_cut_recovers_a_prefix_that_ends_with_a_batch) {
  random_source random;
  const chain log(random);
  for (std::size_t n = segment_header_bytes; n <= log.bytes.size(); ++n) {
    byte_vector cut(log.bytes.begin(), log.bytes.begin() + static_cast<std::ptrdiff_t>(n));
    const auto whole = static_cast<std::size_t>(
        std::upper_bound(log.ends.begin(), log.ends.end(), n) - log.ends.begin());
    chain_scanner scanner = log.scanner(n);
    scanner.feed(from(cut, segment_header_bytes));
    BOOST_REQUIRE_EQUAL(scanner.offset(), log.frame_end(whole));
    BOOST_REQUIRE_EQUAL(scanner.last_batch().offset, log.batch_end(whole));

    // The same with zeros behind it. Only the padding of a frame may be zeros that nobody misses.
    cut.resize(log.bytes.size() + 64);
    chain_scanner padded = log.scanner(cut.size());
    BOOST_REQUIRE((padded.feed(from(cut, segment_header_bytes)).stop == scan_stop::broken));
    const bool unhurt =
        whole != log.frames.size() &&
        std::equal(log.bytes.begin(),
                   log.bytes.begin() + static_cast<std::ptrdiff_t>(log.ends[whole]), cut.begin());
    BOOST_REQUIRE_EQUAL(padded.offset(), log.frame_end(whole + (unhurt ? 1 : 0)));
    BOOST_REQUIRE_EQUAL(padded.last_batch().offset, log.batch_end(whole + (unhurt ? 1 : 0)));
  }
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_ends_the_chain_at_its_frame) {
  random_source random;
  chain log(random);
  for (std::size_t i = 0; i != log.frames.size(); ++i) {
    for (std::uint64_t bit = 8 * log.frame_end(i); bit != 8 * log.ends[i]; ++bit) {
      const auto flip = static_cast<std::byte>(1u << (bit % 8));
      log.bytes[bit / 8] ^= flip;
      chain_scanner scanner = log.scanner(log.bytes.size());
      scanner.feed(from(log.bytes, segment_header_bytes));
      log.bytes[bit / 8] ^= flip;
      BOOST_REQUIRE_EQUAL(scanner.offset(), log.frame_end(i));
      BOOST_REQUIRE_EQUAL(scanner.last_batch().offset, log.batch_end(i));
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_of_any_size_give_what_the_whole_gives) {
  random_source random;
  const std::size_t rounds = scaled(300);
  for (std::size_t round = 0; round != rounds; ++round) {
    chain log(random);
    log.bytes.resize(log.bytes.size() + 8 * random.below(20));
    if (random.below(2) == 0) {
      log.bytes[segment_header_bytes + random.below(log.bytes.size() - segment_header_bytes)] ^=
          std::byte{4};
    }
    chain_scanner whole = log.scanner(log.bytes.size());
    const auto verdict = whole.feed(from(log.bytes, segment_header_bytes));

    chain_scanner scanner = log.scanner(log.bytes.size());
    chain_scanner::progress last{};
    std::uint64_t least = 0;
    for (;;) {
      const auto rest = from(log.bytes, scanner.offset());
      const std::size_t given = std::max<std::size_t>(least, random.below(200));
      last = scanner.feed(rest.first(std::min(rest.size(), given)));
      if (last.stop == scan_stop::broken || given >= rest.size()) break;
      // What it asks for is more than it had, and never beyond the limit.
      BOOST_REQUIRE(last.consumed + last.needed_bytes > given);
      BOOST_REQUIRE(scanner.offset() + last.needed_bytes <= log.bytes.size());
      least = last.needed_bytes;
    }
    BOOST_REQUIRE((last.stop == verdict.stop));
    BOOST_REQUIRE_EQUAL(scanner.offset(), whole.offset());
    BOOST_REQUIRE_EQUAL(scanner.chain().crc, whole.chain().crc);
    BOOST_REQUIRE_EQUAL(scanner.chain().sequence, whole.chain().sequence);
    BOOST_REQUIRE_EQUAL(scanner.chain().records, whole.chain().records);
    BOOST_REQUIRE_EQUAL(scanner.chain().last_frame, whole.chain().last_frame);
    BOOST_REQUIRE_EQUAL(scanner.last_batch().offset, whole.last_batch().offset);
    BOOST_REQUIRE_EQUAL(scanner.last_batch().last_record, whole.last_batch().last_record);
    BOOST_REQUIRE_EQUAL(scanner.last_batch().closed, whole.last_batch().closed);
  }
}

BOOST_AUTO_TEST_CASE(only_a_closing_marker_at_the_very_end_says_closed) {
  random_source random;
  const chain log(random);
  for (std::size_t count = 0; count <= log.frames.size(); ++count) {
    chain_scanner scanner = log.scanner(log.bytes.size());
    scanner.feed(std::span(log.bytes).first(log.frame_end(count)).subspan(segment_header_bytes));
    BOOST_TEST(scanner.last_batch().closed == (count == log.frames.size()));
  }
}

// New frames overwrite the first of those that were cut off, and may end just where an old frame
// starts, even with the sequence that it continues.
BOOST_AUTO_TEST_CASE(stale_frames_behind_a_cut_never_continue_the_chain) {
  random_source random;
  const std::size_t rounds = scaled(500);
  std::size_t aligned = 0;
  for (std::size_t round = 0; round != rounds; ++round) {
    chain log(random);
    const std::size_t kept = random.below(log.frames.size());
    const std::uint64_t cut = log.batch_end(kept);
    chain_scanner before = log.scanner(log.bytes.size());
    before.feed(std::span(log.bytes).first(cut).subspan(segment_header_bytes));
    BOOST_REQUIRE_EQUAL(before.offset(), cut);

    const auto ring = storage::map_memory(ring_bytes_least);
    tail end(ring->data(), ring->bytes(), settings_with(64 * 1024), 1, cut, before.chain());
    end.begin_epoch(0x1000);
    for (std::size_t left = 1 + random.below(4); left != 0; --left) {
      lay(end, {random.text(random.below(100))}, 0);
    }
    // Fill up to where an old frame starts.
    const auto next = std::lower_bound(log.ends.begin(), log.ends.end(), end.head() + 40);
    if (next != log.ends.end()) {
      std::string value(*next - end.head() - frame_header_bytes - 3, 'x');
      while (end.head() + frame_bytes_of({value}) > *next) value.pop_back();
      lay(end, {value}, 0);
      aligned += end.head() == *next ? 1 : 0;
    }
    log.bytes.resize(std::max<std::size_t>(log.bytes.size(), end.head()));
    std::memcpy(log.bytes.data() + cut, end.ring_at(cut), end.head() - cut);
    chain_scanner scanner = log.scanner(log.bytes.size());
    scanner.feed(from(log.bytes, segment_header_bytes));
    BOOST_REQUIRE_EQUAL(scanner.offset(), end.head());
    BOOST_REQUIRE_EQUAL(scanner.chain().crc, end.chain().crc);
  }
  BOOST_TEST(aligned > rounds / 10);
}

BOOST_AUTO_TEST_CASE(a_frame_continues_by_sequence_crc_and_epoch) {
  const chain_state before{7, 0xabc, 3, 5, 64};
  format::frame_header next;
  next.sequence = 8;
  next.previous_crc = 0xabc;
  next.epoch = 3;
  BOOST_TEST(continues(before, next));
  for (const std::uint64_t sequence : {0u, 6u, 7u, 9u}) {
    format::frame_header other = next;
    other.sequence = sequence;
    BOOST_TEST(!continues(before, other));
  }
  format::frame_header other = next;
  other.previous_crc = 0xabd;
  BOOST_TEST(!continues(before, other));
  other = next;
  other.epoch = 2;
  BOOST_TEST(!continues(before, other));
  // An epoch begins with its own frame, which never repeats the number.
  other.kind = frame_kind::epoch;
  BOOST_TEST(continues(before, other));
  other.epoch = 3;
  BOOST_TEST(!continues(before, other));
}

BOOST_AUTO_TEST_CASE(proof_is_the_first_later_frame_whose_watermark_reaches_the_missing_one) {
  random_source random;
  const std::size_t rounds = scaled(30);
  std::size_t proofs = 0;
  for (std::size_t round = 0; round != rounds; ++round) {
    chain log(random);
    for (std::size_t n = 0; n != log.frames.size(); ++n) {
      const std::uint64_t missing = log.frames[n].header.sequence;
      const std::uint64_t start = log.frames[n].at.offset;
      log.bytes[start + 9] ^= std::byte{1};
      const auto found = find_proof(from(log.bytes, start), seed, missing, log.bytes.size());
      const auto later = std::find_if(
          log.frames.begin() + static_cast<std::ptrdiff_t>(n) + 1, log.frames.end(),
          [&](const seen_frame& f) { return f.header.durable_watermark() >= missing; });
      BOOST_REQUIRE_EQUAL(found.has_value(), later != log.frames.end());
      if (found) BOOST_REQUIRE_EQUAL(start + *found, later->at.offset);
      proofs += found ? 1 : 0;
      // Neither frames of another segment, nor those that lie askew.
      const auto other = format::segment_seed(test_log, 2);
      BOOST_REQUIRE(!find_proof(from(log.bytes, start), other, missing, log.bytes.size()));
      BOOST_REQUIRE(!find_proof(from(log.bytes, start + 4), seed, missing, log.bytes.size()));
      log.bytes[start + 9] ^= std::byte{1};
    }
  }
  BOOST_TEST(proofs > rounds);
}

BOOST_AUTO_TEST_CASE(the_last_sequences_have_proof_and_nothing_proves_one_behind_the_last) {
  // As a hostile header may have it: numbers end, and do not begin again.
  const std::uint64_t last = UINT64_MAX;
  std::array<std::byte, format::frame_header_bytes> bytes{};
  const auto frame_of = [&](std::uint64_t sequence) {
    format::frame_header frame;
    frame.kind = frame_kind::marker;
    frame.sequence = sequence;
    format::seal_frame(bytes.data(), frame, seed);
  };
  frame_of(last);
  BOOST_TEST(find_proof(bytes, seed, last - 1, 4096).has_value());
  BOOST_TEST(!find_proof(bytes, seed, last, 4096).has_value());
  frame_of(1);
  BOOST_TEST(!find_proof(bytes, seed, last, 4096).has_value());
  BOOST_TEST(!find_proof(bytes, seed, last + 1, 4096).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
