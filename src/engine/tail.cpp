#include "engine/tail.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <iterator>
#include <limits>

namespace nori::engine {

using format::block_bytes;
using format::frame_bytes;
using format::frame_header;
using format::frame_kind;
using format::segment_header_bytes;

namespace {

std::uint32_t lag_of(std::uint64_t sequence, std::uint64_t durable) noexcept {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(sequence - durable, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

tail::tail(std::byte* ring, std::size_t ring_bytes, const log_settings& settings,
           std::uint64_t segment_id, std::uint64_t end_offset, const chain_state& chain)
    : ring_(ring),
      ring_bytes_(ring_bytes),
      last_starts_(std::max<std::size_t>(1, ring_bytes / block_bytes),
                   std::numeric_limits<stream_offset>::max()),
      settings_(settings),
      chain_(chain) {
  extents_.push_back({segment_id, 0, block_floor(end_offset), end_offset});
  seed_ = format::segment_seed(settings.log, segment_id);
}

void tail::begin_segment(std::uint64_t segment_id, std::uint64_t created_ns, bool reused_file) {
  chain_anew();
  ended_ = false;
  const extent before = extents_.back();
  format::segment_header header;
  header.log = settings_.log;
  header.segment_id = segment_id;
  header.first_sequence = chain_.sequence + 1;
  header.records_before = chain_.records;
  if (chain_.sequence != 0) {
    header.previous_segment_id = before.segment_id;
    header.previous_end = before.end - before.base;
    header.previous_last_frame = chain_.last_frame;
    header.previous_crc = chain_.crc;
  }
  if (pending_epoch_ != 0) chain_.epoch = pending_epoch_;
  pending_epoch_ = 0;
  header.epoch = chain_.epoch;
  header.created_ns = created_ns;
  header.segment_bytes_max = settings_.segment_bytes_max;
  header.record_bytes_max = settings_.record_bytes_max;
  header.node_id = settings_.node_id;
  header.reused = reused_file ? 1 : 0;

  const stream_offset base = block_ceil(before.end);
  format::store_segment_header(ring_at(base), header);
  extents_.push_back({segment_id, base, base, base + segment_header_bytes});
  seed_ = format::segment_seed(settings_.log, segment_id);
  chain_.last_frame = 0;
  last_is_marker_ = false;
}

void tail::adopt(std::uint64_t segment_id, std::span<const std::byte> bytes,
                 const chain_state& chain) {
  if (extents_.back().segment_id != segment_id) {
    const stream_offset base = block_ceil(extents_.back().end);
    extents_.push_back({segment_id, base, base, base});
    seed_ = format::segment_seed(settings_.log, segment_id);
  }
  extent& active = extents_.back();
  std::memcpy(ring_at(active.end), bytes.data(), bytes.size());
  const stream_offset end = active.end + bytes.size();
  if (active.end == active.base) active.end += segment_header_bytes;
  while (active.end < end) {
    note_start(active.end);
    active.end += frame_bytes(format::load_frame_header(ring_at(active.end)).length);
  }
  assert(active.end == end);
  chain_ = chain;
}

tail::demand tail::demand_of(std::uint64_t frames_bytes) const noexcept {
  const extent& active = extents_.back();
  const std::uint64_t with_epoch =
      frames_bytes + (pending_epoch_ != 0 ? format::frame_header_bytes : 0);
  const std::uint64_t offset = active.end - active.base;
  // Segment 0 stands for a log without segments.
  if (active.segment_id != 0 && !ended_ &&
      offset + with_epoch + tail::marker_reserve_bytes <= settings_.segment_bytes_max) {
    return {with_epoch, false};
  }
  const stream_offset end = active.end + (lacks_frame() ? format::frame_header_bytes : 0);
  const std::uint64_t padding = block_ceil(end) - active.end;
  return {padding + segment_header_bytes + frames_bytes, true};
}

std::uint64_t tail::frames_bytes_highest() const noexcept {
  // The buffer also holds the partial block before the head, the padding and the header of a new
  // segment, and the block that a write is padded to.
  const std::uint64_t by_buffer = ring_bytes_ - segment_header_bytes - 3 * block_bytes;
  const std::uint64_t by_segment = settings_.segment_bytes_max - segment_header_bytes -
                                   tail::marker_reserve_bytes - format::frame_header_bytes;
  return std::min(by_buffer, by_segment);
}

std::byte* tail::lay(frame_kind kind, std::uint8_t flags, std::uint32_t length,
                     std::uint64_t durable_sequence) noexcept {
  chain_anew();
  extent& active = extents_.back();
  std::byte* at = ring_at(active.end);
  frame_header header;
  header.length = length;
  header.sequence = chain_.sequence + 1;
  header.previous_crc = chain_.crc;
  header.durable_lag = lag_of(header.sequence, durable_sequence);
  header.epoch = chain_.epoch;
  header.kind = kind;
  header.flags = flags;
  chain_.crc = format::seal_frame(at, header, seed_);
  chain_.sequence = header.sequence;
  chain_.last_frame = active.end - active.base;
  note_start(active.end);
  last_is_marker_ = kind == frame_kind::marker;
  active.end += frame_bytes(length);
  begun_ = true;
  return at;
}

void tail::lay_pending_epoch(std::uint64_t durable_sequence) noexcept {
  chain_.epoch = pending_epoch_;
  pending_epoch_ = 0;
  lay(frame_kind::epoch, 0, 0, durable_sequence);
}

position tail::append_record(const format::prepared_record& what, bool continues,
                             std::uint64_t durable_sequence) noexcept {
  if (pending_epoch_ != 0) [[unlikely]] {
    lay_pending_epoch(durable_sequence);
  }
  const extent& active = extents_.back();
  const position at{active.segment_id, active.end - active.base};
  format::encode_record(ring_at(active.end) + format::frame_header_bytes, what);
  const auto flags = continues ? format::frame_flag::batch_continues : format::frame_flag::none;
  lay(frame_kind::record, static_cast<std::uint8_t>(flags), what.body_bytes, durable_sequence);
  ++chain_.records;
  return at;
}

void tail::append_marker(bool closed, std::uint64_t durable_sequence) noexcept {
  // A marker in the old epoch could be the very frame that was cut off, and bring back what
  // followed.
  if (pending_epoch_ != 0) lay_pending_epoch(durable_sequence);
  const auto flags = closed ? format::frame_flag::closed : format::frame_flag::none;
  lay(frame_kind::marker, static_cast<std::uint8_t>(flags), 0, durable_sequence);
}

void tail::cancel(stream_offset from, stream_offset to) noexcept {
  assert(from < to && to <= head());
  auto where =
      std::find_if(extents_.begin(), extents_.end(), [&](const extent& e) { return from < e.end; });
  assert(to <= where->end);
  const std::uint32_t seed = format::segment_seed(settings_.log, where->segment_id);
  std::uint64_t cancelled = 0;
  for (stream_offset at = from; at < to;) {
    frame_header header = format::load_frame_header(ring_at(at));
    if (header.kind == frame_kind::record) ++cancelled;
    header.kind = frame_kind::filler;
    header.flags = 0;
    format::seal_frame(ring_at(at), header, seed);
    at += frame_bytes(header.length);
  }
  for (++where; where != extents_.end(); ++where) take_records_before(*where, cancelled);
  chain_.records -= cancelled;
  unchained_from_ = std::min(unchained_from_, from);
}

void tail::take_records_before(const extent& of, std::uint64_t cancelled) noexcept {
  const std::span<const std::byte> bytes{ring_at(of.base), segment_header_bytes};
  format::segment_header header = format::check_segment_header(bytes).header;
  header.records_before -= cancelled;
  format::store_segment_header(ring_at(of.base), header);
}

void tail::chain_from(stream_offset from) noexcept {
  unchained_from_ = std::numeric_limits<stream_offset>::max();
  auto where =
      std::find_if(extents_.begin(), extents_.end(), [&](const extent& e) { return from < e.end; });
  std::uint32_t seed = format::segment_seed(settings_.log, where->segment_id);
  std::uint32_t crc = format::load_frame_header(ring_at(from)).previous_crc;
  for (stream_offset at = from;;) {
    if (at == where->end) {
      if (++where == extents_.end()) break;
      // The header links to the frame that was just chained anew.
      const std::span<const std::byte> bytes{ring_at(where->base), segment_header_bytes};
      format::segment_header header = format::check_segment_header(bytes).header;
      header.previous_crc = crc;
      format::store_segment_header(ring_at(where->base), header);
      seed = format::segment_seed(settings_.log, where->segment_id);
      at = where->base + segment_header_bytes;
      continue;
    }
    frame_header header = format::load_frame_header(ring_at(at));
    header.previous_crc = crc;
    crc = format::seal_frame(ring_at(at), header, seed);
    at += frame_bytes(header.length);
  }
  chain_.crc = crc;
}

stream_offset tail::cut_by(stream_offset to) const noexcept {
  const auto in = std::find_if(extents_.begin(), extents_.end(),
                               [&](const extent& e) { return e.begin < to && to <= e.end; });
  if (in == extents_.end()) return to;
  // A frame may take many blocks, and then starts in none of those behind its first.
  for (stream_offset block = block_floor(to - 1);; block -= block_bytes) {
    const stream_offset start = last_starts_[block / block_bytes % last_starts_.size()];
    if (start >= std::max(block, in->begin) && start < to) {
      const auto length = format::load_frame_header(ring_at(start)).length;
      return start + frame_bytes(length) <= to ? to : start;
    }
    if (block <= in->begin) break;
  }
  // Behind no frame: in the header, or where the log ended when it was opened.
  return in->begin == in->base && to < in->base + segment_header_bytes ? in->begin : to;
}

void tail::forget(stream_offset before) {
  const auto kept = std::find_if(extents_.begin(), std::prev(extents_.end()),
                                 [&](const extent& each) { return each.end > before; });
  extents_.erase(extents_.begin(), kept);
}

const extent& tail::extent_at(stream_offset at) const noexcept {
  for (const extent& e : extents_) {
    if (at < e.end) return e;
  }
  return extents_.back();
}

position tail::position_of(stream_offset at) const noexcept {
  // A byte between two segments counts as the end of the first.
  const extent* found = &extents_.front();
  for (const extent& e : extents_) {
    if (at >= e.begin) found = &e;
  }
  // Nor is there an extent any more for what was forgotten: the first one's start stands for it.
  return {found->segment_id, std::clamp(at, found->begin, found->end) - found->base};
}

stream_offset tail::stream_of(position at) const noexcept {
  for (const extent& e : extents_) {
    if (at.segment_id < e.segment_id) return 0;
    if (at.segment_id == e.segment_id) {
      return at.offset < e.begin - e.base ? 0 : e.base + at.offset;
    }
  }
  return std::numeric_limits<stream_offset>::max();
}

}  // namespace nori::engine
