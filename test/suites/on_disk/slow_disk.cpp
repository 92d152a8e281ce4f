#include "slow_disk.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "disks.hpp"

namespace nori::suites {
namespace {

constexpr const char* groups = "/sys/fs/cgroup/blkio";

bool write_line(const std::string& path, const std::string& line) {
  std::ofstream to(path);
  to << line << std::endl;
  return to.good();
}

}  // namespace

slowed_device::slowed_device(const std::string& device, std::uint64_t bytes_per_second)
    : group_(std::string(groups) + "/nori-suite-" +
             std::to_string(std::chrono::steady_clock::now().time_since_epoch().count())) {
  struct stat found{};
  if (::stat(device.c_str(), &found) != 0) throw missing("there is no " + device);
  if (::mkdir(group_.c_str(), 0755) != 0) {
    throw missing("there is no blkio control group to slow a disk with");
  }
  const std::string limit = std::to_string(major(found.st_rdev)) + ":" +
                            std::to_string(minor(found.st_rdev)) + " " +
                            std::to_string(bytes_per_second);
  if (!write_line(group_ + "/blkio.throttle.write_bps_device", limit) ||
      !write_line(group_ + "/cgroup.procs", std::to_string(::getpid()))) {
    ::rmdir(group_.c_str());
    throw missing("a disk can't be slowed by a control group here");
  }
}

slowed_device::~slowed_device() {
  write_line(std::string(groups) + "/cgroup.procs", std::to_string(::getpid()));
  // What was on its way to the disk holds it for a moment.
  for (int i = 0; i < 1000 && ::rmdir(group_.c_str()) != 0 && errno == EBUSY; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

frozen_file_system::frozen_file_system(const std::string& mounted_at,
                                       std::chrono::milliseconds time) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  const int fd = ::open(mounted_at.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  timespec wait{};
  wait.tv_sec = time.count() / 1000;
  wait.tv_nsec = time.count() % 1000 * 1'000'000;
  pid_ = ::fork();
  if (pid_ == 0) {
    const char frozen = ::ioctl(fd, FIFREEZE, 0) == 0 ? 'f' : 'n';
    [[maybe_unused]] const ssize_t told = ::write(ready[1], &frozen, 1);
    if (frozen != 'f') ::_exit(1);
    ::nanosleep(&wait, nullptr);
    ::_exit(::ioctl(fd, FITHAW, 0) == 0 ? 0 : 1);
  }
  ::close(ready[1]);
  ::close(fd);
  char byte = 'n';
  [[maybe_unused]] const ssize_t got = ::read(ready[0], &byte, 1);
  ::close(ready[0]);
  if (byte != 'f') throw missing("a file system can't be frozen here");
}

frozen_file_system::~frozen_file_system() {
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

bool frozen_file_system::thawed() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ <= 0;
}

}  // namespace nori::suites
