#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>

#include "arguments.hpp"

namespace nori::cli {

namespace {

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<event_time> time_ago(std::string_view text, event_time now) {
  if (text.size() < 2) return std::nullopt;
  const auto count = whole_number(text.substr(0, text.size() - 1));
  if (!count || *count > 100'000'000) return std::nullopt;
  const auto n = static_cast<std::int64_t>(*count);
  switch (text.back()) {
    case 's':
      return now - std::chrono::seconds(n);
    case 'm':
      return now - std::chrono::minutes(n);
    case 'h':
      return now - std::chrono::hours(std::min<std::int64_t>(n, 1'000'000));
    case 'd':
      return now - std::chrono::days(std::min<std::int64_t>(n, 40'000));
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<place> parse_place(const std::string& text) {
  place made;
  const auto colon = text.find(':');
  if (colon == std::string::npos) {
    made.global_position = whole_number(text);
    if (!made.global_position) return std::nullopt;
    return made;
  }
  const auto segment = whole_number(std::string_view(text).substr(0, colon));
  const auto offset = whole_number(std::string_view(text).substr(colon + 1));
  if (!segment || !offset || *segment == 0) return std::nullopt;
  made.at = {*segment, *offset};
  return made;
}

std::optional<event_time> parse_time(const std::string& text, event_time now) {
  if (const auto ago = time_ago(text, now)) return ago;
  if (text.starts_with('@')) {
    const auto seconds = whole_number(std::string_view(text).substr(1));
    if (!seconds || *seconds > 9'000'000'000) return std::nullopt;
    return event_time(std::chrono::seconds(static_cast<std::int64_t>(*seconds)));
  }
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2u%n", &year, &month, &day, &used) != 3) {
    return std::nullopt;
  }
  std::string_view rest = std::string_view(text).substr(static_cast<std::size_t>(used));
  std::int64_t nanoseconds = 0;
  if (!rest.empty()) {
    if (rest.front() != 'T' && rest.front() != ' ') return std::nullopt;
    const std::string clock(rest.substr(1));
    if (std::sscanf(clock.c_str(), "%2u:%2u%n", &hour, &minute, &used) != 2) return std::nullopt;
    std::string_view left = std::string_view(clock).substr(static_cast<std::size_t>(used));
    if (left.size() >= 3 && left.front() == ':') {
      const auto whole = whole_number(left.substr(1, 2));
      if (!whole) return std::nullopt;
      second = static_cast<unsigned>(*whole);
      left.remove_prefix(3);
      if (left.starts_with('.')) {
        left.remove_prefix(1);
        std::int64_t unit = 100'000'000;
        while (!left.empty() && left.front() >= '0' && left.front() <= '9') {
          nanoseconds += (left.front() - '0') * unit;
          unit /= 10;
          left.remove_prefix(1);
        }
      }
    }
    if (left == "Z") left.remove_prefix(1);
    if (!left.empty()) return std::nullopt;
  }
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(year), std::chrono::month(month),
                            std::chrono::day(day)};
  if (!date.ok() || year < 1678 || year > 2261 || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  return event_time(sys_days(date)) + hours(hour) + minutes(minute) + seconds(second) +
         std::chrono::nanoseconds(nanoseconds);
}

}  // namespace nori::cli
