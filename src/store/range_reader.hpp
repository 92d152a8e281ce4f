#ifndef NORI_STORE_RANGE_READER_HPP
#define NORI_STORE_RANGE_READER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/core.hpp"
#include "store/event_range.hpp"
#include "store/match_reader.hpp"
#include "store/scan_reader.hpp"

namespace nori::store {

/// Behind event_reader: the events of a stream, or of the whole store, in a range.
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
  asio::awaitable<void> begin();
  asio::awaitable<void> fill();

  const core::shared core_;
  event_range range_;
  std::size_t at_once_ = 256;
  bool begun_ = false;
  const std::uint64_t end_when_made_;  ///< what is appended later is not seen
  std::uint64_t left_ = 0;             ///< of the limit
  // Where all events are wanted forwards, the log is read as it lies; otherwise the indexes say
  // where the events are.
  std::optional<scan_reader> scan_;
  std::optional<match_reader> matches_;
  std::vector<recorded_event> events_;
  std::size_t given_ = 0;  ///< of events_, by next()
  bool filled_before_ = false;
};

}  // namespace nori::store

#endif
