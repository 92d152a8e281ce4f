#include <boost/json/array.hpp>

#include <map>

#include <nori/inspect.hpp>

#include "source.hpp"
#include "verbs/verbs.hpp"

namespace nori::cli {

namespace {

struct event_facts {
  std::uint64_t first = 0;
  std::uint64_t next = 0;
  std::uint64_t streams = 0;
  std::uint64_t indexes_to_rebuild = 0;
  std::optional<event_time> oldest;
  std::optional<event_time> newest;
  /// Only where there are few events: they have to be read.
  std::map<std::string, std::uint64_t> types;
  bool types_known = false;
};

// More are not read just for a summary.
constexpr std::uint64_t events_counted_max = 1'000'000;
constexpr std::size_t streams_at_once = 10'000;

asio::awaitable<std::optional<event_time>> time_at(const event_store* store, direction from_end) {
  read_events how;
  how.order = from_end;
  how.limit = 1;
  event_reader events = store->read_all(how);
  const std::optional<recorded_event> found = co_await events.next();
  if (!found) co_return std::nullopt;
  co_return found->recorded_at;
}

asio::awaitable<event_facts> facts_of(const event_store* store, std::uint64_t to_rebuild,
                                      progress_line* progress) {
  event_facts facts;
  facts.first = store->first_global_position();
  facts.next = store->next_global_position();
  facts.indexes_to_rebuild = to_rebuild;
  facts.oldest = co_await time_at(store, direction::forwards);
  facts.newest = co_await time_at(store, direction::backwards);
  const std::string every;
  for (std::string after;;) {
    const std::vector<stream_head> some = co_await store->streams(every, after, streams_at_once);
    facts.streams += some.size();
    if (some.size() < streams_at_once) break;
    after = some.back().stream;
  }
  if (facts.next - facts.first <= events_counted_max) {
    facts.types_known = true;
    event_reader events = store->read_all();
    for (;;) {
      const auto some = co_await events.next_batch();
      if (some.empty()) break;
      for (const recorded_event& each : some) ++facts.types[std::string(each.type)];
      progress->count(some.back().global_position + 1 - facts.first, facts.next - facts.first);
    }
  }
  co_return facts;
}

std::string_view name_of(segment_state state) {
  switch (state) {
    case segment_state::intact:
      return "intact";
    case segment_state::unfinished:
      return "unfinished";
    case segment_state::damaged:
      return "damaged";
    case segment_state::missing:
      return "missing";
  }
  return "?";
}

boost::json::object json_of_report(const log_report& report) {
  boost::json::object made;
  made["log_id"] = report.log_id;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  boost::json::array segments;
  for (const segment_report& each : report.segments) {
    boost::json::object one;
    one["id"] = each.id;
    one["file"] = each.file;
    one["state"] = name_of(each.state);
    one["file_bytes"] = each.file_bytes;
    one["end"] = each.end;
    if (each.records) one["records"] = *each.records;
    if (each.created) one["created"] = exact_time_text(*each.created);
    if (!each.detail.empty()) one["detail"] = each.detail;
    segments.push_back(std::move(one));
    bytes += each.file_bytes;
    records += each.records.value_or(0);
  }
  made["sound"] = report.sound();
  made["records"] = report.recovery ? report.recovery->valid_records : records;
  made["bytes_on_disk"] = bytes;
  if (!report.refusal.empty()) made["refusal"] = report.refusal;
  if (report.recovery) {
    boost::json::object found;
    found["clean_close"] = report.recovery->clean_close;
    found["bytes_truncated"] = report.recovery->bytes_truncated;
    found["bytes_from_staging"] = report.recovery->bytes_from_staging;
    made["recovery"] = std::move(found);
  }
  made["segments"] = std::move(segments);
  return made;
}

// What opening it now would find, in a sentence.
std::string recovery_text(const log_report& report) {
  if (!report.recovery) return "would be refused: " + report.refusal;
  const recovery_info& found = *report.recovery;
  if (found.clean_close) return "the log was closed properly: nothing to recover";
  std::string text = "the log is open, or was not closed";
  if (found.bytes_from_staging != 0) {
    text += "; " + bytes_text(found.bytes_from_staging) + " of it are still in the staging file";
  }
  if (found.bytes_truncated != 0) {
    text += "; " + bytes_text(found.bytes_truncated) + " of an unfinished write would be cut off";
  }
  return text;
}

void print_segments(const log_report& report, output& to) {
  table rows({"segment", "state", "records", "used", "on disk", "begun", ""});
  for (const segment_report& each : report.segments) {
    rows.add({std::to_string(each.id), std::string(name_of(each.state)),
              each.records ? count_text(*each.records) : "?", bytes_text(each.end),
              bytes_text(each.file_bytes), each.created ? time_text(*each.created) : "",
              each.detail});
  }
  rows.print(to, {0, 2, 3, 4});
}

void put_events(boost::json::object& made, const event_facts& facts) {
  boost::json::object events;
  events["events"] = facts.next - facts.first;
  events["first_global_position"] = facts.first;
  events["next_global_position"] = facts.next;
  events["streams"] = facts.streams;
  if (facts.oldest) events["oldest"] = exact_time_text(*facts.oldest);
  if (facts.newest) events["newest"] = exact_time_text(*facts.newest);
  events["indexes_to_rebuild"] = facts.indexes_to_rebuild;
  if (facts.types_known) {
    boost::json::object types;
    for (const auto& [name, count] : facts.types) types[printable(name)] = count;
    events["types"] = std::move(types);
  }
  made["store"] = std::move(events);
}

void print_events(const event_facts& facts, output& to) {
  to.line("events     " + count_text(facts.next - facts.first) + " in " +
          counted(facts.streams, "stream") + ", global positions " + std::to_string(facts.first) +
          " to " + std::to_string(facts.next - 1));
  if (facts.oldest && facts.newest) {
    to.line("recorded   " + time_text(*facts.oldest) + " to " + time_text(*facts.newest));
  }
  to.line("index      " + (facts.indexes_to_rebuild == 0
                               ? std::string("complete")
                               : counted(facts.indexes_to_rebuild, "segment") +
                                     " without: made when a service opens it, or by nori reindex"));
  if (!facts.types_known) return;
  to.line("");
  table rows({"type", "events"});
  for (const auto& [name, count] : facts.types) rows.add({printable(name), count_text(count)});
  rows.print(to, {1});
}

}  // namespace

asio::awaitable<int> info(const arguments& with, output& to) {
  const std::filesystem::path dir = with.dir;
  const inspect_options how;
  const log_report report = co_await inspect_log(dir, how);
  std::optional<event_facts> events;
  if (report.recovery) {
    const source in = co_await open_for_reading(with.dir);
    if (in.has_events()) {
      const event_store* const store = &*in.store;
      progress_line progress(with, "counting events");
      events = co_await facts_of(store, in.store_recovered->indexes_to_rebuild, &progress);
    }
  }
  const int status = report.sound() ? status_done : status_damaged;
  if (with.json) {
    boost::json::object made = json_of_report(report);
    if (events) put_events(made, *events);
    to.json(made);
    co_return status;
  }
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  for (const segment_report& each : report.segments) {
    bytes += each.file_bytes;
    records += each.records.value_or(0);
  }
  to.line("log        " + (report.log_id.empty() ? "of unknown identity" : report.log_id) +
          (events ? ", an event store" : ""));
  to.line("size       " + counted(records, "record") + " in " +
          counted(report.segments.size(), "segment") + ", " + bytes_text(bytes) + " on disk");
  to.line("state      " +
          (report.sound() ? to.tinted(tint::good, "sound") : to.tinted(tint::bad, "DAMAGED")) +
          (report.sound() ? " as far as info looks; nori verify reads every byte" : ""));
  to.line("opening    " + recovery_text(report));
  if (events) print_events(*events, to);
  to.line("");
  print_segments(report, to);
  if (status != status_done) {
    throw stop(status, "the log is damaged", damage_advice(with.dir));
  }
  co_return status;
}

asio::awaitable<int> verify(const arguments& with, output& to) {
  progress_line progress(with, "verifying");
  inspect_options how;
  how.every_byte = true;
  how.progress = [&progress](std::uint64_t done, std::uint64_t total) { progress(done, total); };
  const std::filesystem::path dir = with.dir;
  const auto began = std::chrono::steady_clock::now();
  const log_report report = co_await inspect_log(dir, how);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const int status = report.sound() ? status_done : status_damaged;
  if (with.json) {
    boost::json::object made = json_of_report(report);
    made["bytes_read"] = report.bytes_read;
    made["seconds"] = took.count();
    to.json(made);
    co_return status;
  }
  print_segments(report, to);
  to.line("");
  if (!report.sound()) {
    std::uint64_t damaged = 0;
    for (const segment_report& each : report.segments) {
      damaged += each.state == segment_state::damaged || each.state == segment_state::missing;
    }
    throw stop(status,
               report.refusal.empty()
                   ? counted(damaged, "segment") + " of " + count_text(report.segments.size()) +
                         " damaged or missing; a service would not notice before it reads there"
                   : report.refusal,
               damage_advice(with.dir, true));
  }
  to.line(to.tinted(tint::good, "sound") + ": every record of " +
          counted(report.segments.size(), "segment") + " was read (" +
          bytes_text(report.bytes_read) + ") and is intact");
  co_return status;
}

}  // namespace nori::cli
