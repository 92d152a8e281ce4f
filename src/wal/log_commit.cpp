// Writing and syncing what the engine decides, and resuming who waited for it. All on the strand.

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "format/planted_bug.hpp"
#include "wal/log.hpp"

namespace nori {

using boost::system::error_code;
using engine::block_ceil;
using engine::block_floor;
using format::block_bytes;

namespace {

constexpr log::stream_offset never = ~log::stream_offset{0};

constexpr std::size_t batch_ends_max = 256;

// A log that has been idle for this long gets a marker.
constexpr auto idle_after = std::chrono::milliseconds(100);

// Resumed coroutines run on the strand, and what they append meanwhile shares the next write. That
// goes out before all are resumed once this takes longer than the last write did, as the device
// would be idle for too long; within these bounds.
constexpr std::chrono::steady_clock::duration resume_slice_min = std::chrono::microseconds(100);
constexpr std::chrono::steady_clock::duration resume_slice_max = std::chrono::milliseconds(2);

std::uint64_t bytes_of(const storage::io_request& request) noexcept {
  std::uint64_t sum = 0;
  for (std::uint8_t i = 0; i < request.piece_count; ++i) sum += request.pieces[i].iov_len;
  return sum;
}

error_code system_code(std::int64_t value) noexcept {
  return {static_cast<int>(value), boost::system::system_category()};
}

double seconds_since(std::chrono::steady_clock::time_point from) noexcept {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
}

}  // namespace

void log::schedule_drive_locked() noexcept {
  kick_at_ = never;
  drive_wanted_ = true;
  post_drive_locked();
}

void log::post_drive_locked() noexcept {
  if (std::exchange(drive_posted_, true)) return;
  storage::post_in(drive_memory_, strand_, [self = shared_from_this()] {
    bool drives = false;
    {
      const std::lock_guard lock(self->mutex_);
      self->drive_posted_ = false;
      drives = std::exchange(self->drive_wanted_, false);
    }
    if (drives) {
      self->settle_on_strand();
    } else {
      self->arm_timers_on_strand();
    }
  });
}

void log::drive_on_strand() noexcept {
  storage::io_request* first = nullptr;
  storage::io_request** last = &first;
  for (;;) {
    engine::step what;
    segment_ptr segment;
    stream_offset base = 0;
    {
      const std::lock_guard lock(mutex_);
      if (failure_ || abandoned_ || writing_.empty()) break;
      tail_.chain_anew();
      const auto& extents = tail_.extents();
      auto extent = std::find_if(extents.begin(), extents.end(), [&](const engine::extent& e) {
        return e.segment_id == writing_.front()->id;
      });
      const bool sealed = std::next(extent) != extents.end();
      const stream_offset limit = zero_in_flight_ && zero_segment_ == writing_.front()
                                      ? extent->base + zero_request_.offset
                                      : never;
      what = commit_.next(*extent, sealed, limit);
      if (what.kind == engine::step_kind::wait) {
        if (sealed && commit_.idle() && commit_.durable() == extent->end) {
          commit_.enter_segment(std::next(extent)->begin);
          writing_.front()->write_file = nullptr;
          writing_.erase(writing_.begin());
          continue;
        }
        const bool is_held =
            synchronous_ && limit != never && commit_.idle() && commit_.submitted() < extent->end;
        if (is_held && !held_since_) held_since_ = std::chrono::steady_clock::now();
        // While I/O is in flight its completion comes back here; otherwise an append does.
        if (!commit_.idle() || zero_in_flight_) {
          kick_at_ = never;
        } else {
          kick_at_ = commit_.submitted() + (synchronous_ ? 1 : piece_bytes_);
        }
        tail_.forget(
            std::min(commit_.durable(), tail_.head() - std::min(tail_.head(), tail_.ring_bytes())));
        break;
      }
      segment = writing_.front();
      base = extent->base;
      if (what.kind == engine::step_kind::write) {
        if (!synchronous_) commit_.keep_from(what.slot, tail_.cut_by(what.to));
        if (what.to == tail_.head()) note_batch_end_locked(false);
        slots_[what.slot].records = std::exchange(records_appended_, 0);
      }
    }
    storage::io_request& request = what.kind == engine::step_kind::write
                                       ? prepare_write_on_strand(what, segment, base)
                                       : prepare_sync_on_strand(segment);
    *last = &request;
    last = &request.next;
    ++io_in_flight_;
  }
  if (first != nullptr) {
    *last = nullptr;
    keep_alive_ = shared_from_this();
    storage_->start(*first);
  }
}

storage::io_request& log::prepare_write_on_strand(const engine::step& what, const segment_ptr& to,
                                                  stream_offset base) {
  write_slot& slot = slots_[what.slot];
  slot.from = what.from;
  slot.to = what.to;
  slot.started = std::chrono::steady_clock::now();
  slot.held = slot.started - held_since_.value_or(slot.started);
  held_since_.reset();
  storage::io_request& request = slot.request;
  const bool direct = to->write_file->direct();
  const stream_offset from = direct ? block_floor(what.from) : what.from;
  const stream_offset whole = direct ? block_floor(what.to) : what.to;
  request.kind = storage::io_kind::write;
  request.durable = what.durable && !planted(format::planted_bug::skip_sync);
  request.offset = from - base;
  request.target = to->write_file;
  request.complete = &log::write_completed;
  request.owner = this;
  request.piece_count = 0;
  if (whole > from) {
    request.pieces[request.piece_count++] = {tail_.ring_at(from), whole - from};
  }
  if (whole < what.to) {
    // The block is still being appended to: what is written is a copy that stands still.
    const std::size_t bytes = what.to - whole;
    std::memcpy(slot.last_block, tail_.ring_at(whole), bytes);
    std::memset(slot.last_block + bytes, 0, block_bytes - bytes);
    request.pieces[request.piece_count++] = {slot.last_block, block_bytes};
  }
  const std::uint64_t end = request.offset + bytes_of(request);
  slot.prepared = end <= to->filled;
  to->filled = std::max(to->filled, end);
  return request;
}

storage::io_request& log::prepare_sync_on_strand(const segment_ptr& what) {
  sync_started_ = std::chrono::steady_clock::now();
  sync_request_.kind =
      planted(format::planted_bug::skip_sync) ? storage::io_kind::read : storage::io_kind::sync;
  sync_request_.target = what->write_file;
  sync_request_.complete = &log::sync_completed;
  sync_request_.owner = this;
  return sync_request_;
}

bool log::continue_short_write(write_slot& slot) noexcept {
  storage::io_request& request = slot.request;
  const std::uint64_t wanted = bytes_of(request);
  auto done = static_cast<std::uint64_t>(request.result);
  if (done >= wanted) return false;
  // A direct write goes on at a block: what lies before it is written again.
  if (request.target->direct()) done = block_floor(done);
  request.offset += done;
  std::uint8_t kept = 0;
  for (std::uint8_t i = 0; i < request.piece_count; ++i) {
    iovec piece = request.pieces[i];
    const std::uint64_t skipped = std::min<std::uint64_t>(done, piece.iov_len);
    done -= skipped;
    piece.iov_base = static_cast<std::byte*>(piece.iov_base) + skipped;
    piece.iov_len -= skipped;
    if (piece.iov_len != 0) request.pieces[kept++] = piece;
  }
  request.piece_count = kept;
  request.next = nullptr;
  storage_->start(request);
  return true;
}

void log::io_finished_on_strand() {
  wake_list wake;
  {
    const std::lock_guard lock(mutex_);
    if (--io_in_flight_ != 0) return;
    while (waiter* w = quiet_waiters_.pop_front()) wake.add(*w);
  }
  wake.resume_all(false);
  keep_alive_ = nullptr;
}

void log::resume_in_place(wake_list& wake) noexcept {
  while (!wake.empty()) {
    try {
      if (clock_ == nullptr) {
        wake.resume_for(std::clamp(last_write_took_, resume_slice_min, resume_slice_max));
      } else {
        wake.resume_all(true);  // how long it takes must not matter
      }
    } catch (...) {
      throw_later_on_strand(std::current_exception());
    }
    if (!wake.empty()) drive_on_strand();
  }
}

// Somebody's completion handler threw: that leaves run(), once we are done here.
void log::throw_later_on_strand(std::exception_ptr what) noexcept {
  if (!thrown_) {
    thrown_ = std::move(what);
    storage::post_in(throw_memory_, strand_, [self = shared_from_this()] {
      std::rethrow_exception(std::exchange(self->thrown_, nullptr));
    });
    return;
  }
  try {
    asio::post(strand_, [what] { std::rethrow_exception(what); });
  } catch (const std::bad_alloc&) {  // NOLINT: one is on its way already
  }
}

void log::write_completed(storage::io_request& request) noexcept {
  log& self = *static_cast<log*>(request.owner);
  const shared alive = self.shared_from_this();
  const auto slot = std::find_if(self.slots_.begin(), self.slots_.end(),
                                 [&](const write_slot& s) { return &s.request == &request; });
  // A direct write of less than a block gets nowhere: it would be written again for ever.
  const bool stuck = request.result > 0 && request.target->direct() &&
                     request.result < static_cast<std::int64_t>(block_bytes);
  if (request.result == -ENOSPC && planted(format::planted_bug::retry_failed_sync)) {
    self.storage_->start(request);
    return;
  }
  if (request.result <= 0 || stuck) {
    const error_code why =
        system_code(request.result < 0 ? -request.result : (stuck ? EIO : ENOSPC));
    request.target = nullptr;
    self.io_finished_on_strand();
    self.fail_on_strand("write", why);
    return;
  }
  if (self.continue_short_write(*slot)) return;
  self.last_write_took_ = std::chrono::steady_clock::now() - slot->started;
  self.io_finished_on_strand();
  const bool durable = request.durable;
  const std::uint64_t bytes = bytes_of(request);
  if (durable) {
    self.zeroing_.write_completed(bytes, slot->prepared, slot->held + self.last_write_took_);
  }
  request.target = nullptr;
  if (meter* const to = self.config_.meter.get()) {
    to->add(metrics::wal_writes, 1, {});
    to->observe(metrics::wal_write_records, static_cast<double>(slot->records), {});
    to->observe(metrics::wal_write_bytes, static_cast<double>(bytes), {});
    if (durable) {
      to->add(metrics::wal_syncs, 1, {});
      to->observe(metrics::wal_sync_seconds, seconds_since(slot->started), {});
    }
  }
  {
    const std::lock_guard lock(self.mutex_);
    self.commit_.write_done(static_cast<std::uint8_t>(slot - self.slots_.begin()));
  }
  // Before anybody is resumed: meanwhile the device has nothing else to do.
  if (durable) self.fill_ahead_on_strand();
  self.settle_on_strand();
}

void log::sync_completed(storage::io_request& request) noexcept {
  log& self = *static_cast<log*>(request.owner);
  const shared alive = self.shared_from_this();
  if (request.result == -ENOSPC && planted(format::planted_bug::retry_failed_sync)) {
    self.storage_->start(request);
    return;
  }
  request.target = nullptr;
  self.io_finished_on_strand();
  if (request.result < 0) {
    self.fail_on_strand("sync", system_code(-request.result));
    return;
  }
  if (meter* const to = self.config_.meter.get()) {
    to->add(metrics::wal_syncs, 1, {});
    to->observe(metrics::wal_sync_seconds, seconds_since(self.sync_started_), {});
  }
  {
    const std::lock_guard lock(self.mutex_);
    self.commit_.sync_done();
  }
  self.settle_on_strand();
}

// The head is the end of a batch. Where the log is never written up to its head, what somebody
// wants to be durable is all that is known of where batches end.
void log::note_batch_end_locked(bool asked) noexcept {
  const stream_offset at = tail_.head();
  if (!batch_ends_.empty() && batch_ends_.back().at == at) {
    batch_ends_.back().asked |= asked;
    return;
  }
  // Under os nothing may become durable for long: then the newest is moved, but not behind what is
  // going to be durable.
  if (batch_ends_.size() >= batch_ends_max) {
    if (batch_ends_.back().asked && !asked) return;
    batch_ends_.pop_back();
  }
  batch_ends_.push_back({at, tail_.chain().sequence, asked});
}

void log::want_sync_locked() noexcept {
  commit_.want_sync(tail_.head());
  // What is durable already may not be known to end with a batch.
  if (settled_ < tail_.head()) note_batch_end_locked(true);
}

void log::collect_satisfied_locked(wake_list& wake) {
  for (const mark which : {mark::durable, mark::settled, mark::written, mark::appended}) {
    waiter_list& waiters = waiters_of(which);
    const stream_offset reached = mark_locked(which);
    while (!waiters.empty() && waiters.front()->target <= reached) {
      wake.add(*waiters.pop_front());
    }
  }
}

void log::settle_on_strand() noexcept {
  // Destroying the last handle from a resumed coroutine must not end this object under our feet.
  const shared self = shared_from_this();
  wake_list wake;
  {
    const std::lock_guard lock(mutex_);
    const auto passed = std::find_if(batch_ends_.begin(), batch_ends_.end(),
                                     [&](const auto& end) { return end.at > commit_.durable(); });
    if (passed != batch_ends_.begin()) {
      settled_ = std::prev(passed)->at;
      durable_sequence_ = std::prev(passed)->sequence;
      batch_ends_.erase(batch_ends_.begin(), passed);
    }
    // A segment ends with a batch.
    for (const engine::extent& e : tail_.extents()) {
      if (&e != &tail_.extents().back() && e.end <= commit_.durable()) {
        settled_ = std::max(settled_, e.end);
      }
    }
    if (!failure_) lay_waiting_locked(wake);
    // Behind it: what was just laid is what a follower may be waiting for.
    collect_satisfied_locked(wake);
    if (closing_ && !failure_) want_sync_locked();
    wake_keeper_locked(wake);
    // Those who are about to be resumed append without waking us: we look again below.
    kick_at_ = never;
  }
  report_metrics_on_strand();
  resume_in_place(wake);
  drive_on_strand();
  arm_timers_on_strand();
}

void log::fail_on_strand(const char* operation, error_code why) noexcept {
  const shared self = shared_from_this();
  wake_list wake;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) {
      failure_ = why;
      try {
        failure_text_ = std::string("the log failed: ") + operation + " of segment " +
                        (writing_.empty() ? std::string("?") : writing_.front()->name) + ": " +
                        failure_.message() + "; reopen the log";
      } catch (const std::bad_alloc&) {  // NOLINT: then the code alone says so
      }
    }
    for (waiter_list* list : {&durable_waiters_, &written_waiters_, &appended_waiters_,
                              &settled_waiters_, &room_waiters_}) {
      while (waiter* w = list->pop_front()) {
        const bool laid = w->is_append && list != &room_waiters_;
        w->result = laid ? errc::append_in_doubt : errc::log_failed;
        wake.add(*w);
      }
    }
    wake_keeper_locked(wake);
    kick_at_ = never;
  }
  if (config_.meter) config_.meter->add(metrics::wal_failures, 1, operation);
  resume_in_place(wake);
}

