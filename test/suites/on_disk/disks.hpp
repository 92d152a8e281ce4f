#ifndef NORI_TEST_SUITES_ON_DISK_DISKS_HPP
#define NORI_TEST_SUITES_ON_DISK_DISKS_HPP

#include <cstdint>
#include <stdexcept>
#include <string>

namespace nori::suites {

/// Something that this machine has not: the suite is skipped.
class missing : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class file_system : std::uint8_t { ext4, xfs };
[[nodiscard]] const char* name_of(file_system what);

/// Makes a sparse image with a new file system in it. Throws `missing` without mkfs.
void make_image(file_system what, const std::string& image);

/// Whether the file system's own checker finds it damaged; nothing may have it mounted. Its journal
/// must have been replayed.
[[nodiscard]] bool is_damaged(file_system what, const std::string& device);

/// A block device that is a file. It goes with this object, or with the process.
class loop_device {
 public:
  explicit loop_device(const std::string& image);
  ~loop_device();
  loop_device(const loop_device&) = delete;
  loop_device& operator=(const loop_device&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  int fd_ = -1;
};

/// A file system that is mounted; unmounted with this object.
class mounted_disk {
 public:
  mounted_disk(file_system what, const loop_device& device, std::string at);
  ~mounted_disk();
  mounted_disk(const mounted_disk&) = delete;
  mounted_disk& operator=(const mounted_disk&) = delete;

  /// Everything that the file system has not yet written is gone, and from now on every operation
  /// on it fails.
  void shut_down();
  /// Waits for whoever still has it open, up to a while.
  void unmount();

 private:
  std::string at_;
  bool mounted_ = false;
};

/// Runs a command line of the shell, whose output is thrown away. Returns its exit status.
int run_command(const std::string& command);

}  // namespace nori::suites

#endif
