#include "store/scan_reader.hpp"

#include <string>

#include <nori/error.hpp>

#include "store/record_fetcher.hpp"

namespace nori::store {

// What is not where it was may have been deleted since it was looked for.
void scan_reader::throw_if_deleted(std::uint64_t global) const {
  if (core_->first_global() <= global) return;
  throw_error(errc::position_not_found, "event " + std::to_string(global) + " was deleted");
}

asio::awaitable<void> scan_reader::read(const event_range& range, std::size_t most,
                                        std::vector<recorded_event>& out) {
  while (out.empty() && next_ < range.end) {
    if (!records_) {
      const position from = co_await core::locate(core_, next_);
      read_options how;
      how.sees = range.how.sees;
      records_.emplace(core_->log_of()->read_from(from, how));
    }
    if (entries_.empty()) entries_ = co_await records_->next_batch();
    if (entries_.empty()) {
      throw_if_deleted(next_);
      throw_error(errc::corruption,
                  "event " + std::to_string(next_) + " is missing: the log ends before it");
    }
    decoded_.clear();
    tags_.clear();
    // What is not an event stops every call at the same place.
    std::span<const entry> rest = entries_;
    std::uint64_t next = next_;
    while (!rest.empty() && decoded_.size() < most && next < range.end) {
      const entry& each = rest.front();
      read_event(each, tags_, decoded_.emplace_back());
      const std::uint64_t found = decoded_.back().event.global_position;
      if (found < next) {
        decoded_.pop_back();
      } else if (found > next) {
        throw_if_deleted(next);
        throw_error(errc::corruption,
                    "event " + std::to_string(next) + " is missing before position " +
                        std::to_string(each.at.segment_id) + ":" + std::to_string(each.at.offset));
      } else {
        ++next;
      }
      rest = rest.subspan(1);
    }
    collect_events(decoded_, tags_, out);
    entries_ = rest;
    next_ = next;
    if (!range.how.filter.stream_prefix.empty()) {
      std::erase_if(out, [&](const recorded_event& each) { return !range.has(each); });
    }
  }
}

}  // namespace nori::store
