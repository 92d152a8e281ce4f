#include "common/machine.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/quantities.hpp"
#include "raw/files.hpp"
#include "raw/ring.hpp"

namespace nori::bench {

namespace {

// One mount: "36 35 98:0 /root /mount options ... - type source superoptions"
std::string file_system_of(dev_t device) {
  const std::string wanted = std::to_string(major(device)) + ":" + std::to_string(minor(device));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string id;
    std::string parent;
    std::string numbers;
    fields >> id >> parent >> numbers;
    const std::size_t dash = line.find(" - ");
    if (numbers != wanted || dash == std::string::npos) continue;
    std::istringstream rest(line.substr(dash + 3));
    std::string type;
    rest >> type;
    return type;
  }
  return "unknown";
}

std::string device_name_of(dev_t device) {
  std::error_code ec;
  const auto link = std::filesystem::read_symlink(
      "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device)), ec);
  return ec ? std::string() : link.filename().string();
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string compiler_name() {
#if defined(__clang__)
  return "clang " __clang_version__;
#elif defined(__GNUC__)
  return "g++ " __VERSION__;
#else
  return "unknown";
#endif
}

}  // namespace

machine describe_machine(const std::filesystem::path& scratch) {
  machine here;
  struct stat found{};
  if (::stat(scratch.c_str(), &found) == 0) {
    here.file_system = file_system_of(found.st_dev);
    here.device = device_name_of(found.st_dev);
  }
  here.in_memory = here.file_system == "tmpfs" || here.file_system == "ramfs";
  utsname system{};
  if (::uname(&system) == 0) here.kernel = system.release;
  here.cpu = cpu_name();
  here.cores = std::thread::hardware_concurrency();
  here.compiler = compiler_name();
  static_cast<void>(::getloadavg(&here.load, 1));
  here.direct_io = raw::direct_io_works(scratch);
  here.io_uring = raw::ring::try_make(4, raw::ring::mode::posted) != nullptr;
  here.free_bytes = free_bytes(scratch);
  return here;
}

std::vector<std::string> warnings_about(const machine& here) {
  std::vector<std::string> found;
  if (here.in_memory) {
    found.push_back(here.file_system +
                    " lies in memory: a sync does nothing there, and nothing survives a power "
                    "cut; choose a --dir on a disk");
  }
  if (!here.direct_io) {
    found.push_back("the file system refuses O_DIRECT: nori and raw write through the page cache");
  }
  if (!here.io_uring) {
    found.push_back("io_uring is not available here: nori and raw use plain system calls");
  }
#if !defined(__OPTIMIZE__) || defined(_GLIBCXX_ASSERTIONS) || !defined(NDEBUG)
  found.push_back("this is not a release build: cmake --preset release");
#endif
#if !defined(__x86_64__)
  found.push_back("the raw loop computes its CRC by tables on this CPU: the ratios flatter nori");
#endif
  return found;
}

namespace {

// Of all CPUs and programs but this one, seconds.
double others_cpu_seconds() noexcept {
  try {
    std::ifstream file("/proc/stat");
    std::string name;
    double ticks[8] = {};
    file >> name;
    for (double& each : ticks) file >> each;
    const double user = ticks[0] + ticks[1];
    const double system = ticks[2] + ticks[5] + ticks[6];
    const double stolen = ticks[7];
    return (user + system + stolen) / static_cast<double>(::sysconf(_SC_CLK_TCK)) - cpu_seconds();
  } catch (...) {
    return 0;
  }
}

}  // namespace

other_programs::other_programs() noexcept
    : others_before_(others_cpu_seconds()), begin_(std::chrono::steady_clock::now()) {}

double other_programs::cores() const noexcept {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin_;
  return (others_cpu_seconds() - others_before_) / passed.count();
}

std::uint64_t free_bytes(const std::filesystem::path& dir) noexcept {
  struct statvfs found{};
  if (::statvfs(dir.c_str(), &found) != 0) return UINT64_MAX;
  return static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
}

std::uint64_t resident_bytes() noexcept {
  try {
    std::ifstream file("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    file >> size >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  } catch (...) {
    return 0;
  }
}

std::uint64_t resident_bytes_max() noexcept {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<std::uint64_t>(used.ru_maxrss) << 10;
}

double cpu_seconds() noexcept {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

}  // namespace nori::bench
