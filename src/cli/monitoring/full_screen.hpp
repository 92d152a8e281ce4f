#ifndef NORI_CLI_MONITORING_FULL_SCREEN_HPP
#define NORI_CLI_MONITORING_FULL_SCREEN_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <termios.h>

#include <optional>
#include <string>
#include <vector>

namespace nori::cli {

namespace asio = boost::asio;

/// The whole terminal, for as long as this lives: the alternate screen, without cursor and echo.
/// Afterwards everything is as it was.
class full_screen {
 public:
  explicit full_screen(const asio::any_io_executor& executor);
  ~full_screen();
  full_screen(const full_screen&) = delete;
  full_screen& operator=(const full_screen&) = delete;

  /// Standard output is a terminal that can do it.
  [[nodiscard]] static bool possible();

  /// Shows these lines, cut to the terminal's size as it is now. They may hold colours.
  void show(const std::vector<std::string>& lines);
  /// Until somebody types 'q', Escape or Ctrl-C.
  [[nodiscard]] asio::awaitable<void> until_quit();

 private:
  /// Of its own: making the shell's descriptor non-blocking would make standard output so, too.
  std::optional<asio::posix::stream_descriptor> keys_;
  termios before_{};
};

/// The first `columns` characters, with the colours that they have.
[[nodiscard]] std::string cut_to(std::string_view line, std::size_t columns);

}  // namespace nori::cli

#endif