void log::fill_ahead_on_strand() {
  // Under os nothing is synchronous, and writing everything twice would cost what it saves.
  if (zero_in_flight_ || config_.fsync.which() == fsync_policy::kind::os) return;
  if (!zeroing_.pays()) return;
  segment_ptr target;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  {
    const std::lock_guard lock(mutex_);
    if (failure_ || closing_ || abandoned_ || segments_.empty() || writing_.empty()) return;
    const engine::extent& active = tail_.extents().back();
    const std::uint64_t head = active.end - active.base;
    const std::uint64_t lead_bytes = std::min(zeroing_.lead_bytes(), config_.segment_bytes_max);
    target = segments_.newest();
    from = std::max(target->filled, block_ceil(head));
    to = std::min(target->allocated, head + lead_bytes);
    if (from >= to && next_) {
      const std::uint64_t lead_left =
          lead_bytes - std::min(lead_bytes, target->allocated - std::min(target->allocated, head));
      target = next_;
      from = target->filled;
      to = std::min(target->allocated, lead_left);
    }
    // Whole pieces, unless the segment ends before.
    const std::uint64_t piece_bytes =
        std::min<std::uint64_t>(zeroing_.piece_bytes(), storage::zeros_bytes);
    if (from >= to || (to - from < piece_bytes && to != target->allocated)) return;
    to = block_floor(std::min(to, from + piece_bytes));
    from = block_floor(from);
    if (from >= to || target->write_file == nullptr) return;
    zero_in_flight_ = true;
    zero_segment_ = target;
  }
  zero_request_.kind = storage::io_kind::write;
  zero_request_.durable = false;
  zero_request_.offset = from;
  zero_request_.pieces[0] = {const_cast<std::byte*>(storage::zeros()), to - from};
  zero_request_.piece_count = 1;
  zero_request_.target = target->write_file;
  zero_request_.complete = &log::zero_completed;
  zero_request_.owner = this;
  zero_request_.next = nullptr;
  ++io_in_flight_;
  keep_alive_ = shared_from_this();
  storage_->start(zero_request_);
}

