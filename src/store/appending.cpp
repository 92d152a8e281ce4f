#include "store/appending.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include <nori/error.hpp>
#include <nori/store/metrics.hpp>

#include "format/frame.hpp"
#include "format/planted_bug.hpp"
#include "store/event_codec.hpp"
#include "store/limits.hpp"
#include "store/offset_source.hpp"
#include "store/range_reader.hpp"
#include "store/record_fetcher.hpp"

namespace nori::store {

namespace {

// A condition is held against so many of the newest events under the mutex, more of them before.
constexpr std::uint64_t checked_in_place_max = 1024;

std::uint64_t first_behind(std::optional<std::uint64_t> position) noexcept {
  if (!position) return 0;
  return *position == UINT64_MAX ? UINT64_MAX : *position + 1;
}

// Whether any event at or behind an offset can match: false where, of each item, a tag or all types
// have none so new. Mostly so, and found out without building anything.
bool may_match_behind(const memory_index& memory, const query& what, std::uint32_t bound) noexcept {
  const auto has = [&](key_kind kind, const std::string& name) {
    const auto found = memory.find(kind, name);
    return found && !found->offsets.empty() && found->offsets.back() >= bound;
  };
  return std::any_of(what.items.begin(), what.items.end(), [&](const query_item& item) {
    return std::all_of(item.tags.begin(), item.tags.end(),
                       [&](const std::string& tag) { return has(key_kind::tag, tag); }) &&
           (item.types.empty() ||
            std::any_of(item.types.begin(), item.types.end(),
                        [&](const std::string& type) { return has(key_kind::type, type); }));
  });
}

// What lies in the log under a global position. It may be too new to be seen by readers.
asio::awaitable<event> read_one(core::shared from, std::uint64_t global, std::string* stream,
                                std::uint64_t* revision) {
  part_ptr holds;
  const part_list parts = from->parts();
  for (const part_ptr& each : *parts) {
    if (holds && each->first_global > global) break;
    holds = each;
  }
  if (!holds || global < holds->first_global) {
    throw_error(errc::position_not_found, "event " + std::to_string(global) + " was deleted");
  }
  const std::uint32_t offset = co_await core::offset_of(from, holds, global);
  const core::part_now now = co_await core::indexed(from, holds);
  record_fetcher fetcher(from);
  const recorded_event found = co_await fetcher.fetch_one(holds, now, offset);
  *stream = found.stream;
  *revision = found.revision;
  co_return found.to_event();
}

}  // namespace

append_operation::append_operation(core& in, std::span<const append_request::part> parts,
                                   std::span<const append_request::condition> conditions)
    : core_(in), parts_(parts), conditions_(conditions) {
  std::size_t tag_count = 0;
  for (const append_request::part& each : parts_) {
    check_stream_name(each.stream);
    event_count_ += each.events.size();
    for (const event_view& what : each.events) {
      check_event(what);
      check_size(what);
      tag_count += what.tags.size();
      value_bytes_max_ += encoded_event_bytes_max(what);
    }
  }
  if (event_count_ == 0) throw_error(errc::invalid_event, "the append has no events");
  if (event_count_ > append_events_max) {
    throw_error(errc::invalid_event, "append of " + std::to_string(event_count_) +
                                         " events: at most " + std::to_string(append_events_max) +
                                         " are allowed");
  }
  if (parts_.size() > 1) {
    std::vector<std::string_view> names;
    for (const append_request::part& each : parts_) names.push_back(each.stream);
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
      throw_error(errc::invalid_event, "a stream is named twice in one append");
    }
  }
  for (const append_request::condition& each : conditions_) check_query(each.what);
  tags_.reserve(tag_count);
  for (const append_request::part& each : parts_) {
    for (const event_view& what : each.events) {
      const auto first = tags_.insert(tags_.end(), what.tags.begin(), what.tags.end());
      std::sort(first, tags_.end());
    }
  }
  heads_.resize(parts_.size());
}

// Long before it is encoded.
void append_operation::check_size(const event_view& what) {
  std::size_t data_bytes = what.type.size() + what.data.size() + what.metadata.size();
  for (const std::string_view tag : what.tags) data_bytes += tag.size();
  data_bytes_ += data_bytes;
  if (data_bytes > core_.config_.log.record_bytes_max) {
    throw_error(errc::record_too_large, "event of " + std::to_string(data_bytes) +
                                            " bytes: config.record_bytes_max is " +
                                            std::to_string(core_.config_.log.record_bytes_max));
  }
  if (data_bytes_ > core_.log_->batch_bytes_max()) {
    throw_error(errc::batch_too_large,
                "append of more than " + std::to_string(core_.log_->batch_bytes_max()) +
                    " bytes, which is what config.buffer_bytes_max and segment_bytes_max allow");
  }
}

