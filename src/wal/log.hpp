#ifndef NORI_WAL_LOG_HPP
#define NORI_WAL_LOG_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/strand.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nori/wal.hpp>

#include "engine/group_commit.hpp"
#include "engine/tail.hpp"
#include "engine/zeroing.hpp"
#include "format/segment_header.hpp"
#include "storage/storage.hpp"
#include "wal/blocks.hpp"
#include "wal/segment_set.hpp"
#include "wal/waiter.hpp"

namespace nori {

struct opened_parts;
class log_registry;

/// The log behind wal: performs what the engine decides, and resumes who waited for it.
///
/// Two kinds of state:
/// - what appends and readers touch is guarded by mutex_, held for short copies only, never across
///   a system call or a suspension;
/// - what I/O touches belongs to the strand.
/// A `_locked` function is called with the mutex held; a `_on_strand` one on the strand.
class log : public std::enable_shared_from_this<log> {
 public:
  using shared = std::shared_ptr<log>;
  using stream_offset = engine::stream_offset;

  explicit log(opened_parts parts);
  ~log();

  /// Makes the storage that a log works on; completions are called on the executor.
  using storage_factory = std::function<asio::awaitable<std::shared_ptr<storage::storage>>(
      storage::completion_executor)>;

  static asio::awaitable<wal::opened> open(nori::config options);
  static asio::awaitable<wal::opened> open(nori::config options, storage_factory make_storage);

  /// Starts the background work of a log that may be written. Once, after construction.
  void start();

  // What wal offers; `self` keeps the log alive while the coroutine is suspended.
  static asio::awaitable<position> append(shared self, const record_view& what);
  static asio::awaitable<batch_positions> append_batch(shared self,
                                                       std::span<const record_view> batch,
                                                       std::span<position> positions);
  boost::system::result<position> try_append(const record_view& what) noexcept;
  enum class mark : std::uint8_t {
    appended,  ///< in the buffer
    written,   ///< in a segment
    durable,
    settled,  ///< durable up to the end of a batch
  };
  static asio::awaitable<void> wait_all(shared self, mark which);
  static asio::awaitable<void> wait_for(shared self, mark which, position at);
  static asio::awaitable<void> close(shared self);
  static asio::awaitable<deleted_segments> delete_segments_before(shared self, position before);
  reader read_from(position from, read_options options);

  [[nodiscard]] position current_position() const;
  [[nodiscard]] position durable_position() const;
  [[nodiscard]] position first_position() const;
  [[nodiscard]] const nori::config& config() const noexcept { return config_; }
  [[nodiscard]] nori::backend backend() const noexcept { return storage_->which(); }
  [[nodiscard]] boost::system::error_code failure() const;

  /// The last handle is gone: pending operations end as if cancelled.
  void abandon() noexcept;
  /// Logs of this process that were abandoned and still hold their directory.
  [[nodiscard]] static int winding_down() noexcept;
  /// The execution context goes away: handlers are destroyed without being called.
  void shutdown() noexcept;

  // What the event store needs: to lay records at the very moment at which it has decided on them,
  // and to wait for them afterwards.

  [[nodiscard]] static shared of(const wal& handle) noexcept { return handle.log_; }
  /// Where laid records are.
  struct laid {
    stream_offset begin = 0;
    stream_offset end = 0;
    std::uint32_t last_crc = 0;  ///< of the last frame
  };
  /// Bytes that a batch may take at most, framing included.
  [[nodiscard]] std::uint64_t batch_bytes_max() const noexcept {
    return tail_.frames_bytes_highest();
  }
  /// Lays a batch of at most batch_bytes_max() or does nothing: errc::would_block (then wait_room),
  /// errc::log_failed, errc::closed, errc::read_only. Gives each record's position.
  [[nodiscard]] boost::system::result<laid> lay_now(
      std::span<const format::prepared_record> records, std::uint64_t frames_bytes,
      std::span<position> positions, bool waited) noexcept;
  /// Waits, behind those who waited before, until lay_now may succeed for so many bytes. Throws
  /// what an append would throw; when cancelled operation_aborted.
  static asio::awaitable<void> wait_room(shared self, std::uint64_t frames_bytes);
  /// Waits for laid records as an append does: until durable under always, not at all otherwise.
  /// Cancelling it (terminal, partial) or a failure gives errc::append_in_doubt.
  static asio::awaitable<void> wait_laid(shared self, laid what);
  /// Everything that starts before it is visible.
  [[nodiscard]] position visible_end(visibility sees) const;
  struct segment_info {
    std::uint64_t id = 0;
    std::uint64_t end = 0;  ///< bytes; of the newest segment: as of now
    bool sealed = false;
  };
  [[nodiscard]] std::vector<segment_info> segments() const;
  /// Where a segment ends by now: an offset in it.
  [[nodiscard]] std::uint64_t end_of(std::uint64_t segment_id) const;
  [[nodiscard]] const format::log_id& id() const noexcept { return id_; }
  [[nodiscard]] const std::shared_ptr<storage::storage>& storage_of() const noexcept {
    return storage_;
  }
  /// Throws a code that lay_now gave, with the text that belongs to it.
  [[noreturn]] void throw_error_of(const boost::system::error_code& code) const;

