#ifndef NORI_STORE_RECORD_FETCHER_HPP
#define NORI_STORE_RECORD_FETCHER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <nori/store/event.hpp>

#include "store/core.hpp"
#include "store/event_codec.hpp"

namespace nori::store {

/// Reads events at known offsets of a segment: neighbours together, all of them at the same time.
class record_fetcher {
 public:
  explicit record_fetcher(core::shared from) : core_(std::move(from)) {}

  /// Replaces events() by those at `offsets`, which rise or fall, in their order. `end` bounds what
  /// may be read of the segment.
  /// @throws errc::corruption, errc::not_an_event, or the operating system's error.
  [[nodiscard]] asio::awaitable<void> fetch(part_ptr of, std::span<const std::uint32_t> offsets,
                                            std::uint64_t end);

  /// Views that live until the next fetch.
  [[nodiscard]] std::span<recorded_event> events() noexcept { return events_; }

 private:
  /// Bytes of the segment that are read at once.
  struct piece {
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
    std::byte* to = nullptr;
  };
  struct found_record {
    std::uint32_t offset = 0;
    std::span<const std::byte> bytes;  ///< from its start on, as far as they were read
  };
  void plan(std::span<const std::uint32_t> offsets, std::uint64_t end);
  [[nodiscard]] asio::awaitable<void> read(part_ptr of, std::span<const piece> pieces);
  [[nodiscard]] asio::awaitable<void> read_device(part_ptr of, piece what);
  [[nodiscard]] asio::awaitable<void> complete(part_ptr of, std::uint64_t end);

  core::shared core_;
  std::size_t guess_bytes_ = 512;  ///< what a record is taken to need
  std::vector<std::unique_ptr<std::byte[]>> extra_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::vector<piece> pieces_;
  std::vector<found_record> records_;
  std::vector<decoded_event> decoded_;
  std::vector<std::string_view> tags_;
  std::vector<recorded_event> events_;
};

/// Reads the event in a record: key and value; `tags` collects. Throws errc::not_an_event naming
/// `at`, where it is none.
void read_event(std::string_view key, std::string_view value, position at,
                std::vector<std::string_view>& tags, decoded_event& to);

/// The same, of a record as the log's reader gives it.
void read_event(const entry& record, std::vector<std::string_view>& tags, decoded_event& to);

/// Puts decoded events and their tags together.
void collect_events(std::span<const decoded_event> decoded, std::span<const std::string_view> tags,
                    std::vector<recorded_event>& to);

}  // namespace nori::store

#endif
