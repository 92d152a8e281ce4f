#ifndef NORI_RECORD_HPP
#define NORI_RECORD_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nori/position.hpp>

namespace nori {

/// How a value is packed in the log. Keys are never compressed.
enum class compression : std::uint8_t { none = 0, lz4 = 1, zstd = 2 };

/// A caller's own ordering of records, stored as given (for replication or vector clocks).
struct record_version {
  std::uint64_t term = 0;
  std::uint64_t index = 0;

  friend constexpr auto operator<=>(const record_version&, const record_version&) = default;
};

/// What is appended: a key and a value, both arbitrary bytes, with optional attributes.
///
/// A view: it owns nothing. The bytes must live until the append has completed.
struct record_view {
  std::string_view key = {};
  std::string_view value = {};
  bool tombstone = false;  ///< the key was deleted
  /// Counted from the append; stored and reported, and never acted upon by the log.
  std::optional<std::chrono::milliseconds> time_to_live = {};
  compression compress = compression::none;  ///< a value that does not shrink is stored as it is
  std::optional<record_version> version = {};
};

/// The same, owning its bytes.
///
/// Not an aggregate, for the reason that config gives.
struct record {
  record() = default;
  record(std::string its_key, std::string its_value)
      : key(std::move(its_key)), value(std::move(its_value)) {}

  std::string key;
  std::string value;
  bool tombstone = false;
  std::optional<std::chrono::milliseconds> time_to_live = {};
  compression compress = compression::none;
  std::optional<record_version> version = {};

  [[nodiscard]] static record put(std::string key, std::string value) {
    return {std::move(key), std::move(value)};
  }
  [[nodiscard]] static record put_with_ttl(std::string key, std::string value,
                                           std::chrono::milliseconds time_to_live) {
    record made(std::move(key), std::move(value));
    made.time_to_live = time_to_live;
    return made;
  }
  [[nodiscard]] static record remove(std::string key) {
    record made(std::move(key), {});
    made.tombstone = true;
    return made;
  }
  [[nodiscard]] record with_compression(compression how) && {
    compress = how;
    return std::move(*this);
  }

  operator record_view() const noexcept {  // NOLINT: a record is a record_view that owns
    return {key, value, tombstone, time_to_live, compress, version};
  }
};

/// One record as a reader gives it. The views live until the reader's next call.
struct entry {
  position at;    ///< where this record starts
  position next;  ///< where reading goes on behind it: a position to store as "done up to here"
  /// Ordinal of the frame in the log. It rises from record to record, not always by one.
  std::uint64_t sequence = 0;
  std::string_view key;
  std::string_view value;  ///< decompressed
  bool tombstone = false;
  bool ends_batch = true;  ///< false where the next record belongs to the same batch
  /// Not compressed on disk although compression was asked for, because it would not have shrunk.
  bool stored_uncompressed = false;
  compression compress = compression::none;  ///< what the append asked for
  std::optional<std::chrono::milliseconds> time_to_live;
  /// The append's wall-clock time plus time_to_live, to the millisecond; only with time_to_live.
  std::optional<std::chrono::system_clock::time_point> expires_at;
  std::optional<record_version> version;

  [[nodiscard]] nori::record to_record() const {
    nori::record made{std::string(key), std::string(value)};
    made.tombstone = tombstone;
    made.time_to_live = time_to_live;
    made.compress = compress;
    made.version = version;
    return made;
  }
};

}  // namespace nori

#endif
