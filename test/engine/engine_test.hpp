#ifndef NORI_TEST_ENGINE_ENGINE_TEST_HPP
#define NORI_TEST_ENGINE_ENGINE_TEST_HPP

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/chain_scanner.hpp"
#include "engine/tail.hpp"
#include "format/record_codec.hpp"
#include "storage/mapped_ring.hpp"
#include "support/position_text.hpp"
#include "support/random_source.hpp"
#include "support/violation.hpp"

namespace nori::engine::test {

using byte_vector = std::vector<std::byte>;
using nori::test::random_source;
using nori::test::scaled;

inline constexpr format::log_id test_log = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
inline constexpr std::size_t ring_bytes_least = std::size_t{64} << 10;

inline log_settings settings_with(std::uint64_t segment_bytes_max) {
  log_settings settings;
  settings.log = test_log;
  settings.segment_bytes_max = segment_bytes_max;
  settings.record_bytes_max = segment_bytes_max / 2;
  return settings;
}

/// A record without a key that is ready to be laid. `value` must outlive it.
inline format::prepared_record prepared(const std::string& value) {
  std::vector<std::byte> unused;
  record_view what;
  what.value = value;
  return format::prepare_record(what, 0, unused);
}

inline std::uint64_t frame_bytes_of(const std::vector<std::string>& batch) {
  std::uint64_t sum = 0;
  for (const std::string& value : batch) sum += format::frame_bytes(prepared(value).body_bytes);
  return sum;
}

/// Lays a batch, beginning the next segment where it takes one. Returns where its first record
/// starts.
inline position lay(tail& to, const std::vector<std::string>& batch,
                    std::uint64_t durable_sequence) {
  if (to.demand_of(frame_bytes_of(batch)).rotates) {
    to.begin_segment(to.extents().back().segment_id + 1, 0);
  }
  position first;
  for (std::size_t i = 0; i != batch.size(); ++i) {
    const position at =
        to.append_record(prepared(batch[i]), i + 1 != batch.size(), durable_sequence);
    if (i == 0) first = at;
  }
  return first;
}

/// The bytes of segments, by id.
using segment_images = std::map<std::uint64_t, byte_vector>;

/// Copies the stream's bytes in [from, to) to where they belong.
inline void copy_out(const tail& source, stream_offset from, stream_offset to,
                     segment_images& into) {
  for (const extent& e : source.extents()) {
    const stream_offset begin = std::max(from, e.begin);
    const stream_offset end = std::min(to, e.end);
    if (begin >= end) continue;
    byte_vector& image = into[e.segment_id];
    image.resize(std::max<std::size_t>(image.size(), end - e.base));
    std::memcpy(image.data() + (begin - e.base), source.ring_at(begin), end - begin);
  }
}

inline chain_state chain_before(const format::segment_header& header) {
  return {header.first_sequence - 1, header.previous_crc, header.epoch, header.records_before, 0};
}

/// A frame as it is read back.
struct seen_frame {
  position at;
  format::frame_header header;
  std::string value;  ///< of a record
};

/// The frames that start `bytes`, which lie at `offset` of a segment and are known to be valid.
inline void list_frames(std::uint64_t segment_id, std::span<const std::byte> bytes,
                        std::uint64_t offset, std::vector<seen_frame>& to) {
  for (std::size_t at = 0; at != bytes.size();) {
    seen_frame frame{{segment_id, offset + at}, format::load_frame_header(bytes.data() + at), {}};
    if (frame.header.kind == format::frame_kind::record) {
      format::decoded_record body;
      const auto verdict = format::decode_record(
          bytes.subspan(at + format::frame_header_bytes, frame.header.length), ~0ull, body);
      nori::test::must(verdict == format::decode_verdict::valid);
      frame.value = body.stored_value;
    }
    at += format::frame_bytes(frame.header.length);
    to.push_back(std::move(frame));
  }
}

/// Reads whole segments that nothing is wrong with: all of their bytes are a header and frames.
inline std::vector<seen_frame> read_back(const segment_images& segments) {
  std::vector<seen_frame> frames;
  chain_state chain;
  std::uint64_t before_id = 0;
  std::uint64_t before_end = 0;
  for (const auto& [id, bytes] : segments) {
    const auto head = format::check_segment_header(bytes);
    BOOST_REQUIRE(head.verdict == format::header_verdict::valid);
    const format::segment_header& header = head.header;
    BOOST_REQUIRE_EQUAL(header.segment_id, id);
    BOOST_REQUIRE_EQUAL(header.first_sequence, chain.sequence + 1);
    BOOST_REQUIRE_EQUAL(header.previous_crc, chain.crc);
    BOOST_REQUIRE_EQUAL(header.records_before, chain.records);
    BOOST_REQUIRE_EQUAL(header.previous_segment_id, before_id);
    BOOST_REQUIRE_EQUAL(header.previous_end, before_end);
    BOOST_REQUIRE_EQUAL(header.previous_last_frame, chain.last_frame);
    chain_scanner scanner(format::segment_seed(test_log, id), chain_before(header),
                          format::segment_header_bytes, bytes.size());
    const std::span<const std::byte> rest = std::span(bytes).subspan(format::segment_header_bytes);
    scanner.feed(rest);
    BOOST_REQUIRE_EQUAL(scanner.offset(), bytes.size());
    BOOST_REQUIRE_EQUAL(scanner.last_batch().offset, bytes.size());
    list_frames(id, rest, format::segment_header_bytes, frames);
    chain = scanner.chain();
    before_id = id;
    before_end = bytes.size();
  }
  return frames;
}

}  // namespace nori::engine::test

#endif
