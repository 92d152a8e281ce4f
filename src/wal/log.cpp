#include "wal/log.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstring>
#include <new>

#include "wal/cursor.hpp"
#include "wal/log_registry.hpp"

namespace nori {

using boost::system::error_code;

asio::execution_context::id log_registry::id;

void log_registry::add(log& added) {
  const std::lock_guard lock(mutex_);
  logs_.insert(&added);
}

void log_registry::remove(log& removed) noexcept {
  const std::lock_guard lock(mutex_);
  logs_.erase(&removed);
}

void log_registry::shutdown() {
  for (;;) {
    std::shared_ptr<log> next;
    {
      const std::lock_guard lock(mutex_);
      if (logs_.empty()) return;
      next = (*logs_.begin())->weak_from_this().lock();
      logs_.erase(logs_.begin());
    }
    if (next) next->shutdown();
  }
}

namespace {

std::atomic<int> abandoned_logs = 0;

// Half of the buffer is in flight at most, so that appends go on meanwhile; and enough for the
// device to be at work while the largest records are laid.
std::uint64_t piece_bytes_for(std::size_t buffer_bytes) noexcept {
  return std::clamp<std::uint64_t>(buffer_bytes / 8, format::block_bytes, std::uint64_t{1} << 20);
}

engine::group_commit::settings commit_settings(const opened_parts& parts) noexcept {
  engine::group_commit::settings chosen;
  chosen.synchronous = parts.config.fsync.which() == fsync_policy::kind::always;
  chosen.piece_bytes = piece_bytes_for(parts.config.buffer_bytes_max);
  return chosen;
}

}  // namespace

log::log(opened_parts parts)
    : config_(parts.config),
      strand_(parts.strand),
      home_(strand_.inner()),
      context_(&asio::query(strand_, asio::execution::context)),
      storage_(parts.storage),
      ring_(std::move(parts.ring)),
      clock_(storage_->simulated_clock()),
      synchronous_(parts.config.fsync.which() == fsync_policy::kind::always),
      piece_bytes_(piece_bytes_for(parts.config.buffer_bytes_max)),
      opened_closed_(parts.closed),
      tail_(std::move(parts.tail)),
      commit_(commit_settings(parts), tail_.head()),
      segments_(std::move(parts.segments)),
      in_doubt_(std::make_exception_ptr(boost::system::system_error(errc::append_in_doubt))),
      last_blocks_(allocate_blocks(slots_.size() * format::block_bytes)),
      window_timer_(home_, clock_),
      idle_timer_(home_, clock_),
      again_timer_(home_, clock_),
      id_(parts.identity.log),
      identity_(parts.identity) {
  durable_sequence_ = tail_.chain().sequence;
  settled_ = tail_.head();
  batch_ends_.reserve(256);
  kick_at_ = tail_.head() + (synchronous_ ? 1 : piece_bytes_);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].last_block = last_blocks_.get() + i * format::block_bytes;
  }
  if (parts.active) writing_.push_back(parts.active);
}

log::~log() {
  if (registered_) asio::use_service<log_registry>(*context_).remove(*this);
}

void log::start() {
  asio::use_service<log_registry>(*context_).add(*this);
  registered_ = true;
  if (config_.access == access::read_write) {
    next_wanted_ = true;
    growth_wanted_ = config_.preallocate && !writing_.empty() &&
                     writing_.back()->allocated < config_.segment_bytes_max;
  }
  storage::begin_coroutine(strand_, keep(shared_from_this()));
}

error_code log::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

position log::current_position() const {
  const std::lock_guard lock(mutex_);
  return tail_.position_of(tail_.head());
}

position log::durable_position() const {
  const std::lock_guard lock(mutex_);
  return tail_.position_of(synchronous_ ? commit_.durable() : settled_);
}

position log::first_position() const {
  const std::lock_guard lock(mutex_);
  if (segments_.empty()) return {1, format::segment_header_bytes};
  return {segments_.oldest()->id, format::segment_header_bytes};
}

position log::visible_end(visibility sees) const {
  const std::lock_guard lock(mutex_);
  const bool durable_only = sees == visibility::durable || synchronous_;
  return tail_.position_of(durable_only ? settled_ : tail_.head());
}

std::vector<log::segment_info> log::segments() const {
  const std::lock_guard lock(mutex_);
  std::vector<segment_info> all;
  if (segments_.empty()) return all;
  const std::uint64_t newest = segments_.newest()->id;
  for (std::uint64_t id = segments_.oldest()->id; id <= newest; ++id) {
    const segment_ptr each = segments_.find(id);
    all.push_back({id, each->end, each->sealed});
  }
  const engine::extent& active = tail_.extents().back();
  all.back().end = active.end - active.base;
  return all;
}

