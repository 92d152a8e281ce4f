#include "store/page_cache.hpp"

#include <algorithm>
#include <utility>

namespace nori::store {

std::size_t page_cache::key_hash::operator()(const key& of) const noexcept {
  // Files and pages are small numbers; multiplying spreads them over the buckets.
  const std::uint64_t mixed = (of.file << 32 ^ of.number) * 0x9e3779b97f4a7c15;
  return static_cast<std::size_t>(mixed ^ mixed >> 32);
}

page_cache::page_cache(std::size_t bytes_max)
    : pages_max_(std::max<std::size_t>(1, bytes_max / bytes_per_page)) {}

std::uint64_t page_cache::add_file() noexcept {
  const std::lock_guard lock(mutex_);
  return ++last_file_;
}

page_ref page_cache::find(std::uint64_t file, std::uint32_t number) noexcept {
  const std::lock_guard lock(mutex_);
  const auto at = where_.find({file, number});
  if (at == where_.end()) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  slot& found = slots_[at->second];
  found.used = true;
  return found.what;
}

page_ref page_cache::insert(std::uint64_t file, std::uint32_t number, page_ref what) {
  page_ref dropped;
  const std::lock_guard lock(mutex_);
  const key of{file, number};
  if (const auto at = where_.find(of); at != where_.end()) {
    dropped = std::move(what);
    slots_[at->second].used = true;
    return slots_[at->second].what;
  }
  const std::size_t to = make_room(dropped);
  try {
    where_.emplace(of, to);
  } catch (...) {
    free_.push_back(to);  // has room: make_room saw to that
    throw;
  }
  // Not `used`: a page that is read once and never again goes at the hand's first pass.
  slots_[to] = {of, what, false};
  return what;
}

std::size_t page_cache::make_room(page_ref& dropped) {
  if (!free_.empty()) {
    const std::size_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  if (slots_.size() < pages_max_) {
    slots_.emplace_back();
    try {
      free_.reserve(slots_.capacity());
    } catch (...) {
      slots_.pop_back();
      throw;
    }
    return slots_.size() - 1;
  }
  // Ends: the hand takes `used` from every slot in its first turn. No slot is free here.
  while (true) {
    const std::size_t at = hand_;
    hand_ = hand_ + 1 == slots_.size() ? 0 : hand_ + 1;
    slot& candidate = slots_[at];
    if (std::exchange(candidate.used, false)) continue;
    where_.erase(candidate.of);
    dropped = std::move(candidate.what);
    return at;
  }
}

void page_cache::invalidate(std::uint64_t file) noexcept {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slot& each = slots_[i];
    if (each.what == nullptr || each.of.file != file) continue;
    where_.erase(each.of);
    each = {};
    free_.push_back(i);  // has room for every slot
  }
}

page_cache::statistics page_cache::stats() const noexcept {
  const std::lock_guard lock(mutex_);
  return {where_.size(), pages_max_, hits_, misses_};
}

}  // namespace nori::store
