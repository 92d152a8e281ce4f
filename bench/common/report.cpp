#include "common/report.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include "common/quantities.hpp"

namespace nori::bench {

namespace {

// Two spaces to a level, one member to a line: people read it, too.
void write_pretty(std::string& out, const json::value& what, std::size_t level) {
  const auto begin_line = [&](std::size_t depth) {
    out += '\n';
    out.append(2 * depth, ' ');
  };
  if (const json::object* object = what.if_object(); object != nullptr && !object->empty()) {
    out += '{';
    bool first = true;
    for (const auto& [key, value] : *object) {
      if (!std::exchange(first, false)) out += ',';
      begin_line(level + 1);
      out += json::serialize(json::string(key)) + ": ";
      write_pretty(out, value, level + 1);
    }
    begin_line(level);
    out += '}';
    return;
  }
  const json::array* array = what.if_array();
  if (array != nullptr && !array->empty() &&
      std::any_of(array->begin(), array->end(),
                  [](const json::value& each) { return each.is_structured(); })) {
    out += '[';
    bool first = true;
    for (const json::value& value : *array) {
      if (!std::exchange(first, false)) out += ',';
      begin_line(level + 1);
      write_pretty(out, value, level + 1);
    }
    begin_line(level);
    out += ']';
    return;
  }
  if (const double* number = what.if_double()) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", *number);
    out += text;
    return;
  }
  if (array != nullptr) {
    out += '[';
    bool first = true;
    for (const json::value& value : *array) {
      if (!std::exchange(first, false)) out += ", ";
      write_pretty(out, value, level + 1);
    }
    out += ']';
    return;
  }
  out += json::serialize(what);
}

}  // namespace

std::string text_table::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line = " ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += (i == 0 ? " " : "   ") + (i == 0 ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

json::array to_json(const spread& of) { return {of.lowest, of.highest}; }

json::object to_json(const figures& of) {
  const auto in_us = [](spread ns) {
    return spread{ns.median / 1e3, ns.lowest / 1e3, ns.highest / 1e3};
  };
  json::object made;
  json::object spreads;
  const auto add = [&](std::string_view name, const spread& value) {
    made[name] = value.median;
    spreads[name] = to_json(value);
  };
  add("records_per_s", of.records_per_s);
  add("p50_us", in_us(of.p50_ns));
  add("p99_us", in_us(of.p99_ns));
  add("p999_us", in_us(of.p999_ns));
  add("p9999_us", in_us(of.p9999_ns));
  add("max_us", in_us(of.highest_ns));
  add("cpu_ns_per_record", of.cpu_ns_per_record);
  add("allocations_per_call", of.allocations_per_call);
  made["resident_bytes"] = of.resident;
  made["latencies"] = of.latencies;
  made["spread"] = std::move(spreads);
  json::array curve;
  for (std::size_t i = 0; i < curve_quantiles.size(); ++i) {
    // Of fewer values a share this close to 1 is the slowest of them.
    if ((1 - curve_quantiles[i]) * static_cast<double>(of.latencies) < 1) break;
    curve.push_back(json::array{100 * curve_quantiles[i], of.curve_ns[i] / 1e3});
  }
  made["percentiles_us"] = std::move(curve);
  return made;
}

void add_rate_ratio(json::object& to, const ratios& of) {
  to["ratio_to_raw"] = of.records_per_s.median;
  to["ratio_to_raw_spread"] = to_json(of.records_per_s);
}

void add_ratios(json::object& to, const ratios& of) {
  add_rate_ratio(to, of);
  to["p50_ratio_to_raw"] = of.p50.median;
  to["p50_ratio_to_raw_spread"] = to_json(of.p50);
}

json::object to_json(const machine& of) {
  json::object made;
  made["file_system"] = of.file_system;
  made["device"] = of.device;
  made["kernel"] = of.kernel;
  made["cpu"] = of.cpu;
  made["cores"] = of.cores;
  made["compiler"] = of.compiler;
  made["load"] = of.load;
  made["direct_io"] = of.direct_io;
  made["io_uring"] = of.io_uring;
  return made;
}

json::object to_json(const log_options& of) {
  json::object made;
  made["size"] = of.size;
  made["threads"] = of.threads;
  made["backend"] = backend_text(of.backend);
  made["segment_bytes"] = of.segment_bytes;
  made["buffer_bytes"] = of.buffer_bytes;
  return made;
}

json::array to_json(const std::vector<std::string>& lines) {
  json::array made;
  for (const std::string& line : lines) made.emplace_back(line);
  return made;
}

std::string machine_text(const machine& here) {
  return here.file_system + (here.device.empty() ? "" : " on " + here.device) + ", Linux " +
         here.kernel + ", " + here.cpu + " with " + std::to_string(here.cores) + " cores, " +
         here.compiler;
}

void print(const run_options& options, const std::string& text) {
  std::FILE* const to = options.json == "-" ? stderr : stdout;
  std::fputs(text.c_str(), to);
  std::fflush(to);
}

void print_warnings(const std::vector<std::string>& warnings) {
  for (const std::string& each : warnings) std::fprintf(stderr, "warning: %s\n", each.c_str());
}

void write_json(const run_options& options, const json::object& what) {
  if (options.json.empty()) return;
  std::string text;
  write_pretty(text, what, 0);
  text += '\n';
  if (options.json == "-") {
    std::fputs(text.c_str(), stdout);
    return;
  }
  std::ofstream file(options.json, std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("writing " + options.json + " failed");
}

}  // namespace nori::bench