  // What a cursor needs.

  /// What a reader may see of a segment.
  struct view {
    segment_ptr segment;        ///< null: deleted, or not there yet
    std::uint64_t end = 0;      ///< visible bytes of the segment
    bool sealed = false;        ///< all of it is visible and a next segment follows
    std::uint64_t next_id = 0;  ///< with sealed
  };
  /// `id` 0 stands for the oldest segment.
  [[nodiscard]] view view_of(std::uint64_t id, visibility sees) const;
  /// From this offset on, what is visible of a segment is in the buffer; below it, in the file.
  [[nodiscard]] std::uint64_t recent_from(std::uint64_t segment_id) const;
  /// Copies what the buffer still holds of [offset, offset + bytes) of a segment, all or nothing.
  [[nodiscard]] bool copy_recent(std::uint64_t segment_id, std::uint64_t offset, std::byte* to,
                                 std::size_t bytes) const;
  /// Waits until more than `end` bytes of a segment are visible, or it is sealed.
  /// Throws errc::closed or errc::log_failed when that can't happen any more.
  static asio::awaitable<void> wait_visible(shared self, position end, visibility sees);
  [[nodiscard]] asio::awaitable<storage::file_ptr> open_for_reading(segment_ptr segment,
                                                                    storage::open_mode mode) const;
  [[nodiscard]] storage::storage& files() const noexcept { return *storage_; }

 private:
  static asio::awaitable<position> append_at_once(shared self, record_view what);
  static asio::awaitable<position> append_and_wait(shared self, record_view what);
  /// False where the append has to wait, or to be told why it can't be made.
  [[nodiscard]] bool lay_at_once(const record_view& what, position& at);
  friend class log_registry;

  // --- log_append.cpp: laying records into the buffer, waiting
  enum class outcome : std::uint8_t { laid, wait, refused };
  struct lay_request;
  [[nodiscard]] format::prepared_record prepare(const record_view& what,
                                                std::vector<std::byte>& scratch) const;
  [[nodiscard]] boost::system::error_code refusal_locked() const noexcept;
  [[nodiscard]] outcome lay_locked(lay_request& what) noexcept;
  [[nodiscard]] outcome make_room_locked(std::uint64_t frames_bytes) noexcept;
  [[nodiscard]] bool next_has_room_locked(std::uint64_t frames_bytes) const noexcept;
  [[nodiscard]] bool next_is_too_small_locked() const noexcept;
  [[nodiscard]] bool wants_marker_locked() const noexcept;
  void enlist_append_locked(waiter& w, wake_list& wake);
  void lay_waiting_locked(wake_list& wake);
  void after_append_locked();
  template <typename Begin>
  auto suspend(waiter& w, bool cancellable, Begin begin);
  void cancel_waiter(waiter& w, asio::cancellation_type type) noexcept;
  [[nodiscard]] stream_offset mark_locked(mark which) const noexcept;
  [[nodiscard]] waiter_list& waiters_of(mark which) noexcept;
  void enlist_locked(waiter& w, mark which, wake_list& wake);

