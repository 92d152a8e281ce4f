#ifndef NORI_ENGINE_TAIL_HPP
#define NORI_ENGINE_TAIL_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <nori/position.hpp>

#include "format/frame.hpp"
#include "format/record_codec.hpp"
#include "format/segment_header.hpp"

namespace nori::engine {

/// Counts the bytes that pass through the buffer, over all segments; never goes back except over
/// what was not submitted. A segment's bytes are contiguous in it, and a stream offset and the file
/// offset it stands for agree modulo format::block_bytes.
using stream_offset = std::uint64_t;

[[nodiscard]] constexpr std::uint64_t block_floor(std::uint64_t n) noexcept {
  return n & ~std::uint64_t{format::block_bytes - 1};
}
[[nodiscard]] constexpr std::uint64_t block_ceil(std::uint64_t n) noexcept {
  return block_floor(n + format::block_bytes - 1);
}

/// The run of a segment's bytes that went through the buffer.
struct extent {
  std::uint64_t segment_id = 0;
  stream_offset base = 0;   ///< stands for offset 0 of the file (in modular arithmetic)
  stream_offset begin = 0;  ///< first byte that went through the buffer
  stream_offset end = 0;    ///< behind the last byte; of the last extent: the head
};

/// State of the chain of frames behind some frame.
struct chain_state {
  std::uint64_t sequence = 0;    ///< of the last frame
  std::uint32_t crc = 0;         ///< of the last frame
  std::uint32_t epoch = 0;       ///< in force
  std::uint64_t records = 0;     ///< record frames in the log up to here
  std::uint64_t last_frame = 0;  ///< offset of the last frame in its segment; 0: none in it
};

/// What every segment of the log carries.
struct log_settings {
  format::log_id log{};
  std::uint32_t node_id = 0;
  std::uint64_t segment_bytes_max = 0;
  std::uint64_t record_bytes_max = 0;
};

/// The end of the log in memory: lays frames into the ring buffer and keeps the chain.
///
/// Decides nothing about I/O and does none. The caller makes sure that there is room before it
/// appends.
class tail {
 public:
  /// A segment keeps this much behind its last record: for a marker when the log falls idle and
  /// one when it is closed.
  static constexpr std::uint64_t marker_reserve_bytes = 2 * format::frame_header_bytes;

  /// `ring` is readable and writable for twice `ring_bytes`, its second half being its first.
  /// The stream starts with the last partial block before `end_offset`, which the caller puts into
  /// the ring at the block's place: ring_at(block_floor(head())).
  tail(std::byte* ring, std::size_t ring_bytes, const log_settings& settings,
       std::uint64_t segment_id, std::uint64_t end_offset, const chain_state& chain);

  /// Afterwards begin_segment takes no memory.
  void reserve_segment() { extents_.reserve(extents_.size() + 1); }

  /// To be called before begin_segment: a segment without a frame can't have a successor.
  void finish_segment() noexcept {
    if (lacks_frame()) lay_pending_epoch(chain_.sequence);
  }

  /// Seals the segment and begins the next one (or the first of a log) with its header.
  void begin_segment(std::uint64_t segment_id, std::uint64_t created_ns, bool reused_file = false);

  /// Takes over frames (or a whole header) that were laid before, as they are; with a
  /// `segment_id` other than the last extent's they begin that segment.
  void adopt(std::uint64_t segment_id, std::span<const std::byte> bytes, const chain_state& chain);

  /// The next append begins a segment, whatever room there is in this one.
  void end_segment() noexcept { ended_ = true; }

  /// The next append starts a new epoch with a frame of its own.
  void begin_epoch(std::uint32_t epoch) noexcept { pending_epoch_ = epoch; }

  /// Bytes that `frames_bytes` of frames take in the stream, and whether they need a new segment.
  struct demand {
    std::uint64_t bytes;
    bool rotates;
  };
  [[nodiscard]] demand demand_of(std::uint64_t frames_bytes) const noexcept;
  /// Largest frames_bytes that can ever be appended at once.
  [[nodiscard]] std::uint64_t frames_bytes_highest() const noexcept;

