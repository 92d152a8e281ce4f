// Finding streams: their newest revisions, their names. And what was when.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <nori/error.hpp>
#include <nori/store/metrics.hpp>

#include "store/core.hpp"
#include "store/limits.hpp"
#include "store/posting_reader.hpp"
#include "store/record_fetcher.hpp"

namespace nori::store {

namespace {

// Names are copied out of the newest index under the mutex, so many at a time.
constexpr std::size_t names_at_once = 1024;

constexpr std::size_t streams_limit_max = 100'000;

// How many parts a stream is looked for in at once.
constexpr std::size_t head_parts_first = 4;
constexpr std::size_t head_parts_max = 64;

asio::awaitable<event_time> recorded_at(core::shared in, part_ptr which, std::uint64_t global) {
  const std::uint32_t offset = co_await core::offset_of(in, which, global);
  const core::part_now now = co_await core::indexed(in, which);
  record_fetcher fetcher(in);
  const recorded_event found = co_await fetcher.fetch_one(which, now, offset);
  co_return found.recorded_at;
}

}  // namespace

std::optional<std::uint64_t> core::head_in_memory_locked(std::string_view stream) const noexcept {
  for (auto at = parts_->rbegin(); at != parts_->rend(); ++at) {
    // What is older may be in memory too, but the newest revision is in a file then.
    if (!(*at)->memory) break;
    if (const auto found = (*at)->memory->find(key_kind::stream, stream)) {
      return found->last_revision;
    }
  }
  return std::nullopt;
}

bool core::has_files_locked() const noexcept {
  return retired_ != nullptr || std::any_of(parts_->begin(), parts_->end(),
                                            [](const part_ptr& each) { return !each->memory; });
}

asio::awaitable<core::sealed_heads> core::look_up_heads(shared self,
                                                        std::span<const std::string_view> streams) {
  if (meter* const to = self->measures()) {
    to->add(metrics::store_stream_lookups, streams.size(), "miss");
  }
  for (;;) {
    sealed_heads result;
    result.revisions.resize(streams.size());
    part_list parts;
    index_file_ptr retired;
    {
      const std::lock_guard lock(self->mutex_);
      result.version = self->files_version_;
      parts = self->parts_;
      retired = self->retired_;
    }
    std::optional<std::string> damaged;
    try {
      co_await look_in_parts(self, *parts, streams, result.revisions);
      if (retired) co_await look_in_retired(std::move(retired), streams, result.revisions);
    } catch (const index_damaged& why) {
      damaged = why.file();
    }
    if (!damaged) co_return result;
    if (*damaged == retired_heads_name) throw_error(errc::corruption, *damaged + " is damaged");
    self->lose_index_named(parts, *damaged);
  }
}

// Newest first, a window of files at once: most streams were written not long ago.
asio::awaitable<void> core::look_in_parts(shared self, std::span<const part_ptr> parts,
                                          std::span<const std::string_view> streams,
                                          std::span<std::optional<std::uint64_t>> revisions) {
  std::vector<part_now> now;
  std::vector<key_lookup> lookups;
  std::size_t window = head_parts_first;
  for (std::size_t left = parts.size(); left != 0;) {
    const std::size_t some = std::min(window, left);
    const std::span<const part_ptr> slice = parts.subspan(left - some, some);
    left -= some;
    window = std::min(2 * window, head_parts_max);
    self->parts_as_they_are(slice, now);
    for (std::size_t i = 0; i < some; ++i) {
      if (!now[i].memory && !now[i].index) now[i] = co_await indexed(self, slice[i]);
    }
    lookups.clear();
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (revisions[i]) continue;
      for (const part_now& each : now) {
        if (!each.memory) lookups.emplace_back(each.index, key_kind::stream, streams[i]);
      }
    }
    if (!lookups.empty()) co_await find_all(lookups);
    auto next = lookups.begin();
    bool missing = false;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (revisions[i]) continue;
      // Oldest first: a newer one replaces it.
      for (const part_now& each : now) {
        if (each.memory) {
          const auto found = self->key_in(*each.memory, key_kind::stream, streams[i]);
          if (found) revisions[i] = found->last_revision;
        } else {
          if (next->found) revisions[i] = next->found->value.last_revision;
          ++next;
        }
      }
      missing = missing || !revisions[i];
    }
    if (!missing) co_return;
  }
}

