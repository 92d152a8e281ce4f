#ifndef NORI_STORE_QUERY_HPP
#define NORI_STORE_QUERY_HPP

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nori {

/// Matches an event whose type is one of `types` (or any, where there are none) and whose tags
/// contain all of `tags`.
struct query_item {
  query_item() = default;
  query_item(std::vector<std::string> its_types, std::vector<std::string> its_tags)
      : types(std::move(its_types)), tags(std::move(its_tags)) {}

  std::vector<std::string> types;
  std::vector<std::string> tags;
};

/// Which events are meant: those that any item matches; without items all of them.
///
/// The query of a dynamic consistency boundary (dcb.events).
struct query {
  query() = default;
  query(std::initializer_list<query_item> its_items) : items(its_items) {}

  /// Events of any of these types.
  [[nodiscard]] static query of_types(std::vector<std::string> types) {
    return query({query_item(std::move(types), {})});
  }
  /// Events that carry all of these tags.
  [[nodiscard]] static query with_tags(std::vector<std::string> tags) {
    return query({query_item({}, std::move(tags))});
  }

  std::vector<query_item> items;

  /// `tags` are sorted, as in recorded_event.
  [[nodiscard]] bool matches(std::string_view type,
                             std::span<const std::string_view> tags) const noexcept;
};

}  // namespace nori

#endif
