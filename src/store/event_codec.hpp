#ifndef NORI_STORE_EVENT_CODEC_HPP
#define NORI_STORE_EVENT_CODEC_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nori/store/event.hpp>

namespace nori::store {

//  An event is one record: its key is the name of the stream, its value
//
//    event    := format flags varint(global position) varint(revision) time id [correlation]
//                [causation] string(type) [varint(version)] [tags] [string(metadata)] data
//    format   := byte 1
//    flags    := byte: bit 0 correlation is there, bit 1 causation, bit 2 tags, bit 3 metadata,
//                bit 4 version (else it is 1), the others zero
//    time     := 8 bytes, little endian: ns since 1970, UTC
//    id, correlation, causation := 16 bytes
//    tags     := varint(count) string*     sorted, none twice
//    string   := varint(length) bytes
//    data     := all that is left
//
//  Varints are LEB128, at most 10 bytes, in their shortest form. What is optional is there only
//  when it says something, so an event has one spelling. EVENTS.md is the specification.

/// What the store adds to an event.
struct event_place {
  std::uint64_t global_position = 0;
  std::uint64_t revision = 0;
  event_time recorded_at{};
  uuid id{};
};

/// At most this many bytes are written for `what`.
[[nodiscard]] std::size_t encoded_event_bytes_max(const event_view& what) noexcept;

/// Writes the event; returns the bytes written. `tags` are those of `what`, sorted.
std::size_t encode_event(std::byte* to, const event_view& what,
                         std::span<const std::string_view> tags, const event_place& place) noexcept;

/// A decoded event but for its tags, which are collected apart.
struct decoded_event {
  recorded_event event;       ///< stream, tags and at are left to the caller
  std::size_t first_tag = 0;  ///< in the vector that was given
  std::size_t tag_count = 0;
};

/// Reads a value; trusts nothing. Appends the tags to `tags`. False where it is not an event.
[[nodiscard]] bool decode_event(std::string_view value, std::vector<std::string_view>& tags,
                                decoded_event& to);

}  // namespace nori::store

#endif
