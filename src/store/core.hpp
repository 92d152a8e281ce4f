#ifndef NORI_STORE_CORE_HPP
#define NORI_STORE_CORE_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/store/event_store.hpp>

#include "format/record_codec.hpp"
#include "storage/workers.hpp"
#include "store/derived_files.hpp"
#include "store/page_cache.hpp"
#include "store/part.hpp"
#include "store/repeat_window.hpp"
#include "store/waiting_room.hpp"
#include "wal/log.hpp"

namespace nori::store {

class append_operation;

/// The store behind event_store.
///
/// The mutex guards the parts, the newest index and what the next event gets; it is held for short
/// work in memory only, never across a suspension. The log's mutex may be taken inside it.
class core : public std::enable_shared_from_this<core> {
 public:
  using shared = std::shared_ptr<core>;

  core(store_config options, wal log, asio::any_io_executor home);
  ~core();

  static asio::awaitable<event_store::opened> open(store_config options);

  // What event_store offers. What views refer to must live until the coroutine completes.

  /// One stream, or several with conditions.
  struct append_input {
    explicit append_input(append_request::part only) : one(only) {}
    append_input(append_request::part only, const event_view& its_event)
        : one(only), single(its_event), is_single(true) {}
    explicit append_input(append_request several) : many(std::move(several)), is_many(true) {}

    append_request::part one;
    event_view single;
    append_request many;
    bool is_single = false;
    bool is_many = false;

    [[nodiscard]] std::span<const append_request::part> parts() {
      if (is_single) one.events = {&single, 1};
      return is_many ? std::span<const append_request::part>(many.parts())
                     : std::span<const append_request::part>(&one, 1);
    }
  };
  static asio::awaitable<append_result> append(shared self, append_input what);
  static asio::awaitable<append_result> append_owned(shared self, std::string_view stream,
                                                     expected_revision expected,
                                                     std::span<const event> events);
  static asio::awaitable<std::optional<std::uint64_t>> head(shared self, std::string stream);
  static asio::awaitable<std::vector<stream_head>> streams(shared self, std::string prefix,
                                                           std::string after, std::size_t limit);
  static asio::awaitable<std::optional<std::uint64_t>> position_at(shared self, event_time when);
  static asio::awaitable<deleted_segments> delete_before(shared self, std::uint64_t global);
  static asio::awaitable<void> save_checkpoint(shared self, std::string name,
                                               std::uint64_t through);
  static asio::awaitable<std::optional<std::uint64_t>> load_checkpoint(shared self,
                                                                       std::string name);
  static asio::awaitable<void> remove_checkpoint(shared self, std::string name);
  static asio::awaitable<void> save_derived(shared self, std::string name, nori::derived what);
  static asio::awaitable<std::optional<nori::derived>> load_derived(shared self, std::string name);
  static asio::awaitable<void> remove_derived(shared self, std::string name);
  static asio::awaitable<void> close(shared self);
  /// The last handle is gone.
  void abandon() noexcept;

  [[nodiscard]] std::uint64_t next_global() const;
  [[nodiscard]] std::uint64_t first_global() const;
  /// Events before this global position may be seen.
  [[nodiscard]] std::uint64_t visible_end(visibility sees) const;
  [[nodiscard]] const store_config& config() const noexcept { return config_; }
  [[nodiscard]] const std::shared_ptr<log>& log_of() const noexcept { return log_; }
  [[nodiscard]] storage::storage& files() const noexcept { return log_->files(); }
  [[nodiscard]] bool writable() const noexcept { return config_.log.access == access::read_write; }
  /// It was closed, or its last handle is gone.
  [[nodiscard]] bool stopping() const {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }
  [[nodiscard]] bool closing() const {
    const std::lock_guard lock(mutex_);
    return closing_;
  }
  [[nodiscard]] meter* measures() const noexcept { return config_.log.meter.get(); }
  /// Events that a reader got, and what became of the index pages it asked for.
  void measure_reading(std::size_t events) const;

  // What readers need.

  [[nodiscard]] part_list parts() const;
  [[nodiscard]] std::uint64_t end_of(const part& which) const;
  /// A part as it is now.
  struct part_now {
    std::shared_ptr<memory_index> memory;
    index_file_ptr index;
    std::uint64_t first_global = 0;
    std::uint64_t end_global = 0;
    std::uint64_t end_offset = 0;
  };
  /// Its index may be lost: neither in memory nor in a file.
  [[nodiscard]] part_now part_as_it_is(const part& which) const;
  /// The same for several at one time, replacing what `now` holds.
  void parts_as_they_are(std::span<const part_ptr> which, std::vector<part_now>& now) const;
  /// With an index: waits for it to be made again where it was lost.
  static asio::awaitable<part_now> indexed(shared self, part_ptr which);
  /// Where an event of a part lies in its segment.
  static asio::awaitable<std::uint32_t> offset_of(shared self, part_ptr which,
                                                  std::uint64_t global);
  /// The index of a part was found damaged: it is dropped and made again.
  void lose_index(const part_ptr& which, const index_file* damaged);
  /// The same for that of these parts whose index is the file of that name.
  void lose_index_named(const part_list& parts, const std::string& file);
  /// What an index in memory has of a key, or of all events; of a part that grows as of now.
  [[nodiscard]] std::optional<memory_index::key> key_in(const memory_index& memory, key_kind kind,
                                                        std::string_view name) const;
  [[nodiscard]] std::span<const std::uint32_t> offsets_of(const memory_index& memory) const;
  /// As match_in_memory, of a part that may grow.
  [[nodiscard]] std::unique_ptr<class offset_source> match_in_growing(const memory_index& memory,
                                                                      const query& what,
                                                                      direction order) const;
  /// The file of the part's segment, for buffered reading.
  static asio::awaitable<storage::file_ptr> data_of(shared self, part_ptr which);
  /// The same, if it is open.
  [[nodiscard]] storage::file_ptr try_data(part& which);
  /// Waits until an event at or behind `global` is visible.
  static asio::awaitable<void> wait_visible(shared self, std::uint64_t global, visibility sees);
  /// Where to begin reading the log to come to an event that exists: there, or before it.
  static asio::awaitable<position> locate(shared self, std::uint64_t global);

