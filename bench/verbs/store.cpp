#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/child.hpp"
#include "common/copies.hpp"
#include "common/machine.hpp"
#include "common/measure.hpp"
#include "common/options.hpp"
#include "common/quantities.hpp"
#include "common/report.hpp"
#include "common/scratch.hpp"
#include "common/site.hpp"
#include "raw/append_contestant.hpp"
#include "raw/files.hpp"
#include "raw/read_loop.hpp"
#include "verbs/carry_out.hpp"
#include "workload/context.hpp"
#include "workload/store_appends.hpp"
#include "workload/store_filling.hpp"
#include "workload/store_reads.hpp"

namespace nori::bench {

namespace {

constexpr std::string_view introduction =
    "nori-bench store: what the event store does\n"
    "\n"
    "Conditional appends under fsync_policy::always, one event or a batch in each, in turn with a\n"
    "raw loop that writes as many events durably at once as there are writers: what perfect group\n"
    "commit gives. Then a store is filled, and opened, killed, scanned, and read by stream and by\n"
    "tag. Reads find the files in the page cache, openings as the system has them.\n"
    "\n"
    "  nori-bench store --dir /var/lib/x\n"
    "  nori-bench store --work scan,stream --events 1M --streams 100k\n";

struct store_options {
  run_options run;
  store_shape shape;
  std::uint64_t writers = 64;
  std::uint64_t readers = 64;
  std::uint64_t batch = 512;
  std::uint64_t batch_writers = 8;
  std::vector<std::string> work;  ///< empty: all

