#ifndef NORI_STORE_EVENT_STORE_HPP
#define NORI_STORE_EVENT_STORE_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/store/append.hpp>
#include <nori/store/derived.hpp>
#include <nori/store/event.hpp>
#include <nori/store/reading.hpp>
#include <nori/wal.hpp>

namespace nori {

/// How a store is opened. A bad value is refused with errc::invalid_config and its name.
///
/// Not an aggregate, for the reason that config gives.
struct store_config {
  store_config() = default;
  explicit store_config(std::filesystem::path directory) : log(std::move(directory)) {}

  /// Of the log underneath: directory, fsync policy, sizes, backend, meter.
  nori::config log;
  /// Pages of index files that are kept in memory. At least 1 MiB.
  std::size_t index_cache_bytes = std::size_t{64} << 20;
  /// The ids of this many of the newest events are remembered, to recognise a repeated append that
  /// expects `any` revision, or `stream_exists`. Reopening remembers, of these, those in the newest
  /// segments, back to config::buffer_bytes_max before the end of the log at least: whatever was in
  /// doubt when the process ended is among them.
  std::size_t repeat_window_events = 65536;
  /// Gives the time of events; the system's clock unless it is set. For tests.
  std::function<event_time()> clock;
};

/// What opening a store found and did.
struct store_recovery_info {
  recovery_info log;
  std::uint64_t events = 0;                 ///< in the store
  std::uint64_t first_global_position = 0;  ///< not 0 where older ones were deleted
  std::uint64_t next_global_position = 0;   ///< of the next event
  std::uint64_t indexes_to_rebuild = 0;     ///< lost, damaged or stale; done in the background
};

/// The newest event of a stream.
struct stream_head {
  std::string stream;
  std::uint64_t revision = 0;
};

/// Streams of events in a log.
///
/// The log is the truth; what else is kept (indexes, snapshots, checkpoints) is derived from it or
/// says how far somebody has read.
///
/// @par Thread safety
/// Every member function is safe to call from any thread and from coroutines on any execution
/// context, also at the same time. A coroutine resumes on its own executor. The store does its work
/// on the executor of the coroutine that opened it, whose context must be run and must outlive the
/// store.
/// @par Destruction
/// As for wal: destroying a store that was not closed is like a killed process.
/// @par Errors
/// Exceptions are boost::system::system_error, as for wal. A conflict is a value.
class event_store {
 public:
  struct opened;

  /// Opens the store in a directory, creates it where there is none, and recovers it.
  /// @par Durability
  /// As wal::open.
  /// @throws as wal::open; errc::not_an_event where the log holds records that no store wrote.
  [[nodiscard]] static asio::awaitable<opened> open(store_config options);

  event_store() noexcept;
  event_store(event_store&&) noexcept;
  event_store& operator=(event_store&&) noexcept;
  ~event_store();

  /// Appends events to a stream, all of them or none.
  ///
  /// A repeated append is recognised by the ids of its events: with `exact` and `no_stream` when
  /// the events behind the expected revision are these very ones, with `any` and `stream_exists`
  /// within store_config::repeat_window_events. It gives the result of the first.
  ///
  /// @returns what was done, or the conflict. A conflict is reported once what was found is as
  ///   durable as the policy makes an append.
  /// @par Durability
  /// As wal::append: under fsync_policy::always success means durable, under batch and os written.
  /// Waits where the index of an older segment is behind, so that memory stays bounded.
  /// @throws errc::invalid_event naming what is wrong with a name, a tag or a size, errc::
  ///   record_too_large, errc::batch_too_large, errc::closed, errc::no_space, errc::read_only,
  ///   errc::log_failed: nothing was appended. errc::append_in_doubt: it may or may not be.
  /// @par Cancellation
  /// Before the events are in the buffer, every type gives operation_aborted: nothing was appended.
  /// Afterwards terminal and partial cancellation end the wait with errc::append_in_doubt.
  [[nodiscard]] asio::awaitable<append_result> append(std::string_view stream,
                                                      expected_revision expected,
                                                      std::span<const event_view> events);
  /// One event.
  [[nodiscard]] asio::awaitable<append_result> append(std::string_view stream,
                                                      expected_revision expected, event_view what);
  /// Events that own their bytes; `events` must live until this completes.
  [[nodiscard]] asio::awaitable<append_result> append(std::string_view stream,
                                                      expected_revision expected,
                                                      std::span<const event> events);
  /// Several streams and conditions.
  [[nodiscard]] asio::awaitable<append_result> append(append_request what);

