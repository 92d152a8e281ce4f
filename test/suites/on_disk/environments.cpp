#include "environments.hpp"

#include <boost/asio/io_context.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <iostream>
#include <optional>

#include <nori/wal.hpp>

#include "disks.hpp"
#include "support/run.hpp"

namespace nori::suites {
namespace {

// What opening ended with, in a context that is nobody else's.
boost::system::error_code code_of_opening(const std::string& dir) {
  asio::io_context io;
  try {
    wal::opened opened = test::run(io, wal::open(config(dir)));
    test::run(io, opened.log.close());
    return {};
  } catch (const boost::system::system_error& error) {
    return error.code();
  }
}

// One byte of another process; false where it has ended.
bool await_byte(int fd) {
  char byte = 0;
  return ::read(fd, &byte, 1) == 1;
}

}  // namespace

int refusing(const std::vector<std::string>& arguments) {
  const auto number = static_cast<unsigned>(std::stoul(arguments.at(0)));
  const auto error = static_cast<unsigned>(std::stoul(arguments.at(1)));
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    throw missing("system calls can't be filtered here");
  }
  std::vector<std::string> words(arguments.begin() + 2, arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(pointers[0], pointers.data());
  return 127;
}

int fork_while_open(const std::vector<std::string>& arguments) {
  const std::string& dir = arguments.at(0);
  int to_child[2];
  if (::pipe(to_child) != 0) throw std::runtime_error("pipe");
  asio::io_context io;
  std::optional<wal::opened> opened;
  opened.emplace(test::run(io, wal::open(config(dir))));
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(to_child[1]);
    const bool locked = code_of_opening(dir) == errc::locked;
    // Until the parent has closed it. What the child inherited may not hold the lock then.
    const bool told = await_byte(to_child[0]);
    const bool free = told && !code_of_opening(dir);
    ::_exit(locked && free ? 0 : locked ? 11 : 12);
  }
  const std::string value(100, 'v');
  record_view what;
  what.value = value;
  for (int i = 0; i < 100; ++i) static_cast<void>(test::run(io, opened->log.append(what)));
  test::run(io, opened->log.close());
  opened.reset();
  if (::write(to_child[1], "c", 1) != 1) throw std::runtime_error("write");
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status == 0) return 0;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  std::cerr << (code == 11   ? "a forked child can't open what its parent has closed"
                : code == 12 ? "a forked child could open what its parent had open"
                             : "the child ended otherwise")
            << std::endl;
  return 1;
}

}  // namespace nori::suites
