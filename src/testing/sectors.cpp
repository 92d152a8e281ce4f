#include "testing/sectors.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace nori::testing {

namespace {

constexpr sector zero_sector{};

}  // namespace

std::uint64_t sectors::mix(std::uint64_t x) noexcept {
  x ^= x >> 31;
  x *= 0x9e3779b97f4a7c15;
  return x ^ x >> 29;
}

// 0 for zeros, so that a hole and zeros are the same.
std::uint64_t sectors::hash_of(std::uint64_t index, const std::byte* at) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i != sector_bytes; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at + i, 8);
    if (word != 0) sum ^= mix(word + mix(index * sector_bytes + i));
  }
  return sum;
}

const std::byte* sectors::at(std::uint64_t index) const noexcept {
  const std::uint64_t which = index / block_sectors;
  if (which >= blocks_.size() || !blocks_[which]) return zero_sector.data();
  return blocks_[which]->data() + index % block_sectors * sector_bytes;
}

void sectors::put(std::uint64_t index, const std::byte* content) {
  const std::byte* const before = at(index);
  if (std::memcmp(before, content, sector_bytes) == 0) return;
  hash_ ^= hash_of(index, before) ^ hash_of(index, content);
  const std::uint64_t which = index / block_sectors;
  if (which >= blocks_.size()) blocks_.resize(which + 1);
  std::shared_ptr<block>& in = blocks_[which];
  if (!in) {
    in = std::make_shared<block>();
  } else if (in.use_count() != 1) {
    in = std::make_shared<block>(*in);
  } else {
    // Whoever shared it, on another thread, has read it for the last time.
    std::atomic_thread_fence(std::memory_order_acquire);
  }
  std::memcpy(in->data() + index % block_sectors * sector_bytes, content, sector_bytes);
}

void sectors::resize(std::uint64_t bytes) {
  const std::uint64_t end = blocks_.size() * block_sectors;
  if (bytes < end * sector_bytes) {
    std::uint64_t index = bytes / sector_bytes;
    if (const std::size_t kept = bytes % sector_bytes; kept != 0) {
      sector last;
      std::memcpy(last.data(), at(index), sector_bytes);
      std::fill(last.begin() + static_cast<std::ptrdiff_t>(kept), last.end(), std::byte{0});
      put(index++, last.data());
    }
    for (; index < end; ++index) {
      const auto& in = blocks_[index / block_sectors];
      if (in) put(index, zero_sector.data());
    }
    blocks_.resize((bytes + sizeof(block) - 1) / sizeof(block));
  }
  bytes_ = bytes;
}

void sectors::read(std::uint64_t offset, std::byte* to, std::size_t count) const noexcept {
  while (count != 0) {
    const std::size_t skipped = offset % sector_bytes;
    const std::size_t some = std::min(count, sector_bytes - skipped);
    std::memcpy(to, at(offset / sector_bytes) + skipped, some);
    to += some;
    offset += some;
    count -= some;
  }
}

}  // namespace nori::testing
