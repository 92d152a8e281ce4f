#include "format/record_codec.hpp"

#include <algorithm>
#include <cstring>

#include <lz4.h>
#include <zstd.h>
#include <boost/test/unit_test.hpp>

#include "format_test.hpp"

using namespace nori;
using namespace nori::format;
using namespace nori::format::test;

namespace {

constexpr std::uint64_t limit = 1 << 20;

std::string_view text_of(const byte_vector& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

byte_vector body_of(std::initializer_list<int> bytes) {
  byte_vector body;
  for (const int b : bytes) body.push_back(static_cast<std::byte>(b));
  return body;
}

decode_verdict record_verdict_of(const byte_vector& body, std::uint64_t bytes_limit = limit) {
  decoded_record decoded;
  return decode_record(body, bytes_limit, decoded);
}

/// A body with a value that claims to be `value_bytes` long and is stored as `stored`.
byte_vector compressed_body(compression how, std::uint64_t value_bytes, std::string_view stored) {
  const std::string stand_in(value_bytes, ' ');
  prepared_record prepared;
  prepared.what = {.key = "k", .value = stand_in, .compress = how};
  prepared.stored_value = stored;
  prepared.stored_compressed = true;
  byte_vector body(stored.size() + 64);
  encode_record(body.data(), prepared);
  // The key and the value end the body; only the lengths of the three varints vary.
  const auto varint = [](std::uint64_t n) {
    std::size_t bytes = 1;
    for (; n >= 128; n >>= 7) ++bytes;
    return bytes;
  };
  body.resize(1 + 1 + varint(value_bytes) + varint(stored.size()) + 1 + stored.size());
  return body;
}

decode_verdict decompressed(const byte_vector& body, std::string* value = nullptr) {
  decoded_record decoded;
  const decode_verdict verdict = decode_record(body, limit, decoded);
  if (verdict != decode_verdict::valid) return verdict;
  byte_vector to(decoded.value_bytes);  // exactly: a byte more is the sanitizer's to find
  const decode_verdict result = decompress_value(decoded, to);
  if (value != nullptr) *value = text_of(to);
  return result;
}

std::string zstd_of(std::string_view value) {
  std::string to(ZSTD_compressBound(value.size()), ' ');
  to.resize(ZSTD_compress(to.data(), to.size(), value.data(), value.size(), 1));
  return to;
}

std::string lz4_of(std::string_view value) {
  std::string to(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(value.size()))), ' ');
  to.resize(static_cast<std::size_t>(LZ4_compress_default(
      value.data(), to.data(), static_cast<int>(value.size()), static_cast<int>(to.size()))));
  return to;
}

/// Puts a decoded body together again. Every body has one spelling, so this gives its bytes.
byte_vector spelled_again(const decoded_record& decoded) {
  const std::string stand_in(decoded.value_bytes, ' ');
  prepared_record prepared;
  prepared.what.key = decoded.key;
  prepared.what.value = stand_in;
  prepared.what.tombstone = decoded.tombstone;
  prepared.what.compress = decoded.compress;
  if (decoded.has_time_to_live)
    prepared.what.time_to_live =
        std::chrono::milliseconds(static_cast<std::int64_t>(decoded.time_to_live_ms));
  if (decoded.has_version) prepared.what.version = decoded.version;
  prepared.stored_value = decoded.stored_value;
  prepared.stored_compressed = decoded.stored_compressed;
  prepared.appended_ms = decoded.appended_ms;
  byte_vector body(decoded.key.size() + decoded.stored_value.size() + 100, std::byte{0xee});
  encode_record(body.data(), prepared);
  return body;
}

void expect_error_or_well_formed(const byte_vector& body) {
  decoded_record decoded;
  if (decode_record(body, limit, decoded) != decode_verdict::valid) return;
  const auto* const start = reinterpret_cast<const char*>(body.data());
  BOOST_REQUIRE(decoded.key.data() >= start);
  BOOST_REQUIRE(decoded.key.data() + decoded.key.size() == decoded.stored_value.data());
  BOOST_REQUIRE(decoded.stored_value.data() + decoded.stored_value.size() == start + body.size());
  BOOST_REQUIRE(decoded.key.size() + decoded.value_bytes <= limit);
  const byte_vector again = spelled_again(decoded);
  BOOST_REQUIRE(std::equal(body.begin(), body.end(), again.begin()));
  byte_vector value(decoded.value_bytes);
  (void)decompress_value(decoded, value);
}

