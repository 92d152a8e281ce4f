#include "store/core.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <new>

#include <nori/store/metrics.hpp>

#include "format/segment_header.hpp"
#include "store/offset_source.hpp"

namespace nori::store {

namespace {

// Segment files that are kept open for reading.
constexpr std::size_t data_files_max = 64;

constexpr std::string_view index_suffix = ".index";
constexpr std::size_t segment_digits = 20;
constexpr std::size_t offset_digits = 10;

}  // namespace

std::string index_file_name(std::uint64_t segment_id, std::uint32_t from_offset) {
  char text[segment_digits + offset_digits + 16];
  std::snprintf(text, sizeof(text), "%020llu-%010lu.index",
                static_cast<unsigned long long>(segment_id),
                static_cast<unsigned long>(from_offset));
  return text;
}

std::optional<index_name> parse_index_file_name(std::string_view name) noexcept {
  if (name.size() != segment_digits + 1 + offset_digits + index_suffix.size()) return std::nullopt;
  if (!name.ends_with(index_suffix) || name[segment_digits] != '-') return std::nullopt;
  index_name found;
  const auto number = [](std::string_view digits, auto& to) {
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), to);
    return parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  };
  if (!number(name.substr(0, segment_digits), found.segment_id)) return std::nullopt;
  if (!number(name.substr(segment_digits + 1, offset_digits), found.from_offset)) {
    return std::nullopt;
  }
  return found;
}

core::core(store_config options, wal handle, asio::any_io_executor home)
    : config_(std::move(options)),
      wal_(std::move(handle)),
      log_(log::of(wal_)),
      clock_(log_->files().simulated_clock()),
      home_(std::move(home)),
      cache_(std::make_shared<page_cache>(config_.index_cache_bytes)),
      workers_(storage::workers_of(asio::query(home_, asio::execution::context), 1)),
      derived_(log_->files(), log_->id()),
      parts_(std::make_shared<const std::vector<part_ptr>>()),
      window_(config_.repeat_window_events) {}

core::~core() = default;

void core::abandon() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wal_ = wal();
}

std::uint64_t core::next_global() const {
  const std::lock_guard lock(mutex_);
  return next_global_;
}

std::uint64_t core::first_global() const {
  const std::lock_guard lock(mutex_);
  return parts_->front()->first_global;
}

part_list core::parts() const {
  const std::lock_guard lock(mutex_);
  return parts_;
}

std::uint64_t core::end_of(const part& which) const {
  const std::lock_guard lock(mutex_);
  return which.end();
}

std::uint64_t core::visible_end(visibility sees) const {
  const std::lock_guard lock(mutex_);
  return visible_end_locked(sees);
}

std::uint64_t core::visible_end_locked(visibility sees) const {
  const position end = log_->visible_end(sees);
  for (auto at = parts_->rbegin(); at != parts_->rend(); ++at) {
    const part& each = **at;
    if (position{each.segment_id, each.from} > end) continue;
    if (each.segment_id < end.segment_id || !each.memory) return each.end();
    const std::span<const std::uint32_t> offsets = each.memory->offsets();
    const auto behind = std::lower_bound(offsets.begin(), offsets.end(), end.offset);
    return each.first_global + static_cast<std::uint64_t>(behind - offsets.begin());
  }
  return parts_->front()->first_global;
}

core::part_now core::now_locked(const part& which) const {
  part_now now;
  now.memory = which.memory;
  now.index = which.index;
  now.first_global = which.first_global;
  now.end_global = which.end();
  now.end_offset = which.end_offset;
  if (which.grows) {
    // The log may have begun the next segment before the first event of it is laid.
    now.end_offset = log_->end_of(which.segment_id);
  }
  return now;
}

core::part_now core::part_as_it_is(const part& which) const {
  const std::lock_guard lock(mutex_);
  return now_locked(which);
}

void core::parts_as_they_are(std::span<const part_ptr> which, std::vector<part_now>& now) const {
  now.clear();
  now.reserve(which.size());
  const std::lock_guard lock(mutex_);
  for (const part_ptr& each : which) now.push_back(now_locked(*each));
}

