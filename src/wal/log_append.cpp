// Laying records into the buffer, and waiting for what becomes of them.

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <new>

#include "format/planted_bug.hpp"
#include "wal/log.hpp"
#include "wal/suspend.hpp"

namespace nori {

using boost::system::error_code;

namespace {

std::uint64_t wall_clock_ns(const storage::clock* simulated) noexcept {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        storage::wall_clock(simulated).time_since_epoch())
                                        .count());
}

}  // namespace

struct log::lay_request {
  std::span<const format::prepared_record> records;
  std::uint64_t frames_bytes;
  std::span<position> positions = {};  ///< empty, or one for each record
  position first = {};
  position last = {};
  stream_offset begin = 0;
  stream_offset end = 0;
};

format::prepared_record log::prepare(const record_view& what,
                                     std::vector<std::byte>& scratch) const {
  const std::size_t bytes = what.key.size() + what.value.size();
  if (bytes > config_.record_bytes_max || what.key.size() > config_.record_bytes_max) [[unlikely]] {
    throw_error(errc::record_too_large, "record of " + std::to_string(bytes) +
                                            " bytes: config.record_bytes_max is " +
                                            std::to_string(config_.record_bytes_max));
  }
  std::uint64_t now_ms = 0;
  if (what.time_to_live) {
    if (what.time_to_live->count() < 0) {
      throw_error(errc::invalid_config, "record.time_to_live is negative");
    }
    now_ms = wall_clock_ns(clock_) / 1'000'000;
  }
  if (what.compress > compression::zstd) {
    throw_error(errc::invalid_config, "record.compress is not a known compression");
  }
  return format::prepare_record(what, now_ms, scratch);
}

error_code log::refusal_locked() const noexcept {
  if (failure_) return errc::log_failed;
  if (closing_ || abandoned_) return errc::closed;
  if (config_.access == access::read_only) return errc::read_only;
  return {};
}

// Begins the next segment where the bytes do not fit into this one.
log::outcome log::make_room_locked(std::uint64_t frames_bytes) noexcept {
  const auto demand = tail_.demand_of(frames_bytes);
  // What is written may end within a frame. Recovery takes whole frames out of the staging file, so
  // that one stays there until its end is written, too.
  const stream_offset needed_from = engine::block_floor(commit_.kept());
  if (tail_.head() + demand.bytes - needed_from > tail_.ring_bytes()) return outcome::wait;
  if (demand.rotates) {
    if (!next_ || !next_has_room_locked(frames_bytes)) {
      next_frames_bytes_ = std::max(next_frames_bytes_, frames_bytes);
      request_next_segment_locked();
      return outcome::wait;
    }
    tail_.finish_segment();
    const engine::extent& full = tail_.extents().back();
    if (!segments_.empty()) {
      segments_.newest()->end = full.end - full.base;
      segments_.newest()->sealed = true;
    }
    tail_.begin_segment(next_->id, wall_clock_ns(clock_), next_->reused_file);
    segments_.push_back(next_);
    writing_.push_back(std::move(next_));
    next_ = nullptr;
    ++rotations_;
    request_next_segment_locked();
  } else {
    const engine::extent& active = tail_.extents().back();
    if (active.end - active.base + demand.bytes + engine::tail::marker_reserve_bytes >
        segments_.newest()->allocated) {
      request_growth_locked();
      return outcome::wait;
    }
  }
  return outcome::laid;
}

log::outcome log::lay_locked(lay_request& what) noexcept {
  if (make_room_locked(what.frames_bytes) != outcome::laid) return outcome::wait;
  const std::size_t count = what.records.size();
  for (std::size_t i = 0; i < count; ++i) {
    const position at = tail_.append_record(what.records[i], i + 1 < count, durable_sequence_);
    if (!what.positions.empty()) what.positions[i] = at;
    if (i == 0) what.first = at;
    what.last = at;
  }
  what.begin = tail_.stream_of(what.first);
  what.end = tail_.head();
  records_appended_ += count;
  records_unreported_ += count;
  bytes_appended_ += what.frames_bytes;
  return outcome::laid;
}

bool log::next_has_room_locked(std::uint64_t frames_bytes) const noexcept {
  return format::segment_header_bytes + frames_bytes + engine::tail::marker_reserve_bytes <=
         next_->allocated;
}

// Whether a marker behind the last frame says something new, and there is room for it.
bool log::wants_marker_locked() const noexcept {
  if (tail_.chain().last_frame == 0 || segments_.empty()) return false;
  if (!tail_.begun() && opened_closed_) return false;
  const engine::extent& active = tail_.extents().back();
  const std::uint64_t end = active.end - active.base + tail_.marker_bytes();
  return end <= std::min(config_.segment_bytes_max, segments_.newest()->allocated);
}

