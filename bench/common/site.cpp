#include "common/site.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "common/quantities.hpp"
#include "common/report.hpp"

namespace nori::bench {

namespace {

bool differs(const spread& ratio) {
  constexpr double factor_max = 1.5;
  return ratio.highest > factor_max * ratio.lowest;
}

}  // namespace

site::site(const std::filesystem::path& dir, conditions& into)
    : dir_(dir), scratch_(dir), found_(into) {
  found_.here = describe_machine(scratch_.path());
  found_.warnings = warnings_about(found_.here);
}

void site::need(double bytes) const {
  const auto free = static_cast<double>(found_.here.free_bytes);
  if (bytes > free) {
    throw std::runtime_error(dir_.string() + ": " + bytes_text(free) + " are free, this needs " +
                             bytes_text(bytes));
  }
}

void site::doubt(const spread& ratio) {
  doubt_others();
  if (differs(ratio)) {
    found_.warnings.push_back("the ratio moved from " + digits_text(ratio.lowest) + " to " +
                              digits_text(ratio.highest) +
                              " between rounds: repeat, with more --seconds or --rounds");
  }
}

void site::doubt(const std::vector<spread>& ratios) {
  doubt_others();
  const auto count = std::count_if(ratios.begin(), ratios.end(), differs);
  if (count != 0) {
    found_.warnings.push_back("in " + std::to_string(count) + " of " +
                              std::to_string(ratios.size()) +
                              " loads the ratio differs by more than half between rounds: repeat, "
                              "with more --seconds or --rounds");
  }
}

void site::doubt_others() {
  // The kernel's own threads, which work for us, are among the others.
  constexpr double cores_max = 0.3;
  if (const double cores = others_.cores(); cores > cores_max) {
    found_.warnings.push_back("others kept " + digits_text(cores) +
                              " cores busy meanwhile: repeat when the machine is quiet");
  }
}

json::object document_of(std::string_view verb, const json::object& figures, json::object given,
                         const conditions& under) {
  json::object made;
  made["verb"] = verb;
  for (const auto& [key, value] : figures) made[key] = value;
  made["options"] = std::move(given);
  made["machine"] = to_json(under.here);
  made["warnings"] = to_json(under.warnings);
  return made;
}

void add_length(json::object& given, const run_options& run) {
  given["seconds"] = run.seconds;
  given["rounds"] = run.rounds;
}

}  // namespace nori::bench
