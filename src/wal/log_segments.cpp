// The slow work, off the append path and one at a time: preparing segments, deleting them, closing.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>

#include "wal/identity_file.hpp"
#include "wal/log.hpp"
#include "wal/suspend.hpp"

namespace nori {

using boost::system::error_code;
using boost::system::system_error;

namespace {

constexpr std::string_view next_segment_tmp = "next.tmp";
constexpr std::size_t spares_max = 1;
constexpr std::uint64_t growth_bytes = std::uint64_t{1} << 20;
constexpr auto retry_after = std::chrono::milliseconds(50);
constexpr auto closing_patience = std::chrono::milliseconds(1);

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

asio::awaitable<void> log::acquire_maintenance() {
  waiter w;
  co_await suspend(w, false, [this](waiter& waiting, wake_list& wake) {
    if (!maintenance_busy_) {
      maintenance_busy_ = true;
      wake.add(waiting);
    } else {
      maintenance_waiters_.push_back(waiting);
    }
  });
}

void log::release_maintenance() {
  waiter* next = nullptr;
  {
    const std::lock_guard lock(mutex_);
    next = maintenance_waiters_.pop_front();
    if (next == nullptr) maintenance_busy_ = false;
  }
  if (next != nullptr) next->resume(false);
}

asio::awaitable<void> log::wait_quiet() {
  waiter w;
  co_await suspend(w, false, [this](waiter& waiting, wake_list& wake) {
    if (io_in_flight_ == 0) {
      wake.add(waiting);
    } else {
      quiet_waiters_.push_back(waiting);
    }
  });
}

// A nearly full disk may have had few blocks left for it.
bool log::next_is_too_small_locked() const noexcept {
  return next_ && !room_waiters_.empty() &&
         !next_has_room_locked(room_waiters_.front()->frames_bytes);
}

void log::request_next_segment_locked() {
  if (preparing_ || abandoned_ || failure_) return;
  if (next_ && !next_is_too_small_locked()) return;
  // Appends that were waiting when close() came are still to be laid.
  if (closing_ && room_waiters_.empty()) return;
  preparing_ = true;
  asio::post(strand_, [self = shared_from_this()] {
    asio::co_spawn(
        self->strand_, [self]() -> asio::awaitable<void> { return prepare_next_segment(self); },
        asio::detached);
  });
}

void log::request_growth_locked() {
  if (growing_ || failure_) return;
  growing_ = true;
  asio::post(strand_, [self = shared_from_this()] {
    asio::co_spawn(
        self->strand_, [self]() -> asio::awaitable<void> { return grow_active_segment(self); },
        asio::detached);
  });
}

// Fails what waits for a segment or for blocks, or sees to another attempt.
asio::awaitable<void> log::allocation_failed(error_code why, const char* operation) {
  if (config_.meter) config_.meter->add(metrics::wal_failures, 1, operation);
  if (is_passing(why)) {
    // Nothing is lost: appends wait until a descriptor or memory is there.
    asio::steady_timer pause(strand_, retry_after);
    co_await pause.async_wait(asio::use_awaitable);
    const std::lock_guard lock(mutex_);
    if (!room_waiters_.empty()) schedule_drive_locked();
    co_return;
  }
  if (!is_no_space(why)) {
    fail_on_strand(operation, why);
    co_return;
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
    if (!room_waiters_.empty()) schedule_drive_locked();
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

asio::awaitable<void> log::prepare_next_segment(shared self) {
  co_await self->acquire_maintenance();
  error_code failed;
  try {
    co_await self->make_next_segment();
  } catch (const system_error& error) {
    failed = error.code();
  } catch (const std::bad_alloc&) {
    failed = boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
  }
  {
    const std::lock_guard lock(self->mutex_);
    self->preparing_ = false;
    if (!failed) self->schedule_drive_locked();
  }
  self->release_maintenance();
  if (failed) co_await self->allocation_failed(failed, "allocate");
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
    co_await storage_->sync_directory();
    format::log_identity identity = identity_;
    identity.last_segment_id = id;
    co_await write_identity(*storage_, identity);
    identity_ = identity;
  } catch (...) {
    failed = std::current_exception();
  }
  if (failed) {
    made->write_file = nullptr;
    co_await remove_if_there(*storage_, tmp);
    std::rethrow_exception(failed);
  }
  const std::lock_guard lock(mutex_);
  allocation_error_ = {};
  next_ = std::move(made);
}

std::uint64_t log::waiting_frames_bytes() const {
  const std::lock_guard lock(mutex_);
  return room_waiters_.empty() ? 0 : room_waiters_.front()->frames_bytes;
}

asio::awaitable<void> log::grow_active_segment(shared self) {
  co_await self->acquire_maintenance();
  error_code failed;
  segment_ptr active;
  std::uint64_t least = 0;
  {
    const std::lock_guard lock(self->mutex_);
    active = self->segments_.newest();
    const engine::extent& at = self->tail_.extents().back();
    const std::uint64_t frames =
        self->room_waiters_.empty() ? 0 : self->room_waiters_.front()->frames_bytes;
    least = engine::block_ceil(at.end - at.base + self->tail_.demand_of(frames).bytes +
                               engine::tail::marker_reserve_bytes);
    least = least > active->allocated ? least - active->allocated : format::block_bytes;
  }
  const std::uint64_t left = self->config_.segment_bytes_max - active->allocated;
  try {
    if (left != 0 && active->write_file) {
      const std::uint64_t got = co_await allocate_up_to(
          *self->storage_, active->write_file, active->allocated,
          self->config_.preallocate ? left : std::min(left, std::max(growth_bytes, least)),
          std::min(left, least));
      const std::lock_guard lock(self->mutex_);
      active->allocated += got;
      self->allocation_error_ = {};
    }
  } catch (const system_error& error) {
    failed = error.code();
  }
  {
    const std::lock_guard lock(self->mutex_);
    self->growing_ = false;
    if (!failed) self->schedule_drive_locked();
  }
  self->release_maintenance();
  if (failed) co_await self->allocation_failed(failed, "allocate");
}

asio::awaitable<deleted_segments> log::delete_segments_before(shared self, position before) {
  {
    const std::lock_guard lock(self->mutex_);
    if (const error_code refusal = self->refusal_locked()) {
      throw system_error(refusal, self->failure_text_);
    }
  }
  // On the strand, like all maintenance.
  auto work = [self, before]() -> asio::awaitable<deleted_segments> {
    co_await self->acquire_maintenance();
    std::exception_ptr failed;
    deleted_segments removed;
    try {
      removed = co_await self->delete_before(before.segment_id);
    } catch (...) {
      failed = std::current_exception();
    }
    self->release_maintenance();
    if (failed) std::rethrow_exception(failed);
    co_return removed;
  };
  co_return co_await asio::co_spawn(self->strand_, std::move(work), asio::use_awaitable);
}

asio::awaitable<deleted_segments> log::delete_before(std::uint64_t segment_id) {
  deleted_segments removed;
  std::uint64_t first = 0;
  {
    const std::lock_guard lock(mutex_);
    // The directory may have been given up while this waited for its turn.
    if (const error_code refusal = refusal_locked()) throw system_error(refusal, failure_text_);
    if (segments_.empty()) co_return removed;
    // What is still being written stays.
    const std::uint64_t keep = writing_.empty() ? segments_.newest()->id : writing_.front()->id;
    first = std::min({segment_id, segments_.newest()->id, keep});
    if (first <= segments_.oldest()->id) co_return removed;
  }
  // Recovery removes what a crash leaves over below this: said first, done then.
  format::log_identity identity = identity_;
  identity.first_segment_id = first;
  co_await write_identity(*storage_, identity);
  identity_ = identity;
  for (;;) {
    segment_ptr victim;
    {
      const std::lock_guard lock(mutex_);
      if (segments_.oldest()->id >= first) break;
      victim = segments_.pop_front();
    }
    // Nobody can begin to read it any more. Who reads it already keeps the file, so it must not be
    // written to again.
    const bool unread = victim.use_count() == 1;
    if (unread && spares_.size() < spares_max && config_.access == access::read_write) {
      const std::string spare = "spare-" + std::to_string(victim->id);
      co_await storage_->rename(victim->name, spare);
      spares_.push_back(spare);
    } else {
      co_await storage_->remove(victim->name);
    }
    ++removed.segments;
    removed.bytes += victim->end;
  }
  co_await storage_->sync_directory();
  if (config_.meter) config_.meter->add(metrics::wal_segments_deleted, removed.segments, {});
  co_return removed;
}

asio::awaitable<void> log::close(shared self) {
  {
    const std::lock_guard lock(self->mutex_);
    if (!self->closing_) {
      self->closing_ = true;
      asio::post(self->strand_, [self] {
        asio::co_spawn(
            self->strand_, [self]() -> asio::awaitable<void> { return close_on_strand(self); },
            asio::detached);
      });
    }
  }
  waiter w;
  co_await self->suspend(w, false, [raw = self.get()](waiter& waiting, wake_list& wake) {
    if (raw->closed_) {
      wake.add(waiting);
    } else {
      raw->close_waiters_.push_back(waiting);
    }
  });
  if (self->close_error_) {
    std::rethrow_exception(std::exchange(self->close_error_, nullptr));
  }
}

asio::awaitable<void> log::close_on_strand(shared self) {
  std::exception_ptr failed;
  if (self->config_.access == access::read_write) {
    try {
      co_await make_all_durable(self);
    } catch (...) {
      failed = std::current_exception();
    }
    self->window_timer_.cancel();
    self->idle_timer_.cancel();
    co_await self->acquire_maintenance();
    co_await self->wait_quiet();
    co_await self->release_directory(failed == nullptr);
    self->release_maintenance();
  }
  wake_list wake;
  {
    const std::lock_guard lock(self->mutex_);
    self->closed_ = true;
    self->close_error_ = failed;
    self->writing_.clear();
    self->next_ = nullptr;
    for (waiter_list* list :
         {&self->durable_waiters_, &self->written_waiters_, &self->appended_waiters_,
          &self->settled_waiters_, &self->close_waiters_}) {
      while (waiter* w = list->pop_front()) {
        if (list != &self->close_waiters_) w->result = errc::closed;
        wake.add(*w);
      }
    }
  }
  wake.resume_all(false);
}

asio::awaitable<void> log::make_all_durable(shared self) {
  for (;;) {
    co_await wait_all(self, mark::durable);
    {
      const std::lock_guard lock(self->mutex_);
      if (self->failure_) break;
      if (self->room_waiters_.empty() && self->commit_.durable() == self->tail_.head()) break;
      self->schedule_drive_locked();
    }
    // Appends still wait for a segment, and who prepares it needs the strand.
    asio::steady_timer timer(self->strand_, closing_patience);
    co_await timer.async_wait(asio::use_awaitable);
  }
  {
    const std::lock_guard lock(self->mutex_);
    if (self->failure_) throw system_error(errc::log_failed, self->failure_text_);
    if (self->writing_.empty() || !self->wants_marker_locked()) co_return;
    self->tail_.append_marker(true, self->durable_sequence_);
  }
  co_await wait_all(self, mark::durable);
}

// Readers may keep an abandoned log for as long as they like, but not the directory.
asio::awaitable<void> log::let_go(shared self) {
  co_await self->acquire_maintenance();
  co_await self->wait_quiet();
  co_await self->release_directory(false);
  self->release_maintenance();
  const std::lock_guard lock(self->mutex_);
  self->winding_.end();
}

asio::awaitable<void> log::release_directory(bool tidy) {
  if (tidy) {
    // Everything is durable already. What fails here is only left for the next open to clear up.
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
    } catch (const system_error&) {  // NOLINT: see above
    }
  }
  for (const segment_ptr& s : writing_) s->write_file = nullptr;
  try {
    co_await storage_->unlock();
  } catch (const system_error&) {  // NOLINT: the end of the process unlocks as well
  }
}

}  // namespace nori
