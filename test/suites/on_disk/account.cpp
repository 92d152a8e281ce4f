#include "account.hpp"

#include <algorithm>
#include <sstream>

namespace nori::suites {

void account::take(std::string_view text) {
  for (const char each : text) {
    if (each == '\n') {
      take_line(rest_);
      rest_.clear();
    } else if (each != '\r') {  // which the console of a guest puts before the end of a line
      rest_ += each;
    }
  }
}

void account::begin_writer() {
  rest_.clear();
  opened = false;
  failure.reset();
}

std::uint64_t account::acknowledged() const {
  std::uint64_t sum = 0;
  for (const lane& each : lanes_) sum += each.acknowledged;
  return sum;
}

void account::found(const std::vector<std::uint64_t>& groups) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i] = {groups.at(i), groups.at(i)};
}

void account::take_line(const std::string& line) {
  std::istringstream words(line);
  std::string what;
  words >> what;
  if (what == "o") {
    opened = true;
  } else if (what == "a") {
    std::size_t at = 0;
    lane told;
    words >> at >> told.acknowledged >> told.durable;
    if (!words || at >= lanes_.size()) throw std::runtime_error("the writer said: " + line);
    // It goes on where it was begun.
    lane& known = lanes_[at];
    known.acknowledged = std::max(known.acknowledged, told.acknowledged);
    known.durable = std::max(known.durable, told.durable);
  } else if (what == "c") {
    std::uint64_t position = 0;
    words >> position;
    checkpoint = position;
  } else if (what == "s") {
    std::string stream;
    std::uint64_t revision = 0;
    words >> stream >> revision;
    snapshots[stream] = revision;
  } else if (what == "x") {
    failure = line.substr(std::min<std::size_t>(2, line.size()));
  } else if (!line.empty()) {
    throw std::runtime_error("the writer said: " + line);
  }
  if (words.fail() && !line.empty()) throw std::runtime_error("the writer said: " + line);
}

}  // namespace nori::suites
