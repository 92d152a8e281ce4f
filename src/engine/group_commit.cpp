#include "engine/group_commit.hpp"

#include <algorithm>
#include <cassert>

namespace nori::engine {

step group_commit::next(const extent& segment, bool sealed, stream_offset limit) noexcept {
  const stream_offset end = segment.end;
  const auto padded = [&](stream_offset to) { return settings_.aligned ? block_ceil(to) : to; };
  const bool room = in_flight_ < writes_in_flight_max;
  const bool may_write = submitted_ < end && room && !(shares_block_ && in_flight_ != 0);

  const auto submit = [&](stream_offset to, bool durable) {
    const std::size_t slot = (first_ + in_flight_) % writes_in_flight_max;
    writes_[slot] = {to, to, durable, false};
    ++in_flight_;
    const step result{step_kind::write, durable, static_cast<std::uint8_t>(slot), submitted_, to};
    submitted_ = to;
    shares_block_ = settings_.aligned && to % format::block_bytes != 0;
    return result;
  };

  if (settings_.synchronous) {
    // One batch in flight: all that is appended meanwhile is the next.
    // Its end is the end of a batch: what is durable never ends within one.
    if (!may_write || in_flight_ != 0 || padded(end) > limit) return {};
    return submit(end, true);
  }

  const bool push = sealed || flush_wanted_ > submitted_;
  if (may_write && padded(end) <= limit) {
    // branch: a sync in flight is for something that is not durable; said all the same.
    const bool all_before_durable = durable_ == submitted_ && !syncing_;
    const bool sync_due = sync_wanted_ > durable_ || sealed;
    if (all_before_durable && sync_due && end - submitted_ <= settings_.durable_write_bytes_max) {
      return submit(end, true);
    }
    if (push && end - submitted_ < settings_.piece_bytes) return submit(end, false);
  }
  if (may_write) {
    const stream_offset piece_end = block_floor(submitted_) + settings_.piece_bytes;
    if (piece_end <= end && piece_end <= limit) return submit(piece_end, false);
  }

  // A sync covers what was written when it starts: it waits until everything it is for is.
  const stream_offset due = sealed && sync_due_ <= durable_ ? segment.end : sync_due_;
  const stream_offset target = std::min(due, segment.end);
  if (!syncing_ && target > durable_ && written_ >= target) {
    syncing_ = true;
    sync_covers_ = written_;
    aim();
    return {step_kind::sync, false, 0, durable_, written_};
  }
  return {};
}

void group_commit::write_done(std::uint8_t slot) noexcept {
  assert(in_flight_ != 0 && !writes_[slot].done);
  writes_[slot].done = true;
  while (in_flight_ != 0 && writes_[first_].done) {
    const pending_write& oldest = writes_[first_];
    // branch: a durable write is only submitted when all before it is durable.
    if (oldest.durable && durable_ == written_) durable_ = oldest.to;
    written_ = oldest.to;
    kept_ = oldest.kept;
    first_ = (first_ + 1) % writes_in_flight_max;
    --in_flight_;
  }
  aim();
}

void group_commit::sync_done() noexcept {
  assert(syncing_);
  syncing_ = false;
  durable_ = std::max(durable_, sync_covers_);
  aim();
}

void group_commit::enter_segment(stream_offset begin) noexcept {
  assert(in_flight_ == 0 && !syncing_ && durable_ == submitted_ && written_ == submitted_);
  assert(begin >= submitted_);
  submitted_ = written_ = kept_ = durable_ = begin;
  shares_block_ = false;
  aim();
}

}  // namespace nori::engine
