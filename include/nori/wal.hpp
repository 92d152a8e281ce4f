#ifndef NORI_WAL_HPP
#define NORI_WAL_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/system/result.hpp>

#include <cstdint>
#include <memory>
#include <span>

#include <nori/config.hpp>
#include <nori/error.hpp>
#include <nori/meter.hpp>
#include <nori/position.hpp>
#include <nori/reader.hpp>
#include <nori/record.hpp>
#include <nori/recovery_info.hpp>

namespace nori {

namespace asio = boost::asio;

class log;

/// Where the records of a batch start.
struct batch_positions {
  position first;
  position last;
};

/// What delete_segments_before removed.
struct deleted_segments {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;
};

/// A segmented write-ahead log in a directory of its own.
///
/// @par Thread safety
/// Every member function is safe to call from any thread and from coroutines on any execution
/// context, also at the same time. A coroutine resumes on its own executor. The log does its work
/// on the executor of the coroutine that opened it, whose context must outlive the log; no function
/// blocks the caller's thread.
/// @par Destruction
/// Destroying a log that was not closed is like a killed process, except that what was submitted is
/// completed: pending operations end as if cancelled, and the next open recovers.
/// @par Errors
/// Exceptions are boost::system::system_error. After a failed write or sync every append, flush,
/// sync and wait for something that was not durable before throws errc::log_failed; failure() has
/// the cause.
class wal {
 public:
  struct opened;

  /// Opens the log in `config.dir`, creates it where there is none, and recovers it.
  ///
  /// @par Durability
  /// Everything that recovery found is durable before this returns (unless access::read_only).
  /// @throws errc::invalid_config, errc::locked, errc::corruption, errc::unsupported_format,
  ///   errc::insecure_directory, errc::backend_unavailable, errc::no_space, or the operating
  ///   system's error. After a refusal nothing on disk has changed.
  /// @par Cancellation
  /// Terminal: ends with operation_aborted between two steps of recovery; opening again is safe.
  [[nodiscard]] static asio::awaitable<opened> open(config options);

  /// No log: may only be assigned to and destroyed. (A future's result has to begin somewhere.)
  wal() noexcept;
  wal(wal&&) noexcept;
  wal& operator=(wal&&) noexcept;
  ~wal();

  /// Appends one record.
  ///
  /// While the buffer has room the bytes are copied before the coroutine first suspends; where it
  /// has none, the append waits its turn, and `what` must live until it completes. Appends that
  /// arrive while a sync is in flight share the next one.
  ///
  /// @returns where the record starts.
  /// @par Durability
  /// Under fsync_policy::always success means that this record, and every record before it,
  /// survives a power cut on a device that honours flush. Under batch and os it means written.
  /// @throws system_error with
  ///   - errc::record_too_large, errc::closed, errc::no_space, errc::read_only: nothing was
  ///   written (of no_space: a smaller one that came later and still fits may be);
  ///   - errc::log_failed: an earlier write or sync failed; nothing was written;
  ///   - errc::append_in_doubt: this record's own write or sync failed.
  /// @par Cancellation
  /// Before the record's group commit is submitted, every type of cancellation gives
  /// operation_aborted: nothing was written. Afterwards terminal and partial cancellation end the
  /// wait with errc::append_in_doubt: recovery may or may not find the record; total cancellation
  /// has no effect.
  [[nodiscard]] asio::awaitable<position> append(record_view what);

  /// Appends several records that survive together or not at all, in one segment.
  ///
  /// `batch` and, where given, `positions` (of the same length; filled in before the first
  /// suspension at the earliest) must live until this completes. An empty batch is errc::
  /// invalid_config. Otherwise like append.
  /// @throws in addition errc::batch_too_large: nothing was written.
  [[nodiscard]] asio::awaitable<batch_positions> append_batch(std::span<const record_view> batch,
                                                              std::span<position> positions = {});

  /// Appends one record without ever waiting.
  ///
  /// The result is errc::would_block when the buffer is full or the next segment is not ready, and
  /// otherwise as for append. Success means written under batch and os; under always it means
  /// accepted: wait_written or wait_durable tell when it is more.
  [[nodiscard]] boost::system::result<position> try_append(record_view what) noexcept;

  /// Waits until every record appended so far is in its segment.
  /// @par Cancellation
  /// Terminal and partial: ends the wait with operation_aborted; the work goes on.
  [[nodiscard]] asio::awaitable<void> flush();

  /// Waits until every record appended so far is durable; under batch and os this starts a sync.
  /// @par Cancellation
  /// As flush.
  [[nodiscard]] asio::awaitable<void> sync();

  /// Waits until the record at `at` is written: it survives a killed process.
  /// @throws errc::position_not_found where `at` lies behind the end of the log.
  /// @par Cancellation
  /// As flush.
  [[nodiscard]] asio::awaitable<void> wait_written(position at);

  /// Waits until the record at `at` is durable: it survives a power cut. Starts no sync of its own:
  /// under os it waits for somebody's sync(), a rotation, or close().
  /// @throws errc::position_not_found where `at` lies behind the end of the log.
  /// @par Cancellation
  /// As flush.
  [[nodiscard]] asio::awaitable<void> wait_durable(position at);

  /// Where the log ends: every record appended so far lies before it. The next record may start
  /// there, later in the same segment, or in the next one.
  [[nodiscard]] position current_position() const;

  /// Every record that starts before this position is durable.
  [[nodiscard]] position durable_position() const;

  /// The start of the oldest segment.
  [[nodiscard]] position first_position() const;

  /// A reader that starts with the record at `from`, or with the oldest one for position{}. Does no
  /// I/O: a bad position is reported by the reader's first call.
  [[nodiscard]] reader read_from(position from, read_options options = {}) const;

  /// Deletes every segment that lies entirely before `before`; the active segment stays.
  ///
  /// Under always and batch, everything before `before` is durable in newer segments or given up
  /// by the caller: deleting is durable when this returns. Readers that are in a deleted segment
  /// read it to its end. Waits until the first segment that stays has begun to be durable, under os
  /// and batch by a sync: recovery begins there.
  /// @throws errc::log_failed, errc::closed, errc::read_only, or the operating system's error, in
  ///   which case the oldest segments may be gone and the rest is intact.
  /// @par Cancellation
  /// Terminal: between two segments.
  [[nodiscard]] asio::awaitable<deleted_segments> delete_segments_before(position before);

  /// Makes everything durable, marks the end, and releases the directory. Pending appends complete
  /// first; new ones get errc::closed. Closing a closed log does nothing.
  /// @throws errc::log_failed where something acknowledged can't be made durable.
  /// @par Cancellation
  /// None.
  [[nodiscard]] asio::awaitable<void> close();

  [[nodiscard]] const nori::config& config() const noexcept;
  /// The backend in use: never automatic.
  [[nodiscard]] nori::backend backend() const noexcept;
  /// Why the log failed, or success.
  [[nodiscard]] boost::system::error_code failure() const;

 private:
  friend class log;
  explicit wal(std::shared_ptr<log> log) noexcept;

  std::shared_ptr<log> log_;
};

/// What opening gives: the log and what its recovery found.
struct wal::opened {
  wal log;
  recovery_info recovered;
};

}  // namespace nori

#endif
