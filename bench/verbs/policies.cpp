#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/lists.hpp"
#include "common/quantities.hpp"
#include "common/results.hpp"
#include "common/site.hpp"
#include "comparison/appends.hpp"
#include "verbs/carry_out.hpp"
#include "workload/context.hpp"
#include "workload/log_openings.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench policies: the sweep over policies, record sizes and writers\n"
    "\n"
    "Each combination is measured as by nori-bench append, one after the other, in rounds that\n"
    "nori and the raw loops share; then how long logs take to open, as by nori-bench recover.\n"
    "\n"
    "  nori-bench policies --seconds 300 --dir /var/lib/x --json sweep.json --html sweep.html\n"
    "  nori-bench policies --policies always --sizes 100 --writers 1,8,64,512 --log-sizes none\n";

struct sweep_options {
  run_options run;
  log_options log;
  std::vector<fsync_policy> policies{fsync_policy::always(),
                                     fsync_policy::batch(std::chrono::milliseconds(5)),
                                     fsync_policy::os()};
  std::vector<std::uint64_t> sizes{100, 1024, 16384};
  std::vector<std::uint64_t> writers{1, 8, 64};
  std::vector<std::uint64_t> log_sizes{std::uint64_t{32} << 20, std::uint64_t{128} << 20,
                                       std::uint64_t{512} << 20};

  sweep_options() {
    run.seconds = 120;
    run.rounds = 3;
  }
};

option_table table_of(sweep_options& to) {
  option_table table;
  table.add_heading("The loads:");
  table.add("policies", "P,...", "Of always, batch:5ms (any window), os. (always,batch:5ms,os)",
            [&to](std::string_view text) { to.policies = parse_list(text, parse_policy); });
  table.add(
      "sizes", "BYTES,...", "Of a record's value. (100,1KiB,16KiB)", [&to](std::string_view text) {
        to.sizes = parse_list(
            text, [](std::string_view each) { return within(parse_bytes(each), 1, size_max); });
      });
  table.add("writers", "N,...", "Coroutines that append at the same time. (1,8,64)",
            [&to](std::string_view text) {
              to.writers = parse_list(text, [](std::string_view each) {
                return within(parse_count(each), 1, 1'000'000);
              });
            });
  table.add("log-sizes", "BYTES,...", "Of the logs that are opened, or none. (32MiB,128MiB,512MiB)",
            [&to](std::string_view text) {
              to.log_sizes.clear();
              if (text != "none") to.log_sizes = parse_list(text, parse_log_bytes);
            });
  add_log_options(table, to.log);
  add_run_options(table, to.run);
  add_output_options(table, to.run);
  return table;
}

struct report : conditions {
  std::vector<append_comparison> cells;
  std::vector<log_openings> openings;
  bool stopped = false;  ///< interrupted before all were measured

  report() = default;
};

std::string table_text(const sweep_options& options, const report& r) {
  text_table table;
  table.add({"policy", "size", "writers", "records/s", "raw", "nori / raw", "growing file", "p50",
             "p99", "p99.9", "p99.99"});
  for (const append_comparison& each : r.cells) {
    const figures& f = each.ours().found;
    table.add({policy_text(each.load.policy), bytes_text(static_cast<double>(each.load.log.size)),
               std::to_string(each.load.writers), count_text(f.records_per_s.median),
               count_text(each.raw().found.records_per_s.median),
               digits_text(each.ours().to_raw.records_per_s.median),
               count_text(each.growing().found.records_per_s.median), time_text(f.p50_ns.median),
               time_text(f.p99_ns.median), time_text(f.p999_ns.median),
               time_text(f.p9999_ns.median)});
  }
  std::string text = machine_text(r.here) + "\n\n" + table.text() + "\n";
  if (!r.openings.empty()) {
    text_table opening;
    opening.add({"opening a log of", "after close", "after a kill", "raw read",
                 "then always, 64 writers", "os, 1 writer"});
    for (const log_openings& each : r.openings) {
      opening.add({bytes_text(static_cast<double>(each.log_bytes)),
                   time_text(each.after_close_ms.median * 1e6),
                   time_text(each.after_kill_ms.median * 1e6), time_text(each.raw_ms.median * 1e6),
                   count_text(each.always_per_s.median) + "/s",
                   count_text(each.os_per_s.median) + "/s"});
    }
    text += opening.text() + "\n";
  }
  for (const fsync_policy policy : options.policies) {
    const auto of =
        std::find_if(r.cells.begin(), r.cells.end(),
                     [&](const append_comparison& each) { return each.load.policy == policy; });
    if (of == r.cells.end()) continue;
    text += policy_text(policy) + ": " + of->ours().survives + ".\n";
  }
  return text;
}

