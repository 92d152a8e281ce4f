#include "program.hpp"

#include <boost/system/system_error.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace nori::cli {

namespace {

constexpr std::size_t kept_bytes_max = std::size_t{16} << 20;
constexpr int tick_ms = 200;
// What a shell says of a program that it can't start.
constexpr int status_not_started = 127;

[[noreturn]] void refuse(const std::string& what) {
  throw boost::system::system_error(
      boost::system::error_code(errno, boost::system::system_category()), what);
}

class pipe_pair {
 public:
  pipe_pair() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) refuse("pipe");
  }
  ~pipe_pair() {
    close_end(0);
    close_end(1);
  }
  pipe_pair(const pipe_pair&) = delete;
  pipe_pair& operator=(const pipe_pair&) = delete;

  [[nodiscard]] int end(std::size_t which) const { return ends_[which]; }
  void close_end(std::size_t which) {
    if (const int fd = std::exchange(ends_[which], -1); fd >= 0) ::close(fd);
  }
  /// Appends what there is; closes the reading end when nothing more will come.
  void drain(std::string& to) {
    std::array<char, 65536> piece;
    const ssize_t got = ::read(ends_[0], piece.data(), piece.size());
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
      close_end(0);
    } else {
      to.append(piece.data(), std::min(static_cast<std::size_t>(got), kept_bytes_max - to.size()));
    }
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

bool is_program(const std::filesystem::path& file) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(file, ignored) && ::access(file.c_str(), X_OK) == 0;
}

}  // namespace

std::optional<std::filesystem::path> find_program(const std::string& name) {
  std::error_code ignored;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", ignored);
  if (const auto beside = own.parent_path() / name; is_program(beside)) return beside;
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const auto found = std::filesystem::path(folder.empty() ? "." : folder) / name;
    if (is_program(found)) return found;
  }
  return std::nullopt;
}

ended_program run_program(const std::filesystem::path& program,
                          const std::vector<std::string>& words,
                          const std::function<void()>& tick) {
  pipe_pair out;
  pipe_pair error;
  std::string name = program.string();
  std::vector<std::string> all(words);
  std::vector<char*> argv{name.data()};
  for (std::string& each : all) argv.push_back(each.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) refuse("fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGINT);
    ::dup2(out.end(1), STDOUT_FILENO);
    ::dup2(error.end(1), STDERR_FILENO);
    ::execv(name.c_str(), argv.data());
    ::_exit(status_not_started);
  }
  out.close_end(1);
  error.close_end(1);
  ended_program done;
  while (out.end(0) >= 0 || error.end(0) >= 0) {
    std::array<pollfd, 2> ready{{{out.end(0), POLLIN, 0}, {error.end(0), POLLIN, 0}}};
    ::poll(ready.data(), ready.size(), tick_ms);
    if (ready[0].revents != 0) out.drain(done.out);
    if (ready[1].revents != 0) error.drain(done.error);
    tick();
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  done.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return done;
}

}  // namespace nori::cli