record random_record(random_source& random) {
  record what;
  what.key = random.text(random.below(40));
  what.value =
      random.below(2) == 0 ? random.text(random.below(300)) : std::string(random.below(2000), 'v');
  what.tombstone = random.below(2) == 0;
  if (random.below(2) == 0)
    what.time_to_live = std::chrono::milliseconds(random() >> (1 + random.below(63)));
  what.compress = static_cast<compression>(random.below(3));
  if (random.below(2) == 0)
    what.version = record_version{random() >> random.below(64), random() >> random.below(64)};
  return what;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(record_codec)

BOOST_AUTO_TEST_CASE(every_field_survives) {
  random_source random;
  byte_vector buffer;
  for (int round = 0; round != 5000; ++round) {
    const record what = random_record(random);
    const std::uint64_t appended_ms = random() >> 1;
    const prepared_record prepared = prepare_record(what, appended_ms, buffer);
    byte_vector body(prepared.body_bytes);  // exactly: a byte more is the sanitizer's to find
    encode_record(body.data(), prepared);

    decoded_record decoded;
    BOOST_REQUIRE((decode_record(body, limit, decoded) == decode_verdict::valid));
    BOOST_TEST(decoded.key == what.key);
    BOOST_TEST(decoded.value_bytes == what.value.size());
    BOOST_TEST(decoded.tombstone == what.tombstone);
    BOOST_TEST((decoded.compress == what.compress));
    BOOST_TEST(decoded.stored_compressed == prepared.stored_compressed);
    BOOST_TEST(decoded.has_time_to_live == what.time_to_live.has_value());
    if (what.time_to_live) {
      BOOST_TEST(decoded.time_to_live_ms == static_cast<std::uint64_t>(what.time_to_live->count()));
      BOOST_TEST(decoded.appended_ms == appended_ms);
    }
    BOOST_TEST(decoded.has_version == what.version.has_value());
    if (what.version) BOOST_TEST((decoded.version == *what.version));

    byte_vector value(decoded.value_bytes);
    BOOST_REQUIRE((decompress_value(decoded, value) == decode_verdict::valid));
    BOOST_TEST(text_of(value) == what.value);
  }
}

BOOST_AUTO_TEST_CASE(lengths_at_the_edges_of_varints_survive) {
  for (const std::size_t bytes : {0u, 1u, 127u, 128u, 129u, 16383u, 16384u, 16385u}) {
    const std::string long_text(bytes, 'x');
    const byte_vector long_value = encoded_body({.key = "k", .value = long_text});
    const byte_vector long_key = encoded_body({.key = long_text, .value = "v"});
    decoded_record decoded;
    BOOST_TEST((decode_record(long_value, limit, decoded) == decode_verdict::valid));
    BOOST_TEST(decoded.stored_value == long_text);
    BOOST_TEST((decode_record(long_key, limit, decoded) == decode_verdict::valid));
    BOOST_TEST(decoded.key == long_text);
  }
}

BOOST_AUTO_TEST_CASE(a_plain_record_costs_three_bytes) {
  BOOST_TEST(encoded_body({.key = "key", .value = "value"}).size() == 3u + 8u);
  BOOST_TEST(encoded_body({}).size() == 3u);
}

BOOST_AUTO_TEST_CASE(every_proper_prefix_is_malformed) {
  const std::string value(500, 'v');
  const record_view samples[] = {
      {.key = "key", .value = "value"},
      {.key = "key", .value = {}, .tombstone = true},
      {.key = "k",
       .value = value,
       .time_to_live = std::chrono::hours(1),
       .compress = compression::lz4,
       .version = record_version{300, 400}},
      {.key = {}, .value = value, .compress = compression::zstd},
  };
  for (const record_view& what : samples) {
    const byte_vector body = encoded_body(what, 1234567890123);
    for (std::size_t n = 0; n != body.size(); ++n) {
      const byte_vector prefix(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));
      BOOST_TEST((record_verdict_of(prefix) == decode_verdict::malformed));
    }
    byte_vector longer = body;
    longer.push_back(std::byte{0});
    BOOST_TEST((record_verdict_of(longer) == decode_verdict::malformed));
  }
}

