#ifndef NORI_BENCH_COMMON_SITE_HPP
#define NORI_BENCH_COMMON_SITE_HPP

#include <boost/json/object.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/machine.hpp"
#include "common/measure.hpp"
#include "common/options.hpp"
#include "common/scratch.hpp"

namespace nori::bench {

namespace json = boost::json;

/// Under which conditions a report's figures were taken, and what makes them doubtful.
struct conditions {
  machine here;
  std::vector<std::string> warnings;

  conditions() = default;
};

/// Where a verb measures: a directory of its own on the disk in question, with an eye on who else
/// is at work.
class site {
 public:
  /// Finds out about the machine, for `into`.
  site(const std::filesystem::path& dir, conditions& into);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return scratch_.path(); }

  /// @throws std::runtime_error where the disk has not as many bytes free.
  void need(double bytes) const;
  /// Warns of others on the machine, and of rounds that differ too much to be believed.
  void doubt(const spread& ratio);
  /// The same of many loads, in one line.
  void doubt(const std::vector<spread>& ratios);

 private:
  void doubt_others();

  std::filesystem::path dir_;
  scratch_directory scratch_;
  other_programs others_;
  conditions& found_;
};

/// What a verb writes as JSON: its name, its figures, what it was given, and the conditions.
[[nodiscard]] json::object document_of(std::string_view verb, const json::object& figures,
                                       json::object given, const conditions& under);
/// Where the verb goes by both: "seconds" and "rounds".
void add_length(json::object& given, const run_options& run);

}  // namespace nori::bench

#endif