void log::after_append_locked() {
  if (tail_.head() >= kick_at_ || !appended_waiters_.empty()) schedule_drive_locked();
  if (!synchronous_ && !window_armed_ && config_.fsync.which() == fsync_policy::kind::batch) {
    window_armed_ = window_wanted_ = true;
    post_drive_locked();
  }
}

void log::enlist_append_locked(waiter& w, wake_list& wake) {
  w.result = refusal_locked();
  if (w.result) {
    wake.add(w);
    return;
  }
  if (room_waiters_.empty()) {
    lay_request what{{w.records, w.record_count}, w.frames_bytes, w.positions};
    if (lay_locked(what) == outcome::laid) {
      w.first = what.first;
      w.last = what.last;
      w.begin = what.begin;
      w.target = what.end;
      if (synchronous_) {
        durable_waiters_.insert_by_target(w);
      } else {
        wake.add(w);
      }
      after_append_locked();
      return;
    }
  }
  room_waiters_.push_back(w);
  schedule_drive_locked();
}

void log::lay_waiting_locked(wake_list& wake) {
  while (waiter* w = room_waiters_.front()) {
    if (w->records == nullptr) {
      // Wants only to know.
      if (make_room_locked(w->frames_bytes) != outcome::laid) break;
      room_waiters_.remove(*w);
      wake.add(*w);
      continue;
    }
    lay_request what{{w->records, w->record_count}, w->frames_bytes, w->positions};
    if (lay_locked(what) != outcome::laid) break;
    room_waiters_.remove(*w);
    w->first = what.first;
    w->last = what.last;
    w->begin = what.begin;
    w->target = what.end;
    if (synchronous_) {
      durable_waiters_.insert_by_target(*w);
    } else {
      wake.add(*w);
    }
    if (!synchronous_ && !window_armed_ && config_.fsync.which() == fsync_policy::kind::batch) {
      window_armed_ = window_wanted_ = true;
    }
  }
  if (!room_waiters_.empty()) commit_.want_flush(tail_.head());
}

void log::throw_error_of(const error_code& code) const {
  if (code == boost::system::errc::not_enough_memory) throw std::bad_alloc();
  if (code == errc::append_in_doubt) {
    std::exception_ptr told = in_doubt_;
    try {
      const std::lock_guard lock(mutex_);
      if (!failure_text_.empty()) {
        told = std::make_exception_ptr(boost::system::system_error(code, failure_text_));
      }
    } catch (const std::bad_alloc&) {  // NOLINT: then without its text
    }
    std::rethrow_exception(told);
  }
  if (code == errc::log_failed) {
    std::string text;
    {
      const std::lock_guard lock(mutex_);
      text = failure_text_;
    }
    if (text.empty()) throw boost::system::system_error(code);
    throw boost::system::system_error(code, text);
  }
  if (code == errc::no_space) {
    std::string text;
    {
      const std::lock_guard lock(mutex_);
      text = "allocating a segment: " + allocation_error_.message();
    }
    throw boost::system::system_error(code, text);
  }
  throw boost::system::system_error(code);
}

asio::awaitable<position> log::append(shared self, const record_view& what) {
  return self->synchronous_ ? append_and_wait(std::move(self), what)
                            : append_at_once(std::move(self), what);
}

// What nearly always is all that there is to do under batch and os: its frame is small.
asio::awaitable<position> log::append_at_once(shared self, record_view what) {
  position at;
  const bool is_laid = self->lay_at_once(what, at);
  if (is_laid) [[likely]]
    co_return at;
  at = co_await append_and_wait(std::move(self), what);
  co_return at;
}

bool log::lay_at_once(const record_view& what, position& at) {
  std::vector<std::byte> scratch;
  const format::prepared_record prepared = prepare(what, scratch);
  const std::uint64_t bytes = format::frame_bytes(prepared.body_bytes);
  // Who waits is told what is wrong.
  if (bytes > tail_.frames_bytes_highest()) [[unlikely]]
    return false;
  const std::lock_guard lock(mutex_);
  if (refusal_locked() || !room_waiters_.empty()) [[unlikely]]
    return false;
  lay_request request{{&prepared, 1}, bytes};
  if (lay_locked(request) != outcome::laid) [[unlikely]]
    return false;
  after_append_locked();
  at = request.first;
  return true;
}

asio::awaitable<position> log::append_and_wait(shared self, record_view what) {
  std::vector<std::byte> scratch;
  const format::prepared_record prepared = self->prepare(what, scratch);
  const std::uint64_t bytes = format::frame_bytes(prepared.body_bytes);
  if (bytes > self->tail_.frames_bytes_highest()) [[unlikely]] {
    throw_error(errc::record_too_large, "record does not fit into config.buffer_bytes_max");
  }
  waiter w;
  w.is_append = true;
  w.records = &prepared;
  w.record_count = 1;
  w.frames_bytes = bytes;
  co_await self->suspend(w, true, [raw = self.get()](waiter& waiting, wake_list& wake) {
    raw->enlist_append_locked(waiting, wake);
  });
  if (w.result) self->throw_error_of(w.result);
  co_return w.first;
}

