#include <string>
#include <utility>

#include "common/quantities.hpp"
#include "common/results.hpp"
#include "comparison/appends.hpp"
#include "verbs/carry_out.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench append: how fast records are appended\n"
    "\n"
    "N coroutines on one io_context each await an append, and then the next. In turn with that, a\n"
    "raw loop keeps the same promise with the best system calls known, on the same directory: its\n"
    "figures are what the disk and the CPU allow, and the ratio is what counts. A second one does\n"
    "it as most logs do, with buffered writes to a file that grows.\n"
    "\n"
    "  nori-bench append --policy always --writers 64 --dir /var/lib/x    group commit\n"
    "  nori-bench append --policy os --size 100                           the CPU's cost\n"
    "  nori-bench append --policy batch:5ms --batch 512 --json result.json\n"
    "  nori-bench append --policy always --writers 64 --rate 10k          latency under a load\n";

struct append_options {
  run_options run;
  append_load load;
};

option_table table_of(append_options& to) {
  option_table table;
  add_load_options(table, to.load);
  add_log_options(table, to.load.log);
  add_run_options(table, to.run);
  add_output_options(table, to.run);
  return table;
}

std::string table_text(const append_report& r) {
  const append_load& load = r.found.load;
  const figures& ours = r.found.ours().found;
  const figures& raw = r.found.raw().found;
  const figures& growing = r.found.growing().found;
  const ratios& to_raw = r.found.ours().to_raw;
  const auto range = [](const spread& of) {
    return digits_text(of.lowest) + " .. " + digits_text(of.highest);
  };
  text_table table;
  const auto row = [&](std::string name, auto of, const spread* ratio = nullptr) {
    table.add({std::move(name), of(ours), of(raw), ratio ? digits_text(ratio->median) : "",
               ratio ? range(*ratio) : "", of(growing)});
  };
  table.add({"", "nori", "raw", "nori / raw", "lowest .. highest", "growing file"});
  row(
      "records/s", [](const figures& f) { return count_text(f.records_per_s.median); },
      &to_raw.records_per_s);
  const double bytes = static_cast<double>(load.log.size);
  row("values/s", [&](const figures& f) { return bytes_text(f.records_per_s.median * bytes); });
  row("p50", [](const figures& f) { return time_text(f.p50_ns.median); }, &to_raw.p50);
  row("p99", [](const figures& f) { return time_text(f.p99_ns.median); });
  row("p99.9", [](const figures& f) { return time_text(f.p999_ns.median); });
  row("p99.99", [](const figures& f) { return time_text(f.p9999_ns.median); });
  row("slowest", [](const figures& f) { return time_text(f.highest_ns.median); });
  row(
      "CPU/record", [](const figures& f) { return time_text(f.cpu_ns_per_record.median); },
      &to_raw.cpu);
  row(load.batch > 1 ? "heap allocations/batch" : "heap allocations/append",
      [](const figures& f) { return digits_text(f.allocations_per_call.median); });
  row("resident", [](const figures& f) { return bytes_text(static_cast<double>(f.resident)); });

  return load_text(load) + ", " + std::string(backend_text(r.found.backend)) + "\n" +
         machine_text(r.here) + "\n\n" + table.text() + "\nraw: " + r.found.raw().how +
         "\ngrowing file: " + r.found.growing().how + "\nAll: " + r.found.ours().survives + ".\n";
}

}  // namespace

int append_verb(arguments given) {
  append_options options;
  return carry_out(given, introduction, table_of(options), options.run, [&]() -> outcome {
    check(options.load);
    const append_report made = report_appends(options.load, {}, options.run);
    return {table_text(made), made.warnings, to_json("append", options.run, made)};
  });
}

}  // namespace nori::bench
