#ifndef NORI_TEST_ENGINE_CRASH_LOG_HPP
#define NORI_TEST_ENGINE_CRASH_LOG_HPP

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/group_commit.hpp"
#include "engine_test.hpp"
#include "memory_recovery.hpp"
#include "sector_disk.hpp"

namespace nori::engine::test {

using nori::test::must;
using nori::test::violation;

/// Bugs that the checks must find.
enum class planted_bug {
  none,
  acknowledges_written,
  skips_sync,
  keeps_epoch,
  ignores_marks,
  keeps_torn_frame
};

/// A log over a sector_disk, driven by one coin after the other: what the engine decides, done the
/// way the log does it. Knows every byte that may have reached the disk, and what was acknowledged.
class crash_log {
 public:
  crash_log(random_source& random, bool synchronous, planted_bug bug = planted_bug::none);

  /// Something happens: an append, a wish, a completion.
  void happen();
  /// Recovers from every crash that is possible now. Throws violation.
  void check_crashes();
  /// One of them comes to pass, and the log is opened again.
  void crash_and_reopen();
  /// Completes everything, makes it durable, and lays a marker where one is wanted and there is
  /// room. Returns whether it did.
  bool fall_idle(bool marker);

  [[nodiscard]] const sector_disk& disk() const { return disk_; }
  [[nodiscard]] const format::log_identity& identity() const { return identity_; }
  /// What may have reached the disk and was not cut off, by segment.
  [[nodiscard]] const segment_images& truth() const { return truth_; }
  [[nodiscard]] position acknowledged() const;
  /// Last frame that was known durable when this one was laid.
  [[nodiscard]] std::uint64_t known_durable(std::uint64_t sequence) const {
    return known_durable_.at(sequence);
  }

  struct figures {
    std::uint64_t crashes = 0;  ///< looked at
    std::uint64_t states = 0;   ///< of them different from all others of the same log
    std::uint64_t reopened = 0;
    std::uint64_t torn = 0;

    figures& operator+=(const figures& more) {
      crashes += more.crashes;
      states += more.states;
      reopened += more.reopened;
      torn += more.torn;
      return *this;
    }
  };
  [[nodiscard]] const figures& counted() const { return counted_; }

 private:
  void append();
  void append_again();
  void lay_batch(const std::vector<std::string>& batch);
  void cancel();
  void drive();
  void start_write(const step& what, const extent& segment);
  void complete(std::size_t which);
  void settle();
  void mark_laid(std::uint64_t from_sequence);
  void note_batch_ends();
  [[nodiscard]] bool takes_marker() const;
  void check(const recovered_log& found) const;
  void check_crashes_of_recovery(position end);
  void begin_at(const recovered_log& found);
  [[nodiscard]] std::uint32_t random_epoch();

  random_source& random_;
  const bool synchronous_;
  const planted_bug bug_;
  const log_settings settings_ = settings_with(6 * format::block_bytes);
  group_commit::settings commit_settings_;
  std::unique_ptr<storage::ring_memory> ring_ = storage::map_memory(ring_bytes_least);
  sector_disk disk_;
  format::log_identity identity_;

  std::optional<tail> tail_;
  std::optional<group_commit> commit_;
  std::deque<std::uint64_t> writing_;
  struct write_in_flight {
    step what;
    std::size_t number;
  };
  std::vector<write_in_flight> in_flight_;
  bool syncing_ = false;
  std::deque<std::pair<stream_offset, std::uint64_t>> sequence_marks_;
  std::uint64_t durable_sequence_ = 0;

