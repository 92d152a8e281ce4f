#ifndef NORI_WAL_SEGMENT_SET_HPP
#define NORI_WAL_SEGMENT_SET_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "format/segment_header.hpp"
#include "storage/storage.hpp"

namespace nori {

/// A segment as readers and the writer share it. A reader that holds one can read it to its end,
/// also after it was deleted.
struct segment {
  std::uint64_t id = 0;
  std::string name;       ///< of its file
  std::uint64_t end = 0;  ///< bytes of header and frames; only once sealed
  bool sealed = false;
  bool reused_file = false;
  std::uint64_t record_bytes_max = 0;
  storage::file_ptr write_file;  ///< while it may be written to
  std::uint64_t allocated = 0;   ///< bytes from the start that have blocks
  /// Bytes from the start that were written before, zeros included. The strand's.
  std::uint64_t filled = 0;
};
using segment_ptr = std::shared_ptr<segment>;

/// The segments of a log, whose ids are consecutive.
class segment_set {
 public:
  [[nodiscard]] bool empty() const noexcept { return gone_ == segments_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return segments_.size() - gone_; }
  [[nodiscard]] const segment_ptr& oldest() const noexcept { return segments_[gone_]; }
  [[nodiscard]] const segment_ptr& newest() const noexcept { return segments_.back(); }

  [[nodiscard]] segment_ptr find(std::uint64_t id) const noexcept {
    if (empty() || id < oldest()->id) return nullptr;
    const std::uint64_t index = id - oldest()->id;
    return index < size() ? segments_[gone_ + index] : nullptr;
  }
  /// Afterwards the next push_back takes no memory.
  void reserve_one() {
    if (segments_.size() == segments_.capacity()) segments_.reserve(2 * segments_.size() + 8);
  }
  void push_back(segment_ptr added) { segments_.push_back(std::move(added)); }
  segment_ptr pop_front() noexcept {
    segment_ptr removed = std::move(segments_[gone_++]);
    if (2 * gone_ >= segments_.size()) {
      segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(gone_));
      gone_ = 0;
    }
    return removed;
  }

 private:
  std::vector<segment_ptr> segments_;
  std::size_t gone_ = 0;  ///< so many were popped, and are still to be erased
};

}  // namespace nori

#endif