std::uint64_t log::end_of(std::uint64_t segment_id) const {
  const std::lock_guard lock(mutex_);
  const engine::extent& active = tail_.extents().back();
  if (active.segment_id == segment_id) return active.end - active.base;
  const segment_ptr found = segments_.find(segment_id);
  return found ? found->end : 0;
}

int log::winding_down() noexcept { return abandoned_logs; }

void log::winding::begin() noexcept {
  if (!std::exchange(begun_, true)) ++abandoned_logs;
}

void log::winding::end() noexcept {
  if (std::exchange(begun_, false)) --abandoned_logs;
}

log::winding::~winding() { end(); }

void log::abandon() noexcept {
  wake_list wake;
  {
    const std::lock_guard lock(mutex_);
    if (context_gone_) return;
    if (closed_ || abandoned_) return;
    abandoned_ = true;
    winding_.begin();
    for (waiter_list* list : {&durable_waiters_, &written_waiters_, &appended_waiters_,
                              &settled_waiters_, &room_waiters_}) {
      while (waiter* w = list->pop_front()) {
        // What was not submitted never will be.
        const bool in_doubt =
            w->is_append && list != &room_waiters_ && w->begin < commit_.submitted();
        w->result = in_doubt ? error_code(errc::append_in_doubt)
                             : error_code(asio::error::operation_aborted);
        wake.add(*w);
      }
    }
    wake_keeper_locked(wake);
  }
  wake.resume_all(false);
}

void log::shutdown() noexcept {
  const shared self = shared_from_this();
  wake_list wake;
  {
    const std::lock_guard lock(mutex_);
    context_gone_ = true;
    winding_.begin();
    abandoned_ = true;
    for (waiter_list* list : {&durable_waiters_, &written_waiters_, &appended_waiters_,
                              &settled_waiters_, &room_waiters_, &maintenance_waiters_,
                              &close_waiters_, &quiet_waiters_, &keeper_waiters_}) {
      while (waiter* w = list->pop_front()) wake.add(*w);
    }
  }
  // First the disk: what is in flight uses our buffers.
  storage_->shutdown();
  wake.destroy_all();
  keep_alive_ = nullptr;
}

log::view log::view_of(std::uint64_t id, visibility sees) const {
  const std::lock_guard lock(mutex_);
  view result;
  if (segments_.empty()) return result;
  result.segment = id == 0 ? segments_.oldest() : segments_.find(id);
  if (!result.segment) return result;
  const bool durable_only = sees == visibility::durable || synchronous_;
  const stream_offset seen = durable_only ? settled_ : tail_.head();
  const auto& extents = tail_.extents();
  const auto found = std::find_if(extents.begin(), extents.end(), [&](const engine::extent& e) {
    return e.segment_id == result.segment->id;
  });
  if (found == extents.end()) {
    // Sealed and durable for long.
    result.end = result.segment->end;
    result.sealed = true;
  } else {
    const bool last = std::next(found) == extents.end();
    if (seen >= found->begin) result.end = std::min(seen, found->end) - found->base;
    result.sealed = !last && seen >= found->end;
  }
  result.next_id = result.segment->id + 1;
  return result;
}

std::uint64_t log::recent_from(std::uint64_t segment_id) const {
  const std::lock_guard lock(mutex_);
  for (const engine::extent& e : tail_.extents()) {
    if (e.segment_id != segment_id) continue;
    const stream_offset kept = tail_.head() - std::min(tail_.head(), tail_.ring_bytes());
    return std::max(e.begin, std::min(kept, e.end)) - e.base;
  }
  return ~std::uint64_t{0};
}

bool log::copy_recent(std::uint64_t segment_id, std::uint64_t offset, std::byte* to,
                      std::size_t bytes) const {
  const std::lock_guard lock(mutex_);
  for (const engine::extent& e : tail_.extents()) {
    if (e.segment_id != segment_id) continue;
    const stream_offset from = e.base + offset;
    if (offset < e.begin - e.base || from + bytes > e.end) return false;
    if (from + tail_.ring_bytes() < tail_.head()) return false;
    std::memcpy(to, tail_.ring_at(from), bytes);
    return true;
  }
  return false;
}

asio::awaitable<storage::file_ptr> log::open_for_reading(segment_ptr segment,
                                                         storage::open_mode mode) const {
  return storage_->open(segment->name, mode);
}

reader log::read_from(position from, read_options options) {
  return reader(std::make_unique<cursor>(shared_from_this(), from, options));
}

}  // namespace nori