  // --- log_commit.cpp: writing and syncing
  struct write_slot {
    storage::io_request request;
    std::byte* last_block = nullptr;  ///< copy of the partial block, so that it stands still
    stream_offset from = 0;
    stream_offset to = 0;
    std::uint64_t records = 0;
    bool prepared = false;  ///< its blocks had been written before
    std::chrono::steady_clock::time_point started;
    std::chrono::steady_clock::duration held{};  ///< before, by zeros in flight
  };
  void schedule_drive_locked() noexcept;
  void post_drive_locked() noexcept;
  void drive_on_strand() noexcept;
  storage::io_request& prepare_write_on_strand(const engine::step& what, const segment_ptr& to,
                                               stream_offset base);
  storage::io_request& prepare_sync_on_strand(const segment_ptr& what);
  static void write_completed(storage::io_request& request) noexcept;
  static void sync_completed(storage::io_request& request) noexcept;
  static void zero_completed(storage::io_request& request) noexcept;
  bool continue_short_write(write_slot& slot) noexcept;
  void settle_on_strand() noexcept;
  void collect_satisfied_locked(wake_list& wake);
  void note_batch_end_locked(bool asked) noexcept;
  void want_sync_locked() noexcept;
  void fail_on_strand(const char* operation, boost::system::error_code why) noexcept;
  void io_finished_on_strand();
  void resume_in_place(wake_list& wake) noexcept;
  void throw_later_on_strand(std::exception_ptr what) noexcept;
  void fill_ahead_on_strand();
  void arm_timers_on_strand() noexcept;
  void arm_window_on_strand();
  void arm_idle_on_strand();
  void ask_again_on_strand() noexcept;
  void report_metrics_on_strand();

  // --- log_segments.cpp: deleting segments
  class maintenance_turn;
  asio::awaitable<deleted_segments> delete_before(std::uint64_t segment_id);
  asio::awaitable<void> wait_header_durable(std::uint64_t segment_id);

  // --- log_keeper.cpp: preparing segments, closing, letting go; one at a time
  enum class chore : std::uint8_t { none, prepare, grow, finish };
  static asio::awaitable<void> keep(shared self);
  [[nodiscard]] chore due_chore_locked() const noexcept;
  [[nodiscard]] chore next_chore_locked() const noexcept;
  [[nodiscard]] bool may_finish_locked() const noexcept;
  void wake_keeper_locked(wake_list& wake) noexcept;
  void release_maintenance_locked(wake_list& wake) noexcept;
  void request_next_segment_locked() noexcept;
  void request_growth_locked() noexcept;
  asio::awaitable<void> make_next_segment();
  asio::awaitable<void> grow_active_segment();
  void preparation_ended_on_strand(chore which, const boost::system::error_code& why) noexcept;
  [[nodiscard]] bool fits_allocation_locked(std::uint64_t frames_bytes) const noexcept;
  [[nodiscard]] std::uint64_t waiting_frames_bytes_locked() const noexcept;
  [[nodiscard]] std::uint64_t waiting_frames_bytes() const;
  asio::awaitable<void> finish();
  asio::awaitable<void> lay_closing_mark();
  asio::awaitable<void> release_directory(bool tidy);

  /// Counts the logs that were abandoned until they have let go of everything: it goes last.
  class winding {
   public:
    ~winding();
    void begin() noexcept;
    void end() noexcept;

   private:
    bool begun_ = false;
  };
  winding winding_;

  const nori::config config_;
  storage::completion_executor strand_;
  const asio::any_io_executor home_;  ///< what the strand runs on
  asio::execution_context* const context_;
  const std::shared_ptr<storage::storage> storage_;
  const std::unique_ptr<storage::ring_memory> ring_;
  storage::clock* const clock_;  ///< null: the system's
  const bool synchronous_;
  const std::uint64_t piece_bytes_;  ///< of unsynced writes
  const bool opened_closed_;         ///< it ended with the mark of a clean close when it was opened