void log::zero_completed(storage::io_request& request) noexcept {
  log& self = *static_cast<log*>(request.owner);
  const shared alive = self.shared_from_this();
  segment& filled = *self.zero_segment_;
  // Zeros only make later writes cheaper: where they can't be written, nobody tries again.
  filled.filled =
      request.result > 0
          ? std::max(filled.filled, request.offset + static_cast<std::uint64_t>(request.result))
          : ~std::uint64_t{0};
  request.target = nullptr;
  self.io_finished_on_strand();
  {
    const std::lock_guard lock(self.mutex_);
    self.zero_in_flight_ = false;
    self.zero_segment_ = nullptr;
  }
  self.settle_on_strand();
}

void log::arm_timers_on_strand() noexcept {
  try {
    arm_window_on_strand();
    arm_idle_on_strand();
  } catch (const std::bad_alloc&) {
    ask_again_on_strand();
  }
}

void log::arm_window_on_strand() {
  {
    const std::lock_guard lock(mutex_);
    if (!window_wanted_ || closing_ || abandoned_) return;
  }
  window_timer_.expires_after(config_.fsync.window());
  window_timer_.async_wait(
      asio::bind_executor(strand_, [weak = weak_from_this()](const error_code& ec) {
        const shared self = weak.lock();
        if (!self || ec) return;
        {
          const std::lock_guard lock(self->mutex_);
          self->window_armed_ = false;
          self->want_sync_locked();
        }
        self->drive_on_strand();
      }));
  const std::lock_guard lock(mutex_);
  window_wanted_ = false;
}

