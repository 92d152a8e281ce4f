// The chores, off the append path: preparing segments, growing them, closing, letting go.
//
// One coroutine does them one after the other, on the strand, from the opening of a log to its end:
// one that was begun when there is something to do could not be when memory has run out.

#include <boost/asio/bind_executor.hpp>
#include <boost/system/errc.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>

#include "format/planted_bug.hpp"
#include "wal/identity_file.hpp"
#include "wal/log.hpp"
#include "wal/suspend.hpp"

namespace nori {

using boost::system::error_code;
using boost::system::system_error;

namespace {

constexpr std::string_view next_segment_tmp = "next.tmp";
constexpr std::uint64_t growth_bytes = std::uint64_t{1} << 20;
constexpr auto retry_after = std::chrono::milliseconds(50);

bool is_no_space(const error_code& code) noexcept {
  return code == boost::system::errc::no_space_on_device || code.value() == EDQUOT ||
         code == boost::system::errc::file_too_large;
}

bool is_passing(const error_code& code) noexcept {
  return code == boost::system::errc::too_many_files_open ||
         code == boost::system::errc::too_many_files_open_in_system ||
         code == boost::system::errc::not_enough_memory;
}

// Reserves the first `bytes` of a file, or less where that is all there is; at least `least`.
asio::awaitable<std::uint64_t> allocate_up_to(storage::storage& files, storage::file_ptr file,
                                              std::uint64_t from, std::uint64_t bytes,
                                              std::uint64_t least) {
  for (const std::uint64_t wanted : {bytes, std::max(least, std::min(bytes, growth_bytes))}) {
    try {
      co_await files.allocate(file, from, wanted);
      co_return wanted;
    } catch (const system_error& refused) {
      if (!is_no_space(refused.code())) throw;
    }
  }
  co_await files.allocate(file, from, least);
  co_return least;
}

}  // namespace

// A nearly full disk may have had few blocks left for it.
bool log::next_is_too_small_locked() const noexcept {
  return next_ && !next_has_room_locked(waiting_frames_bytes_locked());
}

void log::request_next_segment_locked() noexcept {
  if (next_wanted_ || abandoned_ || failure_) return;
  if (next_ && !next_is_too_small_locked()) return;
  // Appends that were waiting when close() came are still to be laid.
  if (closing_ && room_waiters_.empty()) return;
  next_wanted_ = true;
  schedule_drive_locked();
}

void log::request_growth_locked() noexcept {
  if (growth_wanted_ || failure_) return;
  growth_wanted_ = true;
  schedule_drive_locked();
}

void log::wake_keeper_locked(wake_list& wake) noexcept {
  if (keeper_waiters_.empty() || next_chore_locked() == chore::none) return;
  wake.add(*keeper_waiters_.pop_front());
}

log::chore log::next_chore_locked() const noexcept {
  return maintenance_busy_ ? chore::none : due_chore_locked();
}

log::chore log::due_chore_locked() const noexcept {
  if (context_gone_ || closed_ || asks_again_) return chore::none;
  if (may_finish_locked()) return chore::finish;
  if (failure_ || abandoned_) return chore::none;
  if (growth_wanted_) return chore::grow;
  return next_wanted_ ? chore::prepare : chore::none;
}

// A log is closed when everything that was appended before is durable, or can't be.
bool log::may_finish_locked() const noexcept {
  if (abandoned_) return true;
  if (!closing_) return false;
  if (failure_ || config_.access == access::read_only) return true;
  return room_waiters_.empty() && commit_.durable() == tail_.head();
}

asio::awaitable<void> log::keep(shared self) {
  for (;;) {
    waiter w;
    w.is_background = true;
    co_await self->suspend(w, false, [raw = self.get()](waiter& waiting, wake_list& wake) {
      if (raw->next_chore_locked() != chore::none) {
        wake.add(waiting);
      } else {
        raw->keeper_waiters_.push_back(waiting);
      }
    });
    chore what = chore::none;
    wake_list passed_on;
    {
      const std::lock_guard lock(self->mutex_);
      const bool has_turn = std::exchange(self->keeper_has_turn_, false);
      what = has_turn ? self->due_chore_locked() : self->next_chore_locked();
      if (what != chore::none) {
        self->maintenance_busy_ = true;
      } else if (has_turn) {
        self->release_maintenance_locked(passed_on);
      }
    }
    if (what == chore::none) {
      passed_on.resume_all(false);
      continue;
    }
    error_code failed;
    try {
      if (what == chore::prepare) co_await self->make_next_segment();
      if (what == chore::grow) co_await self->grow_active_segment();
      if (what == chore::finish) co_await self->finish();
    } catch (const system_error& error) {
      failed = error.code();
    } catch (const std::bad_alloc&) {
      failed = boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
    }
    if (what != chore::finish) {
      self->preparation_ended_on_strand(what, failed);
    } else if (failed) {
      // It is only ever memory that is wanting.
      self->ask_again_on_strand();
    }
    wake_list wake;
    bool ends = false;
    {
      const std::lock_guard lock(self->mutex_);
      self->release_maintenance_locked(wake);
      ends = self->closed_;
    }
    wake.resume_all(false);
    if (ends) co_return;
  }
}

// Does after a while what there was no memory for, or no descriptor.
void log::ask_again_on_strand() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(asks_again_, true)) return;
  }
  try {
    again_timer_.expires_after(retry_after);
    again_timer_.async_wait(
        asio::bind_executor(strand_, [weak = weak_from_this()](const error_code&) {
          const shared self = weak.lock();
          if (!self) return;
          {
            const std::lock_guard lock(self->mutex_);
            self->asks_again_ = false;
          }
          self->settle_on_strand();
        }));
  } catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    asks_again_ = false;
    schedule_drive_locked();
  }
}

