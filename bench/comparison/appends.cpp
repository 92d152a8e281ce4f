#include "comparison/appends.hpp"

#include <algorithm>
#include <utility>

#include "common/quantities.hpp"
#include "common/scratch.hpp"
#include "raw/append_contestant.hpp"
#include "workload/context.hpp"
#include "workload/peer_appends.hpp"

namespace nori::bench {

namespace {

// No disk syncs in less: something on the way ignores it.
constexpr double sync_ns_min = 20e3;

constexpr std::string_view survives_in_memory =
    "what was acknowledged survives a killed process; the file system lies in memory, a power cut "
    "takes all of it";

// A load of which less than this is done is not kept up with.
constexpr double kept_up_share = 0.95;

std::vector<std::string> warnings_about(const append_comparison& made) {
  std::vector<std::string> found;
  const append_load& load = made.load;
  if (load.policy == fsync_policy::always()) {
    for (const append_side* each : {&made.raw(), &made.growing()}) {
      if (load.rate > 0 || each->found.p50_ns.median >= sync_ns_min) continue;
      found.push_back("a durable write takes " + time_text(each->found.p50_ns.median) +
                      ": no disk is that fast, something on the way ignores the sync");
      break;
    }
  }
  for (const append_side& each : made.sides) {
    if (load.rate > 0 && each.found.records_per_s.median < kept_up_share * load.rate) {
      found.push_back(each.name + " did " + count_text(each.found.records_per_s.median) + " of " +
                      count_text(load.rate) +
                      " records/s: its latencies tell how long this went on, not what it can do");
    }
  }
  return found;
}

}  // namespace

append_comparison compare_appends(const append_load& load, const std::vector<peer_kind>& peers,
                                  const comparing& how) {
  append_comparison made;
  made.load = load;
  const framing found = find_framing(load.log, how.scratch);
  made.frame_bytes = found.frame_bytes;
  made.backend = found.backend;

  raw::append_job job;
  job.body = make_value(load.log.size);
  job.frame_bytes = found.frame_bytes;
  job.file_bytes = load.log.segment_bytes;
  job.policy = load.policy;
  job.records_per_call = load.batch;
  job.rate = load.rate;
  how.shown.begin("trying raw writes");
  raw::append_contestant raw = raw::make_append_contestant(job, load.group(), how.here, how.scratch,
                                                           std::min(2.0, how.seconds / 5));
  raw::append_contestant growing = raw::make_growing_contestant(job, load.group(), how.scratch);
  made.raw_records_per_write = raw.records_per_write;

  std::vector<contestant> contestants;
  const std::string survives =
      how.here.in_memory ? std::string(survives_in_memory) : survives_text(load.policy);
  const auto add = [&](std::string key, std::string explained, std::string kept, contestant side) {
    append_side& to = made.sides.emplace_back();
    to.key = std::move(key);
    to.name = side.name;
    to.how = std::move(explained);
    to.survives = std::move(kept);
    contestants.push_back(std::move(side));
  };
  add("nori", std::string(backend_text(found.backend)), survives,
      contestant("nori", [&](double seconds) {
        const scratch_directory mine(how.scratch);
        turn_result result = append_to_log(load, mine.path() / "log", seconds);
        settle(mine.path());
        return result;
      }));
  add("raw", std::move(raw.loop), survives, std::move(raw.side));
  add("growing", std::move(growing.loop), survives, std::move(growing.side));
  for (const peer_kind& each : peers) {
    // One with a directory elsewhere keeps its promise there.
    const bool in_memory = how.here.in_memory && each.open_to_scan != nullptr;
    add(each.key, each.settings, in_memory ? std::string(survives_in_memory) : each.survives,
        contestant(each.name, [&](double seconds) {
          const scratch_directory mine(how.scratch);
          turn_result result = append_to_peer(load, each, mine.path() / "peer", seconds);
          settle(mine.path());
          return result;
        }));
  }

  const auto rounds = take_rounds(contestants, how.rounds, how.seconds, how.shown);
  for (std::size_t i = 0; i < contestants.size(); ++i) {
    made.sides[i].found = figures_of(rounds, i);
    made.sides[i].to_raw = ratios_of(rounds, i, 1);
  }
  made.warnings = warnings_about(made);
  return made;
}

json::object to_json(const append_comparison& of) {
  json::object made = to_json(of.ours().found);
  add_ratios(made, of.ours().to_raw);
  json::object peers;
  for (std::size_t i = 1; i < of.sides.size(); ++i) {
    const append_side& side = of.sides[i];
    json::object each = to_json(side.found);
    each["name"] = side.name;
    each["loop"] = side.how;
    each["survives"] = side.survives;
    if (i == 1) {
      each["records_per_write"] = of.raw_records_per_write;
    } else {
      add_ratios(each, side.to_raw);
    }
    if (i <= 2) {
      made[side.key] = std::move(each);
    } else {
      peers[side.key] = std::move(each);
    }
  }
  if (!peers.empty()) made["peers"] = std::move(peers);
  made["frame_bytes"] = of.frame_bytes;
  made["backend"] = backend_text(of.backend);
  made["survives"] = of.ours().survives;
  json::object given = to_json(of.load.log);
  given["policy"] = policy_text(of.load.policy);
  given["writers"] = of.load.writers;
  given["batch"] = of.load.batch;
  given["rate"] = of.load.rate;
  made["options"] = std::move(given);
  return made;
}

append_report report_appends(const append_load& load, const std::vector<peer_kind>& peers,
                             const run_options& run) {
  append_report made;
  site here(run.dir, made);
  progress shown(run.seconds);
  made.found =
      compare_appends(load, peers, {made.here, here.path(), run.rounds, run.seconds, shown});
  here.doubt(made.found.ours().to_raw.records_per_s);
  made.warnings.insert(made.warnings.end(), made.found.warnings.begin(), made.found.warnings.end());
  return made;
}

json::object to_json(std::string_view verb, const run_options& run, const append_report& of) {
  json::object figures = to_json(of.found);
  json::object given = figures["options"].as_object();
  add_length(given, run);
  return document_of(verb, figures, std::move(given), of);
}

std::string load_text(const append_load& load) {
  std::string text =
      policy_text(load.policy) + ", " + std::to_string(load.log.size) + " B records, " +
      std::to_string(load.writers) + (load.writers == 1 ? " writer" : " writers") + " on " +
      std::to_string(load.log.threads) + (load.log.threads == 1 ? " thread" : " threads");
  if (load.batch > 1) text += ", batches of " + std::to_string(load.batch);
  if (load.rate > 0) text += ", " + count_text(load.rate) + " records/s due";
  return text;
}

void add_load_options(option_table& table, append_load& to) {
  table.add_heading("The load:");
  table.add("policy", "P",
            "When an append completes: always (durable), batch:5ms (written; durable 5 ms later), "
            "os (written). (" +
                policy_text(to.policy) + ")",
            [&to](std::string_view text) { to.policy = parse_policy(text); });
  table.add("size", "BYTES", "Of a record's value; its key is empty. Up to 1MiB. (100)",
            [&to](std::string_view text) { to.log.size = within(parse_bytes(text), 1, size_max); });
  table.add("writers", "N",
            "Coroutines that append at the same time. (" + std::to_string(to.writers) + ")",
            [&to](std::string_view text) { to.writers = within(parse_count(text), 1, 1'000'000); });
  table.add("batch", "N", "Records in each call: append_batch instead of append. (1)",
            [&to](std::string_view text) { to.batch = within(parse_count(text), 1, 1'000'000); });
  table.add("rate", "N",
            "Records that are due each second, evenly; a latency counts from when its record was "
            "due. Otherwise each writer appends as soon as it can.",
            [&to](std::string_view text) {
              to.rate = static_cast<double>(within(parse_count(text), 1, 1'000'000'000));
            });
}

void check(const append_load& load) {
  check(load.log);
  const std::uint64_t batch_bytes = load.batch * (load.log.size + 64);
  const std::uint64_t limit = std::min(load.log.buffer_bytes, load.log.segment_bytes) / 2;
  if (load.batch > 1 && batch_bytes > limit) {
    throw usage_error("--batch " + std::to_string(load.batch) + ": takes about " +
                      bytes_text(static_cast<double>(batch_bytes)) +
                      ", --buffer-bytes and --segment-bytes allow " +
                      bytes_text(static_cast<double>(limit)));
  }
}

}  // namespace nori::bench