void log::arm_idle_on_strand() {
  if (idle_armed_ || config_.access == access::read_only) return;
  {
    const std::lock_guard lock(mutex_);
    if (failure_ || closing_ || abandoned_ || tail_.last_is_marker()) return;
    if (commit_.durable() != tail_.head() || !commit_.idle()) return;
    if (!wants_marker_locked()) return;
    idle_head_ = tail_.head();
  }
  idle_timer_.expires_after(idle_after);
  idle_timer_.async_wait(
      asio::bind_executor(strand_, [weak = weak_from_this()](const error_code& ec) {
        const shared self = weak.lock();
        if (!self) return;
        self->idle_armed_ = false;
        if (ec) return;
        {
          const std::lock_guard lock(self->mutex_);
          if (self->failure_ || self->closing_ || self->abandoned_) return;
          if (self->tail_.head() == self->idle_head_ && self->wants_marker_locked()) {
            self->tail_.append_marker(false, self->durable_sequence_);
            self->want_sync_locked();
          }
        }
        self->settle_on_strand();
      }));
  idle_armed_ = true;
}

void log::report_metrics_on_strand() {
  meter* const to = config_.meter.get();
  if (to == nullptr) return;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rotations = 0;
  std::uint64_t queue_bytes = 0;
  std::uint64_t queue_records = 0;
  std::uint64_t segment_count = 0;
  {
    const std::lock_guard lock(mutex_);
    records = std::exchange(records_unreported_, 0);
    bytes = std::exchange(bytes_appended_, 0);
    rotations = std::exchange(rotations_, 0);
    queue_bytes = tail_.head() - commit_.written();
    queue_records = tail_.chain().sequence - std::min(durable_sequence_, tail_.chain().sequence);
    segment_count = segments_.size();
  }
  if (records != 0) to->add(metrics::wal_records, records, {});
  if (bytes != 0) to->add(metrics::wal_bytes, bytes, {});
  if (rotations != 0) to->add(metrics::wal_rotations, rotations, {});
  to->set(metrics::wal_queue_bytes, static_cast<double>(queue_bytes), {});
  to->set(metrics::wal_queue_records, static_cast<double>(queue_records), {});
  to->set(metrics::wal_segments, static_cast<double>(segment_count), {});
}

}  // namespace nori
