// Indexes that come to be, are made again, and go. In the background, one at a time.

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include <nori/error.hpp>
#include <nori/store/metrics.hpp>

#include "format/segment_header.hpp"
#include "storage/parked_handler.hpp"
#include "store/core.hpp"
#include "store/event_codec.hpp"
#include "store/index_writer.hpp"
#include "store/posting_reader.hpp"
#include "store/record_fetcher.hpp"
#include "wal/blocks.hpp"

namespace nori::store {

namespace {

// Complete segments whose index is in memory, being written or waiting for it. With more, appends
// wait: otherwise memory would grow with what is appended.
constexpr std::size_t parts_in_memory_max = 1;

// So much of an index file is made before it is written.
constexpr std::size_t slice_bytes = std::size_t{1} << 20;

// A segment that was reopened more often than this gets one index for all of it.
constexpr std::size_t parts_of_newest_max = 4;

constexpr std::size_t names_read_at_once = 256;

constexpr std::string_view tmp_suffix = ".tmp";

std::uint32_t first_offset() noexcept {
  return static_cast<std::uint32_t>(format::segment_header_bytes);
}

// Writes a file under a temporary name, piece by piece, and gives it its name.
class new_file {
 public:
  new_file(storage::storage& on, std::string name)
      : on_(on), name_(std::move(name)), tmp_(name_ + std::string(tmp_suffix)) {}

  asio::awaitable<void> begin() {
    try {
      co_await on_.remove(tmp_);
    } catch (const boost::system::system_error& error) {
      if (error.code() != boost::system::errc::no_such_file_or_directory) throw;
    }
    file_ = co_await on_.open(tmp_, storage::open_mode::create);
    blocks_ = allocate_blocks(slice_bytes);
  }
  // Whole pages.
  asio::awaitable<void> write(std::vector<std::byte> pages) {
    for (std::size_t at = 0; at < pages.size(); at += slice_bytes) {
      const std::size_t some = std::min(slice_bytes, pages.size() - at);
      std::memcpy(blocks_.get(), pages.data() + at, some);
      co_await storage::write_at(on_, file_, offset_, blocks_.get(), some, false, tmp_);
      offset_ += some;
    }
  }
  asio::awaitable<void> finish(bool durable) {
    if (durable) co_await storage::sync(on_, file_, tmp_);
    file_ = nullptr;
    co_await on_.rename(tmp_, name_);
    if (durable) co_await on_.sync_directory();
  }

 private:
  storage::storage& on_;
  std::string name_;
  std::string tmp_;
  storage::file_ptr file_;
  unique_blocks blocks_;
  std::uint64_t offset_ = 0;
};

// Puts the keys of an index in memory into a file's pages, a slice at a time.
struct index_making {
  index_making(const index_facts& facts, std::shared_ptr<memory_index> of)
      : from(std::move(of)), writer(facts) {}

  std::shared_ptr<memory_index> from;
  index_writer writer;
  std::vector<std::uint32_t> keys;
  std::size_t next = 0;
  bool begun = false;
  bool finished = false;

  std::vector<std::byte> slice() {
    if (!begun) {
      begun = true;
      keys = from->sorted();
      if (from->count() != 0) writer.set_offsets(from->offsets());
    }
    while (next < keys.size() && writer.ready_bytes() < slice_bytes) {
      const memory_index::key key = from->key_at(keys[next++]);
      writer.add(key.kind, key.name, key.first_revision, key.last_revision, key.offsets);
    }
    if (next == keys.size() && !finished) {
      finished = true;
      writer.finish();
    }
    return writer.take();
  }
};

}  // namespace

// Such a flag is cleared however the coroutine ends that set it, and who waits looks again.
class core::busy {
 public:
  busy(core& in, bool& flag) noexcept : in_(in), flag_(flag) {}
  busy(const busy&) = delete;
  busy& operator=(const busy&) = delete;
  ~busy() {
    waiting_room::called called;
    const std::lock_guard lock(in_.mutex_);
    flag_ = false;
    called = in_.index_changed_.call_all();
  }

