#include "common/copies.hpp"

#include <algorithm>
#include <vector>

namespace nori::bench {

void copy_log(const std::filesystem::path& from, const std::filesystem::path& to) {
  constexpr std::size_t copied_segments = 3;
  std::vector<std::filesystem::path> segments;
  std::filesystem::create_directory(to);
  std::filesystem::permissions(to, std::filesystem::perms::owner_all);
  for (const auto& each : std::filesystem::directory_iterator(from)) {
    const std::filesystem::path target = to / each.path().filename();
    if (each.path().extension() == ".segment") {
      segments.push_back(each.path());
    } else if (each.path().extension() == ".index") {
      std::filesystem::create_hard_link(each.path(), target);
    } else {
      std::filesystem::copy_file(each.path(), target);
    }
  }
  std::sort(segments.begin(), segments.end());
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::filesystem::path target = to / segments[i].filename();
    if (i + copied_segments < segments.size()) {
      std::filesystem::create_hard_link(segments[i], target);
    } else {
      std::filesystem::copy_file(segments[i], target);
    }
  }
}

}  // namespace nori::bench