  /// Lays one frame. `continues`: the next frame belongs to the same batch.
  position append_record(const format::prepared_record& what, bool continues,
                         std::uint64_t durable_sequence) noexcept;
  /// Also begins the epoch that is due. Only where marker_bytes() fit.
  void append_marker(bool closed, std::uint64_t durable_sequence) noexcept;
  /// Bytes that append_marker lays.
  [[nodiscard]] std::uint64_t marker_bytes() const noexcept {
    return format::frame_header_bytes * (pending_epoch_ != 0 ? 2 : 1);
  }

  /// Turns the frames in [from, to), which are of one segment and not submitted, into fillers. What
  /// lies behind them is chained anew by the next frame that is laid, or by chain_anew(): once for
  /// many.
  void cancel(stream_offset from, stream_offset to) noexcept;
  /// To be called before anything that was laid is written. Linear in what lies between the first
  /// frame that was cancelled and the head.
  void chain_anew() noexcept {
    if (unchained_from_ < head()) [[unlikely]] {
      chain_from(unchained_from_);
    }
  }

  /// Where the frame (or the segment's header) begins that a write up to `to` cuts; `to` itself
  /// where it ends with a frame. What lies before `to` must still be in the ring, and `to` must be
  /// the end of a block or of a frame.
  [[nodiscard]] stream_offset cut_by(stream_offset to) const noexcept;

  /// Drops extents that end at or before `before`, but never the last one.
  void forget(stream_offset before);

  [[nodiscard]] stream_offset head() const noexcept { return extents_.back().end; }
  /// Its crc counts after chain_anew() alone.
  [[nodiscard]] const chain_state& chain() const noexcept { return chain_; }
  [[nodiscard]] const std::vector<extent>& extents() const noexcept { return extents_; }
  /// The extent that the byte at `at` belongs to (at the head: the last one).
  [[nodiscard]] const extent& extent_at(stream_offset at) const noexcept;
  /// The position of a byte in the stream.
  [[nodiscard]] position position_of(stream_offset at) const noexcept;
  /// Where in the stream a position lies: before all extents 0, behind the head nothing sensible.
  [[nodiscard]] stream_offset stream_of(position at) const noexcept;
  [[nodiscard]] std::byte* ring_at(stream_offset at) const noexcept {
    return ring_ + (at & (ring_bytes_ - 1));
  }
  [[nodiscard]] std::size_t ring_bytes() const noexcept { return ring_bytes_; }
  /// Something was laid since construction.
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  [[nodiscard]] bool last_is_marker() const noexcept { return last_is_marker_; }

 private:
  std::byte* lay(format::frame_kind kind, std::uint8_t flags, std::uint32_t length,
                 std::uint64_t durable_sequence) noexcept;
  [[nodiscard]] bool lacks_frame() const noexcept {
    return ended_ && chain_.last_frame == 0 && pending_epoch_ != 0 &&
           extents_.back().segment_id != 0;
  }
  void lay_pending_epoch(std::uint64_t durable_sequence) noexcept;
  void chain_from(stream_offset from) noexcept;
  /// Of a segment behind records that were cancelled.
  void take_records_before(const extent& of, std::uint64_t cancelled) noexcept;

  void note_start(stream_offset frame) noexcept {
    last_starts_[frame / format::block_bytes % last_starts_.size()] = frame;
  }

  std::byte* ring_;
  std::size_t ring_bytes_;
  /// For each block of the ring, the last frame that was laid to start in it.
  std::vector<stream_offset> last_starts_;
  log_settings settings_;
  std::vector<extent> extents_;
  chain_state chain_;
  /// The first frame that was cancelled and not chained anew.
  stream_offset unchained_from_ = std::numeric_limits<stream_offset>::max();
  std::uint32_t seed_ = 0;
  std::uint32_t pending_epoch_ = 0;  ///< 0: none
  bool ended_ = false;               ///< see end_segment()
  bool last_is_marker_ = false;
  bool begun_ = false;
};

}  // namespace nori::engine

#endif
