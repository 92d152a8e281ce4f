#include "guest.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace nori::suites {
namespace {

namespace fs = std::filesystem;

constexpr const char* kernel = "/usr/bin/linux.uml";

std::string quoted(const std::string& word) { return "'" + word + "'"; }

struct process_state {
  char state = '?';
  pid_t group = -1;
  bool traced = false;
};

process_state state_of(pid_t pid) {
  const std::string dir = "/proc/" + std::to_string(pid);
  process_state found;
  std::ifstream stat(dir + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  // The name in parentheses may hold anything.
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return found;
  std::istringstream words(text.substr(end + 1));
  pid_t parent = 0;
  words >> found.state >> parent >> found.group;
  std::ifstream status(dir + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("TracerPid:")) found.traced = std::stol(line.substr(10)) != 0;
  }
  return found;
}

}  // namespace

guest::guest(file_system what, const std::string& image, const std::string& mounted_at,
             const std::vector<std::string>& command, const std::string& scratch) {
  if (!fs::exists(kernel)) throw missing("the package user-mode-linux is not installed");
  fs::create_directories(mounted_at);
  const std::string script = mounted_at + ".init";
  {
    std::ofstream to(script);
    to << "#!/bin/sh\nexec </dev/null >/dev/tty1 2>/dev/null\nmount -t proc none /proc\n"
       << "mount -t " << name_of(what) << " /dev/ubda " << quoted(mounted_at)
       << " || echo x can not mount\nexec";
    for (const std::string& word : command) to << ' ' << quoted(word);
    to << '\n';
  }
  ::chmod(script.c_str(), 0755);
  // Its memory is a file, in TMPDIR. Messages of the kernel go to its first console: nowhere.
  const std::string line =
      "exec env TMPDIR=" + quoted(scratch) + " " + kernel + " mem=128M uml_dir=" + quoted(scratch) +
      " ubd0=" + quoted(image) +
      " root=/dev/root rootfstype=hostfs rootflags=/ ro init=" + quoted(script) +
      " con=null con1=null,fd:3 quiet loglevel=0 selinux=0"
      " 3>&1 >/dev/null 2>&1 </dev/null";
  process_ =
      std::make_unique<writer_process>(std::vector<std::string>{"/bin/sh", "-c", line}, true);
}

void guest::freeze() {
  // The kernel and the thread that is its disk. The processes within are traced by the kernel and
  // get nowhere without it; to stop those, too, would be a signal of theirs to it.
  frozen_ = own_processes();
  for (const pid_t each : frozen_) ::kill(each, SIGSTOP);
  for (const pid_t each : frozen_) {
    // A call that is under way ends first.
    for (;;) {
      const char state = state_of(each).state;
      if (state == 'T' || state == 'Z' || state == '?') break;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
}

void guest::thaw() {
  for (const pid_t each : frozen_) ::kill(each, SIGCONT);
  frozen_.clear();
}

std::vector<pid_t> guest::own_processes() const {
  std::vector<pid_t> found;
  for (const auto& each : fs::directory_iterator("/proc")) {
    const std::string name = each.path().filename().string();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    const process_state state = state_of(pid);
    if (state.group == process_->pid() && !state.traced) found.push_back(pid);
  }
  return found;
}

}  // namespace nori::suites
