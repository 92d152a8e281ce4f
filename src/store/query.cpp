#include <nori/store/query.hpp>

#include <algorithm>

namespace nori {

bool query::matches(std::string_view type, std::span<const std::string_view> tags) const noexcept {
  if (items.empty()) return true;
  return std::any_of(items.begin(), items.end(), [&](const query_item& item) {
    const bool of_type = item.types.empty() ||
                         std::find(item.types.begin(), item.types.end(), type) != item.types.end();
    return of_type && std::all_of(item.tags.begin(), item.tags.end(), [&](const std::string& tag) {
             return std::binary_search(tags.begin(), tags.end(), std::string_view(tag));
           });
  });
}

}  // namespace nori
