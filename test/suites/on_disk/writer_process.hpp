#ifndef NORI_TEST_SUITES_ON_DISK_WRITER_PROCESS_HPP
#define NORI_TEST_SUITES_ON_DISK_WRITER_PROCESS_HPP

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "account.hpp"
#include "writing.hpp"

namespace nori::suites {

/// Another process that tells on its standard output what it was promised. It is killed and waited
/// for at the latest by the destructor, and dies with the thread that started it.
class writer_process {
 public:
  explicit writer_process(const std::vector<std::string>& command, bool own_group = false);
  ~writer_process();
  writer_process(const writer_process&) = delete;
  writer_process& operator=(const writer_process&) = delete;

  /// Takes what it tells until `until`, or until it ends. False where it has ended.
  bool listen(account& to, std::chrono::steady_clock::time_point until);
  /// Kills it (and its group, if it has one), takes the rest of what it told, and waits for it.
  void kill(account& to);
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Waits for one that has ended by itself, and says how: to be quoted.
  [[nodiscard]] std::string how_it_ended();

 private:
  void reap() noexcept;

  pid_t pid_ = -1;
  int output_ = -1;
  bool own_group_;
};

/// The command line that writes as `how` says: this program's own verb.
[[nodiscard]] std::vector<std::string> command_of(const writing& how);
/// The inverse, of what follows the verb.
[[nodiscard]] writing writing_from(const std::vector<std::string>& arguments);

}  // namespace nori::suites

#endif
