#include "disks.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <thread>

namespace nori::suites {
namespace {

[[noreturn]] void fail_with_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// For ext4 (EXT4_IOC_SHUTDOWN) and XFS (XFS_IOC_GOINGDOWN) the same.
constexpr unsigned long shutdown_request = 0x8004587d;
// Without writing the journal out first: what a power cut does.
constexpr std::uint32_t without_flushing = 2;

constexpr std::chrono::seconds patience(20);

}  // namespace

const char* name_of(file_system what) { return what == file_system::ext4 ? "ext4" : "xfs"; }

int run_command(const std::string& command) {
  const int status = std::system(("exec >/dev/null 2>&1 </dev/null; " + command).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void make_image(file_system what, const std::string& image) {
  const bool ext4 = what == file_system::ext4;
  std::filesystem::remove(image);
  // The smallest that mkfs.xfs makes is 300 MiB. A sparse file takes what is written to it.
  const int status =
      run_command(std::string("truncate -s ") + (ext4 ? "256M '" : "320M '") + image +
                  (ext4 ? "' && mkfs.ext4 -q -F '" : "' && mkfs.xfs -q '") + image + "'");
  if (status == 127) throw missing(std::string("mkfs.") + name_of(what) + " is not installed");
  if (status != 0) throw std::runtime_error(std::string("mkfs.") + name_of(what) + " failed");
}

bool is_damaged(file_system what, const std::string& device) {
  // Both change nothing: 4 says errors that are left, 1 of xfs_repair corruption.
  if (what == file_system::ext4) return (run_command("e2fsck -f -n '" + device + "'") & 4) != 0;
  return run_command("xfs_repair -n '" + device + "'") == 1;
}

loop_device::loop_device(const std::string& image) {
  const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) throw missing("there are no loop devices here");
  const int backing = ::open(image.c_str(), O_RDWR | O_CLOEXEC);
  if (backing < 0) {
    ::close(control);
    fail_with_errno(image);
  }
  // Somebody else may take the free one first.
  for (int attempt = 0; attempt < 100 && fd_ < 0; ++attempt) {
    const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    path_ = "/dev/loop" + std::to_string(number);
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) break;
    loop_config config{};
    config.fd = static_cast<__u32>(backing);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
      fd_ = fd;
    } else {
      const int error = errno;
      ::close(fd);
      errno = error;
      if (error != EBUSY) break;
    }
  }
  const int error = errno;
  ::close(control);
  ::close(backing);
  if (fd_ < 0) {
    throw missing("no loop device can be set up: " + std::generic_category().message(error));
  }
}

loop_device::~loop_device() { ::close(fd_); }

mounted_disk::mounted_disk(file_system what, const loop_device& device, std::string at)
    : at_(std::move(at)) {
  std::filesystem::create_directories(at_);
  if (::mount(device.path().c_str(), at_.c_str(), name_of(what), 0, nullptr) != 0) {
    if (errno == ENODEV || errno == EPERM) {
      throw missing(std::string("can't mount ") + name_of(what) + ": " +
                    std::generic_category().message(errno));
    }
    fail_with_errno(std::string("mounting ") + name_of(what));
  }
  mounted_ = true;
}

mounted_disk::~mounted_disk() {
  if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
}

void mounted_disk::shut_down() {
  const int fd = ::open(at_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_with_errno(at_);
  std::uint32_t how = without_flushing;
  const int result = ::ioctl(fd, shutdown_request, &how);
  const int error = errno;
  ::close(fd);
  errno = error;
  if (result != 0) fail_with_errno("shutting a file system down");
}

void mounted_disk::unmount() {
  // A ring of a killed process lives on for a moment, and with it its files.
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::umount2(at_.c_str(), 0) != 0) {
    if (errno != EBUSY || std::chrono::steady_clock::now() > deadline) {
      fail_with_errno("unmounting");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
  mounted_ = false;
}

}  // namespace nori::suites
