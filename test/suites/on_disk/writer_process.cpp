#include "writer_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace nori::suites {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

writer_process::writer_process(const std::vector<std::string>& command, bool own_group)
    : own_group_(own_group) {
  std::vector<std::string> words = command;
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  pid_ = ::vfork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (own_group) ::setpgid(0, 0);
    ::dup2(ends[1], STDOUT_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  output_ = ends[0];
  if (pid_ < 0) fail("vfork");
}

writer_process::~writer_process() {
  reap();
  ::close(output_);
}

bool writer_process::listen(account& to, std::chrono::steady_clock::time_point until) {
  char buffer[16384];
  for (;;) {
    const auto left = until - std::chrono::steady_clock::now();
    const auto nanoseconds = std::max<std::int64_t>(
        0, std::chrono::duration_cast<std::chrono::nanoseconds>(left).count());
    timespec wait{};
    wait.tv_sec = nanoseconds / 1'000'000'000;
    wait.tv_nsec = nanoseconds % 1'000'000'000;
    pollfd ready{output_, POLLIN, 0};
    const int count = ::ppoll(&ready, 1, &wait, nullptr);
    if (count < 0 && errno != EINTR) fail("ppoll");
    if (count == 0) return true;
    if (count < 0) continue;
    const ssize_t got = ::read(output_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to.take({buffer, static_cast<std::size_t>(got)});
    // A writer that never pauses does not keep us.
    if (nanoseconds == 0) return true;
  }
}

void writer_process::kill(account& to) {
  if (pid_ > 0) ::kill(own_group_ ? -pid_ : pid_, SIGKILL);
  reap();
  listen(to, std::chrono::steady_clock::time_point::max());
}

std::string writer_process::how_it_ended() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? "with signal " + std::to_string(WTERMSIG(status))
                             : "with status " + std::to_string(WEXITSTATUS(status));
}

void writer_process::reap() noexcept {
  if (pid_ <= 0) return;
  ::kill(own_group_ ? -pid_ : pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::vector<std::string> command_of(const writing& how) {
  std::string from;
  for (const std::uint64_t each : how.from) {
    from += (from.empty() ? "" : ",") + std::to_string(each);
  }
  return {"/proc/self/exe",
          "write",
          how.what.text(),
          how.dir,
          from,
          std::to_string(how.until),
          how.lies    ? "lies"
          : how.alone ? "alone"
                      : "honest"};
}

writing writing_from(const std::vector<std::string>& arguments) {
  writing how;
  how.what = workload::from(arguments.at(0));
  how.dir = arguments.at(1);
  std::istringstream numbers(arguments.at(2));
  for (std::string each; std::getline(numbers, each, ',');) how.from.push_back(std::stoull(each));
  how.until = std::stoull(arguments.at(3));
  how.lies = arguments.at(4) == "lies";
  how.alone = arguments.at(4) == "alone";
  how.from.resize(how.what.lanes());
  return how;
}

}  // namespace nori::suites
