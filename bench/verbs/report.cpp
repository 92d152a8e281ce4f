#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>

#include "common/quantities.hpp"
#include "common/results.hpp"
#include "html/page.hpp"
#include "verbs/verbs.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench report: recorded runs over time; a page of plots from JSON files\n"
    "\n"
    "Reads the lines that --record has written, and says for each figure how the newest run\n"
    "compares with the median of those before it on the same machine. Measures nothing.\n"
    "\n"
    "  nori-bench report --results bench/results --html history.html\n"
    "  nori-bench report --from sweep.json --from compare.json --html page.html\n";

// A ratio to raw moves by less from day to day.
constexpr double regression = 0.85;

struct report_options {
  std::filesystem::path results = "bench/results";
  std::vector<std::string> from;
  std::string html;
};

option_table table_of(report_options& to) {
  option_table table;
  table.add("results", "DIR", "Where the recorded runs are. (bench/results)",
            [&to](std::string_view text) { to.results = text; });
  table.add("from", "FILE",
            "Instead: a page from what append, recover, policies or compare wrote with --json. May "
            "be given several times.",
            [&to](std::string_view text) { to.from.emplace_back(text); });
  table.add("html", "FILE", "The page.", [&to](std::string_view text) { to.html = text; });
  return table;
}

json::object read_document(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw usage_error("--from " + path + ": can't be read");
  std::stringstream text;
  text << file.rdbuf();
  std::string verb;
  try {
    json::object found = json::parse(text.str()).as_object();
    verb = found.at("verb").as_string();
    for (const char* const drawn : {"append", "recover", "policies", "compare"}) {
      if (verb == drawn) return found;
    }
  } catch (const std::exception&) {
    throw std::runtime_error(path + ": not what nori-bench writes with --json");
  }
  throw std::runtime_error(
      path + ": nothing of " + verb +
      " is drawn; a page has what append, recover, policies and compare write");
}

// What --json has written makes a page; of something else that looks like it this says so.
std::string page_from(const std::vector<json::object>& documents) {
  try {
    return html::page_of(documents);
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string("--from: not what nori-bench writes with --json: ") +
                             error.what());
  }
}

double number(const json::object& of, const char* name) {
  const json::value* found = of.if_contains(name);
  return found != nullptr && found->is_number() ? found->to_number<double>() : 0;
}

std::string history_text(const std::vector<json::object>& runs) {
  std::map<std::string, std::map<std::string, std::vector<const json::object*>>> found;
  for (const json::object& run : runs) {
    for (const json::value& each : run.at("points").as_array()) {
      const json::object& point = each.as_object();
      found[machine_of(run)][std::string(point.at("name").as_string())].push_back(&point);
    }
  }
  std::string text = std::to_string(runs.size()) + " runs, the newest " +
                     std::string(runs.back().at("at").as_string()) + "\n";
  for (const auto& [machine, by_name] : found) {
    text_table table;
    table.add({machine, "runs", "newest", "ratio to raw", "before", "change", ""});
    for (const auto& [name, points] : by_name) {
      const json::object& newest = *points.back();
      const bool opening = newest.if_contains("ms") != nullptr;
      std::vector<double> before;
      for (std::size_t i = 0; i + 1 < points.size(); ++i) {
        before.push_back(number(*points[i], "ratio_to_raw"));
      }
      const double ratio = number(newest, "ratio_to_raw");
      const double median = spread_of(before).median;
      const double change = median > 0 ? ratio / median : 0;
      // Of a time, more is worse.
      const bool worse = median > 0 && (opening ? change > 1 / regression : change < regression);
      table.add({name, std::to_string(points.size()),
                 opening ? time_text(number(newest, "ms") * 1e6)
                         : count_text(number(newest, "records_per_s")) + "/s",
                 ratio > 0 ? digits_text(ratio) : "", median > 0 ? digits_text(median) : "",
                 change > 0 ? digits_text(change) : "", worse ? "worse" : ""});
    }
    text += "\n" + table.text();
  }
  return text;
}

}  // namespace

int report_verb(arguments given) {
  report_options options;
  const option_table table = table_of(options);
  if (!table.parse(given)) {
    std::printf("%s\n%s", introduction.data(), table.help().c_str());
    return 0;
  }
  if (!options.from.empty()) {
    if (options.html.empty()) throw usage_error("--from: where to? --html FILE");
    std::vector<json::object> documents;
    for (const std::string& each : options.from) documents.push_back(read_document(each));
    write_file(options.html, page_from(documents));
    return 0;
  }
  std::error_code ec;
  if (!std::filesystem::is_directory(options.results, ec)) {
    throw usage_error("--results " + options.results.string() + ": no such directory");
  }
  const std::vector<json::object> runs = read_records(options.results);
  if (runs.empty()) {
    throw std::runtime_error(options.results.string() +
                             ": nothing is recorded there; measure with --record " +
                             options.results.string());
  }
  if (!options.html.empty()) write_file(options.html, html::page_of_history(runs));
  std::fputs(history_text(runs).c_str(), stdout);
  return 0;
}

}  // namespace nori::bench