  segment_images truth_;
  std::set<position> batch_ends_;
  position walked_;  ///< batch_ends_ are those up to here
  std::map<std::uint64_t, std::uint64_t> known_durable_;
  struct laid_batch {
    stream_offset begin;
    stream_offset end;
    position at;
    std::vector<std::string> values;
  };
  std::vector<laid_batch> laid_;           ///< since opening
  std::vector<std::string> last_cut_off_;  ///< the first batch that a crash took
  std::unordered_set<std::uint64_t> seen_;
  figures counted_;
};

inline crash_log::crash_log(random_source& random, bool synchronous, planted_bug bug)
    : random_(random), synchronous_(synchronous), bug_(bug) {
  commit_settings_.synchronous = synchronous;
  commit_settings_.piece_bytes = format::block_bytes * (1 + random.below(3));
  commit_settings_.durable_write_bytes_max = 1 + random.below(3 * format::block_bytes);
  identity_.log = test_log;
  begin_at({});
}

inline void crash_log::begin_at(const recovered_log& found) {
  const position end = found.end;
  if (end.offset % format::block_bytes != 0) {
    const stream_offset block = block_floor(end.offset);
    std::memcpy(ring_->data() + (block & (ring_->bytes() - 1)),
                disk_.device().at(end.segment_id).data() + block, format::block_bytes);
  }
  tail_.emplace(ring_->data(), ring_->bytes(), settings_, end.segment_id, end.offset, found.chain);
  if (bug_ != planted_bug::keeps_epoch) {
    std::uint32_t epoch = 0;
    while (epoch == 0 || epoch == found.chain.epoch) epoch = static_cast<std::uint32_t>(random_());
    tail_->begin_epoch(epoch);
  }
  commit_.emplace(commit_settings_, tail_->head());
  writing_.clear();
  if (end.segment_id != 0) writing_.push_back(end.segment_id);
  in_flight_.clear();
  syncing_ = false;
  sequence_marks_.clear();
  durable_sequence_ = found.chain.sequence;
  laid_.clear();

  truth_.erase(truth_.upper_bound(end.segment_id), truth_.end());
  if (end.segment_id != 0) truth_.at(end.segment_id).resize(end.offset);
  batch_ends_.erase(batch_ends_.upper_bound(end), batch_ends_.end());
  batch_ends_.insert(end);
  walked_ = end;
}

inline void crash_log::happen() {
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      append();
      break;
    case 4:
      if (synchronous_) {
        cancel();
      } else {
        random_.below(2) == 0 ? commit_->want_flush(tail_->head())
                              : commit_->want_sync(tail_->head());
      }
      break;
    case 5:
      // The log falls idle.
      if (commit_->durable() == tail_->head() && commit_->idle() && takes_marker() &&
          !tail_->last_is_marker()) {
        const std::uint64_t before = tail_->chain().sequence;
        tail_->append_marker(false, durable_sequence_);
        mark_laid(before);
        commit_->want_sync(tail_->head());
      }
      break;
    default:
      if (!in_flight_.empty() || syncing_) {
        complete(random_.below(in_flight_.size() + (syncing_ ? 1 : 0)));
      }
  }
  drive();
}

inline void crash_log::append() {
  std::vector<std::string> batch(1 + (random_.below(3) == 0 ? random_.below(4) : 0));
  for (std::string& value : batch) {
    const std::size_t bytes = random_.below(random_.below(6) == 0 ? 4000 : 200);
    value = random_.below(6) == 0 ? std::string(bytes, '\0') : random_.text(bytes);
  }
  // Often enough a frame ends with a block.
  const std::uint64_t end = tail_->head() + tail_->demand_of(frame_bytes_of(batch)).bytes;
  if (random_.below(4) == 0) batch.back().append(block_ceil(end) - end, 'x');
  lay_batch(batch);
}

inline void crash_log::lay_batch(const std::vector<std::string>& batch) {
  const auto demand = tail_->demand_of(frame_bytes_of(batch));
  if (tail_->head() + demand.bytes - block_floor(commit_->written()) > ring_->bytes()) return;
  if (demand.rotates) {
    // A file is prepared before it is needed: named by the identity, with a header of zeros, and
    // with whatever an earlier life left behind it.
    const std::uint64_t id = tail_->extents().back().segment_id + 1;
    byte_vector blank(settings_.segment_bytes_max);
    if (id > 1 && random_.below(2) == 0) {
      blank = disk_.device().at(1 + random_.below(id - 1));
      std::fill_n(blank.begin(), format::segment_header_bytes, std::byte{0});
    }
    disk_.create(id, blank);
    identity_.last_segment_id = id;
    writing_.push_back(id);
  }
  const std::uint64_t before = tail_->chain().sequence;
  const position at = lay(*tail_, batch, durable_sequence_);
  mark_laid(before);
  laid_.push_back({tail_->stream_of(at), tail_->head(), at, batch});
}

inline void crash_log::mark_laid(std::uint64_t from_sequence) {
  for (std::uint64_t s = from_sequence + 1; s <= tail_->chain().sequence; ++s) {
    known_durable_[s] = durable_sequence_;
  }
}

inline void crash_log::cancel() {
  std::erase_if(laid_, [&](const laid_batch& b) { return b.begin < commit_->submitted(); });
  if (laid_.empty()) return;
  const auto which = laid_.begin() + static_cast<std::ptrdiff_t>(random_.below(laid_.size()));
  tail_->cancel(which->begin, which->end);
  laid_.erase(which);
}

inline void crash_log::drive() {
  tail_->chain_anew();
  while (!writing_.empty()) {
    const auto& extents = tail_->extents();
    const auto segment = std::find_if(extents.begin(), extents.end(), [&](const extent& e) {
      return e.segment_id == writing_.front();
    });
    const bool sealed = std::next(segment) != extents.end();
    const step what = commit_->next(*segment, sealed, ~stream_offset{0});
    if (what.kind == step_kind::write) {
      start_write(what, *segment);
    } else if (what.kind == step_kind::sync) {
      disk_.start_sync(segment->segment_id);
      syncing_ = true;
    } else if (sealed && commit_->idle() && commit_->durable() == segment->end) {
      commit_->enter_segment(std::next(segment)->begin);
      writing_.pop_front();
    } else {
      tail_->forget(
          std::min(commit_->durable(),
                   tail_->head() - std::min<std::uint64_t>(tail_->head(), ring_->bytes())));
      return;
    }
  }
}

