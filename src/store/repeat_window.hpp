#ifndef NORI_STORE_REPEAT_WINDOW_HPP
#define NORI_STORE_REPEAT_WINDOW_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include <nori/store/event.hpp>

namespace nori::store {

/// The ids of the newest events, and where they are. Remembers so many; the oldest goes first.
class repeat_window {
 public:
  explicit repeat_window(std::size_t events_max) : events_max_(events_max) {}

  void add(const uuid& id, std::uint64_t global_position) {
    if (events_max_ == 0) return;
    if (table_.empty()) table_.resize(slots_for(events_max_));
    if (ring_.size() < events_max_) {
      ring_.push_back({id, global_position});
      insert(static_cast<std::uint32_t>(ring_.size()));
      return;
    }
    erase(static_cast<std::uint32_t>(next_ + 1));
    ring_[next_] = {id, global_position};
    insert(static_cast<std::uint32_t>(next_ + 1));
    next_ = (next_ + 1) % events_max_;
  }

  /// Those of another window, oldest first, behind what is here.
  void add_all(const repeat_window& newer) {
    for (std::size_t i = 0; i != newer.ring_.size(); ++i) {
      const item& each = newer.ring_[(newer.next_ + i) % newer.ring_.size()];
      add(each.id, each.global_position);
    }
  }

  [[nodiscard]] std::optional<std::uint64_t> find(const uuid& id) const noexcept {
    if (table_.empty()) return std::nullopt;
    for (std::size_t slot = slot_of(id); table_[slot] != 0; slot = after(slot)) {
      const item& found = ring_[table_[slot] - 1];
      if (found.id == id) return found.global_position;
    }
    return std::nullopt;
  }

 private:
  struct item {
    uuid id;
    std::uint64_t global_position;
  };

  static std::size_t slots_for(std::size_t events) {
    std::size_t slots = 64;
    while (slots < 2 * events) slots *= 2;
    return slots;
  }
  [[nodiscard]] std::size_t slot_of(const uuid& id) const noexcept {
    std::uint64_t halves[2];
    std::memcpy(halves, id.data, sizeof(halves));
    return static_cast<std::size_t>(((halves[0] ^ halves[1]) * 0x9e3779b97f4a7c15u) >> 20) &
           (table_.size() - 1);
  }
  [[nodiscard]] std::size_t after(std::size_t slot) const noexcept {
    return (slot + 1) & (table_.size() - 1);
  }
  void insert(std::uint32_t number) {
    std::size_t slot = slot_of(ring_[number - 1].id);
    while (table_[slot] != 0) slot = after(slot);
    table_[slot] = number;
  }
  // Closes the gap, so that no search stops short.
  void erase(std::uint32_t number) {
    std::size_t slot = slot_of(ring_[number - 1].id);
    while (table_[slot] != number) slot = after(slot);
    for (std::size_t next = after(slot); table_[next] != 0; next = after(next)) {
      const std::size_t wanted = slot_of(ring_[table_[next] - 1].id);
      const bool stays =
          slot <= next ? slot < wanted && wanted <= next : slot < wanted || wanted <= next;
      if (stays) continue;
      table_[slot] = table_[next];
      slot = next;
    }
    table_[slot] = 0;
  }

  std::size_t events_max_;
  std::vector<item> ring_;
  std::size_t next_ = 0;
  std::vector<std::uint32_t> table_;
};

}  // namespace nori::store

#endif
