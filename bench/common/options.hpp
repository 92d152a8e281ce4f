#ifndef NORI_BENCH_COMMON_OPTIONS_HPP
#define NORI_BENCH_COMMON_OPTIONS_HPP

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nori/config.hpp>

namespace nori::bench {

/// The command line is wrong: its text names the option. The program ends with status 2.
class usage_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The options of one verb: what they are called, what they do, and how to read them.
///
/// A reader throws std::invalid_argument to refuse a value.
class option_table {
 public:
  using reader = std::function<void(std::string_view)>;

  /// A line of its own in the help.
  void add_heading(std::string text);
  /// `name` without dashes; `value` as in the help, or empty for a switch.
  void add(std::string name, std::string value, std::string help, reader read);

  /// Accepts "--name value" and "--name=value". @returns false where --help was among them.
  [[nodiscard]] bool parse(std::span<char* const> arguments) const;

  [[nodiscard]] std::string help() const;

 private:
  struct option {
    std::string name;
    std::string value;
    std::string help;
    reader read;  ///< null: a heading
  };

  [[nodiscard]] const option& find(std::string_view name) const;

  std::vector<option> options_;
};

/// What every measurement takes.
struct run_options {
  std::filesystem::path dir = ".";
  std::string json;              ///< a file, "-" for standard output, or empty
  std::string html;              ///< a file, or empty
  std::filesystem::path record;  ///< a directory for a line about this run, or empty
  double seconds = 10;
  std::uint64_t rounds = 5;
};

/// How the log under test is opened.
struct log_options {
  std::uint64_t size = 100;
  std::uint64_t threads = 1;
  nori::backend backend = nori::backend::automatic;
  std::uint64_t segment_bytes = std::uint64_t{128} << 20;
  std::uint64_t buffer_bytes = std::uint64_t{8} << 20;
};

inline constexpr std::uint64_t size_max = std::uint64_t{1} << 20;

/// What decides how long a verb measures.
enum class length : std::uint8_t { by_seconds, by_each_work, by_rounds };
void add_run_options(option_table& table, run_options& to, length by = length::by_seconds);
void add_log_options(option_table& table, log_options& to);

/// Refuses a directory that is none, and places for results that can't be written.
void check(const run_options& options);
void check(const log_options& options);

/// A number between two bounds; throws std::invalid_argument.
[[nodiscard]] std::uint64_t within(std::uint64_t value, std::uint64_t lowest,
                                   std::uint64_t highest);

}  // namespace nori::bench

#endif
