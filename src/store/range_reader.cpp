#include "store/range_reader.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

#include <nori/error.hpp>

namespace nori::store {

namespace {

constexpr std::size_t skipped_at_once = 1024;

}  // namespace

range_reader::range_reader(core::shared from, std::string stream, read_events how)
    : core_(std::move(from)), stream_(std::move(stream)), how_(std::move(how)), fetcher_(core_) {
  left_ = how_.limit;
}

std::optional<std::uint64_t> range_reader::watermark() const noexcept {
  if (!begun_ || end_global_ == 0) return std::nullopt;
  return end_global_ - 1;
}

void range_reader::begin_at(std::uint64_t global) {
  begin_global_ = end_global_ = scanned_ = global;
  scans_ = !one_stream() && forwards() && how_.filter.matching.items.empty();
  parts_ = core_->parts();
  begun_ = true;
}

void range_reader::extend(std::uint64_t end) {
  if (!scans_) {
    // The parts may be others now.
    parts_ = core_->parts();
    begin_global_ = std::max(begin_global_, end_global_);
    part_ = nullptr;
    source_ = nullptr;
    next_part_ = 0;
  }
  end_global_ = end;
}

bool range_reader::wanted(const recorded_event& event) const noexcept {
  if (event.global_position < begin_global_ || event.global_position >= end_global_) return false;
  if (one_stream()) {
    if (event.stream != stream_) return false;
    if (how_.from && (forwards() ? event.revision < *how_.from : event.revision > *how_.from)) {
      return false;
    }
  } else if (!event.stream.starts_with(how_.filter.stream_prefix)) {
    return false;
  }
  return how_.filter.matching.matches(event.type, event.tags);
}

bool range_reader::has_wanted_revision(std::uint64_t first, std::uint64_t last) const noexcept {
  return !how_.from || (forwards() ? *how_.from <= last : *how_.from >= first);
}

// How many of a part's revisions come before the first that is wanted, in the order of reading.
std::optional<std::uint64_t> range_reader::revisions_before(std::uint64_t first,
                                                            std::uint64_t last) const noexcept {
  if (!how_.from) return std::nullopt;
  if (forwards()) {
    if (*how_.from <= first) return std::nullopt;
    return *how_.from - first;
  }
  if (*how_.from >= last) return std::nullopt;
  return last - *how_.from;
}

asio::awaitable<void> range_reader::begin() {
  end_global_ = core_->visible_end(how_.sees);
  if (how_.as_of_position) {
    end_global_ = std::min(
        end_global_, *how_.as_of_position == UINT64_MAX ? UINT64_MAX : *how_.as_of_position + 1);
  }
  if (how_.as_of_time) {
    const std::optional<std::uint64_t> last = co_await core::position_at(core_, *how_.as_of_time);
    end_global_ = std::min(end_global_, last ? *last + 1 : 0);
  }
  parts_ = core_->parts();
  begin_global_ = core_->first_global();
  if (!one_stream() && how_.from) {
    if (forwards()) {
      begin_global_ = std::max(begin_global_, *how_.from);
    } else if (*how_.from < end_global_) {
      end_global_ = *how_.from + 1;
    }
  }
  scans_ = !one_stream() && forwards() && how_.filter.matching.items.empty();
  if (scans_) {
    scanned_ = begin_global_;
  } else if (one_stream()) {
    co_await find_stream();
  }
  next_part_ = forwards() ? 0 : parts_->size();
  begun_ = true;
}

// Looks the stream up in all index files at once.
asio::awaitable<void> range_reader::find_stream() {
  found_.assign(parts_->size(), std::nullopt);
  std::vector<key_lookup> lookups;
  std::vector<std::size_t> of;
  for (std::size_t i = 0; i < parts_->size(); ++i) {
    const part_ptr& each = (*parts_)[i];
    if (each->first_global >= end_global_) break;
    if (core_->end_of(*each) <= begin_global_) continue;
    const core::part_now now = co_await core::indexed(core_, each);
    if (now.memory) continue;
    lookups.emplace_back(now.index, key_kind::stream, stream_);
    of.push_back(i);
  }
  try {
    co_await find_all(lookups);
  } catch (const index_damaged&) {
    // Looked up one by one, as the parts are come to, the damaged one is found out.
    co_return;
  }
  for (std::size_t i = 0; i < lookups.size(); ++i) found_[of[i]] = std::move(lookups[i]);
}

asio::awaitable<std::optional<recorded_event>> range_reader::next() {
  if (given_ == events_.size()) {
    co_await fill();
    if (events_.empty()) co_return std::nullopt;
  }
  co_return events_[given_++];
}

asio::awaitable<std::span<const recorded_event>> range_reader::next_batch() {
  if (given_ == events_.size()) co_await fill();
  const std::span<const recorded_event> rest = std::span(events_).subspan(given_);
  given_ = events_.size();
  co_return rest;
}

asio::awaitable<void> range_reader::fill() {
  if (!begun_) co_await begin();
  events_.clear();
  given_ = 0;
  if (left_ == 0) co_return;
  // What is in memory is read without waiting: whoever else is ready gets its turn.
  if (!scans_ && std::exchange(filled_before_, true)) co_await asio::post(asio::use_awaitable);
  if (scans_) {
    co_await scan_some();
  } else {
    co_await match_some();
  }
  left_ -= events_.size();
}

asio::awaitable<void> range_reader::scan_some() {
  while (events_.empty() && scanned_ < end_global_) {
    if (!records_) {
      const position from = co_await core::locate(core_, scanned_);
      read_options how;
      how.sees = how_.sees;
      records_.emplace(core_->log_of()->read_from(from, how));
    }
    if (entries_.empty()) entries_ = co_await records_->next_batch();
    if (entries_.empty()) {
      throw_error(errc::corruption,
                  "event " + std::to_string(scanned_) + " is missing: the log ends before it");
    }
    decoded_.clear();
    tags_.clear();
    const std::size_t most = std::min<std::uint64_t>(at_once_, left_);
    // What is not an event stops every call at the same place.
    std::span<const entry> rest = entries_;
    std::uint64_t next = scanned_;
    while (!rest.empty() && decoded_.size() < most && next < end_global_) {
      const entry& each = rest.front();
      read_event(each, tags_, decoded_.emplace_back());
      const std::uint64_t found = decoded_.back().event.global_position;
      if (found < next) {
        decoded_.pop_back();
      } else if (found > next) {
        throw_error(errc::corruption,
                    "event " + std::to_string(next) + " is missing before position " +
                        std::to_string(each.at.segment_id) + ":" + std::to_string(each.at.offset));
      } else {
        ++next;
      }
      rest = rest.subspan(1);
    }
    entries_ = rest;
    scanned_ = next;
    collect_events(decoded_, tags_, events_);
    if (!how_.filter.stream_prefix.empty()) {
      std::erase_if(events_, [&](const recorded_event& each) { return !wanted(each); });
    }
  }
}

// What of a part is to be given; null where nothing can be.
asio::awaitable<source_ptr> range_reader::source_in(part_ptr of, std::size_t index) {
  for (;;) {
    bound_of_revision_.reset();
    const core::part_now now = co_await core::indexed(core_, of);
    part_memory_ = now.memory;
    part_index_ = now.index;
    part_end_offset_ = now.end_offset;
    try {
      if (!one_stream()) {
        co_return co_await match_in(core_, now, how_.filter.matching, how_.order);
      }
      if (now.memory) {
        const auto key = core_->key_in(*now.memory, key_kind::stream, stream_);
        if (!key || !has_wanted_revision(key->first_revision, key->last_revision)) {
          co_return nullptr;
        }
        if (const auto skipped = revisions_before(key->first_revision, key->last_revision)) {
          bound_of_revision_ = forwards() ? key->offsets[*skipped]
                                          : key->offsets[key->offsets.size() - 1 - *skipped];
        }
        co_return source_of(key->offsets, how_.order);
      }
      std::optional<found_key> known;
      if (index < found_.size() && found_[index] && found_[index]->file == now.index) {
        known = found_[index]->found;
      } else {
        // It was in memory, or was made again, since the stream was looked up.
        std::vector<key_lookup> lookups;
        lookups.emplace_back(now.index, key_kind::stream, stream_);
        co_await find_all(lookups);
        known = std::move(lookups[0].found);
      }
      if (!known || !has_wanted_revision(known->value.first_revision, known->value.last_revision)) {
        co_return nullptr;
      }
      if (const auto skipped =
              revisions_before(known->value.first_revision, known->value.last_revision)) {
        // Revisions are dense: so many offsets come before.
        posting_reader offsets(*known, how_.order, forwards() ? 0 : UINT32_MAX);
        std::vector<std::uint32_t> some;
        for (std::uint64_t left = *skipped + 1; left != 0;) {
          some.clear();
          const std::size_t got =
              co_await offsets.read(some, std::min<std::uint64_t>(left, skipped_at_once));
          if (got == 0) throw index_damaged("a stream has fewer events than revisions");
          left -= got;
        }
        bound_of_revision_ = some.back();
      }
      co_return source_of(std::move(*known), how_.order);
    } catch (const index_damaged&) {
      core_->lose_index(of, now.index.get());
    }
  }
}

asio::awaitable<bool> range_reader::enter_part() {
  for (;;) {
    if (forwards() ? next_part_ >= parts_->size() : next_part_ == 0) co_return false;
    const std::size_t index = forwards() ? next_part_ : next_part_ - 1;
    const part_ptr of = (*parts_)[index];
    if (forwards() && of->first_global >= end_global_) co_return false;
    const std::uint64_t part_end = core_->end_of(*of);
    if (!forwards() && part_end <= begin_global_) co_return false;
    if (part_end > begin_global_ && of->first_global < end_global_) {
      source_ = co_await source_in(of, index);
      if (source_) {
        co_await bound_offsets(of, part_end);
        part_ = of;
        part_number_ = index;
      }
    }
    next_part_ = forwards() ? index + 1 : index;
    if (part_) co_return true;
  }
}

// Which offsets of the part lie in the range of global positions.
asio::awaitable<void> range_reader::bound_offsets(part_ptr of, std::uint64_t part_end) {
  std::uint32_t lowest = of->from;
  // What was laid since the part was looked at lies behind.
  auto highest =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(UINT32_MAX, part_end_offset_ - 1));
  if (begin_global_ > of->first_global) {
    lowest = co_await core::offset_of(core_, of, begin_global_);
  }
  if (end_global_ < part_end) {
    highest = co_await core::offset_of(core_, of, end_global_ - 1);
  }
  if (bound_of_revision_) {
    if (forwards()) {
      lowest = std::max(lowest, *bound_of_revision_);
    } else {
      highest = std::min(highest, *bound_of_revision_);
    }
  }
  bound_ = forwards() ? lowest : highest;
  last_bound_ = forwards() ? highest : lowest;
}