inline void crash_log::start_write(const step& what, const extent& segment) {
  // Whole blocks, the last one a copy that is padded with zeros.
  const stream_offset from = block_floor(what.from);
  byte_vector bytes(block_ceil(what.to) - from);
  std::memcpy(bytes.data(), tail_->ring_at(from), what.to - from);
  in_flight_.push_back({what, disk_.write(segment.segment_id, from - segment.base, bytes)});
  if (what.to == tail_->head()) {
    sequence_marks_.emplace_back(what.to, tail_->chain().sequence);
  }
  // Also what lies behind a piece: a frame that ends in zeros needs no more to be whole.
  copy_out(*tail_, what.from, segment.end, truth_);
  note_batch_ends();
}

inline void crash_log::complete(std::size_t which) {
  if (which < in_flight_.size()) {
    const write_in_flight write = in_flight_[which];
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(which));
    const bool durable = write.what.durable && bug_ != planted_bug::skips_sync;
    disk_.complete(write.number, durable);
    commit_->write_done(write.what.slot);
  } else {
    syncing_ = false;
    if (bug_ != planted_bug::skips_sync) disk_.finish_sync();
    commit_->sync_done();
  }
  while (!sequence_marks_.empty() &&
         (sequence_marks_.front().first <= commit_->durable() ||
          (bug_ == planted_bug::ignores_marks && sequence_marks_.size() > 1))) {
    durable_sequence_ = sequence_marks_.front().second;
    sequence_marks_.pop_front();
  }
}

inline void crash_log::settle() {
  drive();
  while (!in_flight_.empty() || syncing_) {
    complete(random_.below(in_flight_.size() + (syncing_ ? 1 : 0)));
    drive();
  }
}

// A log that was opened again behind a marker has no room for an epoch and another one.
inline bool crash_log::takes_marker() const {
  const extent& active = tail_->extents().back();
  return tail_->chain().last_frame != 0 &&
         active.end - active.base + tail_->marker_bytes() <= settings_.segment_bytes_max;
}

inline bool crash_log::fall_idle(bool marker) {
  commit_->want_sync(tail_->head());
  settle();
  if (!marker || !takes_marker()) return false;
  const std::uint64_t before = tail_->chain().sequence;
  tail_->append_marker(false, durable_sequence_);
  mark_laid(before);
  commit_->want_sync(tail_->head());
  settle();
  return true;
}

inline void crash_log::note_batch_ends() {
  for (auto it = truth_.lower_bound(walked_.segment_id); it != truth_.end(); ++it) {
    const auto& [id, bytes] = *it;
    std::uint64_t offset = id == walked_.segment_id ? walked_.offset : format::segment_header_bytes;
    batch_ends_.insert({id, offset});
    while (offset + format::frame_header_bytes <= bytes.size()) {
      const auto header = format::load_frame_header(bytes.data() + offset);
      if (offset + format::frame_bytes(header.length) > bytes.size()) break;
      offset += format::frame_bytes(header.length);
      if (!header.has(format::frame_flag::batch_continues)) batch_ends_.insert({id, offset});
    }
    walked_ = {id, offset};
  }
}

inline position crash_log::acknowledged() const {
  const stream_offset to =
      bug_ == planted_bug::acknowledges_written ? commit_->written() : commit_->durable();
  if (writing_.empty()) return {};
  return *std::prev(batch_ends_.upper_bound(tail_->position_of(to)));
}

inline void crash_log::check(const recovered_log& found) const {
  must(found.damage.empty(), "a crash is not damage");
  must(found.end >= acknowledged(), "everything acknowledged is recovered");
  must(batch_ends_.contains(found.end), "what is recovered ends with a batch");
  for (const auto& [id, bytes] : truth_) {
    if (id > found.end.segment_id) break;
    const std::uint64_t end = id == found.end.segment_id ? found.end.offset : bytes.size();
    must(end <= bytes.size() &&
             std::memcmp(bytes.data() + format::segment_header_bytes,
                         disk_.device().at(id).data() + format::segment_header_bytes,
                         end - format::segment_header_bytes) == 0,
         "what is recovered is what was appended, byte for byte");
  }
}