bool append_operation::holds(const expected_revision& expected, const revision& head) noexcept {
  switch (expected.which()) {
    case expected_revision::kind::any:
      return true;
    case expected_revision::kind::no_stream:
      return !head;
    case expected_revision::kind::stream_exists:
      return head.has_value();
    case expected_revision::kind::exact:
      return head == expected.revision();
  }
  return false;
}

bool append_operation::has_ids(const append_request::part& of) const noexcept {
  return !of.events.empty() && !of.events.front().id.is_nil();
}

void append_operation::set_conflict_locked(conflict::kind what, const append_request::part* of,
                                           const revision& head) {
  conflict_.what = what;
  if (of != nullptr) {
    conflict_.stream = of->stream;
    conflict_.expected = of->expected;
  }
  conflict_.revision = head;
  final_ = true;
  found_at_ = core_.last_at_;
}

append_operation::need append_operation::try_lay(bool waited) {
  const std::lock_guard lock(core_.mutex_);
  if (core_.stopping_) {
    refusal_ = errc::closed;
    return need::refused;
  }
  if (core_.broken_) return need::repair;
  if (core_.index_lags_locked()) return need::indexes;
  const need lacks = judge_locked();
  return lacks == need::nothing ? lay_locked(waited) : lacks;
}

append_operation::need append_operation::judge_locked() {
  if (final_) return need::conflict;
  const bool files = core_.has_files_locked();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    heads_[i] = core_.head_in_memory_locked(parts_[i].stream);
    if (heads_[i] || !files) continue;
    if (files_version_ != core_.files_version_) return need::heads;
    heads_[i] = in_files_[i];
  }
  // First of all parts whether this was done before: then nothing of what is expected need hold any
  // more, also not of streams that it does not write.
  for (std::size_t i = 0; i < parts_.size() && !compared_; ++i) {
    const append_request::part& each = parts_[i];
    if (!has_ids(each)) continue;
    if (each.expected.which() == expected_revision::kind::any ||
        each.expected.which() == expected_revision::kind::stream_exists) {
      if (core_.window_from_ < core_.window_to_) return need::window;
      repeats_ = core_.window_.find(each.events.front().id);
      if (repeats_) {
        for (std::size_t before = 0; before < i; ++before) {
          *repeats_ -= std::min<std::uint64_t>(*repeats_, parts_[before].events.size());
        }
        return need::comparison;
      }
      continue;
    }
    const bool behind = heads_[i] && (each.expected.which() == expected_revision::kind::no_stream ||
                                      *heads_[i] > each.expected.revision());
    if (behind) return need::comparison;
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const append_request::part& each = parts_[i];
    if (holds(each.expected, heads_[i])) continue;
    set_conflict_locked(conflict::kind::wrong_revision, &each, heads_[i]);
    return need::conflict;
  }
  if (!conditions_.empty() && !check_newest_locked()) {
    return final_ ? need::conflict : need::conditions;
  }
  return need::nothing;
}

// Whether no event up to now violates a condition; false also where that is not known.
bool append_operation::check_newest_locked() {
  const std::uint64_t next = core_.next_global_;
  if (conditions_hold_to_ == next) return true;
  const part& newest = *core_.parts_->back();
  const std::uint64_t from = conditions_hold_to_.value_or(0);
  for (const append_request::condition& each : conditions_) {
    const std::uint64_t first = std::max(from, first_behind(each.after));
    if (first >= next) continue;
    if (first < newest.first_global || next - first > checked_in_place_max) return false;
    const std::span<const std::uint32_t> offsets = newest.memory->offsets();
    std::optional<std::uint32_t> match;
    const std::uint32_t bound = offsets[first - newest.first_global];
    if (matches_all(each.what)) {
      match = bound;
    } else if (!may_match_behind(*newest.memory, each.what, bound)) {
      continue;
    } else if (const source_ptr source =
                   match_in_memory(*newest.memory, each.what, direction::forwards)) {
      std::uint32_t found = 0;
      if (source->seek(bound, found) == offset_source::step::found) match = found;
    }
    if (match) {
      const auto ordinal = std::lower_bound(offsets.begin(), offsets.end(), *match);
      set_conflict_locked(
          each.exists ? conflict::kind::existing_event : conflict::kind::matching_event, nullptr,
          std::nullopt);
      conflict_.global_position =
          newest.first_global + static_cast<std::uint64_t>(ordinal - offsets.begin());
      return false;
    }
  }
  conditions_hold_to_ = next;
  return true;
}

