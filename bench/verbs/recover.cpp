#include <string>
#include <utility>
#include <vector>

#include "common/lists.hpp"
#include "common/quantities.hpp"
#include "common/results.hpp"
#include "common/site.hpp"
#include "verbs/carry_out.hpp"
#include "workload/context.hpp"
#include "workload/log_openings.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench recover: how long a log takes to open, and how fast it is then\n"
    "\n"
    "Fills logs of several sizes, closes them or kills their owner, and opens each in a process "
    "of\n"
    "its own; in turn with that, a raw loop reads as many bytes as the newest segment has and\n"
    "checks the CRC of each record. Opening shall cost what the newest segment costs, not what\n"
    "the log costs: the figures stay level where a log has several segments. So do appends, which\n"
    "are made to it afterwards: by 64 coroutines under always, by one under os.\n"
    "\n"
    "  nori-bench recover --dir /var/lib/x\n"
    "  nori-bench recover --sizes 64MiB,1GiB,10GiB --size 1KiB --html recover.html\n";

struct recover_options {
  run_options run;
  log_options log;
  std::vector<std::uint64_t> sizes{std::uint64_t{32} << 20, std::uint64_t{128} << 20,
                                   std::uint64_t{512} << 20, std::uint64_t{2} << 30};
};

option_table table_of(recover_options& to) {
  option_table table;
  table.add_heading("The load:");
  table.add("sizes", "BYTES,...", "Of the logs. (32MiB,128MiB,512MiB,2GiB)",
            [&to](std::string_view text) { to.sizes = parse_list(text, parse_log_bytes); });
  table.add("size", "BYTES", "Of a record's value; its key is empty. Up to 1MiB. (100)",
            [&to](std::string_view text) { to.log.size = within(parse_bytes(text), 1, size_max); });
  add_log_options(table, to.log);
  add_run_options(table, to.run, length::by_rounds);
  add_output_options(table, to.run);
  return table;
}

struct report : conditions {
  std::vector<log_openings> found;

  report() = default;
};

std::string ms_text(const spread& of) { return time_text(of.median * 1e6); }

std::string table_text(const recover_options& options, const report& r) {
  text_table table;
  table.add({"log", "newest segment", "after close", "after a kill", "raw", "kill / raw",
             "lowest .. highest", "resident", "always, 64", "os, 1"});
  for (const log_openings& each : r.found) {
    table.add(
        {bytes_text(static_cast<double>(each.log_bytes)),
         bytes_text(static_cast<double>(each.newest_segment_bytes)), ms_text(each.after_close_ms),
         ms_text(each.after_kill_ms), ms_text(each.raw_ms), digits_text(each.kill_to_raw.median),
         digits_text(each.kill_to_raw.lowest) + " .. " + digits_text(each.kill_to_raw.highest),
         bytes_text(static_cast<double>(each.resident)),
         count_text(each.always_per_s.median) + "/s", count_text(each.os_per_s.median) + "/s"});
  }
  return "opening a log of " + std::to_string(options.log.size) + " B records\n" +
         machine_text(r.here) + "\n\n" + table.text() +
         "\nraw: pread of 256 KiB at a time, CRC-32C of each record, as many bytes as the newest "
         "segment has.\nFilled under os and killed with SIGKILL; files as the system has them in "
         "its cache.\nalways, 64 and os, 1: records appended afterwards, by so many coroutines.\n";
}

json::object json_of(const recover_options& options, const report& r) {
  json::object made;
  json::array openings;
  for (const log_openings& each : r.found) openings.push_back(to_json(each));
  made["openings"] = std::move(openings);
  json::object given = to_json(options.log);
  given["rounds"] = options.run.rounds;
  return document_of("recover", made, std::move(given), r);
}

report measure(const recover_options& options) {
  report made;
  site here(options.run.dir, made);
  const framing found = find_framing(options.log, here.path());
  double all = 0;
  for (const std::uint64_t bytes : options.sizes) {
    all += static_cast<double>(bytes);
    here.need(room_for_openings(options.log, bytes));
  }
  progress shown(all, progress::unit::bytes);
  for (const std::uint64_t bytes : options.sizes) {
    shown.name("log of " + bytes_text(static_cast<double>(bytes)));
    made.found.push_back(measure_openings(options.log, bytes, found.frame_bytes, options.run.rounds,
                                          here.path(), shown));
  }
  std::vector<spread> ratios;
  for (const log_openings& each : made.found) ratios.push_back(each.kill_to_raw);
  here.doubt(ratios);
  return made;
}

}  // namespace

int recover_verb(arguments given) {
  recover_options options;
  return carry_out(given, introduction, table_of(options), options.run, [&]() -> outcome {
    check(options.log);
    const report made = measure(options);
    return {table_text(options, made), made.warnings, json_of(options, made)};
  });
}

}  // namespace nori::bench
