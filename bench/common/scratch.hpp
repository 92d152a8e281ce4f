#ifndef NORI_BENCH_COMMON_SCRATCH_HPP
#define NORI_BENCH_COMMON_SCRATCH_HPP

#include <filesystem>

namespace nori::bench {

/// A new directory within another, removed with everything in it.
class scratch_directory {
 public:
  explicit scratch_directory(const std::filesystem::path& parent);
  ~scratch_directory();
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// Flushes the file system that `dir` lies on, so that one round does not pay for another.
void settle(const std::filesystem::path& dir) noexcept;

}  // namespace nori::bench

#endif