append_operation::need append_operation::lay_locked(bool waited) {
  const auto clock = [&]() -> event_time {
    if (core_.config_.clock) return core_.config_.clock();
    return storage::wall_clock(core_.clock_);
  };
  // Sequence orders; time only never runs backwards.
  const event_time now = std::max(clock(), core_.last_time_);
  std::vector<std::byte>& encoded = core_.encoded_;
  if (encoded.size() < value_bytes_max_) encoded.resize(value_bytes_max_);
  core_.prepared_.clear();
  std::vector<std::byte> unused;
  event_place place;
  place.global_position = core_.next_global_;
  place.recorded_at = now;
  ids_.clear();
  ids_.reserve(event_count_);
  std::size_t at = 0;
  std::size_t tag = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    place.revision = heads_[i] ? *heads_[i] + 1 : 0;
    for (const event_view& what : parts_[i].events) {
      place.id = what.id.is_nil() ? random_uuid() : what.id;
      ids_.push_back(place.id);
      const std::span<const std::string_view> tags(tags_.data() + tag, what.tags.size());
      const std::size_t some = encode_event(encoded.data() + at, what, tags, place);
      record_view record;
      record.key = parts_[i].stream;
      record.value = {reinterpret_cast<const char*>(encoded.data() + at), some};
      if (record.key.size() + some > core_.config_.log.record_bytes_max) {
        throw_error(errc::record_too_large,
                    "event of " + std::to_string(record.key.size() + some) +
                        " bytes with its stream, tags and metadata: config.record_bytes_max is " +
                        std::to_string(core_.config_.log.record_bytes_max));
      }
      core_.prepared_.push_back(format::prepare_record(record, 0, unused));
      bytes += format::frame_bytes(core_.prepared_.back().body_bytes);
      at += some;
      tag += what.tags.size();
      ++place.revision;
      ++place.global_position;
    }
  }
  if (bytes > core_.log_->batch_bytes_max()) {
    throw_error(errc::batch_too_large,
                "append of " + std::to_string(bytes) +
                    " bytes: config.buffer_bytes_max and segment_bytes_max allow " +
                    std::to_string(core_.log_->batch_bytes_max()));
  }
  frames_bytes_ = bytes;
  core_.positions_.resize(event_count_);
  if (parts_.size() > 1) result_.last_revisions.reserve(parts_.size());
  const auto laid = core_.log_->lay_now(core_.prepared_, bytes, core_.positions_, waited);
  if (!laid) {
    refusal_ = laid.error();
    return refusal_ == errc::would_block ? need::room : need::refused;
  }
  laid_ = *laid;
  commit_locked(core_.positions_, now);
  if (core_.broken_) {
    refusal_ = errc::append_in_doubt;
    return need::refused;
  }
  return need::nothing;
}

// The events are in the log: from here on nothing may fail.
void append_operation::commit_locked(std::span<const position> positions, event_time now) {
  result_.first_global_position = core_.next_global_;
  result_.last_global_position = core_.next_global_ + event_count_ - 1;
  try {
    if (positions.front().segment_id != core_.parts_->back()->segment_id) {
      core_.begin_part_locked(positions.front().segment_id);
    }
    memory_index& index = *core_.parts_->back()->memory;
    recorded_event event;
    event.recorded_at = now;
    std::size_t number = 0;
    std::size_t tag = 0;
    bool first = true;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].events.empty()) continue;
      event.stream = parts_[i].stream;
      event.revision = heads_[i] ? *heads_[i] + 1 : 0;
      if (first) {
        result_.first_revision = event.revision;
        result_.last_revision = event.revision + parts_[i].events.size() - 1;
        first = false;
      }
      if (parts_.size() > 1) {
        result_.last_revisions.push_back(event.revision + parts_[i].events.size() - 1);
      }
      for (const event_view& what : parts_[i].events) {
        event.global_position = core_.next_global_;
        event.id = ids_[number];
        event.type = what.type;
        event.tags = std::span(tags_).subspan(tag, what.tags.size());
        index.add(static_cast<std::uint32_t>(positions[number].offset), event);
        if (!what.id.is_nil()) core_.window_.add(what.id, event.global_position);
        tag += what.tags.size();
        ++number;
        ++event.revision;
        ++core_.next_global_;
      }
    }
  } catch (const std::bad_alloc&) {
    // The index lacks what the log has: nothing that follows could be decided rightly before it is
    // repaired.
    core_.broken_ = !planted(format::planted_bug::keep_starved_index);
  }
  core_.last_time_ = now;
  core_.last_at_ = positions.back();
}

