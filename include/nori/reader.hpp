#ifndef NORI_READER_HPP
#define NORI_READER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <nori/position.hpp>
#include <nori/record.hpp>

namespace nori {

namespace asio = boost::asio;

class cursor;
class log;

/// Up to where a reader sees the log.
enum class visibility : std::uint8_t {
  acknowledged,  ///< what append has acknowledged: durable under always, written under batch and os
  durable,       ///< what survives a power cut; of a log opened read only all that was found
};

struct read_options {
  bool follow = false;  ///< at the end, wait for more instead of ending
  visibility sees = visibility::acknowledged;
  std::size_t read_bytes = std::size_t{256} << 10;  ///< size of one read; 4 KiB to 16 MiB
};

/// Reads a log from a position onwards, across segments, verifying every checksum.
///
/// Any number of readers may read at once; none makes an append wait. A reader keeps the log's
/// files open: it may outlive the wal, and then ends (or, following, throws errc::closed) once it
/// has given everything. Its memory is about twice read_bytes, or the largest record.
///
/// @par Thread safety
/// One call at a time; otherwise a reader may move between threads.
class reader {
 public:
  reader(reader&&) noexcept;
  reader& operator=(reader&&) noexcept;
  ~reader();

  /// The next record, or nothing at the end (never nothing when following).
  ///
  /// The views in the entry live until the next call. A batch that is not complete yet is not
  /// shown.
  /// @throws errc::corruption naming segment and offset; the reader then stays where it is.
  ///   errc::position_not_found where the segment was deleted or no record starts at the position.
  ///   errc::closed when following a log that was closed, or errc::log_failed one that failed, once
  ///   everything was read.
  /// @par Cancellation
  /// Every type: operation_aborted, and the next call goes on with the same record.
  [[nodiscard]] asio::awaitable<std::optional<entry>> next();

  /// The records that are in memory, at least one and at most 256; empty at the end (never empty
  /// when following). Otherwise like next. Calls of both kinds may be mixed.
  [[nodiscard]] asio::awaitable<std::span<const entry>> next_batch();

  /// Where the next record will be looked for. Reading from here later goes on without gap or
  /// repeat.
  [[nodiscard]] position at() const noexcept;

 private:
  friend class log;
  explicit reader(std::unique_ptr<cursor> cursor) noexcept;

  std::unique_ptr<cursor> cursor_;
};

}  // namespace nori

#endif
