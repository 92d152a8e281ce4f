// cat, tail, find: the same records or events, begun and ended differently.

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <deque>

#include "selection.hpp"
#include "source.hpp"
#include "verbs/verbs.hpp"

namespace nori::cli {

namespace {

constexpr auto look_again_after = std::chrono::milliseconds(200);
constexpr std::uint64_t tail_lines = 10;

void print(const recorded_event& event, const arguments& with, output& to) {
  if (with.json) {
    to.json(json_of(event));
    return;
  }
  to.line(to.tinted(tint::faint,
                    std::to_string(event.global_position) + "  " + time_text(event.recorded_at)) +
          "  " + printable(event.stream) + "@" + std::to_string(event.revision) + "  " +
          to.tinted(tint::strong, printable(event.type)) + "  " + printable(event.data));
}

void print(const entry& record, const arguments& with, output& to) {
  if (with.json) {
    to.json(json_of(record));
    return;
  }
  to.line(to.tinted(tint::faint, position_text(record.at)) + "  " +
          to.tinted(tint::strong, printable(record.key)) + "  " +
          (record.tombstone ? to.tinted(tint::warning, "(removed)") : printable(record.value)));
}

/// Where showing goes on.
struct shown {
  std::uint64_t count = 0;
  std::uint64_t next_global = 0;
  position next;
};

asio::awaitable<void> print_events(const arguments* with, output* to, source* in, read_events how,
                                   shown* so_far) {
  std::uint64_t least = 0;
  if (with->backwards) {
    arguments forwards = *with;
    forwards.backwards = false;
    const read_events lowest = co_await reading_of(&forwards, in);
    least = lowest.from.value_or(0);
  }
  if (how.limit == 0) co_return;
  const std::uint64_t end = in->store->next_global_position();
  const std::uint64_t begin = how.from.value_or(with->backwards ? end - 1 : 0);
  progress_line progress(progress_line::beside_output() && !with->follow, "reading");
  event_reader events = in->store->read_all(how);
  while (so_far->count < with->limit) {
    const std::span<const recorded_event> some = co_await events.next_batch();
    if (some.empty()) break;
    for (const recorded_event& each : some) {
      if (so_far->count == with->limit) break;
      if (with->backwards && each.global_position < least) co_return;
      if (!matches(*with, each)) continue;
      print(each, *with, *to);
      ++so_far->count;
    }
    const std::uint64_t at = some.back().global_position;
    if (with->backwards) {
      progress.count(begin - std::min(at, begin), begin - std::min(least, begin) + 1);
    } else {
      progress.count(at + 1 - std::min(at + 1, begin), end - std::min(end, begin));
    }
  }
  so_far->next_global = end;
}

asio::awaitable<void> print_records(const arguments* with, output* to, source* in, position from,
                                    shown* so_far) {
  std::optional<position> until;
  if (with->until) until = co_await position_of(in, *with->until);
  progress_line progress(progress_line::beside_output() && !with->follow, "reading");
  const std::uint64_t total = in->recovered.valid_records;
  std::uint64_t seen = 0;
  reader records = in->log.read_from(from);
  so_far->next = from;
  while (so_far->count < with->limit) {
    const std::span<const entry> some = co_await records.next_batch();
    if (some.empty()) break;
    for (const entry& each : some) {
      if (so_far->count == with->limit || (until && !(each.at < *until))) co_return;
      so_far->next = each.next;
      if (!matches(*with, each)) continue;
      print(each, *with, *to);
      ++so_far->count;
    }
    seen += some.size();
    progress.count(std::min(seen, total), total);
  }
}

asio::awaitable<shown> print_selected(const arguments* with, output* to) {
  source in = co_await open_for_reading(with->dir);
  shown so_far;
  if (in.has_events()) {
    read_events how = co_await reading_of(with, &in);
    co_await print_events(with, to, &in, std::move(how), &so_far);
  } else {
    check_for_records(*with);
    position from;
    if (with->from) from = co_await position_of(&in, *with->from);
    co_await print_records(with, to, &in, from, &so_far);
  }
  co_return so_far;
}

// Where the last `count` events that match begin.
asio::awaitable<std::uint64_t> last_events(const arguments* with, source* in, std::uint64_t count) {
  arguments from_end = *with;
  from_end.backwards = true;
  const read_events how = co_await reading_of(&from_end, in);
  std::uint64_t first = in->store->next_global_position();
  if (count == 0 || how.limit == 0) co_return first;
  event_reader events = in->store->read_all(how);
  while (count != 0) {
    const std::span<const recorded_event> some = co_await events.next_batch();
    if (some.empty()) break;
    for (const recorded_event& each : some) {
      if (count == 0) break;
      if (!matches(*with, each)) continue;
      first = each.global_position;
      --count;
    }
  }
  co_return first;
}

// The same of records. They are read forwards only: the newest segment first, then those before.
asio::awaitable<position> last_records(const arguments* with, source* in, std::uint64_t count) {
  std::deque<position> found;
  const position end = in->log.current_position();
  if (count == 0) co_return end;
  for (std::uint64_t id = end.segment_id; id != 0 && id >= in->log.first_position().segment_id;
       --id) {
    std::deque<position> here;
    position start;
    start.segment_id = id;
    reader records = in->log.read_from(start);
    for (bool inside = true; inside;) {
      const std::span<const entry> some = co_await records.next_batch();
      inside = !some.empty();
      for (const entry& each : some) {
        if (each.at.segment_id != id) {
          inside = false;
          break;
        }
        if (!matches(*with, each)) continue;
        here.push_back(each.at);
        if (here.size() > count) here.pop_front();
      }
    }
    found.insert(found.begin(), here.begin(), here.end());
    if (found.size() >= count) break;
  }
  while (found.size() > count) found.pop_front();
  co_return found.empty() ? end : found.front();
}

}  // namespace

asio::awaitable<int> cat(const arguments& with, output& to) {
  co_await print_selected(&with, &to);
  co_return status_done;
}

asio::awaitable<int> find(const arguments& with, output& to) {
  if (with.types.empty() && with.tags.empty() && with.prefix.empty() && with.text.empty() &&
      !with.since && !with.before_time) {
    throw stop(status_usage, "find what?",
               "give at least one of --type, --tag, --prefix, --text, --since, --before");
  }
  const shown found = co_await print_selected(&with, &to);
  if (found.count != 0) co_return status_done;
  throw stop(status_not_there, "nothing matches");
}

asio::awaitable<int> tail(const arguments& with, output& to) {
  const std::uint64_t lines = with.limit == UINT64_MAX ? tail_lines : with.limit;
  arguments rest = with;
  rest.limit = UINT64_MAX;
  shown so_far;
  {
    source in = co_await open_for_reading(with.dir);
    if (in.has_events()) {
      const std::uint64_t first = co_await last_events(&with, &in, lines);
      read_events how = co_await reading_of(&rest, &in);
      how.from = std::max(first, how.from.value_or(0));
      co_await print_events(&rest, &to, &in, std::move(how), &so_far);
    } else {
      check_for_records(with);
      const position from = co_await last_records(&with, &in, lines);
      co_await print_records(&rest, &to, &in, from, &so_far);
    }
  }
  // A log that another process writes shows its newest records to whoever opens it anew.
  asio::steady_timer pause(co_await asio::this_coro::executor);
  while (with.follow) {
    to.flush();
    const auto began = std::chrono::steady_clock::now();
    source in = co_await open_for_reading(with.dir);
    if (in.has_events()) {
      if (so_far.next_global < in.store->next_global_position()) {
        read_events how = co_await reading_of(&rest, &in);
        how.from = std::max(so_far.next_global, how.from.value_or(0));
        co_await print_events(&rest, &to, &in, std::move(how), &so_far);
      }
    } else if (so_far.next < in.log.current_position()) {
      co_await print_records(&rest, &to, &in, so_far.next, &so_far);
    }
    to.flush();
    // A large segment takes a while to open: most of the time the disk is left alone.
    const auto took = std::chrono::steady_clock::now() - began;
    pause.expires_after(std::max<std::chrono::steady_clock::duration>(look_again_after, 4 * took));
    co_await pause.async_wait(asio::use_awaitable);
  }
  co_return status_done;
}

}  // namespace nori::cli
