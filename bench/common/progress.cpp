#include "common/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

namespace nori::bench {

namespace {

constexpr std::size_t bar_width = 24;
constexpr std::size_t columns_usual = 80;

std::size_t columns_of_terminal() {
  winsize found{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0) return columns_usual;
  return found.ws_col;
}

}  // namespace

progress::progress(double planned, unit of)
    : shown_(::isatty(STDERR_FILENO) != 0),
      planned_(planned),
      unit_(of),
      begin_(std::chrono::steady_clock::now()) {}

progress::~progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void progress::begin(std::string_view step) {
  if (!shown_) return;
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin_;
  const double share = planned_ > 0 ? std::min(1.0, done_ / planned_) : 0;
  const auto full = static_cast<std::size_t>(share * static_cast<double>(bar_width));
  std::string line = "[" + std::string(full, '#') + std::string(bar_width - full, '.') + "] " +
                     std::to_string(std::lround(100 * share)) + " %";
  if (share > 0 || unit_ == unit::seconds) {
    // What was planned leaves out preparations: the pace so far tells more.
    const double left = share > 0 ? spent.count() * (1 - share) / share : planned_;
    line += ", " + std::to_string(std::lround(left)) + " s left";
  }
  line += "  " + part_ + (part_.empty() ? "" : ": ");
  line += step;
  // A line that goes on in the next one could not be taken back.
  line.resize(std::min(line.size(), columns_of_terminal() - 1));
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
}

void progress::end(double planned) { done_ += planned; }

}  // namespace nori::bench
