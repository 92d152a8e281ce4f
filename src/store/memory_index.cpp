#include "store/memory_index.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "format/crc32c.hpp"

namespace nori::store {

namespace {

constexpr std::size_t slab_bytes = std::size_t{256} << 10;
constexpr std::size_t table_slots_min = 64;
// The table is never fuller than three quarters.
constexpr std::size_t table_fill_dividend = 3;
constexpr std::size_t table_fill_divisor = 4;

std::uint32_t hash_of(key_kind kind, std::string_view name) noexcept {
  const std::uint64_t hash =
      std::hash<std::string_view>{}(name) ^ (static_cast<std::uint64_t>(kind) << 56);
  return static_cast<std::uint32_t>(hash * 0x9e3779b97f4a7c15u >> 32);
}

}  // namespace

std::uint32_t sum_of_event(const uuid& id, std::uint64_t global_position) noexcept {
  const std::uint32_t sum = format::crc32c(0, id.data, sizeof(id.data));
  return format::crc32c(sum, &global_position, sizeof(global_position));
}

void* memory_index::arena::take(std::size_t bytes, std::size_t alignment) {
  const auto misalignment = reinterpret_cast<std::uintptr_t>(free_) % alignment;
  const std::size_t padding = misalignment == 0 ? 0 : alignment - misalignment;
  if (padding + bytes > left_) {
    const std::size_t size = std::max(slab_bytes, bytes + alignment);
    slabs_.push_back(std::make_unique_for_overwrite<std::byte[]>(size));
    free_ = slabs_.back().get();
    left_ = size;
    return take(bytes, alignment);
  }
  void* const taken = free_ + padding;
  free_ += padding + bytes;
  left_ -= padding + bytes;
  return taken;
}

void memory_index::list::push(arena& memory, std::uint32_t value) {
  if (size_ == capacity_) {
    const std::uint32_t capacity = capacity_ == 0 ? 2 : 2 * capacity_;
    auto* const grown = static_cast<std::uint32_t*>(
        memory.take(capacity * sizeof(std::uint32_t), alignof(std::uint32_t)));
    if (size_ != 0) std::memcpy(grown, data_, size_ * sizeof(std::uint32_t));
    data_ = grown;
    capacity_ = capacity;
  }
  data_[size_++] = value;
}

memory_index::memory_index(std::uint64_t first_global)
    : first_global_(first_global), table_(table_slots_min) {}

memory_index::entry& memory_index::entry_list::add(const entry& what) {
  if (size_ == chunks_.size() * chunk_entries) {
    chunks_.push_back(std::make_unique<entry[]>(chunk_entries));
  }
  entry& added = (*this)[size_];
  added = what;
  ++size_;
  return added;
}

memory_index::key memory_index::key_of(const entry& of) noexcept {
  return {of.kind, of.text(), of.first_revision, of.last_revision, of.offsets.span()};
}

memory_index::entry* memory_index::find_entry(key_kind kind, std::string_view name,
                                              std::uint32_t hash) const noexcept {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t at = hash & mask; table_[at].number != 0; at = (at + 1) & mask) {
    if (table_[at].hash != hash) continue;
    entry& found = entries_[table_[at].number - 1];
    if (found.kind == kind && found.text() == name) return &found;
  }
  return nullptr;
}

void memory_index::put_slot(slot what) noexcept {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = what.hash & mask;
  while (table_[at].number != 0) at = (at + 1) & mask;
  table_[at] = what;
}

void memory_index::grow_table() {
  std::vector<slot> before(table_.size() * 2);
  before.swap(table_);
  for (const slot each : before) {
    if (each.number != 0) put_slot(each);
  }
}

memory_index::entry& memory_index::entry_of(key_kind kind, std::string_view name) {
  const std::uint32_t hash = hash_of(kind, name);
  if (entry* const found = find_entry(kind, name, hash)) return *found;
  if (table_fill_divisor * (entries_.size() + 1) > table_fill_dividend * table_.size()) {
    grow_table();
  }
  entry made;
  if (!name.empty()) {
    auto* const text = static_cast<char*>(memory_.take(name.size(), 1));
    std::memcpy(text, name.data(), name.size());
    made.name = text;
  }
  made.name_bytes = static_cast<std::uint32_t>(name.size());
  made.kind = kind;
  entry& added = entries_.add(made);
  put_slot({hash, static_cast<std::uint32_t>(entries_.size())});
  return added;
}

void memory_index::add(std::uint32_t offset, const recorded_event& event) {
  if (offsets_.size() == 0) first_time_ = event.recorded_at;
  last_time_ = event.recorded_at;
  last_event_sum_ = sum_of_event(event.id, event.global_position);
  entry& stream = entry_of(key_kind::stream, event.stream);
  if (stream.offsets.size() == 0) stream.first_revision = event.revision;
  stream.last_revision = event.revision;
  stream.offsets.push(memory_, offset);
  entry_of(key_kind::type, event.type).offsets.push(memory_, offset);
  for (const std::string_view tag : event.tags) {
    entry_of(key_kind::tag, tag).offsets.push(memory_, offset);
  }
  offsets_.push(memory_, offset);
}

std::optional<memory_index::key> memory_index::find(key_kind kind,
                                                    std::string_view name) const noexcept {
  const entry* const found = find_entry(kind, name, hash_of(kind, name));
  if (found == nullptr) return std::nullopt;
  return key_of(*found);
}

std::vector<std::uint32_t> memory_index::sorted() const {
  std::vector<std::uint32_t> all(entries_.size());
  std::iota(all.begin(), all.end(), std::uint32_t{0});
  std::sort(all.begin(), all.end(), [&](std::uint32_t a, std::uint32_t b) {
    const entry& left = entries_[a];
    const entry& right = entries_[b];
    return left.kind != right.kind ? left.kind < right.kind : left.text() < right.text();
  });
  return all;
}

}  // namespace nori::store