BOOST_AUTO_TEST_CASE(a_body_with_a_flipped_bit_fails_or_is_well_formed) {
  random_source random;
  for (int round = 0; round != 200; ++round) {
    byte_vector body = encoded_body(random_record(random), random() >> 1);
    const std::size_t bits = std::min<std::size_t>(8 * body.size(), 800);
    for (std::size_t bit = 0; bit != bits; ++bit) {
      flip_bit(body, bit);
      expect_error_or_well_formed(body);
      flip_bit(body, bit);
    }
  }
}

BOOST_AUTO_TEST_CASE(garbage_fails_or_is_well_formed) {
  random_source random;
  for (int round = 0; round != 200000; ++round) {
    byte_vector body = random.bytes(random.below(64));
    // Small numbers are likelier to be lengths that fit.
    if (round % 2 == 0)
      for (std::size_t i = 0; i < body.size(); ++i) body[i] &= std::byte{0x3f};
    expect_error_or_well_formed(body);
  }
}

BOOST_AUTO_TEST_CASE(reserved_attributes_are_refused_by_name) {
  for (unsigned attributes = 0; attributes != 256; ++attributes) {
    const byte_vector body = body_of({static_cast<int>(attributes), 0, 0});
    const bool reserved = (attributes & 0xc0) != 0 || (attributes & 0x0c) == 0x0c;
    BOOST_TEST((record_verdict_of(body) == decode_verdict::unknown_attribute) == reserved);
  }
}

BOOST_AUTO_TEST_CASE(varints_have_one_spelling) {
  // Attributes, key length 1, value length as given, key, value.
  BOOST_TEST((record_verdict_of(body_of({0, 1, 1, 'k', 'v'})) == decode_verdict::valid));
  BOOST_TEST(
      (record_verdict_of(body_of({0, 1, 0x81, 0x00, 'k', 'v'})) == decode_verdict::malformed));
  BOOST_TEST((record_verdict_of(body_of({0, 0x81, 0x80, 0x00, 1, 'k', 'v'})) ==
              decode_verdict::malformed));
  BOOST_TEST((record_verdict_of(body_of({0, 0x80, 0x00, 0})) == decode_verdict::malformed));

  // A version term of ten bytes: 2^64 - 1, then values beyond, then an eleventh byte.
  const auto with_term = [](std::initializer_list<int> last) {
    byte_vector body = body_of({0x10, 0, 0});
    body.insert(body.end(), 9, std::byte{0xff});
    const byte_vector end = body_of(last);
    body.insert(body.end(), end.begin(), end.end());
    return body;
  };
  decoded_record decoded;
  BOOST_TEST((decode_record(with_term({1, 0}), limit, decoded) == decode_verdict::valid));
  BOOST_TEST(decoded.version.term == UINT64_MAX);
  for (const int tenth : {0, 2, 3, 0x7f})
    BOOST_TEST((record_verdict_of(with_term({tenth, 0})) == decode_verdict::malformed));
  BOOST_TEST((record_verdict_of(with_term({0x81, 1, 0})) == decode_verdict::malformed));
  BOOST_TEST((record_verdict_of(with_term({0xff, 0x7f})) == decode_verdict::malformed));
}

BOOST_AUTO_TEST_CASE(lengths_that_overflow_when_added_are_malformed) {
  // key length 2^64 - 1, value length 2: together 1, which is what is left.
  byte_vector body = body_of({0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 'x'});
  BOOST_TEST((record_verdict_of(body) == decode_verdict::malformed));
  BOOST_TEST((record_verdict_of(body, UINT64_MAX) == decode_verdict::malformed));
  body = body_of({0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'x'});
  BOOST_TEST((record_verdict_of(body, UINT64_MAX) == decode_verdict::malformed));
}

BOOST_AUTO_TEST_CASE(times_beyond_63_bits_are_malformed) {
  record_view what{.key = "k", .time_to_live = std::chrono::milliseconds::max()};
  BOOST_TEST((record_verdict_of(encoded_body(what, INT64_MAX)) == decode_verdict::valid));
  BOOST_TEST(
      (record_verdict_of(encoded_body(what, std::uint64_t{1} << 63)) == decode_verdict::malformed));
  what.time_to_live = std::chrono::milliseconds(-1);  // as a varint: 2^64 - 1
  BOOST_TEST((record_verdict_of(encoded_body(what)) == decode_verdict::malformed));
}