asio::awaitable<void> core::look_in_retired(index_file_ptr heads,
                                            std::span<const std::string_view> streams,
                                            std::span<std::optional<std::uint64_t>> revisions) {
  std::vector<key_lookup> lookups;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (!revisions[i]) lookups.emplace_back(heads, key_kind::stream, streams[i]);
  }
  co_await find_all(lookups);
  auto next = lookups.begin();
  for (std::optional<std::uint64_t>& revision : revisions) {
    if (revision) continue;
    if (next->found) revision = next->found->value.last_revision;
    ++next;
  }
}

asio::awaitable<std::optional<std::uint64_t>> core::head(shared self, std::string stream) {
  check_stream_name(stream);
  const std::string_view name = stream;
  for (;;) {
    {
      const std::lock_guard lock(self->mutex_);
      if (const auto found = self->head_in_memory_locked(name)) co_return found;
      if (!self->has_files_locked()) co_return std::nullopt;
    }
    const sealed_heads found = co_await look_up_heads(self, {&name, 1});
    const std::lock_guard lock(self->mutex_);
    if (const auto newer = self->head_in_memory_locked(name)) co_return newer;
    if (found.version == self->files_version_) co_return found.revisions.front();
  }
}

asio::awaitable<std::vector<stream_head>> core::streams(shared self, std::string prefix,
                                                        std::string after, std::size_t limit) {
  limit = std::min(limit, streams_limit_max);
  std::map<std::string, std::uint64_t, std::less<>> found;
  const auto wanted = [&](std::string_view name) {
    return name.starts_with(prefix) && (after.empty() || name > after) &&
           (found.size() < limit || name < found.rbegin()->first ||
            found.find(name) != found.end());
  };
  const auto add = [&](std::string_view name, std::uint64_t revision) {
    const auto at = found.find(name);
    if (at != found.end()) {
      at->second = std::max(at->second, revision);
      return;
    }
    found.emplace(name, revision);
    if (found.size() > limit) found.erase(std::prev(found.end()));
  };
  std::vector<stream_head> result;
  if (limit == 0) co_return result;
  for (;;) {
    found.clear();
    bool lost = false;
    const part_list parts = self->parts();
    for (const part_ptr& each : *parts) {
      const part_now now = co_await indexed(self, each);
      if (now.memory) {
        for (std::size_t first = 0;; first += names_at_once) {
          const std::lock_guard lock(self->mutex_);
          const std::size_t keys = now.memory->keys();
          for (std::size_t i = first; i < std::min(keys, first + names_at_once); ++i) {
            const memory_index::key key = now.memory->key_at(i);
            if (key.kind == key_kind::stream && wanted(key.name)) add(key.name, key.last_revision);
          }
          if (first + names_at_once >= keys) break;
        }
        continue;
      }
      bool damaged = false;
      try {
        key_iterator names(now.index, key_kind::stream, std::max(prefix, after));
        std::vector<key_iterator::item> some;
        for (bool more = true; more;) {
          some.clear();
          if (co_await names.read(some, names_at_once) == 0) break;
          for (const key_iterator::item& item : some) {
            const bool behind = !item.name.starts_with(prefix) && item.name > prefix;
            const bool full = found.size() >= limit && item.name > found.rbegin()->first;
            if (behind || full) {
              more = false;
              break;
            }
            if (wanted(item.name)) add(item.name, item.last_revision);
          }
        }
      } catch (const index_damaged&) {
        damaged = true;
      }
      if (damaged) self->lose_index(each, now.index.get());
      lost = lost || damaged;
    }
    if (!lost) break;
  }
  for (auto& [name, revision] : found) result.push_back({name, revision});
  co_return result;
}

asio::awaitable<std::optional<std::uint64_t>> core::position_at(shared self, event_time when) {
  const part_list parts = self->parts();
  const std::uint64_t visible = self->visible_end(visibility::acknowledged);
  for (auto at = parts->rbegin(); at != parts->rend(); ++at) {
    const part_ptr& each = *at;
    const part_now now = co_await indexed(self, each);
    const std::uint64_t end = std::min(now.end_global, visible);
    if (end <= now.first_global) continue;
    if (co_await recorded_at(self, each, now.first_global) > when) continue;
    // The first in [low, high) is early enough; the one at high is not, or is not there.
    std::uint64_t low = now.first_global;
    std::uint64_t high = end;
    while (high - low > 1) {
      const std::uint64_t middle = low + (high - low) / 2;
      const event_time its_time = co_await recorded_at(self, each, middle);
      (its_time > when ? high : low) = middle;
    }
    co_return low;
  }
  co_return std::nullopt;
}

}  // namespace nori::store
