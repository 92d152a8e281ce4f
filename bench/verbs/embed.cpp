#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "common/machine.hpp"
#include "common/measure.hpp"
#include "common/quantities.hpp"
#include "common/report.hpp"
#include "common/scratch.hpp"
#include "common/site.hpp"
#include "comparison/appends.hpp"
#include "verbs/carry_out.hpp"
#include "workload/delivery.hpp"
#include "workload/echo.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench embed: what a service notices of a log in its io_context\n"
    "\n"
    "A TCP echo server on the loopback interface answers small messages on an io_context: alone,\n"
    "and in turn with that, while coroutines on the same io_context append as fast as they can.\n"
    "Its client has a thread of its own. Then an event store under fsync_policy::always: how long\n"
    "after its append had completed an event reaches a live subscription on the same io_context.\n"
    "\n"
    "  nori-bench embed --dir /var/lib/x\n"
    "  nori-bench embed --policy os --writers 1 --connections 64\n";

struct embed_options {
  run_options run;
  echo_load load;

  embed_options() {
    load.appends.policy = fsync_policy::always();
    load.appends.writers = 64;
  }
};

option_table table_of(embed_options& to) {
  option_table table;
  add_load_options(table, to.load.appends);
  table.add("connections", "N", "Clients of the echo server. (8)", [&to](std::string_view text) {
    to.load.connections = within(parse_count(text), 1, 10'000);
  });
  add_log_options(table, to.load.appends.log);
  add_run_options(table, to.run);
  return table;
}

void check(const embed_options& options) {
  check(options.load.appends);
  if (options.load.appends.rate > 0) {
    throw usage_error("--rate: here each writer appends as soon as it can");
  }
}

struct report : conditions {
  figures alone;
  figures beside;
  spread p99_ratio;  ///< by round
  spread appends_per_s;
  figures delivery;

  report() = default;
};

report measure(const embed_options& options) {
  report made;
  site here(options.run.dir, made);

  std::vector<double> appends_per_s;
  std::vector<contestant> sides;
  sides.emplace_back("echo server alone", [&](double seconds) {
    return echo(options.load, here.path(), nullptr, seconds).echoes;
  });
  sides.emplace_back("echo server beside the log", [&](double seconds) {
    const scratch_directory mine(here.path());
    const auto dir = mine.path() / "log";
    echo_result result = echo(options.load, here.path(), &dir, seconds);
    appends_per_s.push_back(result.appends_per_s);
    settle(mine.path());
    return std::move(result.echoes);
  });
  sides.emplace_back("live subscription", [&](double seconds) {
    const scratch_directory mine(here.path());
    turn_result result = deliver(options.load.appends.log, mine.path() / "store", seconds);
    settle(mine.path());
    return result;
  });
  const auto rounds = take_rounds(sides, options.run.rounds, options.run.seconds);
  made.alone = figures_of(rounds, 0);
  made.beside = figures_of(rounds, 1);
  made.delivery = figures_of(rounds, 2);
  made.appends_per_s = spread_of(appends_per_s);
  std::vector<double> p99_ratio;
  for (const auto& round : rounds) {
    p99_ratio.push_back(round[1].latency.quantile(0.99) / round[0].latency.quantile(0.99));
  }
  made.p99_ratio = spread_of(p99_ratio);
  here.doubt(made.p99_ratio);
  return made;
}

std::string table_text(const embed_options& options, const report& r) {
  text_table table;
  table.add({"", "per s", "p50", "p99", "p99.9", "slowest", "CPU each"});
  const auto add = [&](std::string name, const figures& of) {
    table.add({std::move(name), count_text(of.records_per_s.median), time_text(of.p50_ns.median),
               time_text(of.p99_ns.median), time_text(of.p999_ns.median),
               time_text(of.highest_ns.median), time_text(of.cpu_ns_per_record.median)});
  };
  add("echoes, no log", r.alone);
  add("echoes, beside the log", r.beside);
  add("events to a live subscription", r.delivery);
  return load_text(options.load.appends) + ", " + std::to_string(options.load.connections) +
         " connections\n" + machine_text(r.here) + "\n\n" + table.text() +
         "\nbeside the log: p99 is " + digits_text(r.p99_ratio.median) + " times of that alone (" +
         digits_text(r.p99_ratio.lowest) + " .. " + digits_text(r.p99_ratio.highest) +
         ") while it takes " + count_text(r.appends_per_s.median) + " records/s.\n" +
         "live subscription: one event at a time, always; from when its append had completed.\n"
         "CPU: of the whole program, clients and appends included.\n";
}

json::object json_of(const embed_options& options, const report& r) {
  json::object made;
  made["alone"] = to_json(r.alone);
  made["beside"] = to_json(r.beside);
  made["p99_ratio"] = r.p99_ratio.median;
  made["p99_ratio_spread"] = to_json(r.p99_ratio);
  made["appends_per_s"] = r.appends_per_s.median;
  made["delivery"] = to_json(r.delivery);
  json::object given = to_json(options.load.appends.log);
  given["policy"] = policy_text(options.load.appends.policy);
  given["writers"] = options.load.appends.writers;
  given["batch"] = options.load.appends.batch;
  given["connections"] = options.load.connections;
  add_length(given, options.run);
  return document_of("embed", made, std::move(given), r);
}

}  // namespace

int embed_verb(arguments given) {
  embed_options options;
  return carry_out(given, introduction, table_of(options), options.run, [&]() -> outcome {
    check(options);
    const report made = measure(options);
    return {table_text(options, made), made.warnings, json_of(options, made)};
  });
}

}  // namespace nori::bench
