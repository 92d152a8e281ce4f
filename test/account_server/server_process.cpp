#include "server_process.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "description.hpp"
#include "support/files.hpp"
#include "support/scratch_directory.hpp"

namespace nori::server_test {

namespace {

// Standard output goes to `out` where that is a descriptor, else with standard error to the file.
pid_t start(const std::vector<std::string>& words, int out, const std::filesystem::path& log) {
  std::vector<char*> pointers;
  for (const std::string& each : words) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int to = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(out >= 0 ? out : to, STDOUT_FILENO);
  ::dup2(to, STDERR_FILENO);
  ::execvp(pointers[0], pointers.data());
  ::_exit(127);
}

int status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

const char* const program = NORI_EXAMPLES_BIN_DIR "/account_server";

}  // namespace

server::server(std::filesystem::path dir, std::vector<std::string> options,
               std::vector<std::string> before)
    : dir_(std::move(dir)) {
  std::vector<std::string> words = std::move(before);
  words.insert(words.end(), {program, dir_.string(), "--port", "0"});
  words.insert(words.end(), options.begin(), options.end());
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  pid_ = start(words, ends[1], dir_.string() + ".log");
  ::close(ends[1]);
  std::string line;
  char c = 0;
  while (::read(ends[0], &c, 1) == 1 && c != '\n') line += c;
  ::close(ends[0]);
  // http://127.0.0.1:12345/
  const std::size_t colon = line.rfind(':');
  if (colon == std::string::npos) {
    const int status = wait();
    throw std::runtime_error("the server ended with " + std::to_string(status) + ": " + log());
  }
  port_ = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
  token_ = test::bytes_of_file(dir_ / "token");
  while (token_.ends_with('\n')) token_.pop_back();
  if (line.starts_with("http:")) {
    call what;
    what.path = "/openapi.json";
    wire to = connect();
    to.send(what.text());
    description_ = to.read_reply().json();
  }
}

server::~server() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  status_of(pid_);
}

std::string server::log() const { return test::bytes_of_file(dir_.string() + ".log"); }
void server::signal(int number) const noexcept { ::kill(pid_, number); }
int server::wait() {
  if (pid_ >= 0) status_ = status_of(std::exchange(pid_, -1));
  return status_;
}
int server::stop() {
  signal(SIGTERM);
  return wait();
}

reply server::ask(const call& what) {
  wire to = connect();
  to.send(what.text());
  reply got = to.read_reply();
  check_described(description_, what, got);
  return got;
}
reply server::get(const std::string& path) {
  call what;
  what.path = path;
  return ask(what);
}
call server::command(const std::string& path, const std::string& body,
                     const std::string& key) const {
  call what;
  what.method = "POST";
  what.path = path;
  what.headers = {{"Authorization", "Bearer " + token_},
                  {"Content-Type", "application/json"},
                  {"Idempotency-Key", key}};
  what.body = body;
  return what;
}
reply server::post(const std::string& path, const std::string& body, const std::string& key) {
  return ask(command(path, body, key));
}

wire server::subscribe(const std::string& query, const std::string& last_id,
                       int receive_buffer_bytes) {
  call what;
  what.path = "/events" + query;
  if (!last_id.empty()) what.headers["Last-Event-ID"] = last_id;
  wire to(port_, receive_buffer_bytes);
  to.send(what.text());
  const reply head = to.read_head();
  BOOST_TEST_REQUIRE(head.status == 200);
  BOOST_TEST(head.headers.at("content-type") == "text/event-stream");
  return to;
}

ended_server run_server(const std::vector<std::string>& words) {
  const test::scratch_directory scratch;
  const std::filesystem::path log = scratch.path() / "log";
  std::vector<std::string> all{program};
  all.insert(all.end(), words.begin(), words.end());
  ended_server done;
  done.status = status_of(start(all, -1, log));
  done.text = test::bytes_of_file(log);
  return done;
}

}  // namespace nori::server_test