asio::awaitable<batch_positions> log::append_batch(shared self, std::span<const record_view> batch,
                                                   std::span<position> positions) {
  if (batch.empty()) throw_error(errc::invalid_config, "append_batch: the batch is empty");
  if (!positions.empty() && positions.size() != batch.size()) {
    throw_error(errc::invalid_config, "append_batch: positions and batch differ in length");
  }
  // Compressed values are kept until the batch is laid, each in a buffer of its own.
  std::vector<std::vector<std::byte>> scratch;
  std::vector<std::byte> unused;
  std::vector<format::prepared_record> prepared;
  prepared.reserve(batch.size());
  std::uint64_t bytes = 0;
  for (const record_view& what : batch) {
    const bool compresses = what.compress != compression::none;
    prepared.push_back(self->prepare(what, compresses ? scratch.emplace_back() : unused));
    bytes += format::frame_bytes(prepared.back().body_bytes);
  }
  if (bytes > self->tail_.frames_bytes_highest()) {
    throw_error(errc::batch_too_large,
                "batch of " + std::to_string(bytes) +
                    " bytes: config.buffer_bytes_max and segment_bytes_max allow " +
                    std::to_string(self->tail_.frames_bytes_highest()));
  }
  waiter w;
  w.is_append = true;
  w.records = prepared.data();
  w.record_count = prepared.size();
  w.frames_bytes = bytes;
  w.positions = positions;
  if (!self->synchronous_) {
    const std::lock_guard lock(self->mutex_);
    w.result = self->refusal_locked();
    if (!w.result && self->room_waiters_.empty()) {
      lay_request request{prepared, bytes, positions};
      if (self->lay_locked(request) == outcome::laid) {
        self->after_append_locked();
        co_return batch_positions{request.first, request.last};
      }
    }
  }
  if (!w.result) {
    co_await self->suspend(w, true, [raw = self.get()](waiter& waiting, wake_list& wake) {
      raw->enlist_append_locked(waiting, wake);
    });
  }
  if (w.result) self->throw_error_of(w.result);
  co_return batch_positions{w.first, w.last};
}

boost::system::result<log::laid> log::lay_now(std::span<const format::prepared_record> records,
                                              std::uint64_t frames_bytes,
                                              std::span<position> positions, bool waited) noexcept {
  const std::lock_guard lock(mutex_);
  if (const error_code refusal = refusal_locked()) return refusal;
  lay_request what{records, frames_bytes, positions};
  if ((!waited && !room_waiters_.empty()) || lay_locked(what) != outcome::laid) {
    return error_code(errc::would_block);
  }
  after_append_locked();
  return laid{what.begin, what.end, tail_.chain().crc};
}

asio::awaitable<void> log::wait_room(shared self, std::uint64_t frames_bytes) {
  waiter w;
  w.frames_bytes = frames_bytes;
  co_await self->suspend(w, true, [raw = self.get()](waiter& waiting, wake_list& wake) {
    waiting.result = raw->refusal_locked();
    if (waiting.result) {
      wake.add(waiting);
      return;
    }
    raw->room_waiters_.push_back(waiting);
    raw->commit_.want_flush(raw->tail_.head());
    raw->schedule_drive_locked();
  });
  if (w.result) self->throw_error_of(w.result);
}

asio::awaitable<void> log::wait_laid(shared self, laid what) {
  if (!self->synchronous_) co_return;
  waiter w;
  w.is_append = true;
  w.stays_laid = true;
  w.begin = what.begin;
  w.target = what.end;
  co_await self->suspend(w, true, [raw = self.get()](waiter& waiting, wake_list& wake) {
    if (raw->commit_.durable() >= waiting.target) {
      wake.add(waiting);
    } else if (raw->failure_ || raw->closed_ || raw->abandoned_) {
      waiting.result = errc::append_in_doubt;
      wake.add(waiting);
    } else {
      raw->durable_waiters_.insert_by_target(waiting);
    }
  });
  if (w.result) self->throw_error_of(w.result);
}

boost::system::result<position> log::try_append(const record_view& what) noexcept {
  try {
    std::vector<std::byte> scratch;
    const format::prepared_record prepared = prepare(what, scratch);
    const std::uint64_t bytes = format::frame_bytes(prepared.body_bytes);
    if (bytes > tail_.frames_bytes_highest()) return error_code(errc::record_too_large);
    const std::lock_guard lock(mutex_);
    if (const error_code refusal = refusal_locked()) return refusal;
    lay_request request{{&prepared, 1}, bytes};
    if (!room_waiters_.empty() || lay_locked(request) != outcome::laid) {
      commit_.want_flush(tail_.head());
      schedule_drive_locked();
      return error_code(errc::would_block);
    }
    after_append_locked();
    return request.first;
  } catch (const boost::system::system_error& refused) {
    return refused.code();
  } catch (const std::bad_alloc&) {
    return boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
  } catch (...) {
    return boost::system::errc::make_error_code(boost::system::errc::state_not_recoverable);
  }
}