inline void crash_log::check_crashes() {
  const position acked = acknowledged();
  disk_.for_each_subset(random_, 10, 20, [&](const std::vector<bool>& arrived) {
    ++counted_.crashes;
    const std::uint64_t hash = disk_.hash_after(arrived);
    if (!seen_.insert(hash ^ (acked.segment_id << 48) ^ (acked.offset << 20)).second) return;
    ++counted_.states;
    disk_.with_crash(arrived, [&] {
      must(disk_.hash() == hash, "the state that was asked for");
      check(recover(disk_.device(), identity_));
    });
  });
}

inline void crash_log::crash_and_reopen() {
  // It mostly comes in the middle of something.
  for (std::size_t more = random_.below(5); more != 0; --more) append();
  drive();
  check_crashes();
  std::vector<bool> arrived(disk_.pending(), random_.below(4) != 0);
  if (!arrived.empty()) arrived[random_.below(arrived.size())].flip();
  for (std::size_t i = 0; random_.below(4) == 0 && i != arrived.size(); ++i) {
    arrived[i] = random_.below(2) == 0;
  }
  disk_.crash(arrived);
  const recovered_log found = recover(disk_.device(), identity_);
  check(found);
  ++counted_.reopened;
  counted_.torn += found.clean ? 0 : 1;
  seen_.clear();
  last_cut_off_.clear();
  for (const laid_batch& batch : laid_) {
    if (batch.at >= found.end) {
      last_cut_off_ = batch.values;
      break;
    }
  }

  // What follows is interrupted by further crashes. While the blocks around the end are written
  // anew, their zeros may be all that a cut record was waiting for: then that one is recovered as
  // well.
  if (found.end.segment_id != 0) {
    const std::uint64_t block = block_floor(found.end.offset - 1);
    // The first frame that was cut off is dead for good, also where it starts a block.
    const std::uint64_t zeros_end =
        bug_ == planted_bug::keeps_torn_frame ? found.end.offset : found.end.offset + 1;
    byte_vector bytes(std::min(block_ceil(zeros_end), settings_.segment_bytes_max) - block);
    std::memcpy(bytes.data(), disk_.device().at(found.end.segment_id).data() + block,
                found.end.offset - block);
    const std::size_t write = disk_.write(found.end.segment_id, block, bytes);
    disk_.for_each_subset(random_, 6, 10, [&](const std::vector<bool>& some) {
      disk_.with_crash(some, [&] {
        const recovered_log again = recover(disk_.device(), identity_);
        check(again);
        must(again.end >= found.end, "recovery cuts off no more when it is repeated");
        ++counted_.states;
      });
    });
    disk_.complete(write, true);
  }
  identity_.last_segment_id = found.end.segment_id;
  std::vector<std::uint64_t> surplus = found.surplus;
  for (;;) {
    const recovered_log again = recover(disk_.device(), identity_);
    must(again.damage.empty() && again.end == found.end, "recovery finds the same end again");
    ++counted_.states;
    if (surplus.empty()) break;
    const auto which = surplus.begin() + static_cast<std::ptrdiff_t>(random_.below(surplus.size()));
    disk_.remove(*which);
    surplus.erase(which);
  }
  begin_at(found);
  // Who lost an append tries it again, with the very same bytes.
  if (!last_cut_off_.empty() && random_.below(4) != 0) {
    lay_batch(last_cut_off_);
    drive();
  }
}

/// One log through several lives. After every event, or one in so many, all crashes are looked at.
inline void live(crash_log& log, random_source& random, std::size_t one_in) {
  for (std::size_t lives = 1 + random.below(4); lives != 0; --lives) {
    for (std::size_t steps = 1 + random.below(60); steps != 0; --steps) {
      log.happen();
      if (random.below(one_in) == 0) log.check_crashes();
    }
    log.crash_and_reopen();
  }
}

struct crash_control {
  planted_bug bug;
  bool synchronous;
  const char* name;
};
inline constexpr crash_control crash_controls[] = {
    {planted_bug::skips_sync, true, "a durable write that is not synced"},
    {planted_bug::skips_sync, false, "a sync that does nothing"},
    {planted_bug::acknowledges_written, false, "acknowledging what is only written"},
    {planted_bug::keeps_epoch, true, "going on in the old epoch"},
    {planted_bug::keeps_torn_frame, false, "leaving a torn frame that starts a block"},
    {planted_bug::ignores_marks, false, "a watermark ahead of what is durable"},
};

/// By which broken promise the bug shows; empty where it does not in `logs_max` logs.
inline std::string found_by_crashes(const crash_control& control, random_source& random,
                                    std::size_t logs_max) {
  for (std::size_t logs = 0; logs != logs_max; ++logs) {
    crash_log log(random, control.synchronous, control.bug);
    try {
      live(log, random, 8);
    } catch (const violation& broken) {
      return broken.what();
    }
  }
  return {};
}

}  // namespace nori::engine::test

#endif
