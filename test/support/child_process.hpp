#ifndef NORI_TEST_SUPPORT_CHILD_PROCESS_HPP
#define NORI_TEST_SUPPORT_CHILD_PROCESS_HPP

#include <sys/types.h>

#include <string>
#include <vector>

namespace nori::test {

/// A program within this executable that a test starts as another process. Its standard output
/// goes to the test. Define one in a namespace:
///
///     const child_program appends("appends", [](const auto& arguments) { ... return 0; });
class child_program {
 public:
  using function = int (*)(const std::vector<std::string>& arguments);
  child_program(std::string name, function run);
};

/// Runs the child program that the command line asks for. Returns its exit status, or -1 where the
/// command line asks for none.
int run_as_child(int argc, char* argv[]);

/// A child program that runs. It is killed and waited for at the latest by the destructor.
class child_process {
 public:
  explicit child_process(const std::string& name, const std::vector<std::string>& arguments = {});
  ~child_process();
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  /// Waits for at least one byte of output; appends what there is to `to`. False at the end.
  bool read_some(std::string& to);
  std::string read_rest();
  void kill() noexcept;
  /// The exit status, or minus the number of the signal that ended it.
  int wait() noexcept;

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  int status_ = 0;
};

/// In a child: writes to the test.
void tell_parent(const std::string& text);

}  // namespace nori::test

#endif
