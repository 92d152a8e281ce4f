#ifndef NORI_TEST_FORMAT_FORMAT_TEST_HPP
#define NORI_TEST_FORMAT_FORMAT_TEST_HPP

#include <cstddef>
#include <cstdint>
#include <istream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "format/frame.hpp"
#include "format/record_codec.hpp"
#include "support/random_source.hpp"

namespace nori::format::test {

using byte_vector = std::vector<std::byte>;

using nori::test::random_source;

inline byte_vector to_bytes(std::string_view text) {
  const auto* const start = reinterpret_cast<const std::byte*>(text.data());
  return {start, start + text.size()};
}

inline byte_vector hex_bytes(std::istream& from) {
  byte_vector bytes;
  for (unsigned value; from >> std::hex >> value;) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

struct listed_bytes {
  std::size_t offset = 0;
  byte_vector bytes;
};

/// Reads "OFFSET: BYTES ; text", in hexadecimal. Any other line has no bytes.
inline listed_bytes parse_listing(const std::string& line) {
  std::istringstream words(line.substr(0, line.find(';')));
  listed_bytes listed;
  char colon = 0;
  if (words >> std::hex >> listed.offset >> colon && colon == ':') listed.bytes = hex_bytes(words);
  return listed;
}

inline void flip_bit(byte_vector& bytes, std::size_t bit) {
  bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
}

inline byte_vector encoded_body(const record_view& what, std::uint64_t appended_ms = 0) {
  byte_vector buffer;
  const prepared_record prepared = prepare_record(what, appended_ms, buffer);
  byte_vector body(prepared.body_bytes);
  encode_record(body.data(), prepared);
  return body;
}

/// A sealed frame in bytes of exactly its size. What lay there before is not zero, so that what
/// sealing forgets to write is found.
inline byte_vector sealed_frame(frame_header header, const byte_vector& body, std::uint32_t seed) {
  header.length = static_cast<std::uint32_t>(body.size());
  byte_vector frame(static_cast<std::size_t>(frame_bytes(body.size())), std::byte{0xee});
  for (std::size_t i = 0; i != body.size(); ++i) frame[frame_header_bytes + i] = body[i];
  seal_frame(frame.data(), header, seed);
  return frame;
}

}  // namespace nori::format::test

#endif