log::stream_offset log::mark_locked(mark which) const noexcept {
  switch (which) {
    case mark::appended:
      return tail_.head();
    case mark::written:
      return commit_.written();
    case mark::durable:
      if (planted(format::planted_bug::acknowledge_before_sync)) return commit_.submitted();
      return commit_.durable();
    case mark::settled:
      return settled_;
  }
  return 0;
}

waiter_list& log::waiters_of(mark which) noexcept {
  switch (which) {
    case mark::appended:
      return appended_waiters_;
    case mark::written:
      return written_waiters_;
    case mark::settled:
      return settled_waiters_;
    case mark::durable:
      break;
  }
  return durable_waiters_;
}

void log::enlist_locked(waiter& w, mark which, wake_list& wake) {
  if (mark_locked(which) >= w.target) {
    wake.add(w);
  } else if (failure_) {
    w.result = errc::log_failed;
    wake.add(w);
  } else if (closed_ || abandoned_) {
    w.result = errc::closed;
    wake.add(w);
  } else {
    waiters_of(which).insert_by_target(w);
  }
}

asio::awaitable<void> log::wait_all(shared self, mark which) {
  waiter w;
  // What is durable ends anywhere in a record unless it is synchronous.
  if (which == mark::durable && !self->synchronous_) which = mark::settled;
  {
    const std::lock_guard lock(self->mutex_);
    w.target = self->tail_.head();
    if (self->mark_locked(which) >= w.target) co_return;
    if (which != mark::written) {
      self->want_sync_locked();
    } else {
      self->commit_.want_flush(w.target);
    }
    self->schedule_drive_locked();
  }
  co_await self->suspend(w, true, [raw = self.get(), which](waiter& waiting, wake_list& wake) {
    raw->enlist_locked(waiting, which, wake);
  });
  if (w.result) self->throw_error_of(w.result);
}

asio::awaitable<void> log::wait_for(shared self, mark which, position at) {
  waiter w;
  {
    const std::lock_guard lock(self->mutex_);
    // Under batch and os the staging file makes everything written that is appended.
    if (which == mark::written && !self->synchronous_) which = mark::appended;
    // What is durable ends anywhere in a record unless it is synchronous.
    if (which == mark::durable && !self->synchronous_) which = mark::settled;
    const stream_offset from = self->tail_.stream_of(at);
    if (from >= self->tail_.head()) {
      throw_error(errc::position_not_found, "position " + std::to_string(at.segment_id) + ":" +
                                                std::to_string(at.offset) +
                                                " lies behind the end of the log");
    }
    w.target = from + 1;
    if (self->mark_locked(which) >= w.target) co_return;
  }
  co_await self->suspend(w, true, [raw = self.get(), which](waiter& waiting, wake_list& wake) {
    raw->enlist_locked(waiting, which, wake);
  });
  if (w.result) self->throw_error_of(w.result);
}

asio::awaitable<void> log::wait_visible(shared self, position end, visibility sees) {
  const mark which =
      sees == visibility::durable || self->synchronous_ ? mark::settled : mark::appended;
  waiter w;
  co_await self->suspend(w, true, [raw = self.get(), which, end](waiter& waiting, wake_list& wake) {
    // What was forgotten of the stream was visible before.
    waiting.target = std::max(raw->tail_.stream_of(end), raw->tail_.extents().front().begin) + 1;
    raw->enlist_locked(waiting, which, wake);
  });
  if (w.result) self->throw_error_of(w.result);
}

void log::cancel_waiter(waiter& w, asio::cancellation_type type) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (w.where != waiter::state::listed) return;
    if (w.is_append && w.list != &room_waiters_) {
      if (w.begin >= commit_.submitted() && !w.stays_laid) {
        tail_.cancel(w.begin, w.target);
        records_appended_ -= w.record_count;
        records_unreported_ -= std::min<std::uint64_t>(records_unreported_, w.record_count);
        w.result = asio::error::operation_aborted;
      } else if ((type & (asio::cancellation_type::terminal | asio::cancellation_type::partial)) !=
                 asio::cancellation_type::none) {
        w.result = errc::append_in_doubt;
      } else {
        return;
      }
    } else {
      w.result = asio::error::operation_aborted;
    }
    w.list->remove(w);
  }
  w.resume(false);
}

}  // namespace nori
