#ifndef NORI_STORE_OFFSET_SOURCE_HPP
#define NORI_STORE_OFFSET_SOURCE_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/store/query.hpp>
#include <nori/store/reading.hpp>

#include "store/core.hpp"
#include "store/posting_reader.hpp"

namespace nori::store {

/// Offsets of a part's events that something matches, in the order of reading: a list of an index,
/// or what several lists have in common or together.
///
/// Moves one way only. What is in memory is gone through without a coroutine; where a page is
/// needed, `seek` says so and `fetch` gets it.
class offset_source {
 public:
  enum class step : std::uint8_t { found, end, fetch };

  virtual ~offset_source() = default;
  /// Goes to the first offset that is not before `bound` in the order of reading.
  [[nodiscard]] virtual step seek(std::uint32_t bound, std::uint32_t& found) = 0;
  /// After `fetch`: gets what the same seek needs.
  [[nodiscard]] virtual asio::awaitable<void> fetch() = 0;
};
using source_ptr = std::unique_ptr<offset_source>;

/// The next bound behind `offset`; false at the end of what offsets can be.
[[nodiscard]] bool bound_behind(std::uint32_t offset, direction order, std::uint32_t& bound);

/// Over a list in memory.
[[nodiscard]] source_ptr source_of(std::span<const std::uint32_t> list, direction order);
/// Over a list in an index file.
[[nodiscard]] source_ptr source_of(found_key list, direction order);
/// Over all events of an index file.
[[nodiscard]] source_ptr source_of_all(index_file_ptr index, direction order);

/// An item without types and tags, or no item, matches every event.
[[nodiscard]] bool matches_all(const query& what) noexcept;

/// The events of an index in memory that match a query; null where none can. It must not grow
/// meanwhile.
[[nodiscard]] source_ptr match_in_memory(const memory_index& memory, const query& what,
                                         direction order);

/// The same for an index file, in which each tag and type of the query was looked up; what was
/// found is used up.
[[nodiscard]] source_ptr match_in_file(index_file_ptr index, const query& what,
                                       std::span<key_lookup* const> lookups, direction order);

}  // namespace nori::store

#endif
