#ifndef NORI_TEST_CLI_TERMINAL_HPP
#define NORI_TEST_CLI_TERMINAL_HPP

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <tuple>

#include "cli_test.hpp"

namespace nori::cli_test {

/// A terminal of tmux's, with a shell in the scratch directory.
class terminal {
 public:
  explicit terminal(const bench_of_an_operator& with)
      : tmux_("TMUX= TERM=xterm-256color tmux -S '" + with.at(".tmux").string() + "' ") {
    std::ignore = ask("-f /dev/null new-session -d -x 100 -y 40 -c '" +
                      with.scratch.path().string() + "' \"PS1='$ ' exec sh\"");
  }
  ~terminal() { std::ignore = ask("kill-server"); }
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;

  void type(const std::string& line) const { std::ignore = ask("send-keys '" + line + "' Enter"); }
  void press(const std::string& key) const { std::ignore = ask("send-keys " + key); }
  void interrupt() const { press("C-c"); }
  void resize(int columns, int lines) const {
    std::ignore =
        ask("resize-window -x " + std::to_string(columns) + " -y " + std::to_string(lines));
  }

  /// What is on the screen, with colours, once `part` is; what there was when patience ended.
  [[nodiscard]] std::string screen_with(const std::string& part) const {
    return screen_when(part, true);
  }
  /// Once it is not there any more.
  [[nodiscard]] std::string screen_without(const std::string& part) const {
    return screen_when(part, false);
  }

 private:
  [[nodiscard]] std::string screen_when(const std::string& part, bool there) const {
    const auto deadline = std::chrono::steady_clock::now() + test::patience;
    for (;;) {
      std::string screen = ask("capture-pane -e -p");
      if (has(screen, part) == there || std::chrono::steady_clock::now() > deadline) return screen;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  [[nodiscard]] std::string ask(const std::string& words) const {
    std::string text;
    std::FILE* const from = ::popen((tmux_ + words + " 2>&1").c_str(), "r");
    if (from == nullptr) return text;
    for (int c = std::fgetc(from); c != EOF; c = std::fgetc(from)) text += static_cast<char>(c);
    ::pclose(from);
    return text;
  }

  const std::string tmux_;
};

inline bool has_tmux() {
  if (std::system("command -v tmux >/dev/null") == 0) return true;
  std::cout << "SKIP the terminal's tests: there is no tmux\n";
  return false;
}

}  // namespace nori::cli_test

#endif
