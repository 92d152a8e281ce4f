#include "support/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <iostream>
#include <map>
#include <system_error>
#include <utility>

extern char** environ;

namespace nori::test {

namespace {

constexpr const char* switch_name = "--nori-child";

std::map<std::string, child_program::function>& programs() {
  static std::map<std::string, child_program::function> all;
  return all;
}

[[noreturn]] void fail(int error, const char* call) {
  throw std::system_error(error, std::generic_category(), call);
}

}  // namespace

child_program::child_program(std::string name, function run) {
  programs().emplace(std::move(name), run);
}

int run_as_child(int argc, char* argv[]) {
  if (argc < 3 || std::strcmp(argv[1], switch_name) != 0) return -1;
  const auto found = programs().find(argv[2]);
  if (found == programs().end()) return 126;
  try {
    return found->second({argv + 3, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << argv[2] << ": " << error.what() << '\n';
    return 125;
  }
}

child_process::child_process(const std::string& name, const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(errno, "pipe2");
  output_ = ends[0];
  std::vector<std::string> words{"/proc/self/exe", switch_name, name};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const int error =
      ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error != 0) fail(error, "posix_spawn");
}

child_process::~child_process() {
  kill();
  wait();
  ::close(output_);
}

bool child_process::read_some(std::string& to) {
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(output_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
}

std::string child_process::read_rest() {
  std::string all;
  while (read_some(all)) {
  }
  return all;
}

void child_process::kill() noexcept {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

int child_process::wait() noexcept {
  if (pid_ <= 0) return status_;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

void tell_parent(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t put = ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (put < 0 && errno != EINTR) fail(errno, "write");
    if (put > 0) at += static_cast<std::size_t>(put);
  }
}

}  // namespace nori::test
