#ifndef NORI_STORE_EVENT_HPP
#define NORI_STORE_EVENT_HPP

#include <boost/uuid/uuid.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/position.hpp>

namespace nori {

/// Names an event, or what caused it. Nil (all zero) stands for none.
using uuid = boost::uuids::uuid;

/// A random (version 4) id, by a generator that the operating system's randomness seeds, one for
/// each thread. A process that was forked may give the same ones as its parent.
/// @par Thread safety
/// Safe to call from any thread.
[[nodiscard]] uuid random_uuid();

/// To the nanosecond, UTC.
using event_time = std::chrono::sys_time<std::chrono::nanoseconds>;

// Names are 1 to this many bytes, none of them a control character (0 to 31, 127). They are
// compared byte by byte.
inline constexpr std::size_t stream_name_bytes_max = 512;
inline constexpr std::size_t type_name_bytes_max = 256;
inline constexpr std::size_t tag_bytes_max = 256;
inline constexpr std::size_t tags_max = 64;
inline constexpr std::size_t metadata_bytes_max = std::size_t{64} << 10;
/// Events in one append, and streams in one.
inline constexpr std::size_t append_events_max = 65536;

/// What is appended: a fact, with what is to be known of it.
///
/// A view: it owns nothing. The bytes must live until the append has completed.
struct event_view {
  std::string_view type = {};
  std::string_view data = {};      ///< any bytes
  std::string_view metadata = {};  ///< any bytes; the user's own
  /// Looked for by queries; may not repeat. No order is kept: they come back sorted.
  std::span<const std::string_view> tags = {};
  std::uint32_t version = 1;  ///< of the type's schema: what upcasters go by
  /// Recognises a repeated append. Nil: the store makes one up, and a repeat is a new event.
  uuid id = {};
  uuid correlation_id = {};
  uuid causation_id = {};
};

/// The same, owning its bytes.
///
/// Not an aggregate, for the reason that config gives.
struct event {
  event() = default;
  event(std::string its_type, std::string its_data)
      : type(std::move(its_type)), data(std::move(its_data)) {}

  std::string type;
  std::string data;
  std::string metadata;
  std::vector<std::string> tags;
  std::uint32_t version = 1;
  uuid id = {};
  uuid correlation_id = {};
  uuid causation_id = {};
};

/// An event as it is in the store. A view: how long its bytes live, whoever gives it says.
struct recorded_event {
  std::string_view stream;
  std::uint64_t revision = 0;         ///< ordinal in its stream, dense, from 0
  std::uint64_t global_position = 0;  ///< ordinal in the store, dense, from 0
  std::string_view type;
  std::string_view data;
  std::string_view metadata;
  std::span<const std::string_view> tags;  ///< sorted
  std::uint32_t version = 1;
  uuid id = {};
  uuid correlation_id = {};
  uuid causation_id = {};
  event_time recorded_at{};  ///< never earlier than the event before
  position at;               ///< of its record in the log

  [[nodiscard]] event to_event() const;
};

}  // namespace nori

#endif
