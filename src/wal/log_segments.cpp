// Deleting segments: on the executor of whoever asks, one at a time with the keeper's chores.

#include <algorithm>

#include "wal/identity_file.hpp"
#include "wal/log.hpp"
#include "wal/suspend.hpp"

namespace nori {

using boost::system::error_code;
using boost::system::system_error;

namespace {

constexpr std::size_t spares_max = 1;

}  // namespace

/// Whoever has it works on the directory, and gives it up however that ends.
class log::maintenance_turn {
 public:
  explicit maintenance_turn(log& of) noexcept : of_(of) {}
  maintenance_turn(const maintenance_turn&) = delete;
  maintenance_turn& operator=(const maintenance_turn&) = delete;
  ~maintenance_turn() {
    wake_list wake;
    {
      const std::lock_guard lock(of_.mutex_);
      of_.release_maintenance_locked(wake);
    }
    wake.resume_all(false);
  }

 private:
  log& of_;
};

void log::release_maintenance_locked(wake_list& wake) noexcept {
  // The keeper first: those who delete could pass the turn to each other for ever.
  if (!keeper_waiters_.empty() && due_chore_locked() != chore::none) {
    keeper_has_turn_ = true;
    wake.add(*keeper_waiters_.pop_front());
    return;
  }
  if (waiter* const next = maintenance_waiters_.pop_front()) {
    wake.add(*next);
    return;
  }
  maintenance_busy_ = false;
}

asio::awaitable<deleted_segments> log::delete_segments_before(shared self, position before) {
  {
    const std::lock_guard lock(self->mutex_);
    if (const error_code refusal = self->refusal_locked()) {
      throw system_error(refusal, self->failure_text_);
    }
  }
  waiter w;
  co_await self->suspend(w, false, [raw = self.get()](waiter& waiting, wake_list& wake) {
    if (!raw->maintenance_busy_) {
      raw->maintenance_busy_ = true;
      wake.add(waiting);
    } else {
      raw->maintenance_waiters_.push_back(waiting);
    }
  });
  const maintenance_turn turn(*self);
  co_return co_await self->delete_before(before.segment_id);
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
  co_await wait_header_durable(first);
  // Recovery removes what a crash leaves over below this: said first, done then.
  format::log_identity identity = identity_;
  identity.first_segment_id = first;
  co_await write_identity(*storage_, identity);
  identity_ = identity;
  for (;;) {
    // Before it is taken out of the log, so that what memory runs out for can be done again.
    spares_.reserve(spares_max);
    segment_ptr victim;
    std::string spare = "spare-";
    {
      const std::lock_guard lock(mutex_);
      if (segments_.oldest()->id >= first) break;
      spare += std::to_string(segments_.oldest()->id);
      victim = segments_.pop_front();
    }
    // Nobody can begin to read it any more. Who reads it already keeps the file, so it must not be
    // written to again.
    const bool unread = victim.use_count() == 1;
    if (unread && spares_.size() < spares_max && config_.access == access::read_write) {
      co_await storage_->rename(victim->name, spare);
      spares_.push_back(std::move(spare));
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

// What is left must be a log by itself: recovery can't find out where the one before its first
// segment ended but from that one's header, which may be in the buffer alone, or in the page cache.
asio::awaitable<void> log::wait_header_durable(std::uint64_t segment_id) {
  waiter w;
  co_await suspend(w, false, [this, segment_id](waiter& waiting, wake_list& wake) {
    const auto& extents = tail_.extents();
    const auto of = std::find_if(extents.begin(), extents.end(), [&](const engine::extent& each) {
      return each.segment_id == segment_id;
    });
    // What the buffer has forgotten is durable.
    waiting.target = of == extents.end() ? 0 : of->base + format::segment_header_bytes;
    if (waiting.target > commit_.durable()) {
      commit_.want_sync(waiting.target);
      schedule_drive_locked();
    }
    enlist_locked(waiting, mark::durable, wake);
  });
  if (w.result) throw_error_of(w.result);
}

}  // namespace nori
