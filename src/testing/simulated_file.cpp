#include "testing/simulated_file.hpp"

#include <algorithm>
#include <cstring>

namespace nori::testing {

namespace {

constexpr std::uint64_t block_bytes = 4096;

// The sector `index` of `in` with those bytes of `from`, which goes to `offset`, that lie in it.
sector patched(const sectors& in, std::uint64_t index, std::uint64_t offset,
               std::span<const std::byte> from) {
  sector made;
  std::memcpy(made.data(), in.at(index), sector_bytes);
  const std::uint64_t begin = std::max(offset, index * sector_bytes);
  const std::uint64_t end = std::min(offset + from.size(), (index + 1) * sector_bytes);
  std::memcpy(made.data() + (begin - index * sector_bytes), from.data() + (begin - offset),
              end - begin);
  return made;
}

struct range {
  std::uint64_t first;
  std::uint64_t last;  ///< exclusive
};

range sectors_of(std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return {0, 0};
  return {offset / sector_bytes, (offset + count - 1) / sector_bytes + 1};
}

}  // namespace

void simulated_file::read(std::uint64_t offset, std::byte* to, std::size_t count,
                          bool from_device) const {
  view_.read(offset, to, count);
  if (!from_device || lost_.empty()) return;
  // A direct read writes back what is dirty first; what is marked clean it does not see.
  const range all = sectors_of(offset, count);
  for (auto it = lost_.lower_bound(all.first); it != lost_.end() && *it < all.last; ++it) {
    const std::uint64_t begin = std::max(offset, *it * sector_bytes);
    const std::uint64_t end = std::min(offset + count, (*it + 1) * sector_bytes);
    std::memcpy(to + (begin - offset), device_.at(*it) + (begin - *it * sector_bytes), end - begin);
  }
}

void simulated_file::write(std::uint64_t offset, std::span<const std::byte> from,
                           std::uint64_t& stamp) {
  if (from.empty()) return;
  const std::uint64_t end = offset + from.size();
  if (end > view_.bytes()) resize(end, stamp);
  reserve_to(end);
  const range all = sectors_of(offset, from.size());
  for (std::uint64_t i = all.first; i != all.last; ++i) {
    const sector made = patched(view_, i, offset, from);
    const bool was_lost = !lost_.empty() && lost_.erase(i) != 0;
    // One that changes nothing makes no difference to a crash.
    if (!was_lost && std::memcmp(view_.at(i), made.data(), sector_bytes) == 0) continue;
    view_.put(i, made.data());
    pending_.push_back({++stamp, false, i, std::make_shared<const sector>(made)});
  }
}

void simulated_file::resize(std::uint64_t bytes, std::uint64_t& stamp) {
  if (bytes == view_.bytes()) return;
  if (bytes < view_.bytes()) {
    lost_.erase(lost_.lower_bound(bytes / sector_bytes), lost_.end());
    blocks_ = std::min(blocks_, (bytes + block_bytes - 1) / block_bytes);
    // What is cut off must not arrive behind the new end later on.
    const std::uint64_t kept = (bytes + sector_bytes - 1) / sector_bytes;
    std::erase_if(pending_,
                  [&](const change& each) { return !each.resizes && each.where >= kept; });
  }
  view_.resize(bytes);
  pending_.push_back({++stamp, true, bytes, nullptr});
}

void simulated_file::settle(std::uint64_t offset, std::uint64_t count) {
  const range all = sectors_of(offset, count);
  std::erase_if(pending_, [&](const change& each) {
    if (!each.resizes && (each.where < all.first || each.where >= all.last)) return false;
    arrive(each);
    return true;
  });
}

void simulated_file::sync() {
  for (const change& each : pending_) arrive(each);
  pending_.clear();
}

void simulated_file::lose_pending() {
  std::erase_if(pending_, [&](const change& each) {
    if (each.resizes) return false;
    lost_.insert(each.where);
    return true;
  });
}

void simulated_file::arrive(const change& what) {
  if (what.resizes) {
    device_.resize(what.where);
  } else {
    device_.put(what.where, what.content->data());
  }
}

void simulated_file::lose_view() {
  device_.resize(device_.bytes());
  view_ = device_;
  pending_.clear();
  lost_.clear();
  mapped_ = {};
}

void simulated_file::unmap(std::uint64_t& stamp) {
  absorb_mapping(stamp);
  mapped_ = {};
}

void simulated_file::absorb_mapping(std::uint64_t& stamp) {
  const std::size_t bytes = std::min<std::size_t>(mapped_.size(), view_.bytes());
  for (std::size_t at = 0; at < bytes; at += sector_bytes) {
    const std::uint64_t index = at / sector_bytes;
    if (std::memcmp(view_.at(index), mapped_.data() + at, sector_bytes) == 0) continue;
    write(at, mapped_.subspan(at, sector_bytes), stamp);
  }
}

void simulated_file::overwrite(std::uint64_t offset, std::span<const std::byte> with) {
  const range all = sectors_of(offset, with.size());
  for (std::uint64_t i = all.first; i != all.last; ++i) {
    const sector on_device = patched(device_, i, offset, with);
    device_.put(i, on_device.data());
    const sector seen = patched(view_, i, offset, with);
    view_.put(i, seen.data());
    std::erase_if(pending_, [&](const change& each) { return !each.resizes && each.where == i; });
  }
}

void simulated_file::reserve_to(std::uint64_t bytes) noexcept {
  blocks_ = std::max(blocks_, (bytes + block_bytes - 1) / block_bytes);
}

}  // namespace nori::testing
