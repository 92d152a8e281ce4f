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

/// Reads events at known offsets of segments: neighbours together, all of them at the same time.
class record_fetcher {
 public:
  explicit record_fetcher(core::shared from) : core_(std::move(from)) {}

  /// Some events of one part.
  struct run {
    part_ptr of;
    std::uint64_t end_offset = 0;  ///< bounds what may be read of the segment
    std::uint64_t events = 0;      ///< in the part: how large one is, is guessed by it
    std::size_t first = 0;         ///< among the offsets that are fetched
    std::size_t count = 0;
  };

  /// Gives the events at `offsets`, which rise or fall within a run, in their order.
  /// @returns views that live until the next fetch.
  /// @throws errc::corruption, errc::not_an_event, or the operating system's error.
  [[nodiscard]] asio::awaitable<std::span<const recorded_event>> fetch(
      std::span<const run> runs, std::span<const std::uint32_t> offsets);

  /// One event.
  [[nodiscard]] asio::awaitable<recorded_event> fetch_one(part_ptr of, core::part_now now,
                                                          std::uint32_t offset);

 private:
  /// Bytes of a segment that are read at once.
  struct piece {
    const run* of = nullptr;
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
    std::byte* to = nullptr;
  };
  struct found_record {
    const run* of = nullptr;
    std::uint32_t offset = 0;
    std::span<const std::byte> bytes;  ///< from its start on, as far as they were read
  };
  void plan(std::span<const run> runs, std::span<const std::uint32_t> offsets);
  void plan_run(const run& of, std::span<const std::uint32_t> rising);
  [[nodiscard]] asio::awaitable<void> read(std::span<const piece> pieces);
  [[nodiscard]] asio::awaitable<void> read_again(piece what);
  [[nodiscard]] asio::awaitable<void> read_device(piece what);
  [[nodiscard]] asio::awaitable<void> complete();
  [[nodiscard]] piece add_extra(const run& of, std::uint64_t offset, std::uint64_t bytes);

  core::shared core_;
  std::size_t usual_bytes_ = 0;  ///< what records of the last fetch took
  std::vector<std::unique_ptr<std::byte[]>> extra_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::vector<piece> pieces_;
  std::vector<std::size_t> piece_of_;  ///< of each record
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
