#ifndef NORI_TEST_SUITES_ON_DISK_GUEST_HPP
#define NORI_TEST_SUITES_ON_DISK_GUEST_HPP

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "account.hpp"
#include "disks.hpp"
#include "writer_process.hpp"

namespace nori::suites {

/// Another Linux kernel, as a process (user-mode-linux), that runs one command on a disk. Its root
/// is the machine's own; its console, on which the command tells, is a pipe to us.
class guest {
 public:
  /// `command` finds the image's file system at `mounted_at`. Throws `missing` without the package.
  guest(file_system what, const std::string& image, const std::string& mounted_at,
        const std::vector<std::string>& command, const std::string& scratch);

  bool listen(account& to, std::chrono::steady_clock::time_point until) {
    return process_->listen(to, until);
  }
  /// Nothing of it runs any more, not even its disk, when this returns; until thaw().
  void freeze();
  void thaw();
  void kill(account& to) { process_->kill(to); }

 private:
  [[nodiscard]] std::vector<pid_t> own_processes() const;

  std::unique_ptr<writer_process> process_;
  std::vector<pid_t> frozen_;
};

}  // namespace nori::suites

#endif