  mutable std::mutex mutex_;
  engine::tail tail_;
  engine::group_commit commit_;
  segment_set segments_;
  waiter_list durable_waiters_;
  waiter_list written_waiters_;
  waiter_list appended_waiters_;  ///< readers that follow what is only appended
  waiter_list settled_waiters_;   ///< readers that follow what is durable
  waiter_list room_waiters_;      ///< appends, in order
  boost::system::error_code failure_;
  std::string failure_text_;
  /// Made when there was memory for it: who is in doubt must hear it in any case.
  const std::exception_ptr in_doubt_;
  std::uint64_t durable_sequence_ = 0;  ///< last one known durable
  stream_offset settled_ = 0;           ///< the end of a batch, durable
  /// The end of a batch, and the sequence there.
  struct batch_end {
    stream_offset at = 0;
    std::uint64_t sequence = 0;
    bool asked = false;  ///< somebody wants it to be durable
  };
  std::vector<batch_end> batch_ends_;  ///< oldest first
  segment_ptr next_;                   ///< prepared and ready to be begun, or null
  /// Segments that are being written or will be: front is where submitted() lies.
  std::vector<segment_ptr> writing_;
  /// An append that moves the head up to here wakes the strand.
  stream_offset kick_at_ = 0;
  bool drive_posted_ = false;
  bool drive_wanted_ = false;  ///< posted for more than a timer
  storage::handler_memory_of<128> drive_memory_;
  bool next_wanted_ = false;  ///< a next segment, from its request until it is there
  /// Frames of an append that waits for nothing, for which the next segment had too few blocks.
  std::uint64_t next_frames_bytes_ = 0;
  bool growth_wanted_ = false;                  ///< more blocks for the newest segment
  boost::system::error_code allocation_error_;  ///< why there is no next segment
  bool closing_ = false;
  bool closed_ = false;
  bool abandoned_ = false;
  bool window_armed_ = false;   ///< the timer runs, or is to be started
  bool window_wanted_ = false;  ///< it is to be started
  bool asks_again_ = false;     ///< after a while, for what there was no memory for
  // Not yet reported to the meter.
  std::uint64_t records_unreported_ = 0;
  std::uint64_t bytes_appended_ = 0;
  std::uint64_t records_appended_ = 0;  ///< since the last write was submitted
  std::uint64_t rotations_ = 0;

  // The strand's.
  std::array<write_slot, engine::group_commit::writes_in_flight_max> slots_;
  const unique_blocks last_blocks_;
  storage::io_request sync_request_;
  std::chrono::steady_clock::duration last_write_took_{};
  std::chrono::steady_clock::time_point sync_started_;
  // Zeros ahead of the head: a synchronous write into blocks that were written before commits no
  // metadata.
  engine::zeroing zeroing_;
  storage::io_request zero_request_;
  bool zero_in_flight_ = false;
  /// Since when there is something to write behind the zeros in flight, and nothing else to wait
  /// for.
  std::optional<std::chrono::steady_clock::time_point> held_since_;
  segment_ptr zero_segment_;
  storage::timer window_timer_;
  storage::timer idle_timer_;
  storage::timer again_timer_;
  std::exception_ptr thrown_;  ///< by somebody's completion handler; on its way out
  storage::handler_memory_of<128> throw_memory_;
  bool idle_armed_ = false;
  stream_offset idle_head_ = 0;
  const format::log_id id_;  ///< that of identity_, which is maintenance's alone
  format::log_identity identity_;
  bool maintenance_busy_ = false;
  bool keeper_has_turn_ = false;  ///< it was given the turn, and has not begun yet
  waiter_list maintenance_waiters_;
  std::vector<std::string> spares_;  ///< files of retired segments, to be used again
  waiter_list keeper_waiters_;       ///< the coroutine that does the chores, while there is none
  bool closing_mark_laid_ = false;
  boost::system::error_code close_error_;
  waiter_list close_waiters_;
  waiter_list quiet_waiters_;  ///< for no I/O in flight
  std::size_t io_in_flight_ = 0;
  bool context_gone_ = false;
  bool registered_ = false;
  /// Set while I/O is in flight, so that its buffers live.
  shared keep_alive_;
};

/// What recovery hands over to the log.
struct opened_parts {
  nori::config config;
  storage::completion_executor strand;
  std::shared_ptr<storage::storage> storage;
  std::unique_ptr<storage::ring_memory> ring;
  engine::tail tail;
  segment_set segments;
  format::log_identity identity;
  segment_ptr active;  ///< null when the first append begins a segment
  bool closed;         ///< the log ends with the mark of a clean close
};

}  // namespace nori

#endif
