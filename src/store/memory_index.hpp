#ifndef NORI_STORE_MEMORY_INDEX_HPP
#define NORI_STORE_MEMORY_INDEX_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <nori/store/event.hpp>

#include "store/index_format.hpp"

namespace nori::store {

/// Tells an event from any other.
[[nodiscard]] std::uint32_t sum_of_event(const uuid& id, std::uint64_t global_position) noexcept;

/// The index of the newest events of the newest segment, in memory. Grows by one event at a time;
/// nothing leaves it.
///
/// Whoever adds holds the store's mutex. What it gave out (a list, a name) stays readable without
/// it, as lists grow by being copied and the memory is kept: so a reader takes a list under the
/// mutex and walks it outside.
class memory_index {
 public:
  /// `first_global` is the global position that its first event will have.
  explicit memory_index(std::uint64_t first_global);

  /// Events come in order.
  void add(std::uint32_t offset, const recorded_event& event);

  [[nodiscard]] std::uint64_t first_global() const noexcept { return first_global_; }
  [[nodiscard]] std::uint64_t end_global() const noexcept {
    return first_global_ + offsets_.size();
  }
  [[nodiscard]] std::size_t count() const noexcept { return offsets_.size(); }
  [[nodiscard]] event_time first_time() const noexcept { return first_time_; }
  [[nodiscard]] event_time last_time() const noexcept { return last_time_; }
  /// Tells the last event from any other: what an index file names it by.
  [[nodiscard]] std::uint32_t last_event_sum() const noexcept { return last_event_sum_; }
  /// Where each event lies.
  [[nodiscard]] std::span<const std::uint32_t> offsets() const noexcept { return offsets_.span(); }

  struct key {
    key_kind kind = key_kind::stream;
    std::string_view name;
    std::uint64_t first_revision = 0;  ///< of a stream
    std::uint64_t last_revision = 0;
    std::span<const std::uint32_t> offsets;
  };
  [[nodiscard]] std::optional<key> find(key_kind kind, std::string_view name) const noexcept;
  /// The numbers of all keys, in the order of kind and name. Takes time: not under the mutex.
  [[nodiscard]] std::vector<std::uint32_t> sorted() const;
  [[nodiscard]] std::size_t keys() const noexcept { return entries_.size(); }
  /// Keys in the order in which they came.
  [[nodiscard]] key key_at(std::size_t number) const noexcept { return key_of(entries_[number]); }

 private:
  /// Memory that is never given back before the end.
  class arena {
   public:
    [[nodiscard]] void* take(std::size_t bytes, std::size_t alignment);

   private:
    std::vector<std::unique_ptr<std::byte[]>> slabs_;
    std::byte* free_ = nullptr;
    std::size_t left_ = 0;
  };
  class list {
   public:
    void push(arena& memory, std::uint32_t value);
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::span<const std::uint32_t> span() const noexcept { return {data_, size_}; }

   private:
    std::uint32_t* data_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
  };
  struct entry {
    const char* name = nullptr;
    std::uint32_t name_bytes = 0;
    key_kind kind = key_kind::stream;
    std::uint64_t first_revision = 0;
    std::uint64_t last_revision = 0;
    list offsets;

    [[nodiscard]] std::string_view text() const noexcept { return {name, name_bytes}; }
  };
  /// Grows without moving what it has: there are millions.
  class entry_list {
   public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] entry& operator[](std::size_t number) const noexcept {
      return chunks_[number / chunk_entries][number % chunk_entries];
    }
    entry& add(const entry& what);

   private:
    static constexpr std::size_t chunk_entries = 4096;

    std::vector<std::unique_ptr<entry[]>> chunks_;
    std::size_t size_ = 0;
  };
  struct slot {
    std::uint32_t hash = 0;    ///< so that other keys are passed over without touching them
    std::uint32_t number = 0;  ///< of an entry, plus 1; 0: free
  };

  [[nodiscard]] static key key_of(const entry& of) noexcept;
  [[nodiscard]] entry* find_entry(key_kind kind, std::string_view name,
                                  std::uint32_t hash) const noexcept;
  entry& entry_of(key_kind kind, std::string_view name);
  void put_slot(slot what) noexcept;
  void grow_table();

  std::uint64_t first_global_;
  event_time first_time_{};
  event_time last_time_{};
  std::uint32_t last_event_sum_ = 0;
  arena memory_;
  list offsets_;
  entry_list entries_;
  std::vector<slot> table_;
};

}  // namespace nori::store

#endif
