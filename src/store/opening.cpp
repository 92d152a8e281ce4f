// Opening a store: which indexes are there, which are lost, and what the newest segment holds.

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <nori/error.hpp>
#include <nori/store/metrics.hpp>

#include "format/segment_header.hpp"
#include "store/checkpoint_files.hpp"
#include "store/core.hpp"
#include "store/event_codec.hpp"
#include "store/record_fetcher.hpp"

namespace nori::store {

namespace {

constexpr std::size_t index_cache_bytes_lowest = std::size_t{1} << 20;
constexpr std::size_t repeat_window_events_highest = std::size_t{1} << 24;

void check_config(const store_config& options) {
  if (options.index_cache_bytes < index_cache_bytes_lowest) {
    throw_error(errc::invalid_config, "store_config.index_cache_bytes is " +
                                          std::to_string(options.index_cache_bytes) +
                                          ": 1 MiB at least");
  }
  if (options.repeat_window_events > repeat_window_events_highest) {
    throw_error(errc::invalid_config, "store_config.repeat_window_events is " +
                                          std::to_string(options.repeat_window_events) +
                                          ": at most " +
                                          std::to_string(repeat_window_events_highest));
  }
}

}  // namespace

class opening {
 public:
  explicit opening(core::shared of) : core_(std::move(of)) {}

  asio::awaitable<void> recover();
  store_recovery_info info;

 private:
  /// An index file that is there, by segment and offset.
  using candidates = std::map<std::pair<std::uint64_t, std::uint64_t>, std::string>;

  asio::awaitable<candidates> list_files();
  asio::awaitable<index_file_ptr> try_open(std::string name, std::uint64_t segment_id);
  asio::awaitable<bool> names_last_event(part_ptr of, index_file_ptr index);
  asio::awaitable<bool> take_indexes(const log::segment_info& segment, const candidates& files);
  asio::awaitable<std::uint64_t> first_global_in(const log::segment_info& segment);
  asio::awaitable<void> scan_newest(const log::segment_info& newest, std::uint32_t from);
  asio::awaitable<void> open_retired(bool there);
  asio::awaitable<void> clear_up(const candidates& files);
  asio::awaitable<void> forget_lost_events();