 private:
  friend class append_operation;
  friend class opening;

  [[nodiscard]] part_now now_locked(const part& which) const;
  [[nodiscard]] std::uint64_t visible_end_locked(visibility sees) const;
  [[nodiscard]] bool believes(derived_verdict verdict, std::uint64_t through) const;
  void measure_append(meter& to, std::span<const append_request::part> parts,
                      std::chrono::steady_clock::time_point begun) const;

  // --- indexing.cpp: indexes that come to be, and go
  void begin_part_locked(std::uint64_t segment_id);
  void request_indexing();
  static asio::awaitable<void> keep_indexes(shared self);
  [[nodiscard]] static bool describe(const std::exception_ptr& what, std::string& into) noexcept;
  static asio::awaitable<void> repair(shared self);
  /// The next part that wants work; null: none.
  [[nodiscard]] part_ptr part_to_index() const;
  static asio::awaitable<void> write_index(shared self, part_ptr of);
  static asio::awaitable<void> remake_index(shared self, part_ptr of);
  static asio::awaitable<void> store_index(shared self, part_ptr of,
                                           std::shared_ptr<memory_index> from);
  static asio::awaitable<void> scan(shared self, std::shared_ptr<memory_index> into, position from,
                                    position end);
  static asio::awaitable<void> keep_newest(shared self);
  static asio::awaitable<void> merge_newest(shared self);
  static asio::awaitable<index_file_ptr> written_index(shared self, part_ptr of);
  static asio::awaitable<void> retire_heads(shared self, std::vector<part_ptr> going);
  static asio::awaitable<void> merge_heads(shared self, std::vector<index_file_ptr> files,
                                           std::uint64_t next_global);
  static asio::awaitable<void> load_window(shared self);
  /// More complete segments have their index in memory than are to be.
  [[nodiscard]] bool index_lags_locked() const noexcept;
  static asio::awaitable<void> wait_for_indexes(shared self);

  // --- lookup.cpp
  struct sealed_heads {
    std::uint64_t version = 0;  ///< files_version_ when they were looked up
    std::vector<std::optional<std::uint64_t>> revisions;
  };
  static asio::awaitable<sealed_heads> look_up_heads(shared self,
                                                     std::span<const std::string_view> streams);
  /// Of streams without a revision, sets those that these parts have.
  static asio::awaitable<void> look_in_parts(shared self, std::span<const part_ptr> parts,
                                             std::span<const std::string_view> streams,
                                             std::span<std::optional<std::uint64_t>> revisions);
  static asio::awaitable<void> look_in_retired(index_file_ptr heads,
                                               std::span<const std::string_view> streams,
                                               std::span<std::optional<std::uint64_t>> revisions);
  /// Nothing: it is not in memory.
  [[nodiscard]] std::optional<std::uint64_t> head_in_memory_locked(
      std::string_view stream) const noexcept;
  [[nodiscard]] bool has_files_locked() const noexcept;

  const store_config config_;
  wal wal_;
  const std::shared_ptr<log> log_;
  storage::clock* const clock_;  ///< null: the system's
  const asio::any_io_executor home_;
  const std::shared_ptr<page_cache> cache_;
  const std::shared_ptr<storage::workers> workers_;
  store::derived_files derived_;

  mutable std::mutex mutex_;
  part_list parts_;
  /// Counts the times at which events left memory for a file: what was looked up in files before
  /// is not all any more.
  std::uint64_t files_version_ = 0;
  std::uint64_t next_global_ = 0;
  event_time last_time_{};
  std::optional<position> last_at_;  ///< of the last event that was laid since opening
  repeat_window window_;
  std::uint64_t window_from_ = 0;  ///< events before this one are still to be read into it
  std::uint64_t window_to_ = 0;
  bool stopping_ = false;
  bool broken_ = false;  ///< memory ran out between the log and its index: to be repaired
  bool repairing_ = false;
  index_file_ptr retired_;  ///< heads of streams, some of whose events were deleted
  // Scratch of whoever lays events.
  std::vector<std::byte> encoded_;
  std::vector<format::prepared_record> prepared_;
  std::vector<position> positions_;
  // The background work on indexes.
  class busy;
  bool indexing_ = false;
  bool deleting_ = false;
  bool closing_ = false;
  bool newest_kept_ = false;  ///< close has seen to the newest index
  waiting_room index_changed_;
  std::uint64_t data_clock_ = 0;
};

/// Names of files beside the segments.
[[nodiscard]] std::string index_file_name(std::uint64_t segment_id, std::uint32_t from_offset);
struct index_name {
  std::uint64_t segment_id = 0;
  std::uint32_t from_offset = 0;
};
[[nodiscard]] std::optional<index_name> parse_index_file_name(std::string_view name) noexcept;
inline constexpr std::string_view retired_heads_name = "retired-heads.index";

}  // namespace nori::store

#endif
