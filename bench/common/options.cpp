#include "common/options.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <numeric>

#include "common/quantities.hpp"

namespace nori::bench {

namespace {

constexpr std::size_t help_column = 26;
constexpr std::size_t help_width = 94;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

// Breaks `text` at spaces so that it fits beside the names.
std::string wrapped(std::string_view text) {
  std::string out;
  std::size_t column = help_column;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    if (column + word.size() > help_width) {
      out += '\n';
      out.append(help_column, ' ');
      column = help_column;
    } else if (column != help_column) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  }
  return out;
}

}  // namespace

void option_table::add_heading(std::string text) {
  options_.push_back({std::move(text), {}, {}, nullptr});
}

void option_table::add(std::string name, std::string value, std::string help, reader read) {
  options_.push_back({std::move(name), std::move(value), std::move(help), std::move(read)});
}

const option_table::option& option_table::find(std::string_view name) const {
  const option* nearest = nullptr;
  std::size_t distance = 4;
  for (const option& each : options_) {
    if (!each.read) continue;
    if (each.name == name) return each;
    if (const std::size_t d = edit_distance(each.name, name); d < distance) {
      nearest = &each;
      distance = d;
    }
  }
  std::string text = "--" + std::string(name) + ": there is no such option";
  if (nearest != nullptr) text += "; did you mean --" + nearest->name + "?";
  throw usage_error(text);
}

bool option_table::parse(std::span<char* const> arguments) const {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view name = arguments[i];
    if (name == "--help" || name == "-h") return false;
    if (!name.starts_with("--")) {
      throw usage_error(std::string(name) + ": not an option; options begin with --");
    }
    name.remove_prefix(2);
    std::string_view value;
    const std::size_t equals = name.find('=');
    const bool attached = equals != std::string_view::npos;
    if (attached) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const option& chosen = find(name);
    if (chosen.value.empty()) {
      if (attached) throw usage_error("--" + chosen.name + ": takes no value");
    } else if (!attached) {
      if (i + 1 == arguments.size()) {
        throw usage_error("--" + chosen.name + ": needs a value, " + chosen.value);
      }
      value = arguments[++i];
    }
    try {
      chosen.read(value);
    } catch (const std::invalid_argument& refused) {
      throw usage_error("--" + chosen.name + " " + std::string(value) + ": " + refused.what());
    }
  }
  return true;
}

std::string option_table::help() const {
  std::string out;
  for (const option& each : options_) {
    if (!each.read) {
      out += (out.empty() ? "" : "\n") + each.name + "\n";
      continue;
    }
    std::string name = "  --" + each.name + (each.value.empty() ? "" : " " + each.value);
    if (name.size() + 1 > help_column) {
      out += name + "\n";
      name.clear();
    }
    name.resize(help_column, ' ');
    out += name + wrapped(each.help) + "\n";
  }
  return out;
}

std::uint64_t within(std::uint64_t value, std::uint64_t lowest, std::uint64_t highest) {
  if (value < lowest || value > highest) {
    throw std::invalid_argument("expected a value from " + std::to_string(lowest) + " to " +
                                std::to_string(highest));
  }
  return value;
}

void add_run_options(option_table& table, run_options& to, length by) {
  table.add_heading("Measuring:");
  table.add("dir", "DIR",
            "Directory on the disk to measure; it must exist. Everything happens in a "
            "sub-directory that is removed at the end. (.)",
            [&to](std::string_view text) { to.dir = text; });
  if (by != length::by_rounds) {
    table.add("seconds", "S",
              std::string(by == length::by_each_work ? "Time for each work, its raw loop included."
                                                     : "Time for everything measured together, the "
                                                       "raw loops included.") +
                  " Preparations come on top. (" + plain_text(to.seconds) + ")",
              [&to](std::string_view text) {
                to.seconds = parse_seconds(text);
                if (to.seconds < 0.1 || to.seconds > 86400) {
                  throw std::invalid_argument("expected 0.1 s to a day");
                }
              });
  }
  table.add("rounds", "N",
            "How often nori and raw take turns; figures are medians of rounds. (" +
                std::to_string(to.rounds) + ")",
            [&to](std::string_view text) { to.rounds = within(parse_count(text), 1, 1000); });
  table.add("json", "FILE", "Write everything as JSON, too; - for standard output.",
            [&to](std::string_view text) { to.json = text; });
}

void add_log_options(option_table& table, log_options& to) {
  table.add_heading("The log:");
  table.add("threads", "N", "Threads that run the one io_context. (1)",
            [&to](std::string_view text) { to.threads = within(parse_count(text), 1, 1024); });
  table.add("backend", "B", "automatic, uring or threads. (automatic)",
            [&to](std::string_view text) { to.backend = parse_backend(text); });
  table.add("segment-bytes", "BYTES", "config::segment_bytes_max. (128MiB)",
            [&to](std::string_view text) {
              to.segment_bytes =
                  within(parse_bytes(text), segment_bytes_lowest, segment_bytes_highest);
            });
  table.add("buffer-bytes", "BYTES", "config::buffer_bytes_max, a power of two. (8MiB)",
            [&to](std::string_view text) {
              to.buffer_bytes =
                  within(parse_bytes(text), buffer_bytes_lowest, buffer_bytes_highest);
              if (!std::has_single_bit(to.buffer_bytes)) {
                throw std::invalid_argument("expected a power of two");
              }
            });
}

void check(const run_options& options) {
  std::error_code ec;
  if (!std::filesystem::is_directory(options.dir, ec)) {
    throw usage_error("--dir " + options.dir.string() +
                      ": no such directory; create it on the disk you want to measure");
  }
  if (::access(options.dir.c_str(), W_OK | X_OK) != 0) {
    throw usage_error("--dir " + options.dir.string() + ": not writable");
  }
  if (!options.json.empty() && options.json != "-") {
    // Now rather than after the measurement.
    const std::ofstream file(options.json, std::ios::app);
    if (!file) throw usage_error("--json " + options.json + ": can't be written");
  }
  if (!options.html.empty()) {
    const std::ofstream file(options.html, std::ios::app);
    if (!file) throw usage_error("--html " + options.html + ": can't be written");
  }
  if (!options.record.empty()) {
    std::filesystem::create_directories(options.record, ec);
    if (!std::filesystem::is_directory(options.record, ec) ||
        ::access(options.record.c_str(), W_OK | X_OK) != 0) {
      throw usage_error("--record " + options.record.string() +
                        ": no directory that can be written");
    }
  }
}

void check(const log_options& options) {
  const std::uint64_t limit = std::min(options.buffer_bytes, options.segment_bytes) / 4;
  if (options.size > limit) {
    throw usage_error("--size " + std::to_string(options.size) +
                      ": --buffer-bytes and --segment-bytes allow " + std::to_string(limit));
  }
}

}  // namespace nori::bench
