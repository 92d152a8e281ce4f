#ifndef NORI_BENCH_COMMON_RESULTS_HPP
#define NORI_BENCH_COMMON_RESULTS_HPP

#include <filesystem>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "common/report.hpp"

namespace nori::bench {

/// Adds --html and --record.
void add_output_options(option_table& table, run_options& to);

/// Writes what a verb found where the options say: --json, --html, and a line to --record.
void write_results(const run_options& options, const json::object& found);

/// One line of DIR/VERB.jsonl: "at", "commit", "verb", "machine", and "points", each with a name
/// and a few figures.
[[nodiscard]] json::object record_of(const json::object& found, const std::string& at,
                                     const std::string& commit);

/// All lines of all DIR/*.jsonl, in order of time. @throws std::runtime_error naming file and line
/// of one that is none.
[[nodiscard]] std::vector<json::object> read_records(const std::filesystem::path& dir);

/// By what runs are told to be of one machine: "CPU, 2 cores, ext4 on vda". A kernel or a compiler
/// may change, and what that does shows.
[[nodiscard]] std::string machine_of(const json::object& run);

void write_file(const std::filesystem::path& path, const std::string& text);

/// "always, 100 B, 64 writers": what a measurement with these options is called.
[[nodiscard]] std::string name_of(const json::object& options);

}  // namespace nori::bench

#endif
