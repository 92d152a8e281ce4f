#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "common/machine.hpp"
#include "common/measure.hpp"
#include "common/options.hpp"
#include "common/quantities.hpp"
#include "common/report.hpp"
#include "common/scratch.hpp"
#include "raw/append_contestant.hpp"
#include "verbs/verbs.hpp"
#include "workload/context.hpp"
#include "workload/log_appends.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench append: how fast records are appended\n"
    "\n"
    "N coroutines on one io_context each await an append, and then the next. In turn with that, a\n"
    "raw loop keeps the same promise with the best system calls known, on the same directory: its\n"
    "figures are what the disk and the CPU allow, and the ratio is what counts.\n"
    "\n"
    "  nori-bench append --policy always --writers 64 --dir /var/lib/x    group commit\n"
    "  nori-bench append --policy os --size 100                           the CPU's cost\n"
    "  nori-bench append --policy batch:5ms --batch 512 --json result.json\n";

// No disk syncs in less: something on the way ignores it.
constexpr double sync_ns_min = 20e3;

struct append_options {
  run_options run;
  append_load load;
};

option_table table_of(append_options& to) {
  option_table table;
  table.add_heading("The load:");
  table.add("policy", "P",
            "When an append completes: always (durable), batch:5ms (written; durable 5 ms later), "
            "os (written). (batch:5ms)",
            [&to](std::string_view text) { to.load.policy = parse_policy(text); });
  table.add(
      "size", "BYTES", "Of a record's value; its key is empty. Up to 1MiB. (100)",
      [&to](std::string_view text) { to.load.log.size = within(parse_bytes(text), 1, size_max); });
  table.add(
      "writers", "N", "Coroutines that append at the same time. (1)",
      [&to](std::string_view text) { to.load.writers = within(parse_count(text), 1, 1'000'000); });
  table.add(
      "batch", "N", "Records in each call: append_batch instead of append. (1)",
      [&to](std::string_view text) { to.load.batch = within(parse_count(text), 1, 1'000'000); });
  add_log_options(table, to.load.log);
  add_run_options(table, to.run);
  return table;
}

void check(const append_options& options) {
  check(options.run);
  check(options.load.log);
  const std::uint64_t batch_bytes = options.load.batch * (options.load.log.size + 64);
  const std::uint64_t limit =
      std::min(options.load.log.buffer_bytes, options.load.log.segment_bytes) / 2;
  if (options.load.batch > 1 && batch_bytes > limit) {
    throw usage_error("--batch " + std::to_string(options.load.batch) + ": takes about " +
                      bytes_text(static_cast<double>(batch_bytes)) +
                      ", --buffer-bytes and --segment-bytes allow " +
                      bytes_text(static_cast<double>(limit)));
  }
}

struct report {
  machine here;
  std::vector<std::string> warnings;
  std::string raw_loop;  ///< what it does
  std::uint64_t raw_records_per_write = 0;
  std::size_t frame_bytes = 0;
  nori::backend backend = nori::backend::automatic;
  figures ours;
  figures raw;
  ratios to_raw;

  report() = default;
};

std::string table_text(const append_options& options, const report& r) {
  const append_load& load = options.load;
  const auto range = [](const spread& of) {
    return digits_text(of.lowest) + " .. " + digits_text(of.highest);
  };
  text_table table;
  table.add({"", "nori", "raw", "nori / raw", "lowest .. highest"});
  const auto rate = [](const spread& of) { return count_text(of.median); };
  table.add({"records/s", rate(r.ours.records_per_s), rate(r.raw.records_per_s),
             digits_text(r.to_raw.records_per_s.median), range(r.to_raw.records_per_s)});
  const double bytes = static_cast<double>(load.log.size);
  table.add({"values/s", bytes_text(r.ours.records_per_s.median * bytes),
             bytes_text(r.raw.records_per_s.median * bytes)});
  const auto times = [&](const char* name, const spread& ours, const spread& raw) {
    table.add({name, time_text(ours.median), time_text(raw.median)});
  };
  table.add({"p50", time_text(r.ours.p50_ns.median), time_text(r.raw.p50_ns.median),
             digits_text(r.to_raw.p50.median), range(r.to_raw.p50)});
  times("p99", r.ours.p99_ns, r.raw.p99_ns);
  times("p99.9", r.ours.p999_ns, r.raw.p999_ns);
  times("slowest", r.ours.highest_ns, r.raw.highest_ns);
  table.add({"CPU/record", time_text(r.ours.cpu_ns_per_record.median),
             time_text(r.raw.cpu_ns_per_record.median), digits_text(r.to_raw.cpu.median),
             range(r.to_raw.cpu)});
  table.add({load.batch > 1 ? "heap allocations/batch" : "heap allocations/append",
             digits_text(r.ours.allocations_per_call.median),
             digits_text(r.raw.allocations_per_call.median)});
  table.add({"resident", bytes_text(static_cast<double>(r.ours.resident)),
             bytes_text(static_cast<double>(r.raw.resident))});

  std::string text =
      policy_text(load.policy) + ", " + std::to_string(load.log.size) + " B records, " +
      std::to_string(load.writers) + (load.writers == 1 ? " writer" : " writers") + " on " +
      std::to_string(load.log.threads) + (load.log.threads == 1 ? " thread" : " threads");
  if (load.batch > 1) text += ", batches of " + std::to_string(load.batch);
  text += ", " + std::string(backend_text(r.backend)) + "\n";
  text += machine_text(r.here) + "\n\n" + table.text() + "\n";
  text += "raw: " + r.raw_loop + "\n";
  text += "Both: " + survives_text(load.policy) + ".\n";
  return text;
}