  core::shared core_;
  std::vector<part_ptr> parts_;
  std::uint64_t next_global_ = 0;
  bool known_ = false;  ///< next_global_ is what the first event of the next part must have
  bool retired_there_ = false;
  std::vector<std::string> derived_;  ///< names of checkpoints and projections
};

asio::awaitable<opening::candidates> opening::list_files() {
  candidates found;
  for (const storage::directory_entry& entry : co_await core_->files().list()) {
    if (!entry.regular) continue;
    if (entry.name == retired_heads_name) retired_there_ = true;
    if (is_derived_file(entry.name)) derived_.push_back(entry.name);
    if (const auto name = parse_index_file_name(entry.name)) {
      found.emplace(std::pair(name->segment_id, name->from_offset), entry.name);
    }
  }
  co_return found;
}

asio::awaitable<index_file_ptr> opening::try_open(std::string name, std::uint64_t segment_id) {
  try {
    co_return co_await index_file::open(core_->log_->storage_of(), core_->cache_, std::move(name),
                                        core_->log_->id(), segment_id);
  } catch (const index_damaged&) {
    co_return nullptr;
  } catch (const boost::system::system_error& error) {
    if (error.code() != boost::system::errc::no_such_file_or_directory) throw;
    co_return nullptr;
  }
}

// Whether the segment has the event that the index ends with: else it is of other contents.
asio::awaitable<bool> opening::names_last_event(part_ptr of, index_file_ptr index) {
  try {
    const index_footer& footer = index->summary();
    const std::uint32_t offset = co_await index->offset_of(footer.event_count - 1);
    record_fetcher fetcher(core_);
    const core::part_now now = core_->part_as_it_is(*of);
    const recorded_event last = co_await fetcher.fetch_one(of, now, offset);
    core_->last_time_ = std::max(core_->last_time_, last.recorded_at);
    co_return last.global_position + 1 ==
        of->end_global&& sum_of_event(last.id, last.global_position) == footer.facts.last_frame_crc;
  } catch (const index_damaged&) {
    co_return false;
  } catch (const boost::system::system_error&) {
    co_return false;
  }
}

// Follows the index files of a segment from its start on. True where they cover it to its end.
asio::awaitable<bool> opening::take_indexes(const log::segment_info& segment,
                                            const candidates& files) {
  std::uint64_t offset = format::segment_header_bytes;
  while (offset < segment.end) {
    const auto at = files.find({segment.id, offset});
    if (at == files.end()) co_return false;
    const index_file_ptr index = co_await try_open(at->second, segment.id);
    if (!index) co_return false;
    const index_footer& footer = index->summary();
    if (footer.event_count == 0 || footer.facts.from_offset != offset ||
        footer.facts.to_offset <= offset || footer.facts.to_offset > segment.end) {
      co_return false;
    }
    if (known_ && footer.facts.first_global_position != next_global_) co_return false;
    const auto added = std::make_shared<part>(segment.id, static_cast<std::uint32_t>(offset),
                                              footer.facts.first_global_position);
    added->end_global = added->first_global + footer.event_count;
    added->end_offset = footer.facts.to_offset;
    const bool of_these_events = co_await names_last_event(added, index);
    // One descriptor for each segment is enough.
    added->data = nullptr;
    if (!of_these_events) co_return false;
    added->index = index;
    parts_.push_back(added);
    next_global_ = added->end_global;
    known_ = true;
    offset = footer.facts.to_offset;
    // Behind the last event there may be a marker.
    if (!segment.sealed && offset >= segment.end) break;
  }
  co_return true;
}

asio::awaitable<std::uint64_t> opening::first_global_in(const log::segment_info& segment) {
  reader records = core_->log_->read_from({segment.id, format::segment_header_bytes}, {});
  const std::optional<entry> first = co_await records.next();
  if (!first) co_return next_global_;
  std::vector<std::string_view> tags;
  decoded_event event;
  read_event(*first, tags, event);
  co_return event.event.global_position;
}

asio::awaitable<void> opening::scan_newest(const log::segment_info& newest, std::uint32_t from) {
  if (!known_) next_global_ = co_await first_global_in(newest);
  const auto grows = std::make_shared<part>(newest.id, from, next_global_);
  grows->memory = std::make_shared<memory_index>(next_global_);
  grows->grows = true;
  if (from < newest.end) {
    co_await core::scan(core_, grows->memory, {newest.id, from}, {newest.id + 1, 0});
  }
  if (grows->memory->count() != 0) {
    core_->last_time_ = std::max(core_->last_time_, grows->memory->last_time());
  }
  next_global_ = grows->memory->end_global();
  parts_.push_back(grows);
}

asio::awaitable<void> opening::open_retired(bool there) {
  const std::vector<log::segment_info> segments = core_->log_->segments();
  const bool deleted = !segments.empty() && segments.front().id > 1;
  const std::string name(retired_heads_name);
  if (!there) {
    if (deleted && core_->config_.log.recovery == recovery_mode::strict) {
      throw_error(errc::corruption, core_->config_.log.dir.string() + ": " + name +
                                        " is missing: revisions of deleted events might be used "
                                        "again");
    }
    co_return;
  }
  // A deletion that a crash came before, or one after what was restored: all events are there, and
  // the file may know revisions of others.
  if (!segments.empty() && !deleted) co_return;
  core_->retired_ = co_await try_open(name, 0);
  if (!core_->retired_ && deleted && core_->config_.log.recovery == recovery_mode::strict) {
    throw_error(errc::corruption, core_->config_.log.dir.string() + ": " + name +
                                      " is damaged: revisions of deleted events might be used "
                                      "again");
  }
  if (core_->retired_) {
    // Where nothing else is left, global positions go on from there.
    const index_facts& facts = core_->retired_->summary().facts;
    next_global_ = facts.first_global_position;
    core_->last_time_ = event_time(std::chrono::nanoseconds(facts.last_time_ns));
  }
}

// Index files of nothing that is there.
asio::awaitable<void> opening::clear_up(const candidates& files) {
  for (const auto& [place, name] : files) {
    const bool used = std::any_of(parts_.begin(), parts_.end(), [&](const part_ptr& each) {
      return each->segment_id == place.first && each->from == place.second && !each->grows;
    });
    if (used) continue;
    try {
      co_await core_->files().remove(name);
    } catch (const boost::system::system_error&) {
      // It is in nobody's way.
    }
  }
}

// What names an event that salvage took away would be believed again once another event has its
// place.
asio::awaitable<void> opening::forget_lost_events() {
  for (const std::string& name : derived_) {
    try {
      const std::optional<std::uint64_t> through = co_await core_->derived_.peek(name);
      if (!through || *through < next_global_) continue;
      // Whether that is what was saved: damage is for whoever loads it.
      const loaded_derived whole = co_await core_->derived_.load(name);
      if (whole.verdict != derived_verdict::valid) continue;
      // Whoever has handled more has handled what is left. A view has more in it than that.
      if (next_global_ != 0 && is_checkpoint_file(name)) {
        nori::derived last(next_global_ - 1, 0, {});
        co_await core_->derived_.save(name, std::move(last));
      } else {
        co_await core_->derived_.remove(name);
      }
    } catch (const boost::system::system_error&) {
      // Whoever loads it is told.
    }
  }
}

asio::awaitable<void> opening::recover() {
  const candidates files = co_await list_files();
  co_await open_retired(retired_there_);
  const std::vector<log::segment_info> segments = core_->log_->segments();
  // The position before the first is known by the first segment that has an index, or by its
  // first event.
  for (const log::segment_info& segment : segments) {
    const std::size_t before = parts_.size();
    const std::uint64_t next_before = next_global_;
    const bool known_before = known_;
    const bool whole = co_await take_indexes(segment, files);
    if (!segment.sealed) {
      const std::uint32_t from = parts_.size() == before
                                     ? static_cast<std::uint32_t>(format::segment_header_bytes)
                                     : static_cast<std::uint32_t>(parts_.back()->end_offset);
      co_await scan_newest(segment, from);
      break;
    }
    if (whole) continue;
    // One index for all of it.
    parts_.resize(before);
    next_global_ = next_before;
    known_ = known_before;
    std::uint64_t first = next_global_;
    if (!known_) first = co_await first_global_in(segment);
    const auto lost = std::make_shared<part>(
        segment.id, static_cast<std::uint32_t>(format::segment_header_bytes), first);
    lost->end_offset = segment.end;
    parts_.push_back(lost);
    ++info.indexes_to_rebuild;
    known_ = false;
    // Where it ends the next segment says.
    const auto next = std::find_if(segments.begin(), segments.end(),
                                   [&](const auto& each) { return each.id == segment.id + 1; });
    if (next != segments.end()) {
      next_global_ = co_await first_global_in(*next);
      known_ = true;
      // An empty one says nothing: then the segment itself is read.
      if (next_global_ <= first) known_ = false;
    }
    if (!known_) {
      const auto made = std::make_shared<memory_index>(first);
      co_await core::scan(core_, made, {segment.id, format::segment_header_bytes},
                          {segment.id, segment.end});
      lost->memory = made;
      next_global_ = made->end_global();
      known_ = true;
      core_->last_time_ = std::max(core_->last_time_, made->last_time());
    }
    lost->end_global = next_global_;
  }
  if (parts_.empty() || !parts_.back()->grows) {
    const auto grows = std::make_shared<part>(
        segments.empty() ? 0 : segments.back().id,
        static_cast<std::uint32_t>(format::segment_header_bytes), next_global_);
    grows->memory = std::make_shared<memory_index>(next_global_);
    grows->grows = true;
    parts_.push_back(grows);
  }
  if (core_->writable()) {
    co_await clear_up(files);
    co_await forget_lost_events();
  }
  info.first_global_position = parts_.front()->first_global;
  info.next_global_position = next_global_;
  info.events = next_global_ - info.first_global_position;
  const std::lock_guard lock(core_->mutex_);
  core_->parts_ = std::make_shared<const std::vector<part_ptr>>(parts_);
  core_->next_global_ = next_global_;
  // Ids are read when somebody asks for them.
  core_->window_to_ = next_global_;
  core_->window_from_ = next_global_;
  std::uint64_t bytes = 0;
  for (auto at = segments.rbegin();
       at != segments.rend() && bytes < core_->config_.log.buffer_bytes_max; ++at) {
    const auto first = std::find_if(parts_.begin(), parts_.end(), [&](const part_ptr& each) {
      return each->segment_id == at->id;
    });
    if (first != parts_.end()) core_->window_from_ = (*first)->first_global;
    bytes += at->end - std::min<std::uint64_t>(at->end, format::segment_header_bytes);
  }
  if (core_->part_to_index()) core_->request_indexing();
}

asio::awaitable<void> core::load_window(shared self) {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  {
    const std::lock_guard lock(self->mutex_);
    from = self->window_from_;
    to = self->window_to_;
  }
  from = std::max(from, std::min(to, self->first_global()));
  if (to - from > self->config_.repeat_window_events) {
    from = to - self->config_.repeat_window_events;
  }
  std::vector<std::pair<uuid, std::uint64_t>> ids;
  if (from < to) {
    reader records = self->log_->read_from(co_await locate(self, from), {});
    std::vector<std::string_view> tags;
    decoded_event event;
    while (ids.size() < to - from) {
      const std::span<const entry> some = co_await records.next_batch();
      if (some.empty()) break;
      for (const entry& each : some) {
        tags.clear();
        read_event(each, tags, event);
        const std::uint64_t global = event.event.global_position;
        if (global >= from && global < to) ids.emplace_back(event.event.id, global);
      }
    }
  }
  const std::lock_guard lock(self->mutex_);
  if (self->window_from_ >= self->window_to_) co_return;
  // They are older than what was added meanwhile, and go before it.
  repeat_window all(self->config_.repeat_window_events);
  for (const auto& [id, global] : ids) all.add(id, global);
  all.add_all(self->window_);
  self->window_ = std::move(all);
  self->window_from_ = self->window_to_;
}

asio::awaitable<event_store::opened> core::open(store_config options) {
  check_config(options);
  wal::opened opened = co_await wal::open(options.log);
  options.log = opened.log.config();
  const auto made = std::make_shared<core>(std::move(options), std::move(opened.log),
                                           co_await asio::this_coro::executor);
  opening work(made);
  work.info.log = std::move(opened.recovered);
  std::exception_ptr failure;
  try {
    co_await work.recover();
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    {
      const std::lock_guard lock(made->mutex_);
      made->stopping_ = true;
    }
    try {
      co_await log::close(made->log_);
    } catch (const boost::system::system_error&) {
      // What stopped the opening says more.
    }
    std::rethrow_exception(failure);
  }
  co_return event_store::opened{event_store(made), std::move(work.info)};
}

}  // namespace nori::store
