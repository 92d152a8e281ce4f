#include "monitoring/figures_text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace nori::cli {

namespace {

template <typename... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

std::uint64_t whole(double value) {
  return static_cast<std::uint64_t>(std::llround(std::clamp(value, 0.0, 1e18)));
}

std::string rate_text(double per_second) {
  if (per_second > 0 && per_second < 10) return formatted("%.1f/s", per_second);
  return count_text(whole(per_second)) + "/s";
}

std::string estimate_text(const estimate& of) {
  return (of.or_more ? "> " : "") + seconds_text(of.value);
}

std::string quantiles_text(const std::optional<latencies>& of) {
  if (!of) return "none meanwhile";
  return "p50 " + estimate_text(of->p50) + "   p99 " + estimate_text(of->p99);
}

std::string short_quantile(const std::optional<latencies>& of, estimate latencies::* which) {
  return of ? estimate_text(*of.*which) : "-";
}

std::string catching_up(const lag_of_reader& of) {
  if (!of.change_per_second) return "";
  if (of.events == 0) return "up to date";
  const double change = *of.change_per_second;
  if (change < 0) return "in " + seconds_text(of.events / -change);
  return change == 0 ? "stays" : "falls behind";
}

void add_readers(std::vector<std::string>& to, const service_figures& of, const output& colours) {
  to.emplace_back();
  table rows({"reader", "", "events behind", "change", "catches up"});
  for (const lag_of_reader& each : of.readers) {
    std::string behind = catching_up(each);
    if (each.unacknowledged) {
      behind += "  " + count_text(whole(*each.unacknowledged)) + " not acknowledged";
    }
    if (each.poisonous > 0) behind += "  " + count_text(whole(each.poisonous)) + " poisonous";
    std::string change = "-";
    if (each.change_per_second) {
      const double rate = *each.change_per_second;
      change = (rate > 0 ? "+" : rate < 0 ? "-" : "") + rate_text(std::abs(rate));
    }
    rows.add({printable(each.name), each.what, count_text(whole(each.events)), change, behind});
  }
  for (std::string& each : rows.lines(colours, {2, 3})) to.push_back(std::move(each));
}

// Whole where it is: 64, not 6.4E1.
boost::json::value json_number(double of) {
  constexpr double exact_max = 9007199254740992;
  if (std::abs(of) < exact_max && std::trunc(of) == of) return static_cast<std::int64_t>(of);
  return of;
}

boost::json::value json_or_null(const std::optional<double>& of) {
  return of ? json_number(*of) : boost::json::value(nullptr);
}

boost::json::value json_or_null(const std::optional<latencies>& of) {
  if (!of) return nullptr;
  boost::json::object made;
  made["count"] = json_number(of->count);
  made["p50"] = of->p50.value;
  made["p99"] = of->p99.value;
  // Above the last bucket: the values are its bound.
  if (of->p99.or_more) made["p99_or_more"] = true;
  if (of->p50.or_more) made["p50_or_more"] = true;
  return made;
}

constexpr const char* columns_of_a_line = "%-24s  %11s  %13s  %9s  %9s  %8s  %9s  %8s";

}  // namespace

std::string seconds_text(double seconds) {
  if (seconds < 1e-3) return formatted("%.0f us", seconds * 1e6);
  if (seconds < 0.1) return formatted("%.1f ms", seconds * 1e3);
  if (seconds < 1) return formatted("%.0f ms", seconds * 1e3);
  if (seconds < 100) return formatted("%.1f s", seconds);
  if (seconds < 7200) return formatted("%.0f min", seconds / 60);
  return formatted("%.0f h", seconds / 3600);
}

