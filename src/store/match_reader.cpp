#include "store/match_reader.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <nori/error.hpp>

namespace nori::store {

namespace {

// A window of parts: the first may be all that is needed, and many cost memory.
constexpr std::size_t window_parts_first = 16;
constexpr std::size_t window_parts_max = 64;

constexpr std::size_t skipped_at_once = 1024;

// Of so many parts records are read at once: each takes a descriptor meanwhile.
constexpr std::size_t runs_max = 32;

struct wanted_key {
  key_kind kind;
  std::string_view name;
};

// What has to be looked up in an index; nothing where all events of it are wanted.
std::vector<wanted_key> keys_of(const event_range& range) {
  std::vector<wanted_key> keys;
  if (range.one_stream()) {
    keys.push_back({key_kind::stream, range.stream});
  } else if (!matches_all(range.how.filter.matching)) {
    for (const query_item& item : range.how.filter.matching.items) {
      for (const std::string& tag : item.tags) keys.push_back({key_kind::tag, tag});
      for (const std::string& type : item.types) keys.push_back({key_kind::type, type});
    }
  }
  return keys;
}

}  // namespace

match_reader::match_reader(core::shared from) : core_(std::move(from)), fetcher_(core_) {
  restart();
}

void match_reader::restart() {
  parts_ = core_->parts();
  place_ = 0;
  place_bound_.reset();
  open_.clear();
  next_step_ = 0;
  window_parts_ = window_parts_first;
}

asio::awaitable<void> match_reader::read(const event_range& range, std::size_t most,
                                         std::vector<recorded_event>& out) {
  while (out.empty()) {
    // What fails from here on leaves the place where it is, and the parts there to be opened again.
    std::vector<opened_part> open = std::exchange(open_, {});
    std::size_t step = open.empty() ? place_ : next_step_;
    std::size_t at = 0;
    offsets_.clear();
    runs_.clear();
    std::optional<std::string> damaged;
    try {
      while (offsets_.size() < most && runs_.size() < runs_max) {
        if (at == open.size()) {
          // Not in one condition: g++ 12 goes wrong over a co_await behind &&.
          const bool more = co_await open_window(range, open, step);
          if (!more) break;
          continue;
        }
        opened_part& from = open[at];
        const std::size_t first = offsets_.size();
        offset_source::step taken = collect(from, most, range.how.order);
        while (taken == offset_source::step::fetch) {
          co_await from.source->fetch();
          taken = collect(from, most, range.how.order);
        }
        if (offsets_.size() != first) {
          record_fetcher::run& run = runs_.emplace_back();
          run.of = from.of;
          run.end_offset = from.now.end_offset;
          run.events = from.now.end_global - from.now.first_global;
          run.first = first;
          run.count = offsets_.size() - first;
        }
        if (taken == offset_source::step::end) {
          from.source = nullptr;
          ++at;
        }
      }
    } catch (const index_damaged& error) {
      damaged = error.file();
    }
    if (damaged) {
      // Made again, it says the same.
      core_->lose_index_named(parts_, *damaged);
      continue;
    }
    if (!offsets_.empty()) {
      const std::span<const recorded_event> found = co_await fetcher_.fetch(runs_, offsets_);
      for (const recorded_event& each : found) {
        if (range.has(each)) out.push_back(each);
      }
    }
    open.erase(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(at));
    place_ = open.empty() ? step : open.front().step;
    place_bound_.reset();
    if (!open.empty()) place_bound_ = open.front().bound;
    open_ = std::move(open);
    next_step_ = step;
    if (offsets_.empty()) co_return;
  }
}

// Takes offsets until there are `most`: step::found then, else why not.
offset_source::step match_reader::collect(opened_part& from, std::size_t most, direction order) {
  while (offsets_.size() < most) {
    std::uint32_t found = 0;
    const offset_source::step taken = from.source->seek(from.bound, found);
    if (taken != offset_source::step::found) return taken;
    if (order == direction::forwards ? found > from.last : found < from.last) break;
    offsets_.push_back(found);
    if (!bound_behind(found, order, from.bound)) break;
  }
  return offsets_.size() < most ? offset_source::step::end : offset_source::step::found;
}

// Opens the next parts, from `step` on, that can have something; false at the end of them.
asio::awaitable<bool> match_reader::open_window(const event_range& range,
                                                std::vector<opened_part>& open, std::size_t& step) {
  // Their order in the list is the reverse of that of reading, where that goes backwards.
  const std::size_t some = std::min(window_parts_, parts_->size() - step);
  const std::span<const part_ptr> slice =
      std::span(*parts_).subspan(range.forwards() ? step : parts_->size() - step - some, some);
  core_->parts_as_they_are(slice, now_);
  std::vector<opened_part> window;
  window.reserve(some);
  for (std::size_t i = 0; i < some; ++i, ++step) {
    const std::size_t at = range.forwards() ? i : some - 1 - i;
    core::part_now& now = now_[at];
    const bool before = now.end_global <= range.begin;
    const bool behind = now.first_global >= range.end;
    if (range.forwards() ? behind : before) {
      step = parts_->size();
      break;
    }
    if (before || behind) continue;
    if (!now.memory && !now.index) now = co_await core::indexed(core_, slice[at]);
    opened_part& opening = window.emplace_back();
    opening.of = slice[at];
    opening.step = step;
    opening.now = std::move(now);
  }
  if (window.empty()) co_return step < parts_->size();
  window_parts_ = window_parts_max;
  co_await find_sources(range, window);
  for (opened_part& each : window) {
    if (!each.source) continue;
    if (range.begin > each.now.first_global || range.end < each.now.end_global) {
      co_await bound_by_position(range, each);
    }
    if (each.step == place_ && place_bound_) each.bound = *place_bound_;
    open.push_back(std::move(each));
  }
  co_return true;
}

asio::awaitable<void> match_reader::find_sources(const event_range& range,
                                                 std::span<opened_part> of) {
  const query& matching = range.how.filter.matching;
  const std::vector<wanted_key> keys = keys_of(range);
  std::size_t files = 0;
  for (const opened_part& each : of) files += each.now.memory ? 0 : 1;
  // Those of one key lie together.
  std::vector<key_lookup> lookups;
  lookups.reserve(keys.size() * files);
  for (const wanted_key& key : keys) {
    for (const opened_part& each : of) {
      if (!each.now.memory) lookups.emplace_back(each.now.index, key.kind, key.name);
    }
  }
  if (!lookups.empty()) co_await find_all(lookups);
  std::vector<key_lookup*> its;
  std::size_t file = 0;
  for (opened_part& each : of) {
    // What was laid since the part was looked at lies behind.
    const std::uint32_t lowest = each.of->from;
    const auto highest =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(UINT32_MAX, each.now.end_offset - 1));
    each.bound = range.forwards() ? lowest : highest;
    each.last = range.forwards() ? highest : lowest;
    if (each.now.memory && !range.one_stream()) {
      each.source = core_->match_in_growing(*each.now.memory, matching, range.how.order);
    } else if (each.now.memory) {
      const auto key = core_->key_in(*each.now.memory, key_kind::stream, range.stream);
      if (!key || !range.has_revision_in(key->first_revision, key->last_revision)) continue;
      const std::uint64_t skipped = range.revisions_before(key->first_revision, key->last_revision);
      if (skipped != 0) {
        // Backwards, it may have grown since the part was looked at.
        each.bound = range.forwards()
                         ? key->offsets[skipped]
                         : std::min(each.bound, key->offsets[key->offsets.size() - 1 - skipped]);
      }
      each.source = source_of(key->offsets, range.how.order);
    } else {
      its.clear();
      for (std::size_t i = file; i < lookups.size(); i += files) its.push_back(&lookups[i]);
      ++file;
      if (!range.one_stream()) {
        each.source = match_in_file(each.now.index, matching, its, range.how.order);
        continue;
      }
      std::optional<found_key>& found = its.front()->found;
      if (!found) continue;
      const leaf_value& value = found->value;
      if (!range.has_revision_in(value.first_revision, value.last_revision)) continue;
      const std::uint64_t skipped =
          range.revisions_before(value.first_revision, value.last_revision);
      if (skipped != 0) co_await bound_by_revision(range, each, skipped, *found);
      each.source = source_of(std::move(*found), range.how.order);
    }
  }
}

