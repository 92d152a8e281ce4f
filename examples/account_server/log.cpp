#include "log.hpp"

#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "input.hpp"

namespace account_server {

void log_line(std::string_view level, std::string_view what, boost::json::object more) {
  boost::json::object line{
      {"at", to_string(std::chrono::system_clock::now())}, {"level", level}, {"event", what}};
  for (auto& each : more) line.emplace(each.key(), std::move(each.value()));
  const std::string text = boost::json::serialize(line) + '\n';
  // Nothing can be done about a log that can't be written.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace account_server