asio::awaitable<void> append_operation::get_heads() {
  std::vector<std::string_view> names;
  for (const append_request::part& each : parts_) names.push_back(each.stream);
  core::sealed_heads found = co_await core::look_up_heads(core_.shared_from_this(), names);
  in_files_.assign(found.revisions.begin(), found.revisions.end());
  files_version_ = found.version;
}

asio::awaitable<void> append_operation::check_conditions() {
  const core::shared from = core_.shared_from_this();
  const std::uint64_t next = from->next_global();
  const std::uint64_t oldest = from->first_global();
  const std::uint64_t hold_to = conditions_hold_to_.value_or(0);
  for (const append_request::condition& each : conditions_) {
    const std::uint64_t first = std::max({hold_to, first_behind(each.after), oldest});
    if (first >= next) continue;
    std::optional<std::uint64_t> match;
    if (matches_all(each.what)) {
      match = first;
    } else {
      read_events how;
      how.filter.matching = each.what;
      how.limit = 1;
      range_reader reader(from, {}, std::move(how));
      reader.begin_at(first);
      reader.extend(next);
      const std::span<const recorded_event> found = co_await reader.next_batch();
      if (!found.empty()) match = found.front().global_position;
    }
    if (!match) continue;
    const std::lock_guard lock(core_.mutex_);
    set_conflict_locked(
        each.exists ? conflict::kind::existing_event : conflict::kind::matching_event, nullptr,
        std::nullopt);
    conflict_.global_position = match;
    co_return;
  }
  conditions_hold_to_ = next;
}

asio::awaitable<bool> append_operation::compare() {
  const core::shared from = core_.shared_from_this();
  compared_ = true;
  const std::uint64_t next = from->next_global();
  std::optional<std::uint64_t> begin = repeats_;
  std::size_t number = 0;
  for (std::size_t i = 0; i < parts_.size() && !begin; ++i) {
    const append_request::part& each = parts_[i];
    const std::size_t first = std::exchange(number, number + each.events.size());
    if (!has_ids(each)) continue;
    std::uint64_t revision = 0;
    if (each.expected.which() == expected_revision::kind::exact) {
      revision = each.expected.revision() + 1;
    } else if (each.expected.which() != expected_revision::kind::no_stream) {
      continue;
    }
    read_events how;
    how.from = revision;
    how.limit = 1;
    range_reader reader(from, std::string(each.stream), std::move(how));
    reader.begin_at(from->first_global());
    reader.extend(next);
    const std::span<const recorded_event> found = co_await reader.next_batch();
    if (found.empty() || found.front().id != each.events.front().id) continue;
    begin = found.front().global_position -
            std::min<std::uint64_t>(found.front().global_position, first);
  }
  // The first event is another: whoever was here before was somebody else.
  if (!begin) co_return false;
  bool same = *begin >= from->first_global() && *begin + event_count_ <= next;
  appended before;
  before.repeated = true;
  before.first_global_position = *begin;
  before.last_global_position = *begin + event_count_ - 1;
  std::uint64_t global = *begin;
  bool first = true;
  for (const append_request::part& each : parts_) {
    if (each.events.empty()) continue;
    std::uint64_t revision = 0;
    for (std::size_t i = 0; i < each.events.size() && same; ++i, ++global) {
      std::string stream;
      const event found = co_await read_one(from, global, &stream, &revision);
      same = found.id == each.events[i].id && stream == each.stream;
      if (i == 0 && first) before.first_revision = revision;
    }
    if (first) before.last_revision = revision;
    first = false;
    if (parts_.size() > 1) before.last_revisions.push_back(revision);
  }
  const std::lock_guard lock(core_.mutex_);
  if (same) {
    result_ = std::move(before);
    found_at_ = core_.last_at_;
    co_return true;
  }
  set_conflict_locked(conflict::kind::partly_repeated, &parts_.front(), heads_.front());
  conflict_.global_position = *begin;
  co_return false;
}

