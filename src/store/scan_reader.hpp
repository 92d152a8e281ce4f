#ifndef NORI_STORE_SCAN_READER_HPP
#define NORI_STORE_SCAN_READER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/reader.hpp>

#include "store/core.hpp"
#include "store/event_codec.hpp"
#include "store/event_range.hpp"

namespace nori::store {

/// Reads events as they lie in the log, one after the other.
class scan_reader {
 public:
  explicit scan_reader(core::shared from) : core_(std::move(from)) {}

  /// The first to be read.
  void begin_at(std::uint64_t global) noexcept { next_ = global; }

  /// Appends to `out` the next events of the range, `most` of them or fewer; none: the range is at
  /// its end. Views that live until the next call.
  /// @throws errc::corruption, errc::not_an_event, or the operating system's error.
  asio::awaitable<void> read(const event_range& range, std::size_t most,
                             std::vector<recorded_event>& out);

 private:
  void throw_if_deleted(std::uint64_t global) const;

  core::shared core_;
  std::optional<reader> records_;
  std::span<const entry> entries_;  ///< read, and not looked at yet
  std::uint64_t next_ = 0;          ///< the global position that comes next
  std::vector<decoded_event> decoded_;
  std::vector<std::string_view> tags_;
};

}  // namespace nori::store

#endif
