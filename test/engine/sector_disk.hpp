#ifndef NORI_TEST_ENGINE_SECTOR_DISK_HPP
#define NORI_TEST_ENGINE_SECTOR_DISK_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine_test.hpp"

namespace nori::engine::test {

inline constexpr std::size_t sector_bytes = 512;

/// Segment files on a device that loses power: what it has for certain, and sectors on their way to
/// it, of which a crash leaves any subset.
class sector_disk {
 public:
  using sector = std::array<std::byte, sector_bytes>;

  void create(std::uint64_t segment_id, const byte_vector& bytes) {
    device_[segment_id] = byte_vector(bytes.size());
    hashes_[segment_id].assign(bytes.size() / sector_bytes, 0);
    hash_ ^= mix(segment_id * 31 + bytes.size());
    for (std::size_t at = 0; at != bytes.size(); at += sector_bytes) {
      put(segment_id, at / sector_bytes, sector_at(bytes, at));
    }
  }
  void remove(std::uint64_t segment_id) {
    create_empty_sectors(segment_id);
    hash_ ^= mix(segment_id * 31 + device_[segment_id].size());
    device_.erase(segment_id);
    hashes_.erase(segment_id);
  }

  /// Starts a write of whole sectors; returns its number.
  std::size_t write(std::uint64_t segment_id, std::uint64_t offset, const byte_vector& bytes) {
    ++writes_;
    for (std::size_t at = 0; at != bytes.size(); at += sector_bytes) {
      const std::uint64_t index = (offset + at) / sector_bytes;
      const sector content = sector_at(bytes, at);
      // One that changes nothing makes no difference to a crash.
      if (newest(segment_id, index) != content) {
        pending_.push_back(
            {writes_, segment_id, index, content, hash_of(segment_id, index, content.data())});
      }
    }
    return writes_;
  }
  void complete(std::size_t write, bool durable) {
    for (pending_sector& each : pending_) each.done = each.done || each.write == write;
    if (!durable) return;
    for (const pending_sector& each : std::vector<pending_sector>(pending_)) {
      if (each.write != write) continue;
      put(each);
      // What was on its way there before is overtaken.
      std::erase_if(pending_, [&](const pending_sector& other) {
        return other.write <= write && other.segment_id == each.segment_id &&
               other.index == each.index;
      });
    }
  }
  void start_sync(std::uint64_t segment_id) {
    for (pending_sector& each : pending_) {
      each.covered = each.done && each.segment_id == segment_id;
    }
  }
  void finish_sync() {
    for (const pending_sector& each : pending_) {
      if (each.covered) put(each);
    }
    std::erase_if(pending_, [](const pending_sector& each) { return each.covered; });
  }

  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  [[nodiscard]] const segment_images& device() const { return device_; }
  /// Of what the device has.
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

  /// What hash() would be after such a crash.
  [[nodiscard]] std::uint64_t hash_after(const std::vector<bool>& arrived) const {
    std::uint64_t sum = hash_;
    for (std::size_t i = 0; i != pending_.size(); ++i) {
      if (arrived[i]) sum ^= before(i, arrived) ^ pending_[i].hash;
    }
    return sum;
  }
  /// The power fails when those pending sectors have arrived that `arrived` says: runs `look` on
  /// what the device has then, and takes them back.
  template <typename Look>
  void with_crash(const std::vector<bool>& arrived, Look look) {
    std::vector<pending_sector> undo;
    for (std::size_t i = 0; i != pending_.size(); ++i) {
      const pending_sector& each = pending_[i];
      if (!arrived[i]) continue;
      undo.push_back({0, each.segment_id, each.index,
                      sector_at(device_[each.segment_id], each.index * sector_bytes),
                      hashes_[each.segment_id][each.index]});
      put(each);
    }
    look();
    for (std::size_t i = undo.size(); i-- != 0;) put(undo[i]);
  }
  /// The same for good; everything else is lost.
  void crash(const std::vector<bool>& arrived) {
    for (std::size_t i = 0; i != pending_.size(); ++i) {
      if (arrived[i]) put(pending_[i]);
    }
    pending_.clear();
  }