asio::awaitable<bool> append_operation::find_out(need lacks) {
  const core::shared from = core_.shared_from_this();
  const std::uint64_t first = from->first_global();
  std::exception_ptr gone;
  try {
    if (lacks == need::heads) {
      co_await get_heads();
    } else if (lacks == need::conditions) {
      co_await check_conditions();
    } else if (lacks == need::window) {
      co_await core::load_window(from);
    } else {
      const bool done_before = co_await compare();
      co_return done_before;
    }
  } catch (const boost::system::system_error& error) {
    if (error.code() != errc::position_not_found) throw;
    gone = std::current_exception();
  }
  if (!gone) co_return false;
  // What it looked into was deleted meanwhile: it looks again into what is left.
  compared_ = false;
  std::unique_lock lock(core_.mutex_);
  if (!core_.deleting_ && core_.parts_->front()->first_global == first) {
    std::rethrow_exception(gone);
  }
  if (core_.deleting_) co_await core_.index_changed_.wait(std::move(lock));
  co_return false;
}

asio::awaitable<append_result> core::append(shared self, append_input what) {
  const auto parts = what.parts();
  const auto begun =
      self->measures() ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
  append_operation operation(*self, parts, what.many.conditions());
  using need = append_operation::need;
  const bool durable = self->config_.log.fsync == fsync_policy::always();
  bool waited = false;
  for (;;) {
    const need lacks = operation.try_lay(waited);
    waited = false;
    switch (lacks) {
      case need::nothing: {
        bool in_doubt = false;
        try {
          if (durable) co_await log::wait_laid(self->log_, operation.laid());
        } catch (const std::bad_alloc&) {
          in_doubt = true;
        }
        if (in_doubt) self->log_->throw_error_of(errc::append_in_doubt);
        if (meter* const to = self->measures()) self->measure_append(*to, parts, begun);
        co_return append_result(operation.result());
      }
      case need::heads:
      case need::conditions:
      case need::window:
      case need::comparison:
        if (co_await operation.find_out(lacks)) {
          if (durable && operation.found_at()) {
            co_await log::wait_for(self->log_, log::mark::durable, *operation.found_at());
          }
          if (meter* const to = self->measures()) {
            to->add(metrics::store_repeated_appends, 1, {});
          }
          co_return append_result(operation.result());
        }
        break;
      case need::room:
        co_await log::wait_room(self->log_, operation.frames_bytes());
        waited = true;
        break;
      case need::indexes:
        co_await wait_for_indexes(self);
        break;
      case need::repair:
        co_await repair(self);
        break;
      case need::refused:
        self->log_->throw_error_of(operation.refusal());
      case need::conflict: {
        // Nobody is told of what a power cut could still take back.
        if (durable && operation.found_at()) {
          co_await log::wait_for(self->log_, log::mark::durable, *operation.found_at());
        }
        conflict found = operation.found();
        if (meter* const to = self->measures()) {
          constexpr std::string_view kinds[] = {"wrong_revision", "partly_repeated",
                                                "matching_event", "existing_event"};
          to->add(metrics::store_conflicts, 1, kinds[static_cast<std::size_t>(found.what)]);
        }
        co_return append_result(std::move(found));
      }
    }
  }
}

void core::measure_append(meter& to, std::span<const append_request::part> parts,
                          std::chrono::steady_clock::time_point begun) const {
  std::uint64_t events = 0;
  for (const append_request::part& each : parts) {
    for (std::size_t i = 0; i < each.events.size();) {
      std::size_t same = i + 1;
      while (same < each.events.size() && each.events[same].type == each.events[i].type) ++same;
      to.add(metrics::store_events_by_type, same - i, each.events[i].type);
      i = same;
    }
    events += each.events.size();
  }
  to.add(metrics::store_events, events, {});
  to.add(metrics::store_appends, 1, {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  to.observe(metrics::store_append_seconds, took.count(), {});
  to.set(metrics::store_next_global_position, static_cast<double>(next_global()), {});
}

asio::awaitable<append_result> core::append_owned(shared self, std::string_view stream,
                                                  expected_revision expected,
                                                  std::span<const event> events) {
  std::vector<event_view> views;
  std::vector<std::string_view> tags;
  std::size_t tag_count = 0;
  for (const event& each : events) tag_count += each.tags.size();
  tags.reserve(tag_count);
  views.reserve(events.size());
  for (const event& each : events) {
    const std::size_t first = tags.size();
    tags.insert(tags.end(), each.tags.begin(), each.tags.end());
    event_view& view = views.emplace_back();
    view.type = each.type;
    view.data = each.data;
    view.metadata = each.metadata;
    view.tags = std::span(tags).subspan(first);
    view.version = each.version;
    view.id = each.id;
    view.correlation_id = each.correlation_id;
    view.causation_id = each.causation_id;
  }
  append_input input({stream, expected, views});
  co_return co_await append(self, std::move(input));
}

}  // namespace nori::store
