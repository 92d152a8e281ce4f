#include "common/child.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "common/measure.hpp"

namespace nori::bench {

namespace json = boost::json;

namespace {

void send(int to, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::write(to, text.data(), text.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) std::_Exit(1);
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string receive(int from) {
  std::string text;
  char some[4096];
  for (;;) {
    const ssize_t got = ::read(from, some, sizeof some);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(some, static_cast<std::size_t>(got));
  }
}

}  // namespace

json::value in_child(
    const std::function<void(const std::function<void(const json::value&)>& report)>& what) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe");
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::system_category(), "fork");
  if (child == 0) {
    // Not for longer than who asked for it: a killed one can't stop us.
    static_cast<void>(::prctl(PR_SET_PDEATHSIG, SIGKILL));
    if (::getppid() != parent) std::_Exit(1);
    ::close(ends[0]);
    try {
      what([&](const json::value& report) { send(ends[1], json::serialize(report)); });
    } catch (const std::exception& error) {
      send(ends[1], json::serialize(json::object{{"error", error.what()}}));
    }
    std::_Exit(0);
  }
  ::close(ends[1]);
  const std::string text = receive(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  throw_if_interrupted();
  if (text.empty()) throw std::runtime_error("a child process ended without saying why");
  json::value report = json::parse(text);
  if (const json::object* object = report.if_object()) {
    if (const json::value* error = object->if_contains("error")) {
      throw std::runtime_error(std::string(error->as_string()));
    }
  }
  return report;
}

void kill_this_process() noexcept {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

}  // namespace nori::bench
