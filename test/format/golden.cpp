// Files of format version 1, spelled out in test/data/golden. They were not written by this code,
// and stay readable for ever.

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "format/crc32c.hpp"
#include "format/frame_scan.hpp"
#include "format/record_codec.hpp"
#include "format/segment_header.hpp"
#include "format_test.hpp"

using namespace nori;
using namespace nori::format;
using namespace nori::format::test;

namespace {

std::ifstream open_golden(const std::string& name) {
  std::ifstream file(NORI_TEST_DATA_DIR "/golden/" + name);
  BOOST_REQUIRE_MESSAGE(file, name);
  return file;
}

byte_vector read_hex(const std::string& name) {
  std::ifstream file = open_golden(name);
  byte_vector bytes;
  for (std::string line; std::getline(file, line);) {
    line = line.substr(0, line.find_first_of("#;"));
    if (line.empty()) continue;
    std::istringstream words(line);
    if (line.starts_with("size")) {
      std::string size;
      std::size_t count = 0;
      words >> size >> count;
      bytes.resize(count);
      continue;
    }
    const listed_bytes listed = parse_listing(line);
    BOOST_REQUIRE(!listed.bytes.empty());
    BOOST_REQUIRE(listed.offset + listed.bytes.size() <= bytes.size());
    std::copy(listed.bytes.begin(), listed.bytes.end(),
              bytes.begin() + static_cast<std::ptrdiff_t>(listed.offset));
  }
  BOOST_REQUIRE(!bytes.empty());
  return bytes;
}

constexpr log_id golden_log = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                               0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
constexpr std::uint32_t first_epoch = 0xe0e0e0e1;
constexpr std::uint32_t second_epoch = 0x0f0f0f02;

segment_header golden_header() {
  segment_header header;
  header.log = golden_log;
  header.segment_id = 3;
  header.first_sequence = 1001;
  header.records_before = 950;
  header.previous_segment_id = 2;
  header.previous_end = 65120;
  header.previous_last_frame = 65056;
  header.previous_crc = 0x89abcdef;
  header.epoch = first_epoch;
  header.created_ns = 1700000000123456789;
  header.segment_bytes_max = 65536;
  header.record_bytes_max = 16384;
  header.node_id = 42;
  return header;
}

struct golden_frame {
  frame_kind kind;
  unsigned flags;
  std::uint32_t durable_lag;
  std::uint32_t epoch;
  record what = {};  // of a record
  bool stored_compressed = false;
};

std::vector<golden_frame> golden_frames() {
  constexpr auto plain = frame_kind::record;
  record gamma = record::put_with_ttl("gamma", "three", std::chrono::minutes(1));
  gamma.version = record_version{7, 300};
  const auto packed = [](std::string key, std::string value, compression how) {
    return record::put(std::move(key), std::move(value)).with_compression(how);
  };
  return {
      {plain, 0, 1, first_epoch, record::put("alpha", "one")},
      {plain, 1, 2, first_epoch, record::remove("beta")},
      {plain, 0, 3, first_epoch, gamma},
      {plain, 0, 1, first_epoch, packed("lz4", std::string(64, 'b'), compression::lz4), true},
      {plain, 0, 1, first_epoch, packed("zstd", std::string(64, 'a'), compression::zstd), true},
      {plain, 0, 1, first_epoch, packed("k", std::string("\x00\xff", 2), compression::lz4)},
      {frame_kind::filler, 0, 1, first_epoch},
      {frame_kind::marker, 0, 1, first_epoch},
      {frame_kind::epoch, 0, 1, second_epoch},
      {plain, 0, 2, second_epoch, record::put("", "in the new epoch")},
      {frame_kind::marker, 2, 1, second_epoch},
  };
}

constexpr std::uint64_t golden_appended_ms = 1700000000123;

/// What the rule of FORMAT.md makes of a segment.
struct reading {
  header_verdict header;
  std::size_t first_bad = 0;
  std::string verdict;
  bool proof = false;
  std::uint64_t kept = 0;
};

std::string name_of(frame_verdict verdict) {
  switch (verdict) {
    case frame_verdict::valid:
      return "chain";
    case frame_verdict::incomplete:
      return "incomplete";
    case frame_verdict::zero:
      return "zero";
    case frame_verdict::bad_length:
      return "bad_length";
    case frame_verdict::bad_header:
      return "bad_header";
    case frame_verdict::bad_crc:
      return "bad_crc";
  }
  return {};
}

std::string name_of(header_verdict verdict) {
  switch (verdict) {
    case header_verdict::valid:
      return "valid";
    case header_verdict::zero:
      return "zero";
    case header_verdict::damaged:
      return "damaged";
    case header_verdict::unsupported_version:
      return "unsupported_version";
    case header_verdict::not_a_segment:
      return "not_a_segment";
  }
  return {};
}

reading read(const byte_vector& bytes) {
  const header_check header = check_segment_header(bytes);
  reading result{header.verdict, 0, {}, false, 0};
  if (header.verdict != header_verdict::valid) return result;

  const std::uint32_t seed = segment_seed(header.header.log, header.header.segment_id);
  std::uint64_t sequence = header.header.first_sequence;
  std::uint32_t previous_crc = header.header.previous_crc;
  std::uint32_t epoch = header.header.epoch;
  std::size_t at = segment_header_bytes;
  for (;; ++sequence) {
    const std::span rest = std::span(bytes).subspan(at);
    const frame_check check = check_frame(rest, seed, rest.size());
    const bool right_epoch =
        (check.header.kind == frame_kind::epoch) != (check.header.epoch == epoch);
    if (check.verdict != frame_verdict::valid || check.header.sequence != sequence ||
        check.header.previous_crc != previous_crc || !right_epoch) {
      result.verdict = name_of(check.verdict);
      break;
    }
    if (!check.header.has(frame_flag::batch_continues)) result.kept = sequence;
    previous_crc = check.header.crc;
    epoch = check.header.epoch;
    at += static_cast<std::size_t>(frame_bytes(check.header.length));
  }
  result.first_bad = at;
  result.proof = frame_scanner(bytes, seed)
                     .next(at + 8, {.sequence_min = sequence, .watermark_min = sequence})
                     .has_value();
  return result;
}

std::size_t hex(std::istream& from) {
  std::size_t value = 0;
  BOOST_REQUIRE(from >> std::hex >> value);
  return value;
}

void apply(const std::string& edit, byte_vector& bytes) {
  std::istringstream words(edit);
  std::string what;
  if (!(words >> what)) return;
  const std::size_t offset = hex(words);
  const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  if (what == "set") {
    const byte_vector some = hex_bytes(words);
    BOOST_REQUIRE(!some.empty());
    std::copy(some.begin(), some.end(), at);
  } else if (what == "flip") {
    char point = 0;
    words >> point;
    flip_bit(bytes, 8 * offset + hex(words));
  } else if (what == "fill") {
    const std::size_t count = hex(words);
    std::fill_n(at, count, static_cast<std::byte>(hex(words)));
  } else if (what == "copy") {
    const std::size_t count = hex(words);
    std::copy_n(at, count, bytes.begin() + static_cast<std::ptrdiff_t>(hex(words)));
  } else if (what == "cut") {
    bytes.resize(offset);
  } else {
    BOOST_ERROR("unknown edit " << edit);
  }
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream from(text);
  for (std::string part; std::getline(from, part, at);) {
    const std::size_t first = part.find_first_not_of(' ');
    parts.push_back(first == std::string::npos
                        ? ""
                        : part.substr(first, part.find_last_not_of(' ') + 1 - first));
  }
  return parts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(golden)

BOOST_AUTO_TEST_CASE(the_identity_of_version_1_is_read_and_written_byte_for_byte) {
  const byte_vector bytes = read_hex("v1_log.hex");
  const identity_check check = check_log_identity(bytes);
  BOOST_REQUIRE((check.verdict == header_verdict::valid));
  const log_identity expected{1, golden_log, 2, 4};
  BOOST_TEST((check.identity == expected));
  byte_vector written(log_identity_bytes);
  store_log_identity(written.data(), expected);
  BOOST_TEST((written == bytes));
}

BOOST_AUTO_TEST_CASE(the_segment_header_of_version_1_is_read_and_written_byte_for_byte) {
  const byte_vector bytes = read_hex("v1_segment.hex");
  const header_check check = check_segment_header(bytes);
  BOOST_REQUIRE((check.verdict == header_verdict::valid));
  BOOST_TEST(!check.copy_damaged);
  BOOST_TEST((check.header == golden_header()));
  byte_vector written(segment_header_bytes);
  store_segment_header(written.data(), golden_header());
  BOOST_TEST(std::equal(written.begin(), written.end(), bytes.begin()));
}

BOOST_AUTO_TEST_CASE(the_frames_of_version_1_are_read) {
  const byte_vector bytes = read_hex("v1_segment.hex");
  const std::uint32_t seed = segment_seed(golden_log, 3);
  std::size_t at = segment_header_bytes;
  std::uint64_t sequence = 1001;
  std::uint32_t previous_crc = golden_header().previous_crc;
  for (const golden_frame& expected : golden_frames()) {
    const std::span rest = std::span(bytes).subspan(at);
    const frame_check check = check_frame(rest, seed, rest.size());
    BOOST_TEST_CONTEXT("frame " << sequence) {
      BOOST_REQUIRE((check.verdict == frame_verdict::valid));
      BOOST_TEST((check.header.kind == expected.kind));
      BOOST_TEST(check.header.flags == expected.flags);
      BOOST_TEST(check.header.sequence == sequence++);
      BOOST_TEST(check.header.previous_crc == previous_crc);
      BOOST_TEST(check.header.durable_lag == expected.durable_lag);
      BOOST_TEST(check.header.epoch == expected.epoch);
    }
    previous_crc = check.header.crc;
    const auto body = rest.subspan(frame_header_bytes, check.header.length);
    at += static_cast<std::size_t>(frame_bytes(check.header.length));
    if (expected.kind != frame_kind::record) continue;

    decoded_record decoded;
    BOOST_REQUIRE((decode_record(body, 16384, decoded) == decode_verdict::valid));
    byte_vector value(decoded.value_bytes);
    BOOST_REQUIRE((decompress_value(decoded, value) == decode_verdict::valid));
    BOOST_TEST(decoded.key == expected.what.key);
    BOOST_TEST((value == to_bytes(expected.what.value)));
    BOOST_TEST(decoded.tombstone == expected.what.tombstone);
    BOOST_TEST((decoded.compress == expected.what.compress));
    BOOST_TEST(decoded.stored_compressed == expected.stored_compressed);
    BOOST_TEST(decoded.has_version == expected.what.version.has_value());
    if (expected.what.version) BOOST_TEST((decoded.version == *expected.what.version));
    BOOST_TEST(decoded.has_time_to_live == expected.what.time_to_live.has_value());
    if (expected.what.time_to_live) {
      BOOST_TEST(decoded.time_to_live_ms == 60000u);
      BOOST_TEST(decoded.appended_ms == golden_appended_ms);
    }
  }
  BOOST_TEST((check_frame(std::span(bytes).subspan(at), seed, 64).verdict == frame_verdict::zero));
}

BOOST_AUTO_TEST_CASE(the_frames_of_version_1_are_written_byte_for_byte) {
  const byte_vector bytes = read_hex("v1_segment.hex");
  const std::uint32_t seed = segment_seed(golden_log, 3);
  std::size_t at = segment_header_bytes;
  frame_header header;
  header.sequence = 1000;
  header.previous_crc = golden_header().previous_crc;
  for (const golden_frame& frame : golden_frames()) {
    byte_vector body = frame.kind == frame_kind::filler ? to_bytes("cancelled") : byte_vector{};
    if (frame.kind == frame_kind::record) body = encoded_body(frame.what, golden_appended_ms);
    // How well a library compresses is its own affair.
    const std::uint32_t there = load_frame_header(bytes.data() + at).length;
    if (frame.stored_compressed)
      body.assign(bytes.begin() + static_cast<std::ptrdiff_t>(at + frame_header_bytes),
                  bytes.begin() + static_cast<std::ptrdiff_t>(at + frame_header_bytes + there));
    header.length = static_cast<std::uint32_t>(body.size());
    header.sequence += 1;
    header.durable_lag = frame.durable_lag;
    header.epoch = frame.epoch;
    header.kind = frame.kind;
    header.flags = static_cast<std::uint8_t>(frame.flags);
    const byte_vector written = sealed_frame(header, body, seed);
    header.previous_crc = load_frame_header(written.data()).crc;
    BOOST_REQUIRE(at + written.size() <= bytes.size());
    BOOST_TEST(
        std::equal(written.begin(), written.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at)),
        "frame " << header.sequence);
    at += written.size();
  }
}

BOOST_AUTO_TEST_CASE(damaged_segments_of_version_1_get_their_verdicts) {
  const byte_vector intact = read_hex("v1_segment.hex");
  std::ifstream file = open_golden("v1_damaged.txt");
  std::size_t rows = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const std::vector<std::string> row = split(line, '|');
    BOOST_REQUIRE(row.size() == 7u);
    byte_vector bytes = intact;
    for (const std::string& edit : split(row[1], ',')) apply(edit, bytes);
    const reading result = read(bytes);
    BOOST_TEST_CONTEXT(row[0]) {
      BOOST_TEST(name_of(result.header) == row[2]);
      if (result.header == header_verdict::valid) {
        std::ostringstream first_bad;
        first_bad << std::hex << result.first_bad;
        BOOST_TEST(first_bad.str() == row[3]);
        BOOST_TEST(result.verdict == row[4]);
        BOOST_TEST((result.proof ? "yes" : "no") == row[5]);
        BOOST_TEST((result.kept == 0 ? "-" : std::to_string(result.kept)) == row[6]);
      } else {
        BOOST_TEST(row[3] == "-");
      }
    }
    ++rows;
  }
  BOOST_TEST(rows == 28u);
}

BOOST_AUTO_TEST_SUITE_END()
