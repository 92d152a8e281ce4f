#include "monitoring/full_screen.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace nori::cli {

namespace {

constexpr std::string_view enter = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
constexpr std::string_view leave = "\x1b[?25h\x1b[?1049l";

constexpr char control_c = 3;
constexpr char escape = 27;

winsize size_of_terminal() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
    size.ws_row = 24;
    size.ws_col = 80;
  }
  return size;
}

void write_out(std::string_view what) {
  std::fwrite(what.data(), 1, what.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

bool full_screen::possible() {
  const char* const term = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

full_screen::full_screen(const asio::any_io_executor& executor) {
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal >= 0) {
    if (::tcgetattr(terminal, &before_) == 0) {
      termios quiet = before_;
      // Ctrl-C is a key, too: whoever ends it gets the screen back. Ctrl-Z would not give it back.
      quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
      quiet.c_cc[VMIN] = 1;
      quiet.c_cc[VTIME] = 0;
      ::tcsetattr(terminal, TCSANOW, &quiet);
      keys_.emplace(executor, terminal);
    } else {
      ::close(terminal);
    }
  }
  write_out(enter);
}

full_screen::~full_screen() {
  write_out(leave);
  if (keys_) ::tcsetattr(keys_->native_handle(), TCSANOW, &before_);
}

void full_screen::show(const std::vector<std::string>& lines) {
  const winsize size = size_of_terminal();
  std::string frame = "\x1b[H";
  for (std::size_t i = 0; i < lines.size() && i < size.ws_row; ++i) {
    // Not behind the last line: that would scroll.
    if (i != 0) frame += "\r\n";
    frame += cut_to(lines[i], size.ws_col) + "\x1b[K";
  }
  write_out(frame + "\x1b[J");
}

asio::awaitable<void> full_screen::until_quit() {
  std::array<char, 16> typed{};
  while (keys_) {
    boost::system::error_code error;
    const std::size_t got = co_await keys_->async_read_some(
        asio::buffer(typed), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    // An arrow is Escape and more: it is not meant to end anything.
    const std::string_view keys(typed.data(), got);
    if (keys.find('q') != std::string_view::npos ||
        keys.find(control_c) != std::string_view::npos || keys == std::string_view(&escape, 1)) {
      co_return;
    }
  }
  // No keyboard: signals end it.
  asio::steady_timer never(co_await asio::this_coro::executor);
  never.expires_at(asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
}

std::string cut_to(std::string_view line, std::size_t columns) {
  std::string made;
  std::size_t shown = 0;
  bool coloured = false;
  for (std::size_t i = 0; i < line.size();) {
    if (line[i] == escape) {
      const std::size_t end = line.find('m', i);
      const std::size_t size = (end == std::string_view::npos ? line.size() : end + 1) - i;
      made += line.substr(i, size);
      coloured = true;
      i += size;
      continue;
    }
    if ((static_cast<unsigned char>(line[i]) & 0xc0) != 0x80 && shown++ == columns) break;
    made += line[i++];
  }
  return coloured ? made + "\x1b[0m" : made;
}

}  // namespace nori::cli
