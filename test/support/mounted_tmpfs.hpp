#ifndef NORI_TEST_SUPPORT_MOUNTED_TMPFS_HPP
#define NORI_TEST_SUPPORT_MOUNTED_TMPFS_HPP

#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

namespace nori::test {

/// A file system of its own, where that may be mounted; it goes with this object.
class mounted_tmpfs {
 public:
  mounted_tmpfs(const std::filesystem::path& at, const char* options) : at_(at) {
    std::filesystem::create_directory(at);
    mounted_ = ::mount("nori-test", at.c_str(), "tmpfs", 0, options) == 0;
    if (!mounted_) why_ = std::strerror(errno);
  }
  ~mounted_tmpfs() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  mounted_tmpfs(const mounted_tmpfs&) = delete;
  mounted_tmpfs& operator=(const mounted_tmpfs&) = delete;

  /// False while a file is open for writing.
  [[nodiscard]] bool make_read_only() const {
    return ::mount("nori-test", at_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }
  /// "size=64m"
  [[nodiscard]] bool change(const char* options) const {
    return ::mount("nori-test", at_.c_str(), "tmpfs", MS_REMOUNT, options) == 0;
  }
  [[nodiscard]] bool there() const noexcept { return mounted_; }
  [[nodiscard]] const std::string& why() const noexcept { return why_; }

 private:
  std::filesystem::path at_;
  bool mounted_ = false;
  std::string why_;
};

}  // namespace nori::test

#endif
