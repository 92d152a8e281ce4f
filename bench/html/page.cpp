#include "html/page.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "common/quantities.hpp"
#include "common/results.hpp"
#include "html/frame.hpp"
#include "html/plot.hpp"

namespace nori::bench::html {

namespace {

using cells = std::vector<const json::object*>;

constexpr std::size_t ours_colour = 0;
constexpr std::size_t raw_colour = 1;
constexpr std::size_t growing_colour = 2;

std::string rate_text(double per_s) { return count_text(per_s) + "/s"; }
std::string us_text(double us) { return time_text(us * 1e3); }
std::string ms_text(double ms) { return time_text(ms * 1e6); }

double number(const json::object& of, std::string_view name) {
  const json::value* found = of.if_contains(name);
  return found != nullptr && found->is_number() ? found->to_number<double>() : 0;
}
std::string string(const json::object& of, std::string_view name) {
  const json::value* found = of.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : "";
}
const json::object& object(const json::object& of, std::string_view name) {
  static const json::object none;
  const json::value* found = of.if_contains(name);
  return found != nullptr && found->is_object() ? found->as_object() : none;
}
double option(const json::object& cell, std::string_view name) {
  return number(object(cell, "options"), name);
}
std::string policy_of(const json::object& cell) {
  return string(object(cell, "options"), "policy");
}

/// The sides of one comparison that plots show.
struct shown_side {
  std::string name;
  const json::object* figures;
  std::size_t colour;
};
std::vector<shown_side> sides_of(const json::object& cell) {
  std::vector<shown_side> found{{"nori", &cell, ours_colour}};
  const auto add = [&](const std::string& name, const json::object& side, std::size_t colour) {
    if (!side.empty()) found.push_back({name, &side, colour});
  };
  add("raw", object(cell, "raw"), raw_colour);
  add("growing file", object(cell, "growing"), growing_colour);
  for (const auto& [key, peer] : object(cell, "peers")) {
    if (peer.is_object()) add(string(peer.as_object(), "name"), peer.as_object(), found.size());
  }
  return found;
}

// What survives what: of nori, and of sides of which it is something else.
std::string survival_of(const json::object& cell) {
  const std::string ours = string(cell, "survives");
  std::string text = ours + ".";
  for (const shown_side& side : sides_of(cell)) {
    const std::string theirs = string(*side.figures, "survives");
    if (!theirs.empty() && theirs != ours) text += " " + side.name + ": " + theirs + ".";
  }
  return text;
}

// One line for each side, a point for each cell.
template <typename X, typename Y>
std::vector<series> lines_of(const cells& over, X x, Y y) {
  std::vector<series> lines;
  for (const json::object* cell : over) {
    for (const shown_side& side : sides_of(*cell)) {
      auto line = std::find_if(lines.begin(), lines.end(),
                               [&](const series& each) { return each.name == side.name; });
      if (line == lines.end()) {
        line = lines.emplace(lines.end());
        line->name = side.name;
        line->colour = side.colour;
        line->dashed = side.colour != ours_colour;
      }
      line->points.emplace_back(x(*cell), y(*side.figures));
    }
  }
  for (series& each : lines) std::sort(each.points.begin(), each.points.end());
  return lines;
}

std::vector<double> values_of(const cells& over, std::string_view name) {
  std::set<double> found;
  for (const json::object* each : over) found.insert(option(*each, name));
  return {found.begin(), found.end()};
}

template <typename Keep>
cells those(const cells& of, Keep keep) {
  cells kept;
  std::copy_if(of.begin(), of.end(), std::back_inserter(kept),
               [&](const json::object* each) { return keep(*each); });
  return kept;
}

std::vector<std::string> policies_of(const cells& over) {
  std::vector<std::string> found;
  for (const json::object* each : over) {
    const std::string name = policy_of(*each);
    if (std::find(found.begin(), found.end(), name) == found.end()) found.push_back(name);
  }
  return found;
}

std::string throughput(const cells& all) {
  std::string out;
  for (const std::string& policy : policies_of(all)) {
    const cells mine = those(all, [&](const auto& each) { return policy_of(each) == policy; });
    for (const double size : values_of(mine, "size")) {
      const cells line =
          those(mine, [&](const auto& each) { return option(each, "size") == size; });
      if (values_of(line, "writers").size() < 2) continue;
      chart of;
      of.title = policy + ", records of " + bytes_text(size);
      of.caption = survival_of(*line.front());
      of.x.label = "writers";
      of.x.logarithmic = true;
      of.x.text = plain_text;
      of.x.ticks = values_of(line, "writers");
      of.y.label = "records/s";
      of.y.logarithmic = true;
      of.y.text = count_text;
      of.lines = lines_of(
          line, [](const auto& cell) { return option(cell, "writers"); },
          [](const auto& side) { return number(side, "records_per_s"); });
      out += line_chart(of);
    }
  }
  return out;
}

std::string latencies(const cells& all) {
  std::string out;
  for (const json::object* cell : all) {
    // One for each policy and number of writers, at the smallest size.
    const cells alike = those(all, [&](const auto& each) {
      return policy_of(each) == policy_of(*cell) &&
             option(each, "writers") == option(*cell, "writers");
    });
    if (alike.front() != cell) continue;
    chart of;
    of.title = name_of(object(*cell, "options"));
    of.caption = "How long a share of the calls took at most; " + survival_of(*cell);
    of.x.label = "share of calls, %";
    of.x.logarithmic = true;
    // Each nine is as wide as the one before.
    of.x.text = [](double rest) { return plain_text(100 - 100 / rest); };
    of.x.ticks = {2, 10, 100, 1000, 10000};
    of.y.label = "time";
    of.y.logarithmic = true;
    of.y.text = us_text;
    double widest = 0;
    for (const shown_side& side : sides_of(*cell)) {
      series line;
      line.name = side.name;
      line.colour = side.colour;
      line.dashed = side.colour != ours_colour;
      const json::value* curve = side.figures->if_contains("percentiles_us");
      if (curve == nullptr || !curve->is_array()) continue;
      for (const json::value& each : curve->as_array()) {
        const double rest = 100 / (100 - each.at(0).to_number<double>());
        widest = std::max(widest, rest);
        line.points.emplace_back(rest, each.at(1).to_number<double>());
      }
      of.lines.push_back(std::move(line));
    }
    std::erase_if(of.x.ticks, [&](double each) { return each > widest * 1.01; });
    out += line_chart(of);
  }
  return out;
}

std::string costs(const cells& all) {
  std::string out;
  for (const std::string& policy : policies_of(all)) {
    const cells mine = those(all, [&](const auto& each) { return policy_of(each) == policy; });
    const std::vector<double> writers = values_of(mine, "writers");
    const cells line =
        those(mine, [&](const auto& each) { return option(each, "writers") == writers.back(); });
    if (values_of(line, "size").size() < 2) continue;
    chart of;
    of.title =
        policy + ", " + plain_text(writers.back()) + (writers.back() == 1 ? " writer" : " writers");
    of.caption =
        "Time that passed for each record: one over records/s; " + survival_of(*line.front());
    of.x.label = "bytes of a record's value";
    of.x.logarithmic = true;
    of.x.text = bytes_text;
    of.x.ticks = values_of(line, "size");
    of.y.label = "time/record";
    of.y.logarithmic = true;
    of.y.text = time_text;
    of.lines = lines_of(
        line, [](const auto& cell) { return option(cell, "size"); },
        [](const auto& side) { return 1e9 / std::max(1e-9, number(side, "records_per_s")); });
    out += line_chart(of);
  }
  return out;
}

bar bar_of(const std::string& name, const json::object& of, const char* value,
           const char* spread_name, std::size_t colour) {
  bar made;
  made.name = name;
  made.value = number(of, value);
  made.text = digits_text(made.value);
  made.colour = colour;
  if (const json::value* found = of.if_contains(spread_name)) {
    made.lowest = found->at(0).to_number<double>();
    made.highest = found->at(1).to_number<double>();
  }
  return made;
}

std::string ratios_to_raw(const cells& all) {
  std::string out;
  for (const std::string& policy : policies_of(all)) {
    std::vector<bar> bars;
    std::string survives;
    for (const json::object* cell : all) {
      if (policy_of(*cell) != policy) continue;
      survives = string(*cell, "survives");
      std::string name = name_of(object(*cell, "options"));
      if (name.starts_with(policy + ", ")) name.erase(0, policy.size() + 2);
      bars.push_back(bar_of(name, *cell, "ratio_to_raw", "ratio_to_raw_spread", ours_colour));
    }
    out += bar_chart(policy,
                     "Records/s over those of the raw loop in the same round; thin: lowest "
                     "to highest round. 1 is the dashed line; of both " +
                         survives + ".",
                     bars, 1);
  }
  return out;
}

std::string sides_compared(const cells& all) {
  std::string out;
  for (const json::object* cell : all) {
    if (object(*cell, "peers").empty()) continue;
    std::vector<bar> bars;
    std::string caption;
    for (const shown_side& side : sides_of(*cell)) {
      bar made = bar_of(side.name, *side.figures, "records_per_s", "none", side.colour);
      const json::object& spreads = object(*side.figures, "spread");
      if (const json::value* found = spreads.if_contains("records_per_s")) {
        made.lowest = found->at(0).to_number<double>();
        made.highest = found->at(1).to_number<double>();
      }
      made.text = rate_text(made.value);
      bars.push_back(std::move(made));
      std::string how = string(*side.figures, "loop");
      if (how.ends_with('.')) how.pop_back();
      caption += side.name + ": " + (how.empty() ? "" : how + "; ") +
                 string(*side.figures, "survives") + ". ";
    }
    out += bar_chart("Records/s: " + name_of(object(*cell, "options")), caption, bars, 0);
  }
  return out;
}

/// A line for each of `lines`, name and member of an opening, over the log's size.
std::string by_log_size(const json::array& openings, chart of,
                        std::initializer_list<std::pair<const char*, const char*>> lines) {
  of.x.label = "bytes of the log";
  of.x.logarithmic = true;
  of.x.text = bytes_text;
  for (const auto& [name, member] : lines) {
    series line;
    line.name = name;
    line.dashed = line.name == "raw";
    line.colour = line.dashed ? raw_colour : of.lines.size() * 2;
    for (const json::value& each : openings) {
      const json::object& opening = each.as_object();
      line.points.emplace_back(number(opening, "log_bytes"), number(opening, member));
    }
    of.lines.push_back(std::move(line));
  }
  for (const auto& [x, y] : of.lines.front().points) of.x.ticks.push_back(x);
  return line_chart(of);
}

std::string openings(const json::object& document) {
  const json::value* found = document.if_contains("openings");
  if (found == nullptr || !found->is_array() || found->as_array().empty()) return "";
  chart opening;
  opening.title = "Opening by the log's size";
  opening.caption =
      "raw: reading as many bytes as the newest segment has, with the CRC of each record. What "
      "was acknowledged survived the kill.";
  opening.y.label = "time";
  opening.y.text = ms_text;
  chart appending;
  appending.title = "Appending by the log's size";
  appending.caption =
      "After opening each again. What always has acknowledged survives a killed process and a "
      "power "
      "cut; what os has, a killed process.";
  appending.y.label = "records/s";
  appending.y.logarithmic = true;
  appending.y.text = rate_text;
  const json::array& each = found->as_array();
  return by_log_size(each, std::move(opening),
                     {{"after a close", "after_close_ms"},
                      {"after a kill", "after_kill_ms"},
                      {"raw", "raw_ms"}}) +
         by_log_size(each, std::move(appending),
                     {{"always, 64 coroutines", "always_records_per_s"},
                      {"os, one coroutine", "os_records_per_s"}});
}

std::string all_figures(const cells& all) {
  if (all.empty()) return "";
  std::vector<std::vector<std::string>> rows{{"load", "", "records/s", "ratio to raw", "p50", "p99",
                                              "p99.9", "p99.99", "slowest", "CPU/record"}};
  for (const json::object* cell : all) {
    for (const shown_side& side : sides_of(*cell)) {
      const json::object& f = *side.figures;
      const double ratio = number(f, "ratio_to_raw");
      rows.push_back({name_of(object(*cell, "options")), side.name,
                      count_text(number(f, "records_per_s")), ratio > 0 ? digits_text(ratio) : "",
                      us_text(number(f, "p50_us")), us_text(number(f, "p99_us")),
                      us_text(number(f, "p999_us")), us_text(number(f, "p9999_us")),
                      us_text(number(f, "max_us")), time_text(number(f, "cpu_ns_per_record"))});
    }
  }
  return "<section>\n<h2>All figures</h2>\n" + table(rows) + "</section>\n";
}

std::string machine_line(const json::object& document) {
  const json::object& here = object(document, "machine");
  const std::string device = string(here, "device");
  return string(here, "file_system") + (device.empty() ? "" : " on " + device) + ", Linux " +
         string(here, "kernel") + ", " + string(here, "cpu") + ", " +
         plain_text(number(here, "cores")) + " cores, " + string(here, "compiler");
}

std::string paragraph(std::string_view kind, const std::string& text) {
  return "<p class=\"" + std::string(kind) + "\">" + escaped(text) + "</p>\n";
}

}  // namespace

std::string page_of(const std::vector<json::object>& documents) {
  cells all;
  std::set<std::string> machines;
  std::string warnings;
  std::string opened;
  for (const json::object& document : documents) {
    machines.insert(machine_line(document));
    if (const json::value* found = document.if_contains("cells")) {
      for (const json::value& each : found->as_array()) all.push_back(&each.as_object());
    } else if (object(document, "options").if_contains("policy") != nullptr) {
      all.push_back(&document);
    }
    if (const json::value* found = document.if_contains("warnings")) {
      for (const json::value& each : found->as_array()) {
        warnings += paragraph("warning", "Warning: " + std::string(each.as_string()) + ".");
      }
    }
    opened += openings(document);
  }
  // What is compared with others is no point of a sweep.
  const cells swept = those(all, [](const auto& each) { return object(each, "peers").empty(); });
  std::string body = paragraph(
      "",
      "nori is a write-ahead log. Here it took turns, round by round in one run on one disk, "
      "with a raw loop that makes the best system calls known for the same promise (raw), and "
      "with buffered writes to a file that grows, which is what most logs do. Figures are "
      "medians of rounds. Disks have moods: a ratio to raw tells more than a rate.");
  for (const std::string& each : machines) body += paragraph("soft", each);
  body += warnings;
  body += section("Compared with others",
                  "The same appends in the same directory, each set up as its users would for "
                  "such a log. Compare only what survives the same.",
                  sides_compared(all));
  body += section("Throughput by writers",
                  "Under always an append ends when its record is on the device, and writers who "
                  "wait share a write. Under batch and os it ends when the kernel has the record.",
                  throughput(swept));
  body += section("Latency", "Of single calls; each step to the right is rarer.", latencies(all));
  body += section("Cost by record size", "With the most writers that were measured.", costs(swept));
  body += section("Ratio to raw", "What is left of what the machine can do.", ratios_to_raw(all));
  body += section("Growth by log size",
                  "Opening reads the newest segment, however many there are before it.", opened);
  body += all_figures(all);
  return framed("nori-bench", body);
}

std::string page_of_history(const std::vector<json::object>& runs) {
  // By machine, what was measured, and figure; a run is one step along.
  std::map<std::string, std::map<std::string, std::vector<std::pair<double, const json::object*>>>>
      found;
  std::map<std::string, double> steps;
  std::vector<std::vector<std::string>> rows{{"run", "commit", "verb", "machine"}};
  for (const json::object& run : runs) {
    const std::string machine = machine_of(run);
    const double step = ++steps[machine];
    rows.push_back(
        {string(run, "at"), string(run, "commit"), string(run, "verb"), machine_line(run)});
    for (const json::value& each : run.at("points").as_array()) {
      const json::object& point = each.as_object();
      found[machine][string(point, "name")].emplace_back(step, &point);
    }
  }
  std::string body = paragraph("",
                               "Recorded runs, the oldest to the left. A ratio to raw that "
                               "falls is a regression; a rate that falls may be the disk.");
  for (const auto& [machine, by_name] : found) {
    std::string figures;
    for (const auto& [name, points] : by_name) {
      for (const bool ratio : {true, false}) {
        const bool opening = points.front().second->if_contains("ms") != nullptr;
        const char* const key = ratio ? "ratio_to_raw" : opening ? "ms" : "records_per_s";
        chart of;
        of.title = name + (ratio ? ": ratio to raw" : opening ? ": time" : ": records/s");
        of.x.label = "recorded run";
        of.x.text = plain_text;
        of.x.ticks = {points.front().first};
        if (points.size() > 1) of.x.ticks.push_back(points.back().first);
        of.y.label = ratio ? "ratio" : opening ? "time" : "records/s";
        of.y.text = ratio ? digits_text : opening ? ms_text : count_text;
        series line;
        // What it is of stands in the title: nori, a peer, or an opening.
        line.name = ratio ? "ratio to raw" : opening ? "time" : "records/s";
        line.colour = ratio ? 0 : 2;
        for (const auto& [step, point] : points) {
          if (point->if_contains(key) != nullptr)
            line.points.emplace_back(step, number(*point, key));
        }
        of.lines.push_back(std::move(line));
        // The vertical axis begins at 0: a step is as large as it looks.
        figures += line_chart(of);
      }
    }
    body += section(machine, std::to_string(by_name.size()) + " figures.", figures);
  }
  body += "<section>\n<h2>Runs</h2>\n" + table(rows) + "</section>\n";
  return framed("nori-bench over time", body);
}

}  // namespace nori::bench::html