BOOST_AUTO_TEST_CASE(key_and_value_are_bounded_together) {
  const byte_vector body = encoded_body({.key = "12345", .value = "123456789"});
  BOOST_TEST((record_verdict_of(body, 14) == decode_verdict::valid));
  for (std::uint64_t bytes = 0; bytes != 14; ++bytes)
    BOOST_TEST((record_verdict_of(body, bytes) == decode_verdict::too_large));
}

BOOST_AUTO_TEST_CASE(a_value_that_shrinks_is_stored_compressed) {
  const std::string value(1000, 'a');
  for (const compression how : {compression::lz4, compression::zstd}) {
    byte_vector buffer;
    const prepared_record prepared =
        prepare_record({.key = "k", .value = value, .compress = how}, 0, buffer);
    BOOST_TEST(prepared.stored_compressed);
    BOOST_TEST(prepared.stored_value.size() < 50u);
  }
}

BOOST_AUTO_TEST_CASE(a_value_that_does_not_shrink_is_stored_as_it_is_and_says_what_was_asked) {
  random_source random;
  for (const compression how : {compression::lz4, compression::zstd})
    for (const std::size_t bytes : {0u, 1u, 2u, 3u, 10u, 100u, 10000u}) {
      const std::string value = random.text(bytes);
      byte_vector buffer;
      const record_view what{.key = "k", .value = value, .compress = how};
      const prepared_record prepared = prepare_record(what, 0, buffer);
      BOOST_TEST(!prepared.stored_compressed);
      BOOST_TEST((prepared.stored_value.data() == value.data()));
      decoded_record decoded;
      const byte_vector body = encoded_body(what);
      BOOST_TEST((decode_record(body, limit, decoded) == decode_verdict::valid));
      BOOST_TEST((decoded.compress == how));
      BOOST_TEST(!decoded.stored_compressed);
      BOOST_TEST(decoded.stored_value == value);
    }
}

BOOST_AUTO_TEST_CASE(a_compressed_value_is_smaller_than_the_value_and_not_empty) {
  const std::string value(100, 'a');
  BOOST_TEST((record_verdict_of(compressed_body(compression::lz4, 100, lz4_of(value))) ==
              decode_verdict::valid));
  const std::string same(100, 'a');
  BOOST_TEST((record_verdict_of(compressed_body(compression::lz4, 100, same)) ==
              decode_verdict::malformed));
  BOOST_TEST((record_verdict_of(compressed_body(compression::lz4, 99, same)) ==
              decode_verdict::malformed));
  BOOST_TEST(
      (record_verdict_of(compressed_body(compression::lz4, 101, same)) == decode_verdict::valid));
  BOOST_TEST(
      (record_verdict_of(compressed_body(compression::lz4, 100, {})) == decode_verdict::malformed));
  BOOST_TEST((record_verdict_of(compressed_body(compression::none, 100, lz4_of(value))) ==
              decode_verdict::malformed));
}

BOOST_AUTO_TEST_CASE(compression_bombs_are_refused_before_anything_is_allocated) {
  const std::string value(limit + 1, 'a');
  for (const compression how : {compression::lz4, compression::zstd}) {
    const std::string stored = how == compression::lz4 ? lz4_of(value) : zstd_of(value);
    // "k" takes one byte of the limit.
    BOOST_TEST(
        (record_verdict_of(compressed_body(how, limit, stored)) == decode_verdict::too_large));
    BOOST_TEST(
        (record_verdict_of(compressed_body(how, limit - 1, stored)) == decode_verdict::valid));
    // Honest about the limit, or not: what comes out is never more than what was stated.
    BOOST_TEST(
        (decompressed(compressed_body(how, limit - 1, stored)) == decode_verdict::bad_compression));
    BOOST_TEST((decompressed(compressed_body(how, stored.size() + 1, stored)) ==
                decode_verdict::bad_compression));
  }
}

