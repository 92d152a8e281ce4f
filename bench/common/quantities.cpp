#include "common/quantities.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace nori::bench {

namespace {

struct number {
  double value;
  std::string_view unit;
};

number parse_number(std::string_view text, const char* expected) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value) || value < 0) {
    throw std::invalid_argument(expected);
  }
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  return {value, unit};
}

template <std::size_t N>
double scale_of(std::string_view unit,
                const std::array<std::pair<std::string_view, double>, N>& units,
                const char* expected) {
  for (const auto& [name, scale] : units) {
    if (name == unit) return scale;
  }
  throw std::invalid_argument(expected);
}

std::uint64_t whole(double value, const char* expected) {
  if (value != std::floor(value) || value > 9e15) throw std::invalid_argument(expected);
  return static_cast<std::uint64_t>(value);
}

std::string scaled_text(double value, double base, const std::array<const char*, 5>& units) {
  std::size_t i = 0;
  // What would be shown as 1000 is shown as 1 of the next unit.
  while (value >= base * 0.9995 && i + 1 < units.size()) {
    value /= base;
    ++i;
  }
  std::string text = digits_text(value);
  if (*units[i] != '\0') text += ' ';
  return text += units[i];
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text) {
  constexpr auto expected = "expected a number of bytes, such as 100, 4KiB or 128MiB";
  static constexpr std::array<std::pair<std::string_view, double>, 14> units{{
      {"", 1},
      {"B", 1},
      {"K", 1024.},
      {"k", 1024.},
      {"KiB", 1024.},
      {"kB", 1000.},
      {"M", 1048576.},
      {"MiB", 1048576.},
      {"MB", 1e6},
      {"m", 1048576.},
      {"G", 1073741824.},
      {"GiB", 1073741824.},
      {"GB", 1e9},
      {"g", 1073741824.},
  }};
  const number given = parse_number(text, expected);
  return whole(given.value * scale_of(given.unit, units, expected), expected);
}

std::uint64_t parse_count(std::string_view text) {
  constexpr auto expected = "expected a number, such as 64, 200k or 1M";
  static constexpr std::array<std::pair<std::string_view, double>, 4> units{
      {{"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}}};
  const number given = parse_number(text, expected);
  return whole(given.value * scale_of(given.unit, units, expected), expected);
}

double parse_seconds(std::string_view text) {
  constexpr auto expected = "expected a time, such as 10, 2.5s or 500ms";
  static constexpr std::array<std::pair<std::string_view, double>, 4> units{
      {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"min", 60}}};
  const number given = parse_number(text, expected);
  return given.value * scale_of(given.unit, units, expected);
}

fsync_policy parse_policy(std::string_view text) {
  constexpr auto expected = "expected always, os, or batch and a window, such as batch:5ms";
  if (text == "always") return fsync_policy::always();
  if (text == "os") return fsync_policy::os();
  if (text == "batch") return fsync_policy::batch(std::chrono::milliseconds(5));
  if (!text.starts_with("batch:")) throw std::invalid_argument(expected);
  text.remove_prefix(6);
  static constexpr std::array<std::pair<std::string_view, double>, 3> units{
      {{"ms", 1}, {"", 1}, {"s", 1e3}}};
  const number given = parse_number(text, expected);
  const double ms = given.value * scale_of(given.unit, units, expected);
  if (ms < 1 || ms != std::floor(ms) || ms > 3.6e6) {
    throw std::invalid_argument("expected a window of whole milliseconds, from 1ms on");
  }
  return fsync_policy::batch(std::chrono::milliseconds(static_cast<std::int64_t>(ms)));
}

backend parse_backend(std::string_view text) {
  if (text == "automatic") return backend::automatic;
  if (text == "uring") return backend::uring;
  if (text == "threads") return backend::threads;
  throw std::invalid_argument("expected automatic, uring or threads");
}

std::string digits_text(double value) {
  std::array<char, 32> text;
  const double size = std::abs(value);
  const int decimals = size >= 99.95 || size == 0 ? 0
                       : size >= 9.995            ? 1
                       : size >= 0.0995           ? 2
                       : size >= 0.01             ? 3
                                                  : 4;
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::string plain_text(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

std::string count_text(double value) { return scaled_text(value, 1000, {"", "k", "M", "G", "T"}); }

std::string bytes_text(double bytes) {
  return scaled_text(bytes, 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}

std::string time_text(double ns) {
  if (ns < 999.5) return digits_text(ns) + " ns";
  if (ns < 999.5e3) return digits_text(ns / 1e3) + " us";
  if (ns < 999.5e6) return digits_text(ns / 1e6) + " ms";
  return digits_text(ns / 1e9) + " s";
}

std::string policy_text(fsync_policy policy) {
  switch (policy.which()) {
    case fsync_policy::kind::always:
      return "always";
    case fsync_policy::kind::batch:
      return "batch:" + std::to_string(policy.window().count()) + "ms";
    case fsync_policy::kind::os:
      break;
  }
  return "os";
}

std::string_view backend_text(backend which) {
  switch (which) {
    case backend::uring:
      return "uring";
    case backend::threads:
      return "threads";
    case backend::simulated:
      return "simulated";
    case backend::automatic:
      break;
  }
  return "automatic";
}

std::string survives_text(fsync_policy policy) {
  switch (policy.which()) {
    case fsync_policy::kind::always:
      return "what was acknowledged survives a killed process and a power cut";
    case fsync_policy::kind::batch:
      return "what was acknowledged survives a killed process; a power cut may take the last " +
             std::to_string(policy.window().count()) + " ms";
    case fsync_policy::kind::os:
      break;
  }
  return "what was acknowledged survives a killed process; a power cut may take what the "
         "operating system had not flushed";
}

}  // namespace nori::bench