json::object json_of(const append_options& options, const report& r) {
  json::object made;
  made["verb"] = "append";
  json::object given = to_json(options.load.log);
  given["policy"] = policy_text(options.load.policy);
  given["writers"] = options.load.writers;
  given["batch"] = options.load.batch;
  given["seconds"] = options.run.seconds;
  given["rounds"] = options.run.rounds;
  for (const auto& [key, value] : to_json(r.ours)) made[key] = value;
  json::object raw = to_json(r.raw);
  raw["loop"] = r.raw_loop;
  raw["records_per_write"] = r.raw_records_per_write;
  made["raw"] = std::move(raw);
  add_ratios(made, r.to_raw);
  made["frame_bytes"] = r.frame_bytes;
  made["backend"] = backend_text(r.backend);
  made["survives"] = survives_text(options.load.policy);
  made["options"] = std::move(given);
  made["machine"] = to_json(r.here);
  made["warnings"] = to_json(r.warnings);
  return made;
}

report measure(const append_options& options) {
  const append_load& load = options.load;
  const scratch_directory scratch(options.run.dir);
  const other_programs others;
  report made;
  made.here = describe_machine(scratch.path());
  made.warnings = warnings_about(made.here);
  const framing found = find_framing(load.log, scratch.path());
  made.frame_bytes = found.frame_bytes;
  made.backend = found.backend;

  raw::append_job job;
  job.body = make_value(load.log.size);
  job.frame_bytes = found.frame_bytes;
  job.file_bytes = load.log.segment_bytes;
  job.policy = load.policy;
  job.records_per_call = load.batch;
  raw::append_contestant rival =
      raw::make_append_contestant(std::move(job), load.group(), made.here, scratch.path(),
                                  std::min(2.0, options.run.seconds / 5));
  made.raw_loop = std::move(rival.loop);
  made.raw_records_per_write = rival.records_per_write;

  std::vector<contestant> contestants;
  contestants.emplace_back("nori", [&](double seconds) {
    const scratch_directory mine(scratch.path());
    turn_result result = append_to_log(load, mine.path() / "log", seconds);
    settle(mine.path());
    return result;
  });
  contestants.push_back(std::move(rival.side));
  const auto rounds = take_rounds(contestants, options.run.rounds, options.run.seconds);
  made.ours = figures_of(rounds, 0);
  made.raw = figures_of(rounds, 1);
  made.to_raw = ratios_of(rounds, 0, 1);
  add_doubts(made.warnings, others, made.to_raw.records_per_s);
  if (load.policy == fsync_policy::always() && made.raw.p50_ns.median < sync_ns_min) {
    made.warnings.push_back("a durable write takes " + time_text(made.raw.p50_ns.median) +
                            ": no disk is that fast, something on the way ignores the sync");
  }
  return made;
}

}  // namespace

int append_verb(arguments given) {
  append_options options;
  const option_table table = table_of(options);
  if (!table.parse(given)) {
    std::printf("%s\n%s", introduction.data(), table.help().c_str());
    return 0;
  }
  check(options);
  const report made = measure(options);
  print(options.run, table_text(options, made));
  print_warnings(made.warnings);
  write_json(options.run, json_of(options, made));
  return 0;
}

}  // namespace nori::bench
