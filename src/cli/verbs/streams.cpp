// streams and show: what an event store has, by stream.

#include <boost/json/serialize.hpp>

#include <nori/store/json.hpp>

#include <algorithm>

#include "folds.hpp"
#include "selection.hpp"
#include "source.hpp"
#include "verbs/verbs.hpp"

namespace nori::cli {

namespace {

constexpr std::size_t heads_at_once = 1000;

void print_event(const recorded_event& event, output& to) {
  to.line(
      to.tinted(tint::strong, "@" + std::to_string(event.revision) + "  " + printable(event.type)) +
      (event.version == 1 ? "" : " (version " + std::to_string(event.version) + ")") + "  " +
      to.tinted(tint::faint, time_text(event.recorded_at) + "  global position " +
                                 std::to_string(event.global_position)));
  if (!event.tags.empty()) {
    std::string tags = "    tags ";
    for (const std::string_view tag : event.tags) tags += " " + printable(tag);
    to.line(tags);
  }
  if (!event.metadata.empty()) to.line("    metadata  " + printable(event.metadata));
  to.line("    " + printable(event.data));
}

[[noreturn]] void no_such_stream(const arguments& with, const std::vector<stream_head>& similar) {
  std::string advice;
  for (const stream_head& each : similar) {
    advice += (advice.empty() ? "there is " : ", ") + printable(each.stream);
  }
  if (advice.empty()) advice = "see which there are: nori streams " + with.dir;
  throw stop(status_not_there, "there is no stream " + printable(with.stream), advice);
}

}  // namespace

asio::awaitable<int> streams(const arguments& with, output& to) {
  const source in = co_await open_events(with.dir);
  table rows({"stream", "events", "last revision"});
  std::uint64_t left = with.limit;
  std::string after;
  std::uint64_t shown = 0;
  while (left != 0) {
    const std::size_t some_max =
        static_cast<std::size_t>(std::min<std::uint64_t>(heads_at_once, left));
    const std::string prefix = with.prefix;
    const std::vector<stream_head> some = co_await in.store->streams(prefix, after, some_max);
    for (const stream_head& each : some) {
      if (with.json) {
        boost::json::object made;
        put_bytes(made, "stream", each.stream);
        made["revision"] = each.revision;
        to.json(made);
      } else if (with.names) {
        to.line(printable(each.stream));
      } else {
        rows.add(
            {printable(each.stream), count_text(each.revision + 1), std::to_string(each.revision)});
      }
    }
    shown += some.size();
    left -= some.size();
    if (some.size() < some_max) break;
    after = some.back().stream;
  }
  if (!with.json && !with.names && shown != 0) rows.print(to, {1, 2});
  if (shown != 0 || with.prefix.empty()) co_return status_done;
  throw stop(status_not_there, "no stream begins with " + printable(with.prefix));
}

asio::awaitable<int> show(const arguments& with, output& to) {
  source in = co_await open_events(with.dir);
  const std::string name = with.stream;
  const std::optional<std::uint64_t> head = co_await in.store->head(name);
  if (!head) {
    const std::string prefix = name.substr(0, name.size() / 2);
    const std::string after;
    const std::vector<stream_head> similar = co_await in.store->streams(prefix, after, 3);
    no_such_stream(with, similar);
  }
  read_events how = co_await reading_of(&with, &in);
  how.from.reset();
  // In a stream, places are revisions.
  if (with.from) how.from = with.from->global_position;
  const fold* const folding = with.fold.empty() ? nullptr : find_fold(with.fold);
  boost::json::value state;
  std::uint64_t shown = 0;
  std::uint64_t not_json = 0;
  event_reader events = in.store->read_stream(name, how);
  while (shown < with.limit) {
    const std::span<const recorded_event> some = co_await events.next_batch();
    if (some.empty()) break;
    for (const recorded_event& each : some) {
      if (shown == with.limit) break;
      if (!matches(with, each)) continue;
      if (with.since && each.recorded_at < *with.since) continue;
      ++shown;
      if (folding != nullptr) {
        const auto data = parse_json(each.data);
        if (data) {
          folding->apply(state, each, *data);
        } else {
          ++not_json;
        }
      } else if (with.json) {
        to.json(json_of(each));
      } else {
        print_event(each, to);
      }
    }
  }
  if (folding == nullptr) co_return status_done;
  boost::json::object made;
  made["stream"] = printable(name);
  made["events"] = shown;
  if (not_json != 0) made["events_that_are_no_json"] = not_json;
  made["state"] = state;
  if (with.json) {
    to.json(made);
  } else {
    to.line(to.tinted(tint::faint, counted(shown, "event") + " of " + printable(name) + ", " +
                                       std::string(folding->name)) +
            (not_json != 0 ? to.tinted(tint::warning,
                                       "; " + counted(not_json, "event") + " left out: no JSON")
                           : ""));
    to.line(boost::json::serialize(state));
  }
  co_return status_done;
}

}  // namespace nori::cli
