#ifndef NORI_STORE_SNAPSHOTS_HPP
#define NORI_STORE_SNAPSHOTS_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nori/config.hpp>
#include <nori/meter.hpp>
#include <nori/store/event.hpp>

namespace nori {

namespace asio = boost::asio;

/// What a stream's events added up to at a revision.
///
/// Not an aggregate, for the reason that config gives.
struct snapshot {
  snapshot() = default;

  std::string stream;
  /// Of the last event in it, as are the next two.
  std::uint64_t revision = 0;
  std::uint64_t global_position = 0;
  /// Tells it from another event that got this revision after the log lost its end.
  uuid event_id = {};
  std::uint32_t schema_version = 1;  ///< of the data; the user's own
  event_time recorded_at{};          ///< when it was saved
  std::string data;                  ///< any bytes
};

/// A snapshot that was passed over.
struct ignored_snapshot {
  enum class reason : std::uint8_t {
    damaged,       ///< truncated, altered, or no snapshot at all
    unsupported,   ///< written by a later version of nori
    other_stream,  ///< the file is that of a stream with the same hash
    other_schema,
    too_new,    ///< its revision lies past what was asked for
    too_large,  ///< for snapshot_config::bytes_max
    unreadable  ///< the operating system said so
  };
  ignored_snapshot() = default;
  ignored_snapshot(reason its_why, std::string its_file, std::string its_text)
      : why(its_why), file(std::move(its_file)), text(std::move(its_text)) {}

  reason why = reason::damaged;
  std::string file;  ///< its name in the directory
  std::string text;  ///< one sentence
};

struct found_snapshot {
  found_snapshot() = default;

  std::optional<snapshot> latest;
  std::vector<ignored_snapshot> ignored;  ///< newer than `latest`, or unusable
};

/// How snapshots are kept. A bad value is refused with errc::invalid_config and its name.
///
/// Not an aggregate, for the reason that config gives.
struct snapshot_config {
  snapshot_config() = default;
  explicit snapshot_config(std::filesystem::path directory) : dir(std::move(directory)) {}

  /// Created with mode 0700 when missing (its parent must exist). For snapshots alone.
  std::filesystem::path dir = "snapshots";
  std::size_t keep = 2;                           ///< of each stream; 1 to 8
  std::size_t bytes_max = std::size_t{64} << 20;  ///< of one, as it is in its file
  std::shared_ptr<nori::meter> meter;             ///< or null
  /// As config::storage.
  std::shared_ptr<nori::storage_source> storage;
};

namespace store {
class snapshot_files;
}

/// Snapshots of streams in a directory of its own: a way to begin reading a stream near its end.
///
/// They are never authoritative: whatever is wrong with one, it is passed over, and the events
/// tell. Opening costs the same however many there are; a stream has `keep` files, whose names are
/// made of a hash of its name (SNAPSHOT.md).
///
/// @par Thread safety
/// Every function is safe to call from any thread, also at the same time. Files are read and
/// written on threads of its own.
/// @par Cancellation
/// Terminal: ends with operation_aborted between two steps. What was there is still there, or the
/// new snapshot is.
class snapshot_store {
 public:
  /// @throws errc::locked where another opener has the directory, errc::insecure_directory, errc::
  ///   invalid_config, or the operating system's error.
  [[nodiscard]] static asio::awaitable<snapshot_store> open(snapshot_config options);

  /// None: may only be assigned to and destroyed.
  snapshot_store() noexcept;
  snapshot_store(snapshot_store&&) noexcept;
  snapshot_store& operator=(snapshot_store&&) noexcept;
  ~snapshot_store();

  /// Keeps a snapshot, in place of a damaged one of its stream or the oldest.
  ///
  /// `recorded_at` is set to now.
  /// @par Durability
  /// Durable when this returns. A crash leaves the one that it replaces, or this one.
  /// @throws errc::invalid_event for a bad stream name and data larger than bytes_max, or the
  ///   operating system's error (such as a full disk): what was there is still there.
  [[nodiscard]] asio::awaitable<void> save(snapshot what);

  /// The latest valid one with this schema version, up to a revision.
  ///
  /// Never throws for what is in the files: what can't be used is ignored, reported, and counted.
  [[nodiscard]] asio::awaitable<found_snapshot> load(std::string stream,
                                                     std::uint32_t schema_version,
                                                     std::uint64_t at_most_revision = UINT64_MAX);

  /// Removes a stream's snapshots. No error where there are none.
  /// @par Durability
  /// Durable when this returns.
  [[nodiscard]] asio::awaitable<void> remove(std::string stream);

 private:
  explicit snapshot_store(std::shared_ptr<store::snapshot_files> files) noexcept;

  std::shared_ptr<store::snapshot_files> files_;
};

}  // namespace nori

#endif
