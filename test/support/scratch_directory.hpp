#ifndef NORI_TEST_SUPPORT_SCRATCH_DIRECTORY_HPP
#define NORI_TEST_SUPPORT_SCRATCH_DIRECTORY_HPP

#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

namespace nori::test {

/// A directory of mode 0700 under TMPDIR, removed afterwards.
class scratch_directory {
 public:
  scratch_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "nori-test-XXXXXX").string();
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