std::vector<std::string> lines_of(const service_figures& of, const output& colours) {
  std::vector<std::string> made;
  if (of.restarted) {
    made.push_back(colours.tinted(tint::warning,
                                  "restarted  the service began anew since the "
                                  "last look: figures are from its beginning on"));
  }
  if (of.seconds > 0) {
    made.push_back("appends    " + colours.tinted(tint::strong, rate_text(of.appends_per_second)) +
                   "   " + bytes_text(whole(of.bytes_per_second)) + "/s");
    if (of.is_store) {
      made.push_back("events     " + rate_text(of.events_per_second) + "   conflicts " +
                     rate_text(of.conflicts_per_second) + "   an append takes " +
                     quantiles_text(of.append));
    }
    made.push_back("sync       " + quantiles_text(of.sync) + "   " +
                   rate_text(of.syncs_per_second));
    made.push_back("group      " +
                   (of.records_per_write ? formatted("%.1f records", *of.records_per_write)
                                         : std::string("nothing was written")) +
                   "   " + rate_text(of.writes_per_second));
  } else {
    made.emplace_back("appends    figures per second come with the second look");
  }
  made.push_back("queue      " +
                 (of.queue_records
                      ? counted(whole(*of.queue_records), "record") + " not durable yet"
                      : std::string("not told")) +
                 (of.queue_bytes ? "   " + bytes_text(whole(*of.queue_bytes)) + " in the buffer"
                                 : std::string()));
  std::string log = of.segments ? counted(whole(*of.segments), "segment") : "not told";
  if (of.next_global_position) {
    log += "   next event " + count_text(whole(*of.next_global_position));
  }
  if (of.recovered_records) {
    log += "   opened with " + counted(whole(*of.recovered_records), "record");
  }
  if (of.truncated_bytes && *of.truncated_bytes > 0) {
    log += ", " + bytes_text(whole(*of.truncated_bytes)) + " of an unfinished write cut off";
  }
  made.push_back("log        " + log);
  std::string failures;
  for (const auto& [operation, count] : of.failures) {
    if (count <= 0) continue;
    failures +=
        (failures.empty() ? "" : ", ") + printable(operation) + " " + count_text(whole(count));
  }
  if (!failures.empty()) {
    made.push_back(colours.tinted(tint::bad, "FAILED     " + failures) +
                   "   see the disk and the service's log; a log whose write or sync failed takes "
                   "nothing until it is reopened");
  }
  if (!of.readers.empty()) add_readers(made, of, colours);
  return made;
}

std::string titles_of_a_line() {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), columns_of_a_line, "time", "appends", "bytes", "sync p50",
                "p99", "group", "queue", "lag");
  return text.data();
}

std::string line_of(const service_figures& of, event_time when) {
  std::array<char, 256> text{};
  const std::string lag = of.readers.empty() ? "-" : count_text(whole(of.readers.front().events));
  std::snprintf(text.data(), text.size(), columns_of_a_line, time_text(when).c_str(),
                rate_text(of.appends_per_second).c_str(),
                (bytes_text(whole(of.bytes_per_second)) + "/s").c_str(),
                short_quantile(of.sync, &latencies::p50).c_str(),
                short_quantile(of.sync, &latencies::p99).c_str(),
                of.records_per_write ? formatted("%.1f", *of.records_per_write).c_str() : "-",
                of.queue_records ? count_text(whole(*of.queue_records)).c_str() : "-", lag.c_str());
  std::string made = text.data();
  if (of.restarted) made += "  restarted";
  if (!of.failures.empty()) made += "  FAILED: " + printable(of.failures.begin()->first);
  return made;
}

boost::json::object json_of(const service_figures& of, const std::string& url, event_time when) {
  boost::json::object made;
  made["at"] = exact_time_text(when);
  made["url"] = url;
  made["seconds"] = of.seconds;
  made["restarted"] = of.restarted;
  made["appends_per_second"] = of.appends_per_second;
  made["bytes_per_second"] = of.bytes_per_second;
  made["writes_per_second"] = of.writes_per_second;
  made["records_per_write"] = json_or_null(of.records_per_write);
  made["syncs_per_second"] = of.syncs_per_second;
  made["sync_seconds"] = json_or_null(of.sync);
  made["queue_records"] = json_or_null(of.queue_records);
  made["queue_bytes"] = json_or_null(of.queue_bytes);
  made["segments"] = json_or_null(of.segments);
  made["recovered_records"] = json_or_null(of.recovered_records);
  made["truncated_bytes"] = json_or_null(of.truncated_bytes);
  boost::json::object failures;
  for (const auto& [operation, count] : of.failures)
    failures[printable(operation)] = json_number(count);
  made["failures"] = std::move(failures);
  if (of.is_store) {
    made["events_per_second"] = of.events_per_second;
    made["conflicts_per_second"] = of.conflicts_per_second;
    made["append_seconds"] = json_or_null(of.append);
    made["next_global_position"] = json_or_null(of.next_global_position);
  }
  boost::json::array readers;
  for (const lag_of_reader& each : of.readers) {
    boost::json::object one;
    one["name"] = printable(each.name);
    one["what"] = each.what;
    one["events_behind"] = json_number(each.events);
    one["change_per_second"] = json_or_null(each.change_per_second);
    if (each.unacknowledged) one["unacknowledged"] = json_number(*each.unacknowledged);
    if (each.poisonous > 0) one["poisonous"] = json_number(each.poisonous);
    readers.push_back(std::move(one));
  }
  made["readers"] = std::move(readers);
  return made;
}

}  // namespace nori::cli
