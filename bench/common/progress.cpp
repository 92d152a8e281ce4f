#include "common/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace nori::bench {

namespace {
constexpr std::size_t bar_width = 24;
}

progress::progress(double seconds_planned)
    : shown_(::isatty(STDERR_FILENO) != 0),
      planned_(seconds_planned),
      begin_(std::chrono::steady_clock::now()) {}

progress::~progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void progress::begin(std::string_view step) {
  if (!shown_) return;
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin_;
  const double share = planned_ > 0 ? std::min(1.0, done_ / planned_) : 0;
  // What was planned leaves out preparations: the pace so far tells more.
  const double left = share > 0 ? spent.count() * (1 - share) / share : planned_;
  const auto full = static_cast<std::size_t>(share * static_cast<double>(bar_width));
  const std::string bar = std::string(full, '#') + std::string(bar_width - full, '.');
  std::fprintf(stderr, "\r\033[K[%s] %2.0f %%, %.0f s left  %s%s%.*s", bar.c_str(), 100 * share,
               left, part_.c_str(), part_.empty() ? "" : ": ", static_cast<int>(step.size()),
               step.data());
}

void progress::end(double seconds_planned) { done_ += seconds_planned; }

}  // namespace nori::bench
