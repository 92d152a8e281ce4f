#ifndef NORI_STORE_EVENT_RANGE_HPP
#define NORI_STORE_EVENT_RANGE_HPP

#include <cstdint>
#include <string>
#include <utility>

#include <nori/store/reading.hpp>

namespace nori::store {

/// Which events are to be read, and in which order.
struct event_range {
  /// An empty stream stands for all.
  event_range(std::string of_stream, read_events given)
      : stream(std::move(of_stream)), how(std::move(given)) {}

  const std::string stream;
  const read_events how;
  std::uint64_t begin = 0;  ///< global position
  std::uint64_t end = 0;    ///< exclusive

  [[nodiscard]] bool forwards() const noexcept { return how.order == direction::forwards; }
  [[nodiscard]] bool one_stream() const noexcept { return !stream.empty(); }
  /// All events are wanted as they lie in the log, or all but those of other streams' names.
  [[nodiscard]] bool as_it_lies() const noexcept {
    return !one_stream() && forwards() && how.filter.matching.items.empty();
  }

  [[nodiscard]] bool has(const recorded_event& event) const noexcept {
    if (event.global_position < begin || event.global_position >= end) return false;
    if (one_stream()) {
      if (event.stream != stream) return false;
      if (how.from && (forwards() ? event.revision < *how.from : event.revision > *how.from)) {
        return false;
      }
    } else if (!event.stream.starts_with(how.filter.stream_prefix)) {
      return false;
    }
    return how.filter.matching.matches(event.type, event.tags);
  }

  // Of one stream, of which a part has the revisions [first, last]:

  [[nodiscard]] bool has_revision_in(std::uint64_t first, std::uint64_t last) const noexcept {
    return !how.from || (forwards() ? *how.from <= last : *how.from >= first);
  }
  /// How many of them come before the first that is wanted, in the order of reading.
  [[nodiscard]] std::uint64_t revisions_before(std::uint64_t first,
                                               std::uint64_t last) const noexcept {
    if (!how.from) return 0;
    if (forwards()) return *how.from > first ? *how.from - first : 0;
    return *how.from < last ? last - *how.from : 0;
  }
};

}  // namespace nori::store

#endif