  /// The events of a stream. A stream that does not exist has none.
  ///
  /// `from` and the order are in revisions; the filter's prefix is not looked at. Does no I/O: an
  /// error is reported by the reader's first call.
  [[nodiscard]] event_reader read_stream(std::string stream, read_events how = {}) const;

  /// All events, in the order of their global positions.
  [[nodiscard]] event_reader read_all(read_events how = {}) const;

  /// The newest revision of a stream; none where it has never had an event. Sees what an append
  /// would see.
  /// @par Cancellation
  /// Terminal: operation_aborted. The same holds for the functions below that say nothing.
  [[nodiscard]] asio::awaitable<std::optional<std::uint64_t>> head(std::string stream) const;

  /// Streams whose names begin with `prefix`, in the order of their names, from the first one
  /// behind `after` on: `limit` of them, 100 000 at most.
  [[nodiscard]] asio::awaitable<std::vector<stream_head>> streams(std::string prefix,
                                                                  std::string after = {},
                                                                  std::size_t limit = 1000) const;

  /// The global position of the last event that was recorded at or before `when`; none: there is
  /// no such event.
  [[nodiscard]] asio::awaitable<std::optional<std::uint64_t>> position_at(event_time when) const;

  /// The global position that the next event will get.
  [[nodiscard]] std::uint64_t next_global_position() const;
  /// Of the oldest event that is still there (or the next one).
  [[nodiscard]] std::uint64_t first_global_position() const;
  /// Events before this global position are durable.
  [[nodiscard]] std::uint64_t durable_global_position() const;

  /// Events as they come. Does no I/O.
  [[nodiscard]] subscription subscribe(subscribe_options how = {}) const;

  /// Keeps `through` under a name, replacing what was there. Durable when this returns, and so is
  /// every event up to `through`.
  ///
  /// A name is 1 to 100 bytes of letters, digits, '-', '_' and '.', not beginning with '.'.
  /// @throws errc::invalid_event for a bad name, errc::read_only, or the operating system's error,
  ///   in which case the old one is still there.
  [[nodiscard]] asio::awaitable<void> save_checkpoint(std::string name, std::uint64_t through);
  /// The checkpoint of that name; none where there is none, it is damaged, or names an event that
  /// is not in the store (all of which the meter counts): begin from the start.
  [[nodiscard]] asio::awaitable<std::optional<std::uint64_t>> load_checkpoint(
      std::string name) const;
  /// No error where there is none.
  [[nodiscard]] asio::awaitable<void> remove_checkpoint(std::string name);

  /// Keeps what was made of the events up to a global position, together with that position, under
  /// a name, replacing what was there: all of it or nothing. For projections. Names and errors are
  /// those of checkpoints, of which these are apart. Durable when this returns, with the events.
  [[nodiscard]] asio::awaitable<void> save_derived(std::string name, derived what);
  /// None under the same circumstances as load_checkpoint.
  [[nodiscard]] asio::awaitable<std::optional<derived>> load_derived(std::string name) const;
  /// No error where there is none.
  [[nodiscard]] asio::awaitable<void> remove_derived(std::string name);

  /// Waits until every event appended so far is durable.
  [[nodiscard]] asio::awaitable<void> sync();

  /// Deletes old events, in whole segments: those whose events all lie before `global_position`.
  /// Revisions and global positions are never used again.
  [[nodiscard]] asio::awaitable<deleted_segments> delete_before(std::uint64_t global_position);

  /// Makes everything durable, keeps the indexes, and releases the directory.
  [[nodiscard]] asio::awaitable<void> close();

  [[nodiscard]] const store_config& config() const noexcept;
  [[nodiscard]] nori::backend backend() const noexcept;
  /// Why the log failed, or success.
  [[nodiscard]] boost::system::error_code failure() const;

 private:
  friend class store::core;
  explicit event_store(std::shared_ptr<store::core> behind) noexcept;

  std::shared_ptr<store::core> core_;
};

/// What opening gives: the store and what its recovery found.
struct event_store::opened {
  event_store store;
  store_recovery_info recovered;
};

}  // namespace nori

#endif
