#ifndef NORI_CLI_OUTPUT_HPP
#define NORI_CLI_OUTPUT_HPP

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nori/record.hpp>
#include <nori/store/event.hpp>

#include "arguments.hpp"

namespace nori::cli {

enum class tint : std::uint8_t { plain, strong, faint, good, warning, bad };

/// Standard output, in colours where it is a terminal that wants them.
class output {
 public:
  explicit output(const arguments& how);

  void text(std::string_view what);
  void line(std::string_view what) {
    text(what);
    text("\n");
  }
  /// One JSON document in one line.
  void json(const boost::json::object& what);
  /// Before waiting for something.
  void flush();
  [[nodiscard]] std::string tinted(tint how, std::string_view what) const;

 private:
  bool colours_;
};

/// Columns as wide as what is in them; the last one is not filled up.
class table {
 public:
  explicit table(std::vector<std::string> titles) { rows_.push_back(std::move(titles)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// `right`: a column of numbers, by index.
  [[nodiscard]] std::vector<std::string> lines(const output& how,
                                               const std::vector<std::size_t>& right) const;
  void print(output& to, const std::vector<std::size_t>& right) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// A line on standard error, if that is a terminal, with the time left; it appears after a second.
class progress_line {
 public:
  progress_line(const arguments& how, std::string what);
  /// Beside what goes to standard output meanwhile: none where that is on a terminal, too.
  [[nodiscard]] static bool beside_output();
  progress_line(bool wanted, std::string what);
  ~progress_line();
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// Bytes.
  void operator()(std::uint64_t done, std::uint64_t total);
  /// Of things that are counted.
  void count(std::uint64_t done, std::uint64_t total);

 private:
  void show(std::uint64_t done, std::uint64_t total, std::string (*text)(std::uint64_t));

  const std::string what_;
  const bool shown_;
  bool printed_ = false;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_ = began_;
};

/// Columns that a text takes: characters, not bytes.
[[nodiscard]] std::size_t width_of(std::string_view text);
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);                      ///< "12.3 MiB"
[[nodiscard]] std::string count_text(std::uint64_t count);                      ///< "1 234 567"
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view what);  ///< "1 event"
[[nodiscard]] std::string time_text(event_time when);        ///< "2026-01-31T12:30:15.123Z"
[[nodiscard]] std::string exact_time_text(event_time when);  ///< to the nanosecond
[[nodiscard]] std::string position_text(position at);        ///< "3:8192"
/// On one line, control characters and what is no UTF-8 as \xNN.
[[nodiscard]] std::string printable(std::string_view bytes);
[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;
[[nodiscard]] std::string base64(std::string_view bytes);
[[nodiscard]] std::string from_base64(std::string_view text);  ///< throws std::invalid_argument

/// Bytes in JSON: as a string under `name` where they are UTF-8, else under name_base64.
void put_bytes(boost::json::object& to, const std::string& name, std::string_view bytes);
[[nodiscard]] boost::json::object json_of(const recorded_event& event);
[[nodiscard]] boost::json::object json_of(const entry& record);

}  // namespace nori::cli

#endif
