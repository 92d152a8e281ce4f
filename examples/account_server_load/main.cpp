// How many durable commands a second account_server answers, beside what the event store alone
// takes with as many writers in the same run:
//   account_server_load DIRECTORY [SECONDS [THREADS]]
// Starts the server that was built beside it. DIRECTORY is to be empty, on the disk in question.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include "clients.hpp"
#include "log_alone.hpp"

namespace {

double cpu_us(const rusage& used) {
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}
/// Of this process so far.
double own_cpu_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return cpu_us(used);
}

/// The server, on a free port; stopped by the destructor at the latest.
class served {
 public:
  served(const std::filesystem::path& program, const std::filesystem::path& dir,
         const std::string& threads) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl(program.c_str(), program.c_str(), dir.c_str(), "--port", "0", "--threads",
              threads.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string line;
    char c = 0;
    while (::read(ends[0], &c, 1) == 1 && c != '\n') line += c;
    ::close(ends[0]);
    const std::size_t colon = line.rfind(':');
    if (colon == std::string::npos) throw std::runtime_error("the server has not started");
    port_ = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
    std::ifstream(dir / "token") >> token_;
  }
  ~served() { stop(); }
  /// Gives the processor time that it has used.
  double stop() {
    rusage used{};
    if (pid_ < 0) return 0;
    ::kill(pid_, SIGTERM);
    ::wait4(pid_, nullptr, 0, &used);
    pid_ = -1;
    return cpu_us(used);
  }
  served(const served&) = delete;
  served& operator=(const served&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] const std::string& token() const noexcept { return token_; }

 private:
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
  std::string token_;
};

void measure(const std::filesystem::path& dir, double seconds, const std::string& threads) {
  const std::filesystem::path program =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "account_server";
  const std::chrono::milliseconds how_long(static_cast<int>(seconds * 1000));
  std::printf(
      "             the store alone                       the server\n"
      "connections       /s   p50 ms  p99 ms  cpu us        /s   p50 ms  p99 ms  cpu us  share\n");
  for (const std::size_t connections : {std::size_t{64}, std::size_t{512}}) {
    const std::string name = std::to_string(connections);
    const double before = own_cpu_us();
    const load::figures store = load::measure_log(dir / ("store-" + name), connections, how_long);
    const double store_us = (own_cpu_us() - before) / store.all;
    served server(program, dir / ("server-" + name), threads);
    const load::figures all =
        load::measure_server(server.port(), server.token(), connections, how_long);
    const double server_us = server.stop() / all.all;
    std::printf("%11zu %8.0f  %7.2f %7.2f %7.1f  %8.0f  %7.2f %7.2f %7.1f  %4.0f%%\n", connections,
                store.per_second, store.p50_ms, store.p99_ms, store_us, all.per_second, all.p50_ms,
                all.p99_ms, server_us, 100 * all.per_second / store.per_second);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc < 2 || argc > 4) {
    std::cerr << "usage: account_server_load DIRECTORY [SECONDS [THREADS]]\n";
    return 2;
  }
  try {
    measure(argv[1], argc > 2 ? std::atof(argv[2]) : 5, argc > 3 ? argv[3] : "1");
    return 0;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 1;
  }
}