// Revisions are dense: so many offsets come before.
asio::awaitable<void> match_reader::bound_by_revision(const event_range& range, opened_part& of,
                                                      std::uint64_t skipped,
                                                      const found_key& list) {
  posting_reader offsets(list, range.how.order, range.forwards() ? 0 : UINT32_MAX);
  std::vector<std::uint32_t> some;
  for (std::uint64_t left = skipped + 1; left != 0;) {
    some.clear();
    const std::size_t got =
        co_await offsets.read(some, std::min<std::uint64_t>(left, skipped_at_once));
    if (got == 0) {
      throw index_damaged("a stream has fewer events than revisions", list.file->name());
    }
    left -= got;
  }
  of.bound = some.back();
}

// Which offsets of the part lie in the range of global positions, where not all do.
asio::awaitable<void> match_reader::bound_by_position(const event_range& range, opened_part& of) {
  std::uint32_t lowest = 0;
  std::uint32_t highest = UINT32_MAX;
  if (range.begin > of.now.first_global) {
    lowest = co_await core::offset_of(core_, of.of, range.begin);
  }
  if (range.end < of.now.end_global) {
    highest = co_await core::offset_of(core_, of.of, range.end - 1);
  }
  if (range.forwards()) {
    of.bound = std::max(of.bound, lowest);
    of.last = std::min(of.last, highest);
  } else {
    of.bound = std::min(of.bound, highest);
    of.last = std::max(of.last, lowest);
  }
}

}  // namespace nori::store
