#include <string>
#include <utility>
#include <vector>

#include "common/machine.hpp"
#include "common/measure.hpp"
#include "common/options.hpp"
#include "common/quantities.hpp"
#include "common/report.hpp"
#include "common/site.hpp"
#include "peers/peer.hpp"
#include "raw/files.hpp"
#include "raw/read_loop.hpp"
#include "verbs/carry_out.hpp"
#include "workload/context.hpp"
#include "workload/log_reads.hpp"
#include "workload/peer_scans.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench read: how fast a log is replayed\n"
    "\n"
    "Writes a log, opens it again, and reads it from its start to its end: by reader::next, by\n"
    "reader::next_batch, and, in turn with them, a raw loop over a file of the same frames, which\n"
    "reads 256 KiB at a time and checks the CRC of each record.\n"
    "\n"
    "  nori-bench read --size 1KiB --records 200k --dir /var/lib/x\n"
    "  nori-bench read --cold                  also from the disk rather than the page cache\n"
    "  nori-bench read --peers                 the same records by what else people use\n";

struct reading_options {
  run_options run;
  log_options log;
  std::uint64_t records = 200'000;
  bool cold = false;
  bool peers = false;

  reading_options() { log.size = 1024; }
};

option_table table_of(reading_options& to) {
  option_table table;
  table.add_heading("The load:");
  table.add("size", "BYTES", "Of a record's value; its key is empty. Up to 1MiB. (1KiB)",
            [&to](std::string_view text) { to.log.size = within(parse_bytes(text), 1, size_max); });
  table.add("records", "N", "Records in the log. (200k)", [&to](std::string_view text) {
    to.records = within(parse_count(text), 1, 1'000'000'000);
  });
  table.add("cold", "", "Also with nothing in the page cache; one pass in each round.",
            [&to](std::string_view) { to.cold = true; });
  table.add("peers", "",
            "Also, with the page cache hot, scans of the same records by what else people use.",
            [&to](std::string_view) { to.peers = true; });
  add_log_options(table, to.log);
  add_run_options(table, to.run);
  return table;
}

/// What was found out with the page cache hot, or cold.
struct findings {
  figures next;
  figures next_batch;
  figures raw;
  ratios next_to_raw;
  ratios next_batch_to_raw;
  std::vector<figures> peers;
  std::vector<ratios> next_to_peers;
};

findings findings_of(const std::vector<std::vector<turn_result>>& rounds, std::size_t peers) {
  findings made{figures_of(rounds, 0),
                figures_of(rounds, 1),
                figures_of(rounds, 2),
                ratios_of(rounds, 0, 2),
                ratios_of(rounds, 1, 2),
                {},
                {}};
  for (std::size_t i = 3; i < 3 + peers; ++i) {
    made.peers.push_back(figures_of(rounds, i));
    made.next_to_peers.push_back(ratios_of(rounds, 0, i));
  }
  return made;
}

struct report : conditions {
  std::size_t frame_bytes = 0;
  nori::backend backend = nori::backend::automatic;
  findings hot;
  findings cold;
  std::vector<peer_kind> peers;

  report() = default;
};

void add_rows(text_table& table, const std::string& name, const findings& f) {
  const auto row = [&](const std::string& what, auto of) {
    table.add({name + what, of(f.next), of(f.next_batch), of(f.raw)});
  };
  row(" records/s", [](const figures& of) { return count_text(of.records_per_s.median); });
  const auto ratio = [](const ratios& of) { return digits_text(of.records_per_s.median); };
  const auto range = [](const ratios& of) {
    return digits_text(of.records_per_s.lowest) + " .. " + digits_text(of.records_per_s.highest);
  };
  table.add({name + " nori / raw", ratio(f.next_to_raw), ratio(f.next_batch_to_raw)});
  table.add({name + " lowest .. highest", range(f.next_to_raw), range(f.next_batch_to_raw)});
  row(" p50/call", [](const figures& of) { return time_text(of.p50_ns.median); });
  row(" p99/call", [](const figures& of) { return time_text(of.p99_ns.median); });
  row(" p99.9/call", [](const figures& of) { return time_text(of.p999_ns.median); });
  row(" CPU/record", [](const figures& of) { return time_text(of.cpu_ns_per_record.median); });
  row(" heap allocations/record",
      [](const figures& of) { return digits_text(of.allocations_per_call.median); });
}

std::string peers_text(const report& r) {
  if (r.peers.empty()) return {};
  text_table table;
  table.add({"", "records/s", "next / it", "lowest .. highest", "CPU/record", "resident"});
  std::string explained;
  for (std::size_t i = 0; i < r.peers.size(); ++i) {
    const figures& found = r.hot.peers[i];
    const spread& ratio = r.hot.next_to_peers[i].records_per_s;
    table.add({r.peers[i].name, count_text(found.records_per_s.median), digits_text(ratio.median),
               digits_text(ratio.lowest) + " .. " + digits_text(ratio.highest),
               time_text(found.cpu_ns_per_record.median),
               bytes_text(static_cast<double>(found.resident))});
    explained += r.peers[i].name + ": " + r.peers[i].settings + "\n";
  }
  return "\nhot, scanned:\n" + table.text() + "\n" + explained;
}

std::string table_text(const reading_options& options, const report& r) {
  text_table table;
  table.add({"", "next", "next_batch", "raw"});
  add_rows(table, "hot", r.hot);
  if (options.cold) add_rows(table, "cold", r.cold);
  table.add({"resident", bytes_text(static_cast<double>(r.hot.next.resident)),
             bytes_text(static_cast<double>(r.hot.next_batch.resident)),
             bytes_text(static_cast<double>(r.hot.raw.resident))});
  return std::to_string(options.records) + " records of " + std::to_string(options.log.size) +
         " B, " + std::string(backend_text(r.backend)) + "\n" + machine_text(r.here) + "\n\n" +
         table.text() +
         "\nraw: pread of 256 KiB at a time, CRC-32C of each record.\n"
         "A call of next gives a record, and reads the file when it has to; one of next_batch "
         "gives\n"
         "what has been read; of raw it is the check of a record alone: compare records/s.\n"
         "All look into each cache line of a record.\n" +
         peers_text(r);
}

json::object json_of(const findings& f) {
  json::object made = to_json(f.next);
  add_rate_ratio(made, f.next_to_raw);
  json::object batch = to_json(f.next_batch);
  add_rate_ratio(batch, f.next_batch_to_raw);
  made["next_batch"] = std::move(batch);
  made["raw"] = to_json(f.raw);
  return made;
}

json::object json_of(const reading_options& options, const report& r) {
  json::object made;
  for (const auto& [key, value] : json_of(r.hot)) made[key] = value;
  if (options.cold) made["cold"] = json_of(r.cold);
  json::object peers;
  for (std::size_t i = 0; i < r.peers.size(); ++i) {
    json::object each = to_json(r.hot.peers[i]);
    each["name"] = r.peers[i].name;
    each["settings"] = r.peers[i].settings;
    each["next_to_it"] = r.hot.next_to_peers[i].records_per_s.median;
    peers[r.peers[i].key] = std::move(each);
  }
  if (!peers.empty()) made["peers"] = std::move(peers);
  made["frame_bytes"] = r.frame_bytes;
  made["backend"] = backend_text(r.backend);
  json::object given = to_json(options.log);
  given["records"] = options.records;
  add_length(given, options.run);
  return document_of("read", made, std::move(given), r);
}

report measure(const reading_options& options) {
  report made;
  site here(options.run.dir, made);
  const framing found = find_framing(options.log, here.path());
  made.frame_bytes = found.frame_bytes;
  made.backend = found.backend;
  if (options.peers) {
    made.peers = peers_for(fsync_policy::os(), {});
    std::erase_if(made.peers, [](const peer_kind& each) { return !each.open_to_scan; });
  }
  // The log, the raw file, and twice as much for each of the others.
  here.need(2.0 * static_cast<double>(1 + made.peers.size()) *
                static_cast<double>(options.records * found.frame_bytes) +
            2.0 * static_cast<double>(options.log.segment_bytes));

  const auto log_dir = here.path() / "log";
  const auto raw_file = here.path() / "raw";
  write_log(options.log, options.records, log_dir);
  raw::write_frames(raw_file, make_value(options.log.size), found.frame_bytes, options.records);
  for (const peer_kind& each : made.peers) {
    fill_peer(each, here.path() / each.key, options.log.size, options.records);
  }
  // What reading brings into the page cache lies differently there than what writing leaves.
  raw::drop_cached(here.path());

  const auto log_once = [&](read_call call, const std::function<void()>& before) {
    return read_log_once(options.log, options.records, log_dir, call, before);
  };
  const auto raw_once = [&] {
    return take_pass([&](turn& now) { raw::read_frames(raw_file, now); });
  };
  // Fills it, and finds out whether everything is there.
  static_cast<void>(log_once(read_call::next, [] {}));
  static_cast<void>(raw_once());
  for (const peer_kind& each : made.peers) {
    scan_peer_once(each, here.path() / each.key, options.records);
  }

  std::vector<contestant> hot;
  for (const read_call call : {read_call::next, read_call::next_batch}) {
    hot.emplace_back(call == read_call::next ? "next" : "next_batch", [&, call](double seconds) {
      return read_log(options.log, options.records, log_dir, call, seconds);
    });
  }
  hot.emplace_back("raw", [&](double seconds) {
    return take_turn(seconds, here.path(), 1, [&](turn& now) {
      while (now.now() != phase::over) raw::read_frames(raw_file, now);
    });
  });
  for (const peer_kind& each : made.peers) {
    hot.emplace_back(each.name, [&](double seconds) {
      return scan_peer(each, here.path() / each.key, options.records, seconds);
    });
  }
  made.hot =
      findings_of(take_rounds(hot, options.run.rounds, options.run.seconds), made.peers.size());
  here.doubt(made.hot.next_to_raw.records_per_s);

  if (options.cold) {
    const auto drop = [&] { raw::drop_cached(here.path()); };
    std::vector<contestant> cold;
    for (const read_call call : {read_call::next, read_call::next_batch}) {
      cold.emplace_back(call == read_call::next ? "next, cold" : "next_batch, cold",
                        [&, call](double) { return log_once(call, drop); });
    }
    cold.emplace_back("raw, cold", [&](double) {
      drop();
      return raw_once();
    });
    made.cold = findings_of(take_rounds(cold, options.run.rounds, options.run.seconds), 0);
  }
  return made;
}

}  // namespace

int read_verb(arguments given) {
  reading_options options;
  return carry_out(given, introduction, table_of(options), options.run, [&]() -> outcome {
    check(options.log);
    const report made = measure(options);
    return {table_text(options, made), made.warnings, json_of(options, made)};
  });
}

}  // namespace nori::bench
