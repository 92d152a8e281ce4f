#ifndef NORI_BENCH_VERBS_CARRY_OUT_HPP
#define NORI_BENCH_VERBS_CARRY_OUT_HPP

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options.hpp"
#include "common/report.hpp"
#include "verbs/verbs.hpp"

namespace nori::bench {

/// What a measurement came to: for people, and for programs.
struct outcome {
  std::string text;
  std::vector<std::string> warnings;
  json::object document;
  bool interrupted = false;  ///< it is of what came before that
};

/// Reads a verb's options, or prints its help; measures; prints and writes where `run`, which is
/// among the options, says. Returns the program's exit status.
int carry_out(arguments given, std::string_view introduction, const option_table& table,
              const run_options& run, const std::function<outcome()>& measure);

}  // namespace nori::bench

#endif