 private:
  core& in_;
  bool& flag_;
};

// The first event of a segment was laid: what came before is complete.
void core::begin_part_locked(std::uint64_t segment_id) {
  // First what may fail: nothing has changed then.
  const part_ptr last = parts_->back();
  const bool replaces = last->grows && last->memory->count() == 0;
  auto parts = std::make_shared<std::vector<part_ptr>>();
  parts->reserve(parts_->size() + 1);
  parts->assign(parts_->begin(), parts_->end() - (replaces ? 1 : 0));
  const auto added = std::make_shared<part>(segment_id, first_offset(), next_global_);
  added->memory = std::make_shared<memory_index>(next_global_);
  added->grows = true;
  parts->push_back(added);
  if (!replaces) {
    last->end_global = last->memory->end_global();
    last->grows = false;
    last->end_offset = log_->end_of(last->segment_id);
  }
  // What could not be written may be by now: the oldest is tried again.
  for (const part_ptr& each : *parts) {
    if (std::exchange(each->unwritable, false)) break;
  }
  parts_ = std::move(parts);
  try {
    request_indexing();
  } catch (const std::bad_alloc&) {  // NOLINT: the next part, or whoever waits, asks again
  }
}

void core::lose_index(const part_ptr& which, const index_file* damaged) {
  const std::lock_guard lock(mutex_);
  if (which->memory || which->index.get() != damaged) return;
  which->index = nullptr;
  ++files_version_;
  if (meter* const to = measures()) to->add(metrics::store_index_rebuilds, 1, "damaged");
  try {
    request_indexing();
  } catch (const std::bad_alloc&) {  // NOLINT: whoever waits for it asks again
  }
}

void core::lose_index_named(const part_list& parts, const std::string& file) {
  for (const part_ptr& each : *parts) {
    const index_file_ptr index = part_as_it_is(*each).index;
    if (index && index->name() == file) lose_index(each, index.get());
  }
}

bool core::index_lags_locked() const noexcept {
  // Nothing is written, and the log refuses what is appended.
  if (!writable()) return false;
  std::size_t waiting = 0;
  for (auto at = parts_->rbegin(); at != parts_->rend(); ++at) {
    const part& each = **at;
    if (!each.memory) break;
    if (!each.grows && !each.unwritable) ++waiting;
  }
  return waiting > parts_in_memory_max;
}

asio::awaitable<void> core::wait_for_indexes(shared self) {
  for (;;) {
    std::unique_lock lock(self->mutex_);
    if (self->stopping_ || !self->index_lags_locked()) co_return;
    self->request_indexing();
    co_await self->index_changed_.wait(std::move(lock));
  }
}

// With the mutex held.
void core::request_indexing() {
  if (indexing_ || stopping_) return;
  // It takes a turn first, as the mutex is held here.
  storage::begin_coroutine(home_, keep_indexes(shared_from_this()));
  indexing_ = true;
}

part_ptr core::part_to_index() const {
  // What somebody may be waiting for comes first.
  for (const part_ptr& each : *parts_) {
    if (!each->indexed() && each->lost_because.empty() && !each->starved) return each;
  }
  if (!writable()) return nullptr;
  for (const part_ptr& each : *parts_) {
    if (!each->grows && each->memory && !each->unwritable) return each;
  }
  return nullptr;
}

// Puts what was thrown into words; false where there is no memory for them.
bool core::describe(const std::exception_ptr& what, std::string& into) noexcept {
  try {
    std::rethrow_exception(what);
  } catch (const std::bad_alloc&) {
    return false;
  } catch (const std::exception& error) {
    try {
      into = error.what();
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
}

asio::awaitable<void> core::keep_indexes(shared self) {
  storage::parked_handler parked;
  co_await storage::take_turn(parked);
  for (;;) {
    part_ptr next;
    bool indexed_already = false;
    {
      const std::lock_guard lock(self->mutex_);
      if (!self->stopping_) next = self->part_to_index();
      indexed_already = next && next->indexed();
      if (!next) {
        self->indexing_ = false;
        break;
      }
    }
    std::string why;
    std::exception_ptr failed;
    bool starved = false;
    try {
      if (!indexed_already) co_await remake_index(self, next);
      if (self->writable()) co_await write_index(self, next);
    } catch (const std::bad_alloc&) {
      starved = true;
    } catch (const std::exception&) {
      failed = std::current_exception();
    }
    if (failed) starved = !describe(failed, why);
    waiting_room::called called;
    const std::lock_guard lock(self->mutex_);
    if (starved) {
      if (next->memory) next->unwritable = true;
      next->starved = true;
    }
    // A disk without room, a log that failed: what is in memory goes on serving.
    if (!why.empty() && next->memory) next->unwritable = true;
    // The segment itself can't be read: who waits for its index is told.
    if (!why.empty() && !next->indexed()) next->lost_because = std::move(why);
    called = self->index_changed_.call_all();
  }
  waiting_room::called called;
  const std::lock_guard lock(self->mutex_);
  called = self->index_changed_.call_all();
}

asio::awaitable<void> core::scan(shared self, std::shared_ptr<memory_index> into, position from,
                                 position end) {
  reader records = self->log_->read_from(from, {});
  std::vector<std::string_view> tags;
  decoded_event decoded;
  for (;;) {
    const std::span<const entry> some = co_await records.next_batch();
    if (some.empty()) co_return;
    const std::lock_guard lock(self->mutex_);
    for (const entry& each : some) {
      if (each.at >= end) co_return;
      tags.clear();
      read_event(each, tags, decoded);
      if (decoded.event.global_position != into->end_global()) {
        throw_error(errc::corruption, format::segment_file_name(each.at.segment_id) + " offset " +
                                          std::to_string(each.at.offset) + ": event " +
                                          std::to_string(decoded.event.global_position) +
                                          " where " + std::to_string(into->end_global()) +
                                          " was expected");
      }
      decoded.event.tags = tags;
      into->add(static_cast<std::uint32_t>(each.at.offset), decoded.event);
    }
  }
}

// What was laid when the index had no memory for it: takes the newest segments into new ones. Until
// then nothing is appended, so that the log ends where it does.
asio::awaitable<void> core::repair(shared self) {
  {
    std::unique_lock lock(self->mutex_);
    while (self->repairing_ && !self->stopping_) {
      co_await self->index_changed_.wait(std::move(lock));
      lock = std::unique_lock(self->mutex_);
    }
    if (!self->broken_ || self->stopping_) co_return;
    self->repairing_ = true;
  }
  const busy until_the_end(*self, self->repairing_);
  // What is not durable yet can't be read under always.
  co_await log::wait_all(self->log_, log::mark::durable);
  for (;;) {
    part_ptr newest;
    std::uint64_t known = 0;
    {
      const std::lock_guard lock(self->mutex_);
      newest = self->parts_->back();
      known = self->next_global_;
    }
    const auto made = std::make_shared<memory_index>(newest->first_global);
    std::vector<std::pair<uuid, std::uint64_t>> ids;
    std::uint64_t next_segment = 0;
    reader records = self->log_->read_from({newest->segment_id, newest->from}, {});
    std::vector<std::string_view> tags;
    decoded_event decoded;
    while (next_segment == 0) {
      const std::span<const entry> some = co_await records.next_batch();
      if (some.empty()) break;
      for (const entry& each : some) {
        if (each.at.segment_id != newest->segment_id) {
          next_segment = each.at.segment_id;
          break;
        }
        tags.clear();
        read_event(each, tags, decoded);
        decoded.event.tags = tags;
        made->add(static_cast<std::uint32_t>(each.at.offset), decoded.event);
        if (decoded.event.global_position >= known) {
          ids.emplace_back(decoded.event.id, decoded.event.global_position);
        }
      }
    }
    const std::lock_guard lock(self->mutex_);
    for (const auto& [id, global] : ids) {
      self->window_.add(id, global);
      self->next_global_ = global + 1;
    }
    newest->memory = made;
    if (next_segment == 0) {
      self->broken_ = false;
      co_return;
    }
    self->begin_part_locked(next_segment);
  }
}

// From the segment alone, into memory.
asio::awaitable<void> core::remake_index(shared self, part_ptr of) {
  const auto made = std::make_shared<memory_index>(of->first_global);
  co_await scan(self, made, {of->segment_id, of->from}, {of->segment_id, of->end_offset});
  waiting_room::called called;
  const std::lock_guard lock(self->mutex_);
  if (made->end_global() != of->end_global) {
    throw_error(errc::corruption, format::segment_file_name(of->segment_id) +
                                      " holds events up to " + std::to_string(made->end_global()) +
                                      ", not to " + std::to_string(of->end_global));
  }
  of->memory = made;
  called = self->index_changed_.call_all();
}

// What is not durable might be other events after a power cut: its index waits.
asio::awaitable<void> core::write_index(shared self, part_ptr of) {
  std::shared_ptr<memory_index> from;
  position last;
  {
    const std::lock_guard lock(self->mutex_);
    from = of->memory;
    if (!from) co_return;
    if (from->count() != 0) last = {of->segment_id, from->offsets().back()};
  }
  if (from->count() != 0) co_await log::wait_for(self->log_, log::mark::durable, last);
  co_await store_index(self, of, from);
}

asio::awaitable<void> core::store_index(shared self, part_ptr of,
                                        std::shared_ptr<memory_index> from) {
  index_facts facts;
  facts.log = self->log_->id();
  facts.segment_id = of->segment_id;
  facts.from_offset = of->from;
  facts.to_offset = of->end_offset;
  facts.first_global_position = of->first_global;
  facts.first_time_ns = from->first_time().time_since_epoch().count();
  facts.last_time_ns = from->last_time().time_since_epoch().count();
  facts.last_frame_crc = from->last_event_sum();
  const auto making = std::make_shared<index_making>(facts, from);
  new_file file(self->files(), index_file_name(of->segment_id, of->from));
  co_await file.begin();
  while (!making->finished) {
    if (self->stopping() && !self->closing()) throw_error(errc::closed, "the store was closed");
    auto make_slice = [making] { return making->slice(); };
    std::vector<std::byte> pages;
    if (self->clock_ != nullptr) {
      pages = make_slice();  // threads would make a simulation come out differently each time
    } else {
      pages = co_await storage::on_worker(self->workers_, make_slice);
    }
    co_await file.write(std::move(pages));
  }
  co_await file.finish(false);
  index_file_ptr opened = co_await index_file::open(self->log_->storage_of(), self->cache_,
                                                    index_file_name(of->segment_id, of->from),
                                                    facts.log, of->segment_id);
  waiting_room::called called;
  const std::lock_guard lock(self->mutex_);
  of->index = std::move(opened);
  of->memory = nullptr;
  ++self->files_version_;
  called = self->index_changed_.call_all();
}

// The newest segment's events so far get an index file, so that opening need not read them.
asio::awaitable<void> core::keep_newest(shared self) {
  part_ptr newest;
  std::size_t parts = 0;
  {
    const std::lock_guard lock(self->mutex_);
    newest = self->parts_->back();
    if (!newest->grows || newest->memory->count() == 0) co_return;
    // What it lacks would not be looked for again.
    if (self->broken_) co_return;
    newest->end_global = newest->memory->end_global();
    newest->end_offset = self->log_->end_of(newest->segment_id);
    newest->grows = false;
    for (const part_ptr& each : *self->parts_) {
      parts += each->segment_id == newest->segment_id ? 1 : 0;
    }
  }
  if (parts > parts_of_newest_max) {
    co_await merge_newest(self);
  } else {
    co_await store_index(self, newest, newest->memory);
  }
}

asio::awaitable<void> core::merge_newest(shared self) {
  part_ptr merged;
  std::vector<std::string> old;
  {
    const std::lock_guard lock(self->mutex_);
    const part_ptr& newest = self->parts_->back();
    for (const part_ptr& each : *self->parts_) {
      if (each->segment_id != newest->segment_id) continue;
      if (!merged) {
        merged = std::make_shared<part>(each->segment_id, each->from, each->first_global);
        merged->end_global = newest->end_global;
        merged->end_offset = newest->end_offset;
      } else {
        old.push_back(index_file_name(each->segment_id, each->from));
      }
    }
  }
  const auto made = std::make_shared<memory_index>(merged->first_global);
  co_await scan(self, made, {merged->segment_id, merged->from},
                {merged->segment_id, merged->end_offset});
  co_await store_index(self, merged, made);
  for (const std::string& name : old) {
    try {
      co_await self->files().remove(name);
    } catch (const boost::system::system_error&) {
      // It was never written, or stays: opening goes by the first one.
    }
  }
}

// The index file of a part that is to go: waits until it is written.
asio::awaitable<index_file_ptr> core::written_index(shared self, part_ptr of) {
  for (bool asked = false;; asked = true) {
    std::unique_lock lock(self->mutex_);
    if (of->index && !of->memory) co_return of->index;
    if (self->stopping_) throw_error(errc::closed, "the store was closed");
    if (asked && std::exchange(of->starved, false)) throw std::bad_alloc();
    if (asked && (of->unwritable || !of->lost_because.empty())) {
      throw_error(errc::no_space, index_file_name(of->segment_id, of->from) +
                                      " can't be written: nothing was deleted");
    }
    if (!asked) {
      of->unwritable = of->starved = false;
      of->lost_because.clear();
    }
    self->request_indexing();
    co_await self->index_changed_.wait(std::move(lock));
  }
}

// Revisions are never used again: what the newest ones were is kept beyond the events.
asio::awaitable<void> core::retire_heads(shared self, std::vector<part_ptr> going) {
  for (;;) {
    std::vector<index_file_ptr> files;
    for (const part_ptr& each : going) files.push_back(co_await written_index(self, each));
    index_file_ptr damaged;
    try {
      co_await merge_heads(self, files, going.back()->end_global);
      co_return;
    } catch (const index_damaged& what) {
      for (std::size_t i = 0; i < files.size(); ++i) {
        if (files[i]->name() != what.file()) continue;
        damaged = files[i];
        self->lose_index(going[i], damaged.get());
      }
      if (!damaged) throw_error(errc::corruption, what.what());
    }
  }
}

asio::awaitable<void> core::merge_heads(shared self, std::vector<index_file_ptr> files,
                                        std::uint64_t next_global) {
  struct list_of_heads {
    explicit list_of_heads(index_file_ptr of) : names(std::move(of), key_kind::stream, {}) {}
    key_iterator names;
    std::vector<key_iterator::item> some;
    std::size_t next = 0;
  };
  std::vector<list_of_heads> lists;
  lists.reserve(files.size() + 1);
  index_facts facts;
  facts.log = self->log_->id();
  facts.first_global_position = next_global;
  for (const index_file_ptr& each : files) {
    lists.emplace_back(each);
    facts.last_time_ns = std::max(facts.last_time_ns, each->summary().facts.last_time_ns);
  }
  if (self->retired_) {
    lists.emplace_back(self->retired_);
    facts.last_time_ns = std::max(facts.last_time_ns, self->retired_->summary().facts.last_time_ns);
  }
  index_writer writer(facts);
  new_file file(self->files(), std::string(retired_heads_name));
  co_await file.begin();
  for (;;) {
    const std::string* name = nullptr;
    std::uint64_t revision = 0;
    for (list_of_heads& each : lists) {
      if (each.next == each.some.size()) {
        each.some.clear();
        each.next = 0;
        co_await each.names.read(each.some, names_read_at_once);
        storage::parked_handler parked;
        co_await storage::take_turn(parked);
      }
      if (each.some.empty()) continue;
      const key_iterator::item& item = each.some[each.next];
      if (name == nullptr || item.name < *name) {
        name = &item.name;
        revision = item.last_revision;
      } else if (item.name == *name) {
        revision = std::max(revision, item.last_revision);
      }
    }
    if (name == nullptr) break;
    const std::string taken = *name;
    writer.add(key_kind::stream, taken, 0, revision, {});
    for (list_of_heads& each : lists) {
      if (each.next < each.some.size() && each.some[each.next].name == taken) ++each.next;
    }
    if (writer.ready_bytes() >= slice_bytes) co_await file.write(writer.take());
  }
  writer.finish();
  co_await file.write(writer.take());
  if (self->stopping()) throw_error(errc::closed, "the store was closed");
  co_await file.finish(true);
  index_file_ptr opened =
      co_await index_file::open(self->log_->storage_of(), self->cache_,
                                std::string(retired_heads_name), facts.log, facts.segment_id);
  const std::lock_guard lock(self->mutex_);
  self->retired_ = std::move(opened);
  ++self->files_version_;
}

asio::awaitable<deleted_segments> core::delete_before(shared self, std::uint64_t global) {
  std::vector<part_ptr> going;
  {
    std::unique_lock lock(self->mutex_);
    // One at a time, and not while an index is being made.
    while (!self->stopping_ && (self->deleting_ || self->indexing_)) {
      co_await self->index_changed_.wait(std::move(lock));
      lock = std::unique_lock(self->mutex_);
    }
    if (self->stopping_) throw_error(errc::closed, "the store was closed");
    if (!self->writable()) throw_error(errc::read_only, "delete_before");
    const std::vector<part_ptr>& parts = *self->parts_;
    const std::uint64_t newest = parts.back()->segment_id;
    std::uint64_t keep_from = newest;
    for (const part_ptr& each : parts) {
      if (each->segment_id == newest || each->end() > global) {
        keep_from = each->segment_id;
        break;
      }
    }
    for (const part_ptr& each : parts) {
      if (each->segment_id < keep_from) going.push_back(each);
    }
    if (going.empty()) co_return deleted_segments{};
    self->deleting_ = true;
  }
  const busy until_the_end(*self, self->deleting_);
  co_await retire_heads(self, going);
  const deleted_segments result = co_await log::delete_segments_before(
      self->log_, {going.back()->segment_id + 1, format::segment_header_bytes});
  {
    // What the log still has of them stays.
    const std::uint64_t first = self->log_->first_position().segment_id;
    const std::lock_guard lock(self->mutex_);
    std::vector<part_ptr> kept;
    for (const part_ptr& each : *self->parts_) {
      if (each->segment_id >= first || each->segment_id > going.back()->segment_id) {
        kept.push_back(each);
      }
    }
    self->parts_ = std::make_shared<const std::vector<part_ptr>>(std::move(kept));
    std::erase_if(going, [&](const part_ptr& each) { return each->segment_id >= first; });
  }
  for (const part_ptr& each : going) {
    try {
      co_await self->files().remove(index_file_name(each->segment_id, each->from));
    } catch (const boost::system::system_error&) {
      // Opening removes what belongs to no segment.
    }
  }
  co_return result;
}

asio::awaitable<void> core::close(shared self) {
  bool first = false;
  {
    std::unique_lock lock(self->mutex_);
    self->stopping_ = true;
    while (self->indexing_ || self->deleting_ || self->closing_) {
      co_await self->index_changed_.wait(std::move(lock));
      lock = std::unique_lock(self->mutex_);
    }
    first = !self->newest_kept_;
    self->closing_ = true;
    self->newest_kept_ = true;
  }
  const busy until_the_end(*self, self->closing_);
  if (first && self->writable() && !self->log_->failure()) {
    try {
      co_await log::wait_all(self->log_, log::mark::durable);
      co_await keep_newest(self);
    } catch (const std::exception&) {
      // Without it opening takes longer, and that is all.
    }
  }
  co_await log::close(self->log_);
}

}  // namespace nori::store
