#ifndef NORI_BENCH_COMMON_REPORT_HPP
#define NORI_BENCH_COMMON_REPORT_HPP

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <vector>

#include "common/machine.hpp"
#include "common/measure.hpp"
#include "common/options.hpp"

namespace nori::bench {

namespace json = boost::json;

/// Rows of text, aligned: the first column to the left, the others to the right.
class text_table {
 public:
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// {"records_per_s": ..., "p50_us": ..., ...}: medians, and "spread" with lowest and highest.
[[nodiscard]] json::object to_json(const figures& of);
[[nodiscard]] json::array to_json(const spread& of);  ///< [lowest, highest]
[[nodiscard]] json::object to_json(const machine& of);
[[nodiscard]] json::object to_json(const log_options& of);
[[nodiscard]] json::array to_json(const std::vector<std::string>& lines);

/// Appends ratio_to_raw with its spread.
void add_rate_ratio(json::object& to, const ratios& of);
/// Also p50_ratio_to_raw, where a call of both does the same.
void add_ratios(json::object& to, const ratios& of);

/// One line: file system, device, kernel, CPU, compiler.
[[nodiscard]] std::string machine_text(const machine& here);
/// Where the report itself goes: to standard error when standard output is taken by the JSON.
void print(const run_options& options, const std::string& text);

void print_warnings(const std::vector<std::string>& warnings);

/// Writes `what` where options.json says, if anywhere.
void write_json(const run_options& options, const json::object& what);

}  // namespace nori::bench

#endif