json::object json_of(const sweep_options& options, const report& r) {
  json::object made;
  json::array cells;
  for (const append_comparison& each : r.cells) cells.push_back(to_json(each));
  made["cells"] = std::move(cells);
  json::array openings;
  for (const log_openings& each : r.openings) openings.push_back(to_json(each));
  made["openings"] = std::move(openings);
  json::object given = to_json(options.log);
  given.erase("size");
  add_length(given, options.run);
  return document_of("policies", made, std::move(given), r);
}

void check(const sweep_options& options) {
  for (const std::uint64_t size : options.sizes) {
    log_options each = options.log;
    each.size = size;
    check(each);
  }
}

// One after the other, into `made`; what is there stays when it is interrupted.
void measure_cells(const sweep_options& options, const site& here, report& made) {
  progress shown(options.run.seconds);
  const double cells =
      static_cast<double>(options.policies.size() * options.sizes.size() * options.writers.size());
  for (const fsync_policy policy : options.policies) {
    for (const std::uint64_t size : options.sizes) {
      for (const std::uint64_t writers : options.writers) {
        append_load load;
        load.log = options.log;
        load.log.size = size;
        load.policy = policy;
        load.writers = writers;
        const std::string name = load_text(load);
        shown.name(name);
        made.cells.push_back(compare_appends(
            load, {},
            {made.here, here.path(), options.run.rounds, options.run.seconds / cells, shown}));
        for (const std::string& each : made.cells.back().warnings) {
          made.warnings.push_back(name + ": " + each);
        }
      }
    }
  }
}

report measure(const sweep_options& options) {
  report made;
  site here(options.run.dir, made);
  log_options small = options.log;
  small.size = options.sizes.front();
  {
    // First, while this process has little memory for its children to inherit.
    double bytes = 0;
    for (const std::uint64_t each : options.log_sizes) {
      bytes += static_cast<double>(each);
      here.need(room_for_openings(small, each));
    }
    progress shown(bytes, progress::unit::bytes);
    for (const std::uint64_t each : options.log_sizes) {
      shown.name("log of " + bytes_text(static_cast<double>(each)));
      const framing found = find_framing(small, here.path());
      made.openings.push_back(
          measure_openings(small, each, found.frame_bytes, options.run.rounds, here.path(), shown));
    }
  }
  try {
    measure_cells(options, here, made);
  } catch (const interrupted&) {
    if (made.cells.empty()) throw;
    made.stopped = true;
    made.warnings.emplace_back("interrupted: not all loads were measured");
  }
  std::vector<spread> ratios;
  for (const append_comparison& each : made.cells) {
    ratios.push_back(each.ours().to_raw.records_per_s);
  }
  for (const log_openings& each : made.openings) ratios.push_back(each.kill_to_raw);
  here.doubt(ratios);
  return made;
}

}  // namespace

int policies_verb(arguments given) {
  sweep_options options;
  return carry_out(given, introduction, table_of(options), options.run, [&]() -> outcome {
    check(options);
    const report made = measure(options);
    return {table_text(options, made), made.warnings, json_of(options, made), made.stopped};
  });
}

}  // namespace nori::bench