// Resumes what waits for a segment or for blocks, fails it, or sees to another attempt.
void log::preparation_ended_on_strand(chore which, const error_code& why) noexcept {
  constexpr const char* operation = "allocate";
  bool awaited = false;
  {
    const std::lock_guard lock(mutex_);
    (which == chore::grow ? growth_wanted_ : next_wanted_) = false;
    // Who still needs that much says so again.
    if (which == chore::prepare) next_frames_bytes_ = 0;
    awaited = !room_waiters_.empty();
    if (!why) schedule_drive_locked();
  }
  if (!why) return;
  if (config_.meter) config_.meter->add(metrics::wal_failures, 1, operation);
  if (is_passing(why)) {
    // Nothing is lost: appends wait until a descriptor or memory is there.
    if (awaited) ask_again_on_strand();
    return;
  }
  if (!is_no_space(why)) {
    fail_on_strand(operation, why);
    return;
  }
  wake_list wake;
  {
    const std::lock_guard lock(mutex_);
    allocation_error_ = why;
    // An append that the buffer alone holds up is not concerned, and goes on below.
    while (waiter* w = room_waiters_.front()) {
      if (fits_allocation_locked(w->frames_bytes)) break;
      room_waiters_.remove(*w);
      w->result = errc::no_space;
      wake.add(*w);
    }
    if (!room_waiters_.empty() || closing_) schedule_drive_locked();
  }
  resume_in_place(wake);
}

bool log::fits_allocation_locked(std::uint64_t frames_bytes) const noexcept {
  const auto demand = tail_.demand_of(frames_bytes);
  if (demand.rotates) {
    return next_ && next_has_room_locked(frames_bytes);
  }
  const engine::extent& active = tail_.extents().back();
  return active.end - active.base + demand.bytes + engine::tail::marker_reserve_bytes <=
         segments_.newest()->allocated;
}

