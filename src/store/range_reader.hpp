#ifndef NORI_STORE_RANGE_READER_HPP
#define NORI_STORE_RANGE_READER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nori/store/reading.hpp>

#include "store/core.hpp"
#include "store/offset_source.hpp"
#include "store/record_fetcher.hpp"

namespace nori::store {

/// Behind event_reader: the events of a stream, or of the whole store, in a range.
///
/// Goes through the parts in the order of reading. Where all events are wanted forwards, it reads
/// the log as it lies; otherwise the part's index says where the events are, and only those are
/// read.
class range_reader {
 public:
  /// An empty stream stands for all.
  range_reader(core::shared from, std::string stream, read_events how);

  asio::awaitable<std::optional<recorded_event>> next();
  asio::awaitable<std::span<const recorded_event>> next_batch();
  [[nodiscard]] std::optional<std::uint64_t> watermark() const noexcept;

  /// At most this many events at once.
  void set_batch_events_max(std::size_t events) noexcept { at_once_ = events; }
  /// Instead of looking for it: the range is empty, and begins at a global position.
  void begin_at(std::uint64_t global);
  /// Reading forwards: after the end, goes on with events before the global position `end`.
  void extend(std::uint64_t end);

 private:
  [[nodiscard]] bool forwards() const noexcept { return how_.order == direction::forwards; }
  [[nodiscard]] bool one_stream() const noexcept { return !stream_.empty(); }
  [[nodiscard]] bool wanted(const recorded_event& event) const noexcept;

  asio::awaitable<void> begin();
  asio::awaitable<void> fill();
  asio::awaitable<void> scan_some();
  asio::awaitable<void> match_some();
  /// Goes to the next part; false where there is none.
  asio::awaitable<bool> enter_part();
  asio::awaitable<void> collect_offsets(offset_source& from);
  asio::awaitable<source_ptr> source_in(part_ptr of, std::size_t index);
  asio::awaitable<void> find_stream();
  asio::awaitable<void> bound_offsets(part_ptr of, std::uint64_t part_end);
  [[nodiscard]] bool has_wanted_revision(std::uint64_t first, std::uint64_t last) const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> revisions_before(std::uint64_t first,
                                                              std::uint64_t last) const noexcept;
  void take(std::span<recorded_event> some);

  const core::shared core_;
  const std::string stream_;
  read_events how_;
  std::size_t at_once_ = 256;
  bool begun_ = false;
  std::uint64_t begin_global_ = 0;
  std::uint64_t end_global_ = 0;  ///< exclusive
  std::uint64_t left_ = 0;        ///< of the limit

  // Scanning.
  bool scans_ = false;
  std::optional<reader> records_;
  std::span<const entry> entries_;  ///< read, and not looked at yet
  std::uint64_t scanned_ = 0;       ///< the global position that comes next
  std::vector<decoded_event> decoded_;
  std::vector<std::string_view> tags_;

  // By index.
  part_list parts_;
  std::size_t next_part_ = 0;  ///< backwards: plus 1
  part_ptr part_;
  std::size_t part_number_ = 0;
  std::uint64_t part_end_offset_ = 0;
  // Whatever the source's lists lie in.
  std::shared_ptr<memory_index> part_memory_;
  index_file_ptr part_index_;
  source_ptr source_;
  std::uint32_t bound_ = 0;  ///< where the source goes on
  std::optional<std::uint32_t> bound_of_revision_;
  std::uint32_t last_bound_ = 0;                  ///< the last offset that may be given
  std::vector<std::optional<key_lookup>> found_;  ///< by part: the stream in its file
  std::vector<std::uint32_t> offsets_;
  record_fetcher fetcher_;

  std::vector<recorded_event> events_;
  std::size_t given_ = 0;  ///< of events_, by next()
  bool filled_before_ = false;
};

}  // namespace nori::store

#endif
