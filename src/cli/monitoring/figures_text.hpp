#ifndef NORI_CLI_MONITORING_FIGURES_TEXT_HPP
#define NORI_CLI_MONITORING_FIGURES_TEXT_HPP

#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "monitoring/service_figures.hpp"
#include "output.hpp"

namespace nori::cli {

/// Everything, for a person.
[[nodiscard]] std::vector<std::string> lines_of(const service_figures& of, const output& colours);

/// The most important in a line, and what stands above such lines.
[[nodiscard]] std::string titles_of_a_line();
[[nodiscard]] std::string line_of(const service_figures& of, event_time when);

[[nodiscard]] boost::json::object json_of(const service_figures& of, const std::string& url,
                                          event_time when);

[[nodiscard]] std::string seconds_text(double seconds);  ///< "340 us", "1.2 ms", "3.4 s"

}  // namespace nori::cli

#endif
