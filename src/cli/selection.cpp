#include "selection.hpp"

#include <algorithm>

#include "status.hpp"

namespace nori::cli {

namespace {

std::uint64_t global_position_of(const place& named) {
  if (named.global_position) return *named.global_position;
  throw stop(status_usage, "SEGMENT:OFFSET is a place in a plain log, and this is an event store",
             "name a global position: the number that cat shows first");
}

bool contains(std::string_view bytes, std::string_view text) {
  return text.empty() || bytes.find(text) != std::string_view::npos;
}

}  // namespace

asio::awaitable<read_events> reading_of(const arguments* with, source* in) {
  read_events how;
  how.order = with->backwards ? direction::backwards : direction::forwards;
  how.filter.stream_prefix = with->prefix;
  if (!with->types.empty() || !with->tags.empty()) {
    how.filter.matching.items.emplace_back(with->types, with->tags);
  }
  std::uint64_t first = in->store->first_global_position();
  if (with->from) first = std::max(first, global_position_of(*with->from));
  if (with->since) {
    const event_time before = *with->since - std::chrono::nanoseconds(1);
    const std::optional<std::uint64_t> last = co_await in->store->position_at(before);
    if (last) first = std::max(first, *last + 1);
  }
  if (with->until) {
    const std::uint64_t end = global_position_of(*with->until);
    if (end == 0) {
      how.limit = 0;
    } else {
      how.as_of_position = end - 1;
    }
  }
  how.as_of_time = with->before_time;
  // Reading backwards, `from` is where it begins, not where it ends: printing sees to that.
  if (!with->backwards) how.from = first;
  co_return how;
}

bool matches(const arguments& with, const recorded_event& event) {
  return contains(event.data, with.text) || contains(event.metadata, with.text);
}

bool matches(const arguments& with, const entry& record) {
  return record.key.starts_with(with.prefix) &&
         (contains(record.key, with.text) || contains(record.value, with.text));
}

void check_for_records(const arguments& with) {
  if (with.types.empty() && with.tags.empty() && !with.since && !with.before_time &&
      !with.backwards) {
    return;
  }
  throw stop(status_usage,
             with.dir +
                 " is a plain log: its records have no type, tag or time, and are read "
                 "forwards",
             "select by --prefix of the key, --text, --from and --until");
}

}  // namespace nori::cli
