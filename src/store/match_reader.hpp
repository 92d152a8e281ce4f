#ifndef NORI_STORE_MATCH_READER_HPP
#define NORI_STORE_MATCH_READER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "store/core.hpp"
#include "store/event_range.hpp"
#include "store/offset_source.hpp"
#include "store/record_fetcher.hpp"

namespace nori::store {

/// Reads the events that an index names, and only those.
///
/// Parts are opened in windows: what is sought in the files of one window is looked up in
/// all of them at once, and the records of a batch are read at once from whatever parts they lie
/// in. So a query costs few rounds of reads: one for dozens of segments rather than one for each.
class match_reader {
 public:
  explicit match_reader(core::shared from);

  /// Begins (again) at the range's first event, over the parts that there are now.
  void restart();

  /// There are no more parts to look into.
  [[nodiscard]] bool at_end() const noexcept { return open_.empty() && place_ == parts_->size(); }

  /// Appends to `out` the next events of the range, `most` of them or fewer; none: the range is at
  /// its end. Views that live until the next call. A call that fails or is cancelled can be made
  /// again, and gives the same.
  /// @throws errc::corruption, errc::not_an_event, errc::position_not_found where events were
  ///   deleted, errc::closed, or the operating system's error.
  asio::awaitable<void> read(const event_range& range, std::size_t most,
                             std::vector<recorded_event>& out);

 private:
  /// A part that is being read.
  struct opened_part {
    part_ptr of;
    std::size_t step = 0;  ///< its number in the order of reading
    core::part_now now;    ///< whatever the source's lists lie in
    source_ptr source;
    std::uint32_t bound = 0;  ///< where the source goes on
    std::uint32_t last = 0;   ///< the last offset that may be given
  };

  asio::awaitable<bool> open_window(const event_range& range, std::vector<opened_part>& open,
                                    std::size_t& step);
  asio::awaitable<void> find_sources(const event_range& range, std::span<opened_part> of);
  asio::awaitable<void> bound_by_revision(const event_range& range, opened_part& of,
                                          std::uint64_t skipped, const found_key& list);
  asio::awaitable<void> bound_by_position(const event_range& range, opened_part& of);
  [[nodiscard]] offset_source::step collect(opened_part& from, std::size_t most, direction order);

  core::shared core_;
  part_list parts_;
  // Where reading goes on; moved only once what lies before was given.
  std::size_t place_ = 0;
  std::optional<std::uint32_t> place_bound_;
  /// The parts that are open there; the first is that of place_. None: they are opened again.
  std::vector<opened_part> open_;
  std::size_t next_step_ = 0;  ///< behind open_
  std::size_t window_parts_ = 0;
  std::vector<core::part_now> now_;

  std::vector<std::uint32_t> offsets_;
  std::vector<record_fetcher::run> runs_;
  record_fetcher fetcher_;
};

}  // namespace nori::store

#endif
