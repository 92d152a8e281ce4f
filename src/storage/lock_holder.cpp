#include "storage/lock_holder.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace nori::storage {
namespace {

/// Who holds the lock, as the lock file says: the process and when it was started, which together
/// name a process once and for all.
struct lock_holder {
  long pid = 0;
  unsigned long long started = 0;

  friend bool operator==(const lock_holder&, const lock_holder&) = default;
};

/// Nothing where there is no such process, or it has ended and is only not reaped yet.
std::optional<lock_holder> running_process(long pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  // The name, in parentheses, may hold anything: what counts follows the last of them.
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return std::nullopt;
  // state is field 3, the start time field 22.
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  lock_holder found{pid, 0};
  if (!(fields >> found.started)) return std::nullopt;
  return found;
}

}  // namespace

void name_lock_holder(int fd) noexcept try {
  const auto self = running_process(::getpid());
  if (!self) return;
  const std::string text = std::to_string(self->pid) + " " + std::to_string(self->started) + "\n";
  // Only a hint for others who wait: a failure harms nobody.
  if (::ftruncate(fd, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(fd, text.data(), text.size(), 0);
  }
} catch (...) {  // NOLINT: only a hint
}

bool lock_holder_has_ended(int fd) noexcept try {
  char text[64] = {};
  if (::pread(fd, text, sizeof text - 1, 0) <= 0) return false;
  lock_holder named;
  if (std::sscanf(text, "%ld %llu", &named.pid, &named.started) != 2 || named.pid <= 0) {
    return false;
  }
  // Without /proc nothing can be told.
  if (!running_process(::getpid())) return false;
  return running_process(named.pid) != named;
} catch (...) {
  return false;
}

}  // namespace nori::storage