asio::awaitable<core::part_now> core::indexed(shared self, part_ptr which) {
  for (bool asked = false;; asked = true) {
    std::unique_lock lock(self->mutex_);
    if (which->indexed()) co_return self->now_locked(*which);
    if (self->stopping_) throw_error(errc::closed, "the store was closed");
    if (std::find(self->parts_->begin(), self->parts_->end(), which) == self->parts_->end()) {
      throw_error(errc::position_not_found,
                  "the events from " + std::to_string(which->first_global) + " on were deleted");
    }
    if (std::exchange(which->starved, false) && asked) throw std::bad_alloc();
    if (!which->lost_because.empty()) {
      if (asked) throw_error(errc::corruption, which->lost_because);
      which->lost_because.clear();
    }
    self->request_indexing();
    co_await self->index_changed_.wait(std::move(lock));
  }
}

std::optional<memory_index::key> core::key_in(const memory_index& memory, key_kind kind,
                                              std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return memory.find(kind, name);
}

source_ptr core::match_in_growing(const memory_index& memory, const query& what,
                                  direction order) const {
  const std::lock_guard lock(mutex_);
  return match_in_memory(memory, what, order);
}

std::span<const std::uint32_t> core::offsets_of(const memory_index& memory) const {
  const std::lock_guard lock(mutex_);
  return memory.offsets();
}

asio::awaitable<std::uint32_t> core::offset_of(shared self, part_ptr which, std::uint64_t global) {
  for (;;) {
    const part_now now = co_await indexed(self, which);
    if (now.memory) co_return self->offsets_of(*now.memory)[global - now.first_global];
    try {
      co_return co_await now.index->offset_of(global - now.first_global);
    } catch (const index_damaged&) {
      self->lose_index(which, now.index.get());
    }
  }
}

storage::file_ptr core::try_data(part& which) {
  const std::lock_guard lock(mutex_);
  which.data_used = ++data_clock_;
  return which.data;
}

asio::awaitable<storage::file_ptr> core::data_of(shared self, part_ptr which) {
  storage::file_ptr opened = self->try_data(*which);
  if (opened) co_return opened;
  try {
    opened = co_await self->files().open(format::segment_file_name(which->segment_id),
                                         storage::open_mode::read);
  } catch (const boost::system::system_error& error) {
    if (error.code() != boost::system::errc::no_such_file_or_directory) throw;
    throw_error(errc::position_not_found,
                "the events from " + std::to_string(which->first_global) + " on were deleted");
  }
  storage::file_ptr closed;
  const std::lock_guard lock(self->mutex_);
  which->data = opened;
  std::size_t open = 0;
  part* oldest = nullptr;
  for (const part_ptr& each : *self->parts_) {
    if (!each->data) continue;
    ++open;
    if (oldest == nullptr || each->data_used < oldest->data_used) oldest = each.get();
  }
  if (open > data_files_max) closed = std::move(oldest->data);
  co_return opened;
}

asio::awaitable<void> core::wait_visible(shared self, std::uint64_t global, visibility sees) {
  for (;;) {
    // In this order: what becomes visible in between ends the wait at once.
    const position end = self->log_->visible_end(sees);
    if (self->visible_end(sees) > global) co_return;
    co_await log::wait_visible(self->log_, end, sees);
  }
}

asio::awaitable<position> core::locate(shared self, std::uint64_t global) {
  part_ptr holds;
  part_now now;
  {
    const std::lock_guard lock(self->mutex_);
    for (const part_ptr& each : *self->parts_) {
      if (each->first_global > global && holds) break;
      holds = each;
    }
    now = self->now_locked(*holds);
    if (now.memory && global >= now.first_global && global < now.end_global) {
      co_return position{holds->segment_id, now.memory->offsets()[global - now.first_global]};
    }
  }
  const position begin{holds->segment_id, holds->from};
  if (!now.index || global <= now.first_global || global >= now.end_global) co_return begin;
  try {
    co_return position{holds->segment_id, co_await now.index->offset_of(global - now.first_global)};
  } catch (const index_damaged&) {
    self->lose_index(holds, now.index.get());
  }
  // A longer way to the same event.
  co_return begin;
}

void core::measure_reading(std::size_t events) const {
  meter* const to = measures();
  if (to == nullptr) return;
  if (events != 0) to->add(metrics::store_events_read, events, {});
  const page_cache::statistics pages = cache_->take_stats();
  if (pages.hits != 0) to->add(metrics::store_index_pages, pages.hits, "hit");
  if (pages.misses != 0) to->add(metrics::store_index_pages, pages.misses, "miss");
  to->set(metrics::store_index_cache_bytes,
          static_cast<double>(pages.pages * page_cache::bytes_per_page), {});
}

}  // namespace nori::store
