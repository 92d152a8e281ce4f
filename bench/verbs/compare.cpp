#include <algorithm>
#include <string>
#include <utility>

#include "common/quantities.hpp"
#include "common/results.hpp"
#include "comparison/appends.hpp"
#include "verbs/carry_out.hpp"
#include "workload/peer_appends.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench compare: the same appends by nori, raw loops, and what else people use\n"
    "\n"
    "All take turns in the same directory. Each is set up as its users would for a durable log\n"
    "(with --policy os or batch: for one that survives a killed process), and the settings are\n"
    "printed. nori has a coroutine for each writer on one thread, the others a thread each.\n"
    "\n"
    "  nori-bench compare --writers 64 --dir /var/lib/x --html compare.html\n"
    "  nori-bench compare --postgresql 'host=/run/postgresql dbname=test user=me'\n";

struct compare_options {
  run_options run;
  append_load load;
  std::string postgresql;

  compare_options() {
    load.policy = fsync_policy::always();
    load.writers = 16;
  }
};

option_table table_of(compare_options& to) {
  option_table table;
  add_load_options(table, to.load);
  table.add("postgresql", "CONNECTION",
            "Compare with PostgreSQL, too: a connection string or URI. A table is created there, "
            "and dropped.",
            [&to](std::string_view text) { to.postgresql = text; });
  add_log_options(table, to.load.log);
  add_run_options(table, to.run);
  add_output_options(table, to.run);
  return table;
}

std::string table_text(const append_report& r) {
  text_table table;
  table.add({"", "records/s", "ratio to raw", "lowest .. highest", "p50", "p99", "p99.9", "p99.99",
             "CPU/record"});
  for (const append_side& each : r.found.sides) {
    const figures& f = each.found;
    table.add({each.name, count_text(f.records_per_s.median),
               digits_text(each.to_raw.records_per_s.median),
               digits_text(each.to_raw.records_per_s.lowest) + " .. " +
                   digits_text(each.to_raw.records_per_s.highest),
               time_text(f.p50_ns.median), time_text(f.p99_ns.median), time_text(f.p999_ns.median),
               time_text(f.p9999_ns.median), time_text(f.cpu_ns_per_record.median)});
  }
  std::string text =
      load_text(r.found.load) + "\n" + machine_text(r.here) + "\n\n" + table.text() + "\n";
  for (const append_side& each : r.found.sides) {
    std::string how = each.how;
    if (how.ends_with('.')) how.pop_back();
    text += each.name + ": " + how + "; " + each.survives + ".\n";
  }
  if (r.found.load.writers > peer_writers_max) {
    text += "The others have " + std::to_string(peer_writers_max) + " threads.\n";
  }
  for (const std::string& each : missing_peers()) text += "Not compared: " + each + "\n";
  return text;
}

}  // namespace

int compare_verb(arguments given) {
  compare_options options;
  return carry_out(given, introduction, table_of(options), options.run, [&]() -> outcome {
    check(options.load);
    const append_report made = report_appends(
        options.load, peers_for(options.load.policy, options.postgresql), options.run);
    return {table_text(made), made.warnings, to_json("compare", options.run, made)};
  });
}

}  // namespace nori::bench
