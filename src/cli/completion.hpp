#ifndef NORI_CLI_COMPLETION_HPP
#define NORI_CLI_COMPLETION_HPP

#include <string>
#include <utility>
#include <vector>

namespace nori::cli {

/// A verb, its help, and its options with two dashes.
struct verb_words {
  std::string name;
  std::string help;
  std::vector<std::string> options;
};

/// A script that bash evaluates: from then on, TAB completes nori's verbs, options, directories and
/// the values of options that have a few.
[[nodiscard]] std::string bash_completion(const std::vector<verb_words>& verbs);

}  // namespace nori::cli

#endif