asio::awaitable<void> range_reader::match_some() {
  while (events_.empty()) {
    // Not in one condition: g++ 12 goes wrong over a co_await behind &&.
    if (!part_) {
      const bool entered = co_await enter_part();
      if (!entered) co_return;
    }
    // After a call that failed or was cancelled the source may be ahead of what was given.
    if (!source_) source_ = co_await source_in(part_, part_number_);
    source_ptr going_on = std::exchange(source_, nullptr);
    bool damaged = false;
    try {
      co_await collect_offsets(*going_on);
    } catch (const index_damaged&) {
      damaged = true;
    }
    if (damaged) {
      // Made again, it says the same.
      core_->lose_index(part_, part_index_.get());
      continue;
    }
    if (offsets_.empty()) {
      part_ = nullptr;
      continue;
    }
    co_await fetcher_.fetch(part_, offsets_, part_end_offset_);
    take(fetcher_.events());
    if (bound_behind(offsets_.back(), how_.order, bound_)) {
      source_ = std::move(going_on);
    } else {
      part_ = nullptr;
    }
  }
}

// The next offsets; bound_ stays, so that a call that fails can be made again.
asio::awaitable<void> range_reader::collect_offsets(offset_source& from) {
  offsets_.clear();
  const std::size_t most = std::min<std::uint64_t>(at_once_, left_);
  std::uint32_t bound = bound_;
  while (offsets_.size() < most) {
    std::uint32_t found = 0;
    const offset_source::step taken = from.seek(bound, found);
    if (taken == offset_source::step::fetch) {
      co_await from.fetch();
      continue;
    }
    if (taken == offset_source::step::end ||
        (forwards() ? found > last_bound_ : found < last_bound_)) {
      break;
    }
    offsets_.push_back(found);
    if (!bound_behind(found, how_.order, bound)) break;
  }
}

void range_reader::take(std::span<recorded_event> some) {
  for (const recorded_event& each : some) {
    if (wanted(each)) events_.push_back(each);
  }
}

}  // namespace nori::store
