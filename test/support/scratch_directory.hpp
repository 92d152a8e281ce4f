#ifndef NORI_TEST_SUPPORT_SCRATCH_DIRECTORY_HPP
#define NORI_TEST_SUPPORT_SCRATCH_DIRECTORY_HPP

#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

namespace nori::test {

/// Where files lie in memory, if there is such a place: for tests that open and sync so often that
/// a disk would set their pace.
inline std::filesystem::path memory_directory() {
  const std::filesystem::path memory = "/dev/shm";
  std::error_code ignored;
  return std::filesystem::is_directory(memory, ignored) ? memory
                                                        : std::filesystem::temp_directory_path();
}

/// A directory of mode 0700, under TMPDIR unless it is told where, removed afterwards.
class scratch_directory {
 public:
  explicit scratch_directory(
      const std::filesystem::path& under = std::filesystem::temp_directory_path()) {
    std::string pattern = (under / "nori-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::bad_alloc();
    path_ = pattern;
  }
  ~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace nori::test

#endif
