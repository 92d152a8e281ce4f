#include "common/results.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "common/quantities.hpp"
#include "html/page.hpp"

namespace nori::bench {

namespace {

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// Of the working directory, "+" for changes on top of it; empty where there is none.
std::string commit_here() {
  struct close_pipe {
    void operator()(std::FILE* what) const noexcept { ::pclose(what); }
  };
  const std::unique_ptr<std::FILE, close_pipe> git(
      ::popen("git describe --always --abbrev=12 --exclude='*' --dirty=+ 2>/dev/null", "r"));
  std::string text;
  if (git) {
    char some[64];
    while (std::fgets(some, sizeof some, git.get()) != nullptr) text += some;
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// False where whoever wrote the last line was killed while doing so.
bool ends_with_line(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::ate);
  if (!file || file.tellg() == std::streampos(0)) return true;
  file.seekg(-1, std::ios::end);
  return file.get() == '\n';
}

void copy(json::object& to, const json::object& from, std::initializer_list<const char*> names) {
  for (const char* const name : names) {
    if (const json::value* found = from.if_contains(name)) to[name] = *found;
  }
}

// What a log was opened with that it usually isn't: figures of such a one are others.
std::string unusual_text(const json::object& options) {
  const log_options usual;
  const auto number = [&](const char* name, std::uint64_t otherwise) {
    const json::value* const found = options.if_contains(name);
    return found != nullptr ? found->to_number<double>() : static_cast<double>(otherwise);
  };
  std::string text;
  if (const double threads = number("threads", 1); threads > 1) {
    text += ", " + plain_text(threads) + " threads";
  }
  if (const json::value* const backend = options.if_contains("backend")) {
    if (backend->as_string() != backend_text(usual.backend)) {
      text += ", backend " + std::string(backend->as_string());
    }
  }
  const auto add_bytes = [&](const char* name, std::uint64_t usually, const char* what) {
    const double bytes = number(name, usually);
    if (bytes != static_cast<double>(usually)) text += ", " + std::string(what) + bytes_text(bytes);
  };
  add_bytes("segment_bytes", usual.segment_bytes, "segments of ");
  add_bytes("buffer_bytes", usual.buffer_bytes, "a buffer of ");
  return text;
}

json::object point_of(std::string name, const json::object& figures) {
  json::object made;
  made["name"] = std::move(name);
  copy(made, figures, {"records_per_s", "p50_us", "p99_us", "p999_us", "ratio_to_raw"});
  return made;
}

}  // namespace

std::string name_of(const json::object& options) {
  const auto number = [&](const char* name) { return options.at(name).to_number<double>(); };
  std::string text(options.at("policy").as_string());
  text += ", " + bytes_text(number("size"));
  const double writers = number("writers");
  text += ", " + plain_text(writers) + (writers == 1 ? " writer" : " writers");
  if (number("batch") > 1) text += ", batches of " + plain_text(number("batch"));
  if (number("rate") > 0) text += ", " + count_text(number("rate")) + "/s due";
  return text + unusual_text(options);
}

void add_output_options(option_table& table, run_options& to) {
  table.add("html", "FILE", "Write a page with plots, too.",
            [&to](std::string_view text) { to.html = text; });
  table.add("record", "DIR",
            "Add a line with commit, machine and figures to a file in DIR, such as bench/results; "
            "see nori-bench report.",
            [&to](std::string_view text) { to.record = text; });
}

json::object record_of(const json::object& found, const std::string& at,
                       const std::string& commit) {
  json::object made;
  made["at"] = at;
  made["commit"] = commit;
  copy(made, found, {"verb", "machine"});
  json::array points;
  const auto add = [&](const json::object& cell) {
    const std::string name = name_of(cell.at("options").as_object());
    points.push_back(point_of(name, cell));
    if (const json::value* peers = cell.if_contains("peers")) {
      for (const auto& [key, peer] : peers->as_object()) {
        points.push_back(point_of(name + ", " + std::string(key), peer.as_object()));
      }
    }
  };
  if (const json::value* cells = found.if_contains("cells")) {
    for (const json::value& each : cells->as_array()) add(each.as_object());
  } else if (found.if_contains("records_per_s") != nullptr &&
             found.at("options").as_object().if_contains("policy") != nullptr) {
    add(found);
  }
  if (const json::value* openings = found.if_contains("openings")) {
    const json::object& options = found.at("options").as_object();
    std::string how;
    if (const json::value* const size = options.if_contains("size")) {
      how = " of " + bytes_text(size->to_number<double>()) + " records";
    }
    for (const json::value& each : openings->as_array()) {
      const json::object& opening = each.as_object();
      json::object point;
      point["name"] = "opening " + bytes_text(opening.at("log_bytes").to_number<double>()) + how +
                      " after a kill" + unusual_text(options);
      point["ms"] = opening.at("after_kill_ms");
      point["ratio_to_raw"] = opening.at("after_kill_ratio_to_raw");
      points.push_back(std::move(point));
    }
  }
  made["points"] = std::move(points);
  copy(made, found, {"warnings"});
  return made;
}

std::vector<json::object> read_records(const std::filesystem::path& dir) {
  std::vector<json::object> found;
  for (const auto& each : std::filesystem::directory_iterator(dir)) {
    if (each.path().extension() != ".jsonl") continue;
    std::ifstream file(each.path());
    std::size_t number = 1;
    for (std::string line; std::getline(file, line); ++number) {
      if (line.empty()) continue;
      try {
        json::object run = json::parse(line).as_object();
        static_cast<void>(run.at("at").as_string());
        static_cast<void>(run.at("verb").as_string());
        for (const json::value& point : run.at("points").as_array()) {
          static_cast<void>(point.at("name").as_string());
        }
        // Behind those of the same second, in which the file has them.
        const auto at = std::upper_bound(found.begin(), found.end(), run,
                                         [](const json::object& a, const json::object& b) {
                                           return a.at("at").as_string() < b.at("at").as_string();
                                         });
        found.insert(at, std::move(run));
      } catch (const std::exception&) {
        throw std::runtime_error(each.path().string() + ":" + std::to_string(number) +
                                 ": not a recorded run");
      }
    }
  }
  return found;
}

std::string machine_of(const json::object& run) {
  const json::value* const found = run.if_contains("machine");
  if (found == nullptr || !found->is_object()) return "an unknown machine";
  const json::object& here = found->as_object();
  const auto text = [&](const char* name) {
    const json::value* const value = here.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
  };
  std::string key = text("cpu");
  if (const json::value* const cores = here.if_contains("cores")) {
    if (cores->is_number()) key += ", " + plain_text(cores->to_number<double>()) + " cores";
  }
  key += ", " + text("file_system");
  if (const std::string device = text("device"); !device.empty()) key += " on " + device;
  return key;
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("writing " + path.string() + " failed");
}

void write_results(const run_options& options, const json::object& found) {
  write_json(options, found);
  if (!options.html.empty()) write_file(options.html, html::page_of({found}));
  if (options.record.empty()) return;
  std::filesystem::create_directories(options.record);
  const auto path =
      options.record / (std::string(found.at("verb").as_string()) + std::string(".jsonl"));
  std::ofstream file(path, std::ios::app);
  if (!ends_with_line(path)) file << '\n';
  file << json::serialize(record_of(found, time_now(), commit_here())) << '\n';
  file.close();
  if (!file) throw std::runtime_error("writing " + path.string() + " failed");
}

}  // namespace nori::bench