asio::awaitable<void> log::make_next_segment() {
  std::uint64_t id = 1;
  segment_ptr small;
  {
    const std::lock_guard lock(mutex_);
    if ((closing_ && room_waiters_.empty()) || abandoned_ || failure_) co_return;
    if (next_ && !next_is_too_small_locked()) co_return;
    small = next_;
    const std::uint64_t newest = tail_.extents().back().segment_id;
    id = newest == 0 ? identity_.first_segment_id : newest + 1;
  }
  if (small) {
    const std::uint64_t least = engine::block_ceil(
        format::segment_header_bytes + waiting_frames_bytes() + engine::tail::marker_reserve_bytes);
    const std::uint64_t got = co_await allocate_up_to(
        *storage_, small->write_file, small->allocated,
        config_.segment_bytes_max - small->allocated,
        least > small->allocated ? least - small->allocated : format::block_bytes);
    const std::lock_guard lock(mutex_);
    small->allocated += got;
    allocation_error_ = {};
    co_return;
  }
  auto made = std::make_shared<segment>();
  made->id = id;
  made->name = format::segment_file_name(id);
  made->record_bytes_max = config_.record_bytes_max;
  const std::string tmp(next_segment_tmp);
  co_await remove_if_there(*storage_, tmp);
  std::uint64_t reused = 0;
  if (!spares_.empty()) {
    // Blocks that were written before need no metadata: retired segments are used again.
    co_await storage_->rename(spares_.back(), tmp);
    spares_.pop_back();
    made->write_file = co_await storage_->open(tmp, storage::open_mode::write);
    reused = co_await storage_->size(made->write_file);
    made->reused_file = true;
  } else {
    made->write_file = co_await storage_->open(tmp, storage::open_mode::create);
  }
  std::exception_ptr failed;
  try {
    const std::uint64_t wanted = config_.preallocate
                                     ? config_.segment_bytes_max
                                     : std::min(config_.segment_bytes_max, growth_bytes);
    made->allocated = std::min(reused, config_.segment_bytes_max);
    if (made->allocated < wanted) {
      const std::uint64_t least =
          std::min(config_.segment_bytes_max,
                   engine::block_ceil(format::segment_header_bytes + waiting_frames_bytes() +
                                      engine::tail::marker_reserve_bytes));
      made->allocated += co_await allocate_up_to(
          *storage_, made->write_file, made->allocated, wanted - made->allocated,
          least > made->allocated ? least - made->allocated : format::block_bytes);
    }
    // A header of zeros says that the segment was never begun.
    co_await storage::write_at(*storage_, made->write_file, 0, storage::zeros(),
                               format::segment_header_bytes, false, tmp);
    co_await storage::sync(*storage_, made->write_file, tmp);
    made->filled = std::max<std::uint64_t>(reused, format::segment_header_bytes);
    co_await storage_->rename(tmp, made->name);
    if (!planted(format::planted_bug::skip_directory_sync)) co_await storage_->sync_directory();
    format::log_identity identity = identity_;
    identity.last_segment_id = id;
    co_await write_identity(*storage_, identity);
    identity_ = identity;
    const std::lock_guard lock(mutex_);
    // Appends begin it, and must not need memory for that.
    tail_.reserve_segment();
    segments_.reserve_one();
    writing_.reserve(writing_.size() + 1);
    allocation_error_ = {};
    next_ = made;
  } catch (...) {
    failed = std::current_exception();
  }
  if (failed) {
    made->write_file = nullptr;
    co_await remove_if_there(*storage_, tmp);
    std::rethrow_exception(failed);
  }
}

std::uint64_t log::waiting_frames_bytes_locked() const noexcept {
  return std::max(next_frames_bytes_,
                  room_waiters_.empty() ? 0 : room_waiters_.front()->frames_bytes);
}

std::uint64_t log::waiting_frames_bytes() const {
  const std::lock_guard lock(mutex_);
  return waiting_frames_bytes_locked();
}

asio::awaitable<void> log::grow_active_segment() {
  segment_ptr active;
  std::uint64_t least = 0;
  {
    const std::lock_guard lock(mutex_);
    active = segments_.newest();
    const engine::extent& at = tail_.extents().back();
    const std::uint64_t frames = room_waiters_.empty() ? 0 : room_waiters_.front()->frames_bytes;
    least = engine::block_ceil(at.end - at.base + tail_.demand_of(frames).bytes +
                               engine::tail::marker_reserve_bytes);
    least = least > active->allocated ? least - active->allocated : format::block_bytes;
  }
  const std::uint64_t left = config_.segment_bytes_max - active->allocated;
  if (left == 0 || !active->write_file) co_return;
  const std::uint64_t got = co_await allocate_up_to(
      *storage_, active->write_file, active->allocated,
      config_.preallocate ? left : std::min(left, std::max(growth_bytes, least)),
      std::min(left, least));
  const std::lock_guard lock(mutex_);
  active->allocated += got;
  allocation_error_ = {};
}

