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

std::uint64_t hash_of(key_kind kind, std::string_view name) noexcept {
  const std::uint64_t hash =
      std::hash<std::string_view>{}(name) ^ (static_cast<std::uint64_t>(kind) << 56);
  return hash * 0x9e3779b97f4a7c15u;
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

memory_index::key memory_index::key_of(const entry& of) noexcept {
  return {of.kind, of.text(), of.first_revision, of.last_revision, of.offsets.span()};
}

const memory_index::entry* memory_index::find_entry(key_kind kind, std::string_view name,
                                                    std::uint64_t hash) const noexcept {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t slot = hash >> 20 & mask; table_[slot] != 0; slot = (slot + 1) & mask) {
    const entry& found = entries_[table_[slot] - 1];
    if (found.hash == hash && found.kind == kind && found.text() == name) return &found;
  }
  return nullptr;
}

void memory_index::grow_table() {
  table_.assign(table_.size() * 2, 0);
  const std::size_t mask = table_.size() - 1;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::size_t slot = entries_[i].hash >> 20 & mask;
    while (table_[slot] != 0) slot = (slot + 1) & mask;
    table_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

memory_index::entry& memory_index::entry_of(key_kind kind, std::string_view name) {
  const std::uint64_t hash = hash_of(kind, name);
  if (const entry* const found = find_entry(kind, name, hash)) return const_cast<entry&>(*found);
  if (2 * (entries_.size() + 1) > table_.size()) grow_table();
  entry added;
  if (!name.empty()) {
    auto* const text = static_cast<char*>(memory_.take(name.size(), 1));
    std::memcpy(text, name.data(), name.size());
    added.name = text;
  }
  added.name_bytes = static_cast<std::uint32_t>(name.size());
  added.kind = kind;
  added.hash = hash;
  entries_.push_back(added);
  const std::size_t mask = table_.size() - 1;
  std::size_t slot = hash >> 20 & mask;
  while (table_[slot] != 0) slot = (slot + 1) & mask;
  table_[slot] = static_cast<std::uint32_t>(entries_.size());
  return entries_.back();
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
