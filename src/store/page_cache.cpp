#include "store/page_cache.hpp"

#include <algorithm>
#include <utility>

namespace nori::store {

namespace {

// Turns of the hand that a page survives unused. Pages for few are far more than fit, and most of
// them are read once: they must not drive out the others.
constexpr std::uint8_t turns_of_few = 1;
constexpr std::uint8_t turns_of_many = 4;

constexpr std::size_t pooled_max = 128;
constexpr std::size_t page_slots_min = 64;

}  // namespace

struct page_pool::free_pages {
  std::mutex mutex;
  std::vector<std::unique_ptr<page>> pages;
};

page_pool::page_pool() : free_(std::make_shared<free_pages>()) { free_->pages.reserve(pooled_max); }

std::shared_ptr<page> page_pool::take() {
  std::unique_ptr<page> memory;
  {
    const std::lock_guard lock(free_->mutex);
    if (!free_->pages.empty()) {
      memory = std::move(free_->pages.back());
      free_->pages.pop_back();
    }
  }
  if (!memory) memory = std::make_unique_for_overwrite<page>();
  const auto give_back = [to = free_](page* what) noexcept {
    std::unique_ptr<page> owned(what);
    const std::lock_guard lock(to->mutex);
    if (to->pages.size() < pooled_max) to->pages.push_back(std::move(owned));
  };
  return {memory.release(), give_back};
}

page_cache::page_cache(std::size_t bytes_max)
    : pages_max_(std::max<std::size_t>(1, bytes_max / bytes_per_page)), table_(page_slots_min) {}

std::uint64_t page_cache::add_file() noexcept {
  const std::lock_guard lock(mutex_);
  return ++last_file_;
}

std::size_t page_cache::home_of(const key& of) const noexcept {
  // Files and pages are small numbers; multiplying spreads them.
  const std::uint64_t mixed = (of.file << 32 ^ of.number) * 0x9e3779b97f4a7c15;
  return static_cast<std::size_t>(mixed >> 32) & (table_.size() - 1);
}

std::size_t page_cache::place_of(const key& of) const noexcept {
  std::size_t at = home_of(of);
  while (table_[at] != 0 && slots_[table_[at] - 1].of != of) at = (at + 1) & (table_.size() - 1);
  return at;
}

void page_cache::grow_table() {
  std::vector<std::uint32_t> larger(2 * table_.size());
  table_.swap(larger);
  for (const std::uint32_t number : larger) {
    if (number != 0) table_[place_of(slots_[number - 1].of)] = number;
  }
}

// Linear probing without marks for what went: those behind move up.
void page_cache::forget(const key& of) noexcept {
  const std::size_t mask = table_.size() - 1;
  std::size_t hole = place_of(of);
  for (std::size_t at = (hole + 1) & mask; table_[at] != 0; at = (at + 1) & mask) {
    const std::size_t home = home_of(slots_[table_[at] - 1].of);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    table_[hole] = table_[at];
    hole = at;
  }
  table_[hole] = 0;
}

page_ref page_cache::find_locked(const key& of) noexcept {
  const std::uint32_t number = table_[place_of(of)];
  if (number == 0) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  slot& found = slots_[number - 1];
  found.spared = found.by == use::many ? turns_of_many : turns_of_few;
  return found.what;
}

page_ref page_cache::find(std::uint64_t file, std::uint32_t number) noexcept {
  const std::lock_guard lock(mutex_);
  return find_locked({file, number});
}

page_ref page_cache::insert(std::uint64_t file, std::uint32_t number, page_ref what, use by) {
  page_ref dropped;
  const std::lock_guard lock(mutex_);
  const key of{file, number};
  if (const std::uint32_t known = table_[place_of(of)]; known != 0) {
    dropped = std::move(what);
    return slots_[known - 1].what;
  }
  if (2 * (slots_.size() - free_.size() + 1) > table_.size()) grow_table();
  const std::size_t to = make_room(dropped);
  // A leaf that is read once and never again goes at the hand's first pass.
  slots_[to] = {of, what, by, by == use::many ? turns_of_many : std::uint8_t{0}};
  // Making room moved places.
  std::size_t at = home_of(of);
  while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
  table_[at] = static_cast<std::uint32_t>(to + 1);
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
  // Ends: the hand takes a turn from every slot that it passes. No slot is free here.
  while (true) {
    const std::size_t at = hand_;
    hand_ = hand_ + 1 == slots_.size() ? 0 : hand_ + 1;
    slot& candidate = slots_[at];
    if (candidate.spared != 0) {
      --candidate.spared;
      continue;
    }
    forget(candidate.of);
    dropped = std::move(candidate.what);
    return at;
  }
}

void page_cache::invalidate(std::uint64_t file) noexcept {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slot& each = slots_[i];
    if (each.what == nullptr || each.of.file != file) continue;
    forget(each.of);
    each = {};
    free_.push_back(i);  // has room for every slot
  }
}

page_cache::statistics page_cache::take_stats() noexcept {
  const std::lock_guard lock(mutex_);
  return {slots_.size() - free_.size(), pages_max_, hits_ - std::exchange(hits_taken_, hits_),
          misses_ - std::exchange(misses_taken_, misses_)};
}

page_cache::statistics page_cache::stats() const noexcept {
  const std::lock_guard lock(mutex_);
  return {slots_.size() - free_.size(), pages_max_, hits_, misses_};
}

}  // namespace nori::store
