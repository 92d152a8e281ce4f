#ifndef NORI_TEST_SUITES_ON_DISK_SLOW_DISK_HPP
#define NORI_TEST_SUITES_ON_DISK_SLOW_DISK_HPP

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace nori::suites {

/// This process in a control group in which a device writes slowly; it is back where it was
/// afterwards. Throws `missing` where there are none.
class slowed_device {
 public:
  slowed_device(const std::string& device, std::uint64_t bytes_per_second);
  ~slowed_device();
  slowed_device(const slowed_device&) = delete;
  slowed_device& operator=(const slowed_device&) = delete;

 private:
  std::string group_;
};

/// A file system that stands still for a while. Another process freezes and thaws it, whatever
/// becomes of this one.
class frozen_file_system {
 public:
  /// Returns once it stands still. Throws `missing` where that is not possible.
  frozen_file_system(const std::string& mounted_at, std::chrono::milliseconds time);
  ~frozen_file_system();
  frozen_file_system(const frozen_file_system&) = delete;
  frozen_file_system& operator=(const frozen_file_system&) = delete;

  /// Without waiting for it.
  [[nodiscard]] bool thawed();

 private:
  pid_t pid_ = -1;
};

}  // namespace nori::suites

#endif
