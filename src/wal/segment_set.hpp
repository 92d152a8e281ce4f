#ifndef NORI_WAL_SEGMENT_SET_HPP
#define NORI_WAL_SEGMENT_SET_HPP

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

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
  [[nodiscard]] bool empty() const noexcept { return segments_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return segments_.size(); }
  [[nodiscard]] const segment_ptr& oldest() const noexcept { return segments_.front(); }
  [[nodiscard]] const segment_ptr& newest() const noexcept { return segments_.back(); }

  [[nodiscard]] segment_ptr find(std::uint64_t id) const noexcept {
    if (segments_.empty() || id < segments_.front()->id) return nullptr;
    const std::uint64_t index = id - segments_.front()->id;
    return index < segments_.size() ? segments_[index] : nullptr;
  }
  void push_back(segment_ptr added) { segments_.push_back(std::move(added)); }
  segment_ptr pop_front() {
    segment_ptr removed = std::move(segments_.front());
    segments_.pop_front();
    return removed;
  }

 private:
  std::deque<segment_ptr> segments_;
};

}  // namespace nori

#endif
