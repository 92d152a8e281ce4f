#ifndef NORI_WAL_CURSOR_HPP
#define NORI_WAL_CURSOR_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <nori/reader.hpp>

#include "engine/chain_scanner.hpp"
#include "wal/log.hpp"

namespace nori {

/// Behind reader: a window on one segment's bytes that moves forward.
class cursor {
 public:
  cursor(std::shared_ptr<log> from, position start, read_options options);

  asio::awaitable<std::optional<entry>> next();
  asio::awaitable<std::span<const entry>> next_batch();
  [[nodiscard]] position at() const noexcept { return at_; }

 private:
  enum class step : std::uint8_t {
    got,      ///< an entry
    skip,     ///< a frame that is no record
    fill,     ///< the window lacks bytes, or what is visible ends here
    damaged,  ///< no valid frame starts here
  };
  [[nodiscard]] step parse(entry& to);
  /// A frame of the chain: it goes on behind it.
  void pass(const format::frame_header& frame) noexcept;
  void take(const format::frame_header& record, std::span<const std::byte> bytes, entry& to);
  void decode(const format::frame_header& header, std::span<const std::byte> body, entry& to);
  /// Brings more bytes into the window; false at the end.
  [[nodiscard]] asio::awaitable<bool> advance();
  [[nodiscard]] asio::awaitable<void> enter(log::view into);
  [[nodiscard]] asio::awaitable<void> load();
  [[nodiscard]] asio::awaitable<void> read_visible(std::uint64_t offset, std::byte* to,
                                                   std::size_t bytes);
  [[nodiscard]] asio::awaitable<void> read_device(std::uint64_t offset, std::byte* to,
                                                  std::size_t bytes);
  /// What is wrong at at_: damage is looked at a second time, past the page cache.
  [[nodiscard]] asio::awaitable<void> doubt();
  [[nodiscard]] asio::awaitable<void> throw_if_deleted();
  [[nodiscard]] asio::awaitable<bool> was_deleted();
  [[nodiscard]] asio::awaitable<bool> starts_a_frame(position where);
  [[noreturn]] void throw_damaged(const char* what) const;

  std::shared_ptr<log> log_;
  read_options options_;
  position at_;
  segment_ptr segment_;
  storage::file_ptr file_;
  std::uint32_t seed_ = 0;
  std::uint64_t visible_end_ = 0;  ///< of the segment, as of the last look
  /// The frame before at_, once one was read: the chain must go on from it.
  std::optional<engine::chain_state> chain_;
  // The window: bytes [window_begin_, window_begin_ + window_bytes_) of the segment.
  std::unique_ptr<std::byte[]> window_;
  std::size_t window_capacity_ = 0;
  std::uint64_t window_begin_ = 0;
  std::size_t window_bytes_ = 0;
  std::size_t bytes_since_turn_ = 0;
  std::uint64_t needed_bytes_ = 0;        ///< from at_ on, to get further
  std::optional<std::uint64_t> doubted_;  ///< an offset that was looked at a second time
  std::uint64_t record_bytes_limit_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> decompressed_;
  entry current_;
  std::vector<entry> entries_;
};

}  // namespace nori

#endif
