#ifndef NORI_ENGINE_GROUP_COMMIT_HPP
#define NORI_ENGINE_GROUP_COMMIT_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/tail.hpp"

namespace nori::engine {

enum class step_kind : std::uint8_t {
  wait,   ///< nothing to do until something is appended, asked for, or completed
  write,  ///< write [from, to) to its segment
  sync,   ///< sync the segment that `from` lies in
};

struct step {
  step_kind kind = step_kind::wait;
  bool durable = false;   ///< of a write: synchronous
  std::uint8_t slot = 0;  ///< of a write: to be named when it completes
  stream_offset from = 0;
  stream_offset to = 0;
};

/// Decides what the log writes and syncs next. Performs nothing.
///
/// The stream is divided by four marks, in this order:
///
///     durable <= written <= submitted <= head
///
/// Invariants, each of which the tests hold over random histories:
/// 1. A byte of segment k + 1 is submitted only once all of segment k is durable.
/// 2. Two writes that share a block are never in flight together.
/// 3. `written` passes a byte only when the write that carries it and all before have completed.
/// 4. `durable` passes a byte only by a synchronous write that carries it while everything before
///    is durable, or by a sync that started when the byte was written.
class group_commit {
 public:
  static constexpr std::size_t writes_in_flight_max = 4;

  struct settings {
    bool synchronous = true;  ///< fsync_policy::always
    bool aligned = true;      ///< direct I/O: writes are padded to whole blocks
    std::uint64_t piece_bytes = std::uint64_t{256} << 10;  ///< of unsynced writes; whole blocks
    std::uint64_t durable_write_bytes_max = std::uint64_t{1} << 20;
  };

  group_commit(const settings& chosen, stream_offset start) noexcept
      : settings_(chosen),
        submitted_(start),
        written_(start),
        kept_(start),
        durable_(start),
        flush_wanted_(start),
        sync_wanted_(start) {}

  /// Everything before `to` shall reach its segment.
  void want_flush(stream_offset to) noexcept {
    if (to > flush_wanted_) flush_wanted_ = to;
  }
  /// Everything before `to` shall become durable.
  void want_sync(stream_offset to) noexcept {
    want_flush(to);
    if (to > sync_wanted_) sync_wanted_ = to;
    aim();
  }

  /// `segment` is the extent that holds submitted(); `sealed` says that another follows it.
  /// `limit` is where writing must stop for now (a background operation owns what lies behind).
  /// Must be called again until it says wait.
  [[nodiscard]] step next(const extent& segment, bool sealed, stream_offset limit) noexcept;

  /// Of a write that next() gave: it cuts a frame that begins at `from`, which is needed whole
  /// where unwritten frames are recovered from, until its end is written, too.
  void keep_from(std::uint8_t slot, stream_offset from) noexcept { writes_[slot].kept = from; }

  void write_done(std::uint8_t slot) noexcept;
  void sync_done() noexcept;

  /// When a step was `wait` with everything of a sealed segment durable, the caller goes on with
  /// the next extent: marks jump over the padding between the two.
  void enter_segment(stream_offset begin) noexcept;

  [[nodiscard]] stream_offset submitted() const noexcept { return submitted_; }
  [[nodiscard]] stream_offset written() const noexcept { return written_; }
  [[nodiscard]] stream_offset durable() const noexcept { return durable_; }
  /// The frames that are not written whole begin here: written(), or before it.
  [[nodiscard]] stream_offset kept() const noexcept { return kept_; }
  [[nodiscard]] bool idle() const noexcept { return in_flight_ == 0 && !syncing_; }
  [[nodiscard]] std::size_t writes_in_flight() const noexcept { return in_flight_; }

 private:
  struct pending_write {
    stream_offset to = 0;
    stream_offset kept = 0;
    bool durable = false;
    bool done = false;
  };

  /// What is wanted next stays what it is until a sync covers it: where the head runs ahead of what
  /// is written, the newest wish would never be reached.
  void aim() noexcept {
    if (sync_due_ <= (syncing_ ? sync_covers_ : durable_)) sync_due_ = sync_wanted_;
  }

  settings settings_;
  stream_offset submitted_;
  stream_offset written_;
  stream_offset kept_;
  stream_offset durable_;
  stream_offset flush_wanted_;
  stream_offset sync_wanted_;
  stream_offset sync_due_ = 0;  ///< the next sync is for what lies before: sync_wanted_ or less
  stream_offset sync_covers_ = 0;
  bool syncing_ = false;
  /// The last write ended inside a block: the next one shares it.
  bool shares_block_ = false;
  // A ring of the writes in flight, oldest at first_.
  std::array<pending_write, writes_in_flight_max> writes_{};
  std::size_t first_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace nori::engine

#endif