  [[nodiscard]] bool does(std::string_view name) const {
    return work.empty() || std::find(work.begin(), work.end(), name) != work.end();
  }
};

constexpr std::string_view works[] = {"append", "batch", "open", "scan", "stream", "tag"};

std::vector<std::string> parse_work(std::string_view text) {
  std::vector<std::string> made;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view name = text.substr(0, comma);
    if (std::find(std::begin(works), std::end(works), name) == std::end(works)) {
      throw std::invalid_argument("any of append, batch, open, scan, stream, tag, with commas");
    }
    made.emplace_back(name);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return made;
}

option_table table_of(store_options& to) {
  const auto count = [](std::uint64_t& into, std::uint64_t highest) {
    return
        [&into, highest](std::string_view text) { into = within(parse_count(text), 1, highest); };
  };
  option_table table;
  table.add_heading("The load:");
  table.add("work", "NAMES", "Of append, batch, open, scan, stream, tag, with commas. (all)",
            [&to](std::string_view text) { to.work = parse_work(text); });
  table.add("size", "BYTES", "Of an event's data. Up to 1MiB. (256)", [&to](std::string_view text) {
    to.shape.log.size = within(parse_bytes(text), 1, size_max);
  });
  table.add("writers", "N", "Coroutines that append one event at a time. (64)",
            count(to.writers, 100'000));
  table.add("batch", "N", "Events in one append of the work batch. (512)", count(to.batch, 65536));
  table.add("batch-writers", "N", "Coroutines that append batches. (8)",
            count(to.batch_writers, 100'000));
  table.add("events", "N", "In the store that is read. (10M)",
            count(to.shape.events, 1'000'000'000));
  table.add("streams", "N", "Over which they are spread, one after the other. (1M)",
            count(to.shape.streams, 100'000'000));
  table.add("tags", "N", "The same; each event carries one. (100k)",
            count(to.shape.tags, 100'000'000));
  table.add("readers", "N", "Coroutines that read by tag. (64)", count(to.readers, 100'000));
  add_log_options(table, to.shape.log);
  add_run_options(table, to.run, length::by_each_work);
  return table;
}

void check(const store_options& options) {
  check(options.shape.log);
  if (options.shape.events < std::max(options.shape.streams, options.shape.tags)) {
    throw usage_error("--events: fewer than --streams or --tags");
  }
}

/// One work that took turns, with or without a raw side.
struct compared {
  figures ours;
  std::optional<figures> raw;
  std::string raw_loop;  ///< what it does
  ratios to_raw;
};

/// How a store of some events opens; milliseconds.
struct openings {
  std::uint64_t events = 0;
  std::uint64_t streams = 0;
  double fill_events_per_s = 0;
  std::uint64_t resident_filling = 0;  ///< the highest, as for the others
  spread after_close_ms;
  spread after_kill_ms;
  std::uint64_t resident_open = 0;  ///< after opening
  std::uint64_t resident_read = 0;  ///< after a scan and some reads as well
};

struct report : conditions {
  std::size_t frame_bytes = 0;
  std::optional<compared> append;
  std::optional<compared> batch;
  std::vector<openings> open;
  std::optional<compared> scan;
  std::optional<compared> stream;
  std::optional<compared> tag;

  report() = default;
};

double milliseconds_since(clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(clock::now() - begin).count();
}

compared measure_appends(const store_options& options, const std::filesystem::path& scratch,
                         std::uint64_t writers, std::uint64_t batch, const report& into) {
  conditional_load load;
  load.log = options.shape.log;
  load.writers = writers;
  load.batch = batch;
  raw::append_job job;
  job.body = make_value(options.shape.log.size);
  job.frame_bytes = into.frame_bytes;
  job.file_bytes = options.shape.log.segment_bytes;
  raw::append_contestant rival = raw::make_append_contestant(
      std::move(job), writers * batch, into.here, scratch, std::min(2.0, options.run.seconds / 5));
  std::vector<contestant> sides;
  sides.emplace_back("conditional appends", [&](double seconds) {
    const scratch_directory mine(scratch);
    turn_result result = append_conditionally(load, mine.path() / "store", seconds);
    settle(mine.path());
    return result;
  });
  sides.push_back(std::move(rival.side));
  const auto rounds = take_rounds(sides, options.run.rounds, options.run.seconds);
  return {figures_of(rounds, 0), figures_of(rounds, 1), std::move(rival.loop),
          ratios_of(rounds, 0, 1)};
}

json::value fill_in_child(const store_shape& shape, const std::filesystem::path& dir) {
  return in_child([&](const auto& tell) {
    context on(1, [](std::size_t) {});
    open_event_store store(on, shape.log, fsync_policy::os(), dir);
    const filling done = fill(on, *store, shape);
    const std::uint64_t resident = resident_bytes_max();
    store.close();
    tell(json::object{{"events_per_s", static_cast<double>(done.events) / done.seconds},
                      {"resident", resident}});
  });
}

/// Opens a store in a process of its own.
json::value open_in_child(const store_shape& shape, const std::filesystem::path& dir,
                          const std::function<void(context&, event_store&)>& then, bool kill) {
  return in_child([&](const auto& tell) {
    context on(1, [](std::size_t) {});
    const auto begin = clock::now();
    open_event_store store(on, shape.log, fsync_policy::os(), dir);
    const double took = milliseconds_since(begin);
    const std::uint64_t resident = resident_bytes_max();
    then(on, *store);
    if (!kill) store.close();
    tell(json::object{
        {"ms", took}, {"resident", resident}, {"resident_then", resident_bytes_max()}});
    if (kill) kill_this_process();
  });
}

std::uint64_t number(const json::value& of, const char* name) {
  return of.at(name).to_number<std::uint64_t>();
}

/// Leaves the filled and closed store in `dir`; those that are killed are copies.
openings measure_openings(const store_options& options, const store_shape& shape,
                          const std::filesystem::path& dir) {
  openings made;
  made.events = shape.events;
  made.streams = shape.streams;
  const json::value filled = fill_in_child(shape, dir);
  made.fill_events_per_s = filled.at("events_per_s").to_number<double>();
  made.resident_filling = number(filled, "resident");

  const auto nothing = [](context&, event_store&) {};
  std::vector<double> after_close;
  for (std::uint64_t round = 0; round < options.run.rounds; ++round) {
    const json::value opened = open_in_child(shape, dir, nothing, false);
    after_close.push_back(opened.at("ms").to_number<double>());
    made.resident_open = number(opened, "resident");
  }
  made.after_close_ms = spread_of(after_close);

  const std::filesystem::path killed = dir.string() + "-killed";
  copy_log(dir, killed);
  const auto go_on = [&](context& on, event_store& store) {
    fill_newest_segment(on, store, shape, shape.events);
  };
  static_cast<void>(open_in_child(shape, killed, go_on, true));
  std::vector<double> after_kill;
  for (std::uint64_t round = 0; round < options.run.rounds; ++round) {
    const std::filesystem::path fresh = dir.string() + "-opened";
    copy_log(killed, fresh);
    settle(dir);
    after_kill.push_back(open_in_child(shape, fresh, nothing, true).at("ms").to_number<double>());
    std::filesystem::remove_all(fresh);
  }
  made.after_kill_ms = spread_of(after_kill);
  std::filesystem::remove_all(killed);
  return made;
}

compared measure_reads(const store_options& options, const std::filesystem::path& scratch,
                       const std::filesystem::path& dir, store_read what, std::uint64_t readers,
                       const std::filesystem::path* raw_file) {
  std::vector<contestant> sides;
  sides.emplace_back("reading the store", [&](double seconds) {
    return read_store(options.shape, dir, what, readers, seconds);
  });
  if (raw_file != nullptr) {
    sides.emplace_back("raw", [&](double seconds) {
      return take_turn(seconds, scratch, 1, [&](turn& now) {
        while (now.now() != phase::over) raw::read_frames(*raw_file, now);
      });
    });
  }
  raw::bring_into_cache(dir);  // into the page cache, where direct writes left nothing
  const auto rounds = take_rounds(sides, options.run.rounds, options.run.seconds);
  compared made;
  made.ours = figures_of(rounds, 0);
  if (raw_file != nullptr) {
    made.raw = figures_of(rounds, 1);
    made.to_raw = ratios_of(rounds, 0, 1);
  }
  return made;
}

report measure(const store_options& options) {
  report made;
  site here(options.run.dir, made);
  made.frame_bytes = event_frame_bytes(options.shape, here.path());

  const bool reads = options.does("scan") || options.does("stream") || options.does("tag");
  const std::uint64_t needed =
      (options.does("scan") ? 2 : 1) * options.shape.events * made.frame_bytes * 5 / 4 +
      8 * options.shape.log.segment_bytes;
  if (reads || options.does("open")) here.need(static_cast<double>(needed));
  std::vector<spread> ratios;
  // The processes that are opened come first, while this one has little memory to inherit.
  const auto dir = here.path() / "store";
  if (options.does("open")) {
    store_shape tenth = options.shape;
    tenth.events = std::max<std::uint64_t>(1, tenth.events / 10);
    tenth.streams = std::max<std::uint64_t>(1, tenth.streams / 10);
    tenth.tags = std::max<std::uint64_t>(1, tenth.tags / 10);
    const scratch_directory small(here.path());
    made.open.push_back(measure_openings(options, tenth, small.path() / "store"));
    made.open.push_back(measure_openings(options, options.shape, dir));
  } else if (reads) {
    static_cast<void>(fill_in_child(options.shape, dir));
  }
  if (options.does("open")) {
    raw::bring_into_cache(dir);
    const json::value read = in_child([&](const auto& tell) {
      static_cast<void>(read_store(options.shape, dir, store_read::everything, 1, 2));
      static_cast<void>(read_store(options.shape, dir, store_read::one_stream, 1, 2));
      static_cast<void>(read_store(options.shape, dir, store_read::one_tag, options.readers, 2));
      tell(json::object{{"resident", resident_bytes_max()}});
    });
    made.open.back().resident_read = number(read, "resident");
  }
  if (options.does("scan")) {
    const scratch_directory raw_dir(here.path());
    const auto raw_file = raw_dir.path() / "raw";
    raw::write_frames(raw_file, make_value(options.shape.log.size), made.frame_bytes,
                      options.shape.events);
    raw::bring_into_cache(raw_dir.path());
    made.scan = measure_reads(options, here.path(), dir, store_read::everything, 1, &raw_file);
    ratios.push_back(made.scan->to_raw.records_per_s);
  }
  if (options.does("stream")) {
    made.stream = measure_reads(options, here.path(), dir, store_read::one_stream, 1, nullptr);
  }
  if (options.does("tag")) {
    made.tag =
        measure_reads(options, here.path(), dir, store_read::one_tag, options.readers, nullptr);
  }
  std::filesystem::remove_all(dir);
  settle(here.path());
  if (options.does("batch")) {
    made.batch = measure_appends(options, here.path(), options.batch_writers, options.batch, made);
    ratios.push_back(made.batch->to_raw.records_per_s);
  }
  if (options.does("append")) {
    made.append = measure_appends(options, here.path(), options.writers, 1, made);
    ratios.push_back(made.append->to_raw.records_per_s);
  }
  here.doubt(ratios);
  return made;
}

std::string range_text(const spread& of) {
  return digits_text(of.lowest) + " .. " + digits_text(of.highest);
}

std::string ms_text(const spread& of) { return time_text(of.median * 1e6); }

std::string table_text(const store_options& options, const report& r) {
  const store_shape& shape = options.shape;
  text_table table;
  table.add({"", "nori", "raw", "nori / raw", "lowest .. highest", "p50", "p99", "p99.9",
             "CPU/event", "allocations/call"});
  const auto add = [&](std::string name, const std::optional<compared>& of) {
    if (!of) return;
    table.add({std::move(name), count_text(of->ours.records_per_s.median) + "/s",
               of->raw ? count_text(of->raw->records_per_s.median) + "/s" : "",
               of->raw ? digits_text(of->to_raw.records_per_s.median) : "",
               of->raw ? range_text(of->to_raw.records_per_s) : "",
               time_text(of->ours.p50_ns.median), time_text(of->ours.p99_ns.median),
               time_text(of->ours.p999_ns.median), time_text(of->ours.cpu_ns_per_record.median),
               digits_text(of->ours.allocations_per_call.median)});
  };
  add("conditional appends, " + std::to_string(options.writers) + " writers", r.append);
  add("batches of " + std::to_string(options.batch) + ", " + std::to_string(options.batch_writers) +
          " writers",
      r.batch);
  add("full scan", r.scan);
  add("one stream", r.stream);
  add("by tag, " + std::to_string(options.readers) + " readers", r.tag);

  std::string text = "events of " + std::to_string(shape.log.size) + " B (" +
                     std::to_string(r.frame_bytes) + " B in the log); events/s, times of a call\n" +
                     machine_text(r.here) + "\n\n" + table.text();
  if (!r.open.empty()) {
    text_table opens;
    opens.add({"opening", "after close", "after a kill", "filled with", "resident: filling", "open",
               "after reading"});
    for (const openings& each : r.open) {
      opens.add(
          {count_text(static_cast<double>(each.events)) + " events in " +
               count_text(static_cast<double>(each.streams)) + " streams",
           ms_text(each.after_close_ms), ms_text(each.after_kill_ms),
           count_text(each.fill_events_per_s) + "/s",
           bytes_text(static_cast<double>(each.resident_filling)),
           bytes_text(static_cast<double>(each.resident_open)),
           each.resident_read == 0 ? "" : bytes_text(static_cast<double>(each.resident_read))});
    }
    text += "\n" + opens.text();
  }
  text += "\n";
  if (r.append || r.batch) {
    text +=
        "appends: always; an acknowledged event survives a power cut. Each on its stream's "
        "revision, and on there being no newer event with its tag.\n";
  }
  if (r.append) text += "raw, single: " + r.append->raw_loop + "\n";
  if (r.batch) text += "raw, batches: " + r.batch->raw_loop + "\n";
  if (r.scan || r.stream || r.tag || !r.open.empty()) {
    text += "reads: " + count_text(static_cast<double>(shape.events)) + " events, " +
            count_text(static_cast<double>(shape.events) / static_cast<double>(shape.streams)) +
            " in a stream, " +
            count_text(static_cast<double>(shape.events) / static_cast<double>(shape.tags)) +
            " with a tag, as far apart as they can be; files in the page cache. raw: pread of 256 "
            "KiB, CRC-32C.\n";
  }
  if (!r.open.empty()) {
    text += "filled under os, an event in each append. Killed with the newest segment 90 % full.\n";
  }
  return text;
}

json::object json_of(const compared& of) {
  json::object made = to_json(of.ours);
  if (of.raw) {
    made["raw"] = to_json(*of.raw);
    add_ratios(made, of.to_raw);
  }
  return made;
}

json::object json_of(const openings& of) {
  json::object made;
  made["events"] = of.events;
  made["streams"] = of.streams;
  made["fill_events_per_s"] = of.fill_events_per_s;
  made["after_close_ms"] = of.after_close_ms.median;
  made["after_close_ms_spread"] = to_json(of.after_close_ms);
  made["after_kill_ms"] = of.after_kill_ms.median;
  made["after_kill_ms_spread"] = to_json(of.after_kill_ms);
  made["resident_filling_bytes"] = of.resident_filling;
  made["resident_open_bytes"] = of.resident_open;
  made["resident_read_bytes"] = of.resident_read;
  return made;
}

json::object json_of(const store_options& options, const report& r) {
  json::object made;
  const auto add = [&](const char* name, const std::optional<compared>& of) {
    if (of) made[name] = json_of(*of);
  };
  add("append", r.append);
  add("batch", r.batch);
  add("scan", r.scan);
  add("stream", r.stream);
  add("tag", r.tag);
  json::array open;
  for (const openings& each : r.open) open.push_back(json_of(each));
  made["open"] = std::move(open);
  made["frame_bytes"] = r.frame_bytes;
  json::object given = to_json(options.shape.log);
  given["writers"] = options.writers;
  given["batch"] = options.batch;
  given["batch_writers"] = options.batch_writers;
  given["events"] = options.shape.events;
  given["streams"] = options.shape.streams;
  given["tags"] = options.shape.tags;
  given["readers"] = options.readers;
  add_length(given, options.run);
  return document_of("store", made, std::move(given), r);
}

}  // namespace

int store_verb(arguments given) {
  store_options options;
  return carry_out(given, introduction, table_of(options), options.run, [&]() -> outcome {
    check(options);
    const report made = measure(options);
    return {table_text(options, made), made.warnings, json_of(options, made)};
  });
}

}  // namespace nori::bench