asio::awaitable<void> log::close(shared self) {
  {
    const std::lock_guard lock(self->mutex_);
    if (self->closed_) co_return;
    if (!self->closing_) {
      self->closing_ = true;
      self->schedule_drive_locked();
    }
  }
  waiter w;
  co_await self->suspend(w, false, [raw = self.get()](waiter& waiting, wake_list& wake) {
    if (raw->closed_) {
      waiting.result = raw->close_error_;
      wake.add(waiting);
    } else {
      raw->close_waiters_.push_back(waiting);
    }
  });
  if (w.result) self->throw_error_of(w.result);
}

// Closes the log, or lets go of what was abandoned: readers may keep that for as long as they like,
// but not the directory. Done again from its beginning where memory ran out in it.
asio::awaitable<void> log::finish() {
  error_code failed;
  bool closes = false;
  {
    const std::lock_guard lock(mutex_);
    closes = closing_ && config_.access == access::read_write;
    if (closing_ && abandoned_) failed = errc::closed;
  }
  if (closes && !failed) {
    try {
      co_await lay_closing_mark();
    } catch (const system_error& error) {
      failed = error.code();
    }
  }
  window_timer_.cancel();
  idle_timer_.cancel();
  waiter quiet;
  co_await suspend(quiet, false, [this](waiter& waiting, wake_list& wake) {
    if (io_in_flight_ == 0) {
      wake.add(waiting);
    } else {
      quiet_waiters_.push_back(waiting);
    }
  });
  co_await release_directory(closes && !failed);
  wake_list wake;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    close_error_ = failed;
    writing_.clear();
    next_ = nullptr;
    for (waiter_list* list : {&durable_waiters_, &written_waiters_, &appended_waiters_,
                              &settled_waiters_, &close_waiters_}) {
      while (waiter* w = list->pop_front()) {
        w->result = list == &close_waiters_ ? failed : error_code(errc::closed);
        wake.add(*w);
      }
    }
    winding_.end();
  }
  wake.resume_all(false);
}

asio::awaitable<void> log::lay_closing_mark() {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) throw system_error(errc::log_failed);
    if (!closing_mark_laid_) {
      if (writing_.empty() || !wants_marker_locked()) co_return;
      tail_.append_marker(true, durable_sequence_);
      closing_mark_laid_ = true;
    }
  }
  co_await wait_all(shared_from_this(), mark::durable);
}

asio::awaitable<void> log::release_directory(bool tidy) {
  if (tidy) {
    // Everything is durable already, and all of it may be done twice. What fails here is only left
    // for the next open to clear up.
    try {
      std::vector<std::string> surplus = spares_;
      spares_.clear();
      if (next_) {
        format::log_identity identity = identity_;
        identity.last_segment_id = next_->id - 1;
        co_await write_identity(*storage_, identity);
        identity_ = identity;
        surplus.push_back(next_->name);
        next_->write_file = nullptr;
      }
      for (const std::string& name : surplus) co_await remove_if_there(*storage_, name);
      co_await remove_if_there(*storage_, std::string(format::staging_file_name));
      if (!writing_.empty() && writing_.back()->write_file) {
        const engine::extent& active = tail_.extents().back();
        co_await storage_->truncate(writing_.back()->write_file,
                                    engine::block_ceil(active.end - active.base));
        co_await storage::sync(*storage_, writing_.back()->write_file, writing_.back()->name);
      }
      co_await storage_->sync_directory();
    } catch (const std::exception&) {  // NOLINT: see above
    }
  }
  for (const segment_ptr& s : writing_) s->write_file = nullptr;
  try {
    co_await storage_->unlock();
  } catch (const system_error&) {  // NOLINT: the end of the process unlocks as well
  }
}

}  // namespace nori
