#include "output.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace nori::cli {

namespace {

bool wants_colours(const arguments& how) {
  if (how.json || how.colours == arguments::colour::never) return false;
  if (how.colours == arguments::colour::always) return true;
  const char* const no = std::getenv("NO_COLOR");
  const char* const term = std::getenv("TERM");
  if (no != nullptr && *no != '\0') return false;
  if (term != nullptr && std::string_view(term) == "dumb") return false;
  return ::isatty(STDOUT_FILENO) == 1;
}

// Bytes of the UTF-8 character that `at` starts, 0 where it is none.
std::size_t character_bytes(std::string_view at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(at[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Spelt too long, half a surrogate pair, or behind the last character.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return bytes;
}

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

output::output(const arguments& how) : colours_(wants_colours(how)) {}

void output::text(std::string_view what) { std::fwrite(what.data(), 1, what.size(), stdout); }

void output::json(const boost::json::object& what) { line(boost::json::serialize(what)); }

void output::flush() { std::fflush(stdout); }

std::string output::tinted(tint how, std::string_view what) const {
  constexpr std::array<std::string_view, 6> codes{"", "1", "2", "32", "33", "1;31"};
  std::string made(what);
  if (!colours_ || how == tint::plain) return made;
  return "\x1b[" + std::string(codes[static_cast<std::size_t>(how)]) + "m" + made + "\x1b[0m";
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::vector<std::string> table::lines(const output& how,
                                      const std::vector<std::size_t>& right) const {
  std::vector<std::string> made;
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows_[r].size(); ++i) {
      const std::string gap(widths[i] - width_of(rows_[r][i]), ' ');
      const bool numbers = std::find(right.begin(), right.end(), i) != right.end();
      if (i != 0) line += "  ";
      line += numbers ? gap + rows_[r][i] : rows_[r][i] + gap;
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    made.push_back(r == 0 ? how.tinted(tint::strong, line) : line);
  }
  return made;
}

void table::print(output& to, const std::vector<std::size_t>& right) const {
  for (const std::string& each : lines(to, right)) to.line(each);
}

progress_line::progress_line(const arguments& how, std::string what)
    : progress_line(!how.json, std::move(what)) {}

progress_line::progress_line(bool wanted, std::string what)
    : what_(std::move(what)), shown_(wanted && ::isatty(STDERR_FILENO) == 1) {}

bool progress_line::beside_output() { return ::isatty(STDOUT_FILENO) == 0; }

progress_line::~progress_line() {
  if (printed_) std::fputs("\r\x1b[K", stderr);
}

void progress_line::operator()(std::uint64_t done, std::uint64_t total) {
  show(done, total, bytes_text);
}

void progress_line::count(std::uint64_t done, std::uint64_t total) {
  show(done, total, count_text);
}

void progress_line::show(std::uint64_t done, std::uint64_t total,
                         std::string (*text)(std::uint64_t)) {
  using namespace std::chrono;
  const auto now = steady_clock::now();
  if (!shown_ || total == 0 || now - began_ < seconds(1) || now - last_ < milliseconds(100)) return;
  last_ = now;
  printed_ = true;
  const double part = static_cast<double>(done) / static_cast<double>(total);
  const double passed = duration<double>(now - began_).count();
  const double left = part > 0 ? passed * (1 - part) / part : 0;
  constexpr int cells = 24;
  const int filled = static_cast<int>(part * cells);
  const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                          std::string(static_cast<std::size_t>(cells - filled), '.');
  std::fprintf(stderr, "\r\x1b[K%s [%s] %3d %%  %s of %s  %.0f s left", what_.c_str(), bar.c_str(),
               static_cast<int>(part * 100), text(done).c_str(), text(total).c_str(), left);
  std::fflush(stderr);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units{"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < units.size()) {
    amount /= 1024;
    ++unit;
  }
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
  return text.data();
}

std::string count_text(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ' ');
  return digits;
}

std::string counted(std::uint64_t count, std::string_view what) {
  return count_text(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

namespace {

std::string time_with_digits(event_time when, int digits) {
  using namespace std::chrono;
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss clock(when - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%09lld",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<long long>(clock.subseconds().count()));
  std::string made = text.data();
  made.resize(made.size() - static_cast<std::size_t>(9 - digits));
  return made + "Z";
}

}  // namespace

std::string time_text(event_time when) { return time_with_digits(when, 3); }
std::string exact_time_text(event_time when) { return time_with_digits(when, 9); }

std::string position_text(position at) {
  return std::to_string(at.segment_id) + ":" + std::to_string(at.offset);
}

std::string printable(std::string_view bytes) {
  std::string made;
  while (!bytes.empty()) {
    const std::size_t size = character_bytes(bytes);
    const auto first = static_cast<unsigned char>(bytes.front());
    // U+0080 to U+009F are control characters, too.
    const bool control =
        first < 0x20 || first == 0x7f ||
        (size == 2 && first == 0xc2 && static_cast<unsigned char>(bytes[1]) < 0xa0);
    if (size == 0 || control) {
      std::array<char, 8> text{};
      std::snprintf(text.data(), text.size(), "\\x%02x", static_cast<unsigned>(first));
      made += text.data();
      bytes.remove_prefix(1);
    } else {
      made += bytes.substr(0, size);
      bytes.remove_prefix(size);
    }
  }
  return made;
}

bool is_utf8(std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const std::size_t size = character_bytes(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::string base64(std::string_view bytes) {
  std::string made;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t some = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < some ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      made += i <= some ? base64_digits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return made;
}

std::string from_base64(std::string_view text) {
  if (text.size() % 4 != 0) throw std::invalid_argument("base64 comes in groups of four");
  std::string made;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::uint32_t group = 0;
    std::size_t padding = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const char c = text[at + i];
      const auto digit = base64_digits.find(c);
      if (c == '=' && at + 4 == text.size() && i >= 2) {
        ++padding;
        group <<= 6;
      } else if (digit == std::string_view::npos || padding != 0) {
        throw std::invalid_argument("this is not base64");
      } else {
        group = group << 6 | static_cast<std::uint32_t>(digit);
      }
    }
    for (std::size_t i = 0; i + padding < 3; ++i) {
      made += static_cast<char>(group >> (16 - 8 * i) & 255);
    }
  }
  return made;
}

void put_bytes(boost::json::object& to, const std::string& name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    to[name] = bytes;
  } else {
    to[name + "_base64"] = base64(bytes);
  }
}

boost::json::object json_of(const recorded_event& event) {
  boost::json::object made;
  made["global_position"] = event.global_position;
  put_bytes(made, "stream", event.stream);
  made["revision"] = event.revision;
  put_bytes(made, "type", event.type);
  if (event.version != 1) made["version"] = event.version;
  made["recorded_at"] = exact_time_text(event.recorded_at);
  made["id"] = to_string(event.id);
  if (!event.correlation_id.is_nil()) made["correlation_id"] = to_string(event.correlation_id);
  if (!event.causation_id.is_nil()) made["causation_id"] = to_string(event.causation_id);
  if (!event.tags.empty()) {
    boost::json::array tags;
    bool all_text = true;
    for (const std::string_view tag : event.tags) all_text = all_text && is_utf8(tag);
    for (const std::string_view tag : event.tags) {
      tags.emplace_back(all_text ? std::string(tag) : base64(tag));
    }
    made[all_text ? "tags" : "tags_base64"] = std::move(tags);
  }
  if (!event.metadata.empty()) put_bytes(made, "metadata", event.metadata);
  put_bytes(made, "data", event.data);
  made["at"] = position_text(event.at);
  return made;
}

boost::json::object json_of(const entry& record) {
  boost::json::object made;
  made["at"] = position_text(record.at);
  made["sequence"] = record.sequence;
  put_bytes(made, "key", record.key);
  put_bytes(made, "value", record.value);
  if (record.tombstone) made["tombstone"] = true;
  if (!record.ends_batch) made["batch_continues"] = true;
  if (record.compress == compression::lz4) made["compression"] = "lz4";
  if (record.compress == compression::zstd) made["compression"] = "zstd";
  if (record.time_to_live) made["time_to_live_ms"] = record.time_to_live->count();
  if (record.expires_at) {
    made["expires_at"] =
        exact_time_text(std::chrono::time_point_cast<std::chrono::nanoseconds>(*record.expires_at));
  }
  if (record.version) {
    made["term"] = record.version->term;
    made["index"] = record.version->index;
  }
  return made;
}

}  // namespace nori::cli