BOOST_AUTO_TEST_CASE(a_value_of_another_length_than_stated_is_refused) {
  const std::string value(1000, 'a');
  for (const compression how : {compression::lz4, compression::zstd}) {
    const std::string stored = how == compression::lz4 ? lz4_of(value) : zstd_of(value);
    std::string found;
    BOOST_TEST((decompressed(compressed_body(how, 1000, stored), &found) == decode_verdict::valid));
    BOOST_TEST(found == value);
    for (const std::uint64_t stated : {999u, 1001u, 2000u})
      BOOST_TEST(
          (decompressed(compressed_body(how, stated, stored)) == decode_verdict::bad_compression));
    for (std::size_t n = 1; n != stored.size(); ++n)
      BOOST_TEST((decompressed(compressed_body(how, 1000, stored.substr(0, n))) ==
                  decode_verdict::bad_compression));
  }
}

BOOST_AUTO_TEST_CASE(a_zstd_value_is_one_frame_and_nothing_else) {
  const std::string value(1000, 'a');
  const std::string stored = zstd_of(value);
  const std::string half = zstd_of(value.substr(500));
  const std::string skippable("\x50\x2a\x4d\x18\x02\x00\x00\x00xx", 10);
  for (const std::string& bad :
       {stored + '\0', stored + skippable, skippable + stored, half + half, skippable})
    BOOST_TEST((decompressed(compressed_body(compression::zstd, 1000, bad)) ==
                decode_verdict::bad_compression));
}

BOOST_AUTO_TEST_CASE(damaged_compressed_values_stay_in_bounds) {
  random_source random;
  for (int round = 0; round != 20000; ++round) {
    std::string value(20 + random.below(2000), 'a');
    for (std::size_t i = 0; i < value.size(); i += 1 + random.below(40))
      value[i] = static_cast<char>(random());
    const compression how = round % 2 == 0 ? compression::lz4 : compression::zstd;
    std::string stored = how == compression::lz4 ? lz4_of(value) : zstd_of(value);
    if (stored.size() >= value.size()) continue;
    for (std::size_t flips = 1 + random.below(4); flips != 0; --flips)
      stored[random.below(stored.size())] ^= static_cast<char>(1u << random.below(8));
    // Right or wrong: LZ4 has no checksum of its own, the frame's crc stands before it.
    (void)decompressed(compressed_body(how, value.size(), stored));
  }
}

BOOST_AUTO_TEST_CASE(a_target_that_is_too_small_is_not_written_past) {
  const std::string value(1000, 'a');
  for (const compression how : {compression::none, compression::lz4, compression::zstd}) {
    const byte_vector body = encoded_body({.key = "k", .value = value, .compress = how});
    decoded_record decoded;
    BOOST_REQUIRE((decode_record(body, limit, decoded) == decode_verdict::valid));
    byte_vector to(999);
    BOOST_TEST((decompress_value(decoded, to) == decode_verdict::bad_compression));
  }
}

BOOST_AUTO_TEST_CASE(a_plain_value_that_is_not_as_long_as_stated_is_refused) {
  decoded_record decoded;
  decoded.stored_value = "12345";
  byte_vector to(10);
  for (std::uint64_t stated = 0; stated <= to.size(); ++stated) {
    decoded.value_bytes = stated;
    BOOST_TEST((decompress_value(decoded, to) == decode_verdict::valid) == (stated == 5));
  }
}

BOOST_AUTO_TEST_CASE(the_short_way_to_a_plain_record_agrees_with_the_long_one) {
  random_source random;
  std::size_t taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    byte_vector body(random() % 40);
    for (std::byte& b : body) b = static_cast<std::byte>(random() % 6 == 0 ? random() : 0);
    if (body.size() > 3 && random() % 2 == 0) {
      body[0] = std::byte{0};
      body[1] = static_cast<std::byte>(random() % (body.size() - 2));
      body[2] = static_cast<std::byte>(body.size() - 3 - static_cast<std::size_t>(body[1]));
    }
    const std::uint64_t bytes_limit = random() % 50;
    std::string_view key;
    std::string_view value;
    const bool plain = decode_plain_record(body, bytes_limit, key, value);
    decoded_record decoded;
    const decode_verdict verdict = decode_record(body, bytes_limit, decoded);
    if (!plain) continue;
    ++taken;
    BOOST_TEST_REQUIRE((verdict == decode_verdict::valid));
    BOOST_TEST((key == decoded.key && value == decoded.stored_value));
    BOOST_TEST(!(decoded.tombstone || decoded.stored_compressed || decoded.has_version ||
                 decoded.has_time_to_live));
  }
  BOOST_TEST(taken > 100u);
}

BOOST_AUTO_TEST_SUITE_END()