  /// Calls visit(std::vector<bool>) for all subsets of up to `all_up_to` pending sectors; for more:
  /// none, all, each one missing, each one alone, each prefix, and `random_count` of the others.
  template <typename Visit>
  void for_each_subset(random_source& random, std::size_t all_up_to, std::size_t random_count,
                       Visit visit) const {
    const std::size_t n = pending_.size();
    std::vector<bool> arrived(n);
    if (n <= all_up_to) {
      for (std::size_t mask = 0; mask != std::size_t{1} << n; ++mask) {
        for (std::size_t i = 0; i != n; ++i) arrived[i] = (mask >> i & 1) != 0;
        visit(arrived);
      }
      return;
    }
    for (std::size_t i = 0; i <= n; ++i) {
      std::vector<bool> prefix(n);
      std::fill_n(prefix.begin(), i, true);
      visit(prefix);
      if (i == n) break;
      std::vector<bool> missing(n, true);
      missing[i] = false;
      visit(missing);
      missing.flip();
      visit(missing);
    }
    for (std::size_t i = 0; i != random_count; ++i) {
      for (std::size_t s = 0; s != n; ++s) arrived[s] = random.below(2) == 0;
      visit(arrived);
    }
  }

 private:
  struct pending_sector {
    std::size_t write;
    std::uint64_t segment_id;
    std::uint64_t index;
    sector content;
    std::uint64_t hash;  ///< of the content in its place
    bool done = false;
    bool covered = false;  ///< the sync in flight is for it, too
  };

  static sector sector_at(const byte_vector& bytes, std::size_t at) {
    static_cast<void>(bytes.at(at + sector_bytes - 1));  // nothing is written behind a segment
    sector content;
    std::memcpy(content.data(), bytes.data() + at, sector_bytes);
    return content;
  }
  [[nodiscard]] sector newest(std::uint64_t segment_id, std::uint64_t index) const {
    for (std::size_t i = pending_.size(); i-- != 0;) {
      if (pending_[i].segment_id == segment_id && pending_[i].index == index) {
        return pending_[i].content;
      }
    }
    return sector_at(device_.at(segment_id), index * sector_bytes);
  }
  void create_empty_sectors(std::uint64_t segment_id) {
    for (std::size_t at = 0; at != device_[segment_id].size(); at += sector_bytes) {
      put(segment_id, at / sector_bytes, {});
    }
  }
  void put(std::uint64_t segment_id, std::uint64_t index, const sector& content) {
    put({0, segment_id, index, content, hash_of(segment_id, index, content.data())});
  }
  void put(const pending_sector& what) {
    std::uint64_t& hash = hashes_.at(what.segment_id)[what.index];
    hash_ ^= hash ^ what.hash;
    hash = what.hash;
    std::memcpy(device_.at(what.segment_id).data() + what.index * sector_bytes, what.content.data(),
                sector_bytes);
  }
  /// The hash of what pending sector `i` finds in its place when those before it arrived.
  [[nodiscard]] std::uint64_t before(std::size_t i, const std::vector<bool>& arrived) const {
    const pending_sector& what = pending_[i];
    while (i-- != 0) {
      if (arrived[i] && pending_[i].index == what.index &&
          pending_[i].segment_id == what.segment_id) {
        return pending_[i].hash;
      }
    }
    return hashes_.at(what.segment_id)[what.index];
  }
  static std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15;
    return x ^ x >> 29;
  }
  /// 0 for zeros, so that a new file adds nothing.
  static std::uint64_t hash_of(std::uint64_t segment_id, std::uint64_t index, const std::byte* at) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i != sector_bytes; i += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at + i, 8);
      if (word != 0) sum ^= mix(word + mix((segment_id << 32) + index * sector_bytes + i));
    }
    return sum;
  }

  segment_images device_;
  std::map<std::uint64_t, std::vector<std::uint64_t>> hashes_;  ///< of the sectors of device_
  std::vector<pending_sector> pending_;
  std::size_t writes_ = 0;
  std::uint64_t hash_ = 0;
};

}  // namespace nori::engine::test

#endif
