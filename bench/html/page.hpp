#ifndef NORI_BENCH_HTML_PAGE_HPP
#define NORI_BENCH_HTML_PAGE_HPP

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace nori::bench::html {

/// One page of its own, nothing fetched from elsewhere, with the plots that these documents (what
/// the verbs write with --json) have the figures for.
[[nodiscard]] std::string page_of(const std::vector<boost::json::object>& documents);

/// How recorded runs (see common/results.hpp) went over time.
[[nodiscard]] std::string page_of_history(const std::vector<boost::json::object>& runs);

}  // namespace nori::bench::html

#endif
