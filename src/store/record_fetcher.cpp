#include "store/record_fetcher.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include <nori/error.hpp>

#include "engine/tail.hpp"
#include "format/frame.hpp"
#include "format/record_codec.hpp"
#include "format/segment_header.hpp"
#include "wal/blocks.hpp"

namespace nori::store {

namespace {

// Reading what lies between two records is cheaper than a second call.
constexpr std::uint64_t gap_bytes_max = std::uint64_t{4} << 10;
constexpr std::uint64_t piece_bytes_max = std::uint64_t{256} << 10;
// A copy out of the log's buffer holds its mutex.
constexpr std::size_t recent_copy_bytes = std::size_t{64} << 10;
constexpr std::size_t guess_bytes_lowest = 256;
constexpr std::size_t guess_bytes_highest = std::size_t{64} << 10;

std::string text_of(position at) {
  return std::to_string(at.segment_id) + ":" + std::to_string(at.offset);
}

}  // namespace

void read_event(std::string_view key, std::string_view value, position at,
                std::vector<std::string_view>& tags, decoded_event& to) {
  if (!decode_event(value, tags, to)) {
    throw_error(errc::not_an_event, "position " + text_of(at));
  }
  to.event.stream = key;
  to.event.at = at;
}

void read_event(const entry& record, std::vector<std::string_view>& tags, decoded_event& to) {
  if (record.tombstone || record.compress != compression::none || record.time_to_live ||
      record.version) {
    throw_error(errc::not_an_event, "position " + text_of(record.at));
  }
  read_event(record.key, record.value, record.at, tags, to);
}

void collect_events(std::span<const decoded_event> decoded, std::span<const std::string_view> tags,
                    std::vector<recorded_event>& to) {
  to.reserve(to.size() + decoded.size());
  for (const decoded_event& each : decoded) {
    to.push_back(each.event);
    to.back().tags = tags.subspan(each.first_tag, each.tag_count);
  }
}

// Ascending offsets to pieces, and where in them each record lies.
void record_fetcher::plan(std::span<const std::uint32_t> offsets, std::uint64_t end) {
  pieces_.clear();
  records_.clear();
  std::size_t total = 0;
  const auto end_of = [&](std::uint64_t offset) {
    return std::min<std::uint64_t>(end, offset + guess_bytes_);
  };
  for (const std::uint32_t offset : offsets) {
    if (offset >= end) throw index_damaged("an event behind the end of its segment");
    if (!pieces_.empty()) {
      piece& last = pieces_.back();
      const std::uint64_t last_end = last.offset + last.bytes;
      const std::uint64_t grown = end_of(offset) - last.offset;
      if (offset <= last_end + gap_bytes_max && grown <= piece_bytes_max) {
        total += grown - last.bytes;
        last.bytes = grown;
        continue;
      }
    }
    piece added;
    added.offset = offset;
    added.bytes = end_of(offset) - offset;
    total += added.bytes;
    pieces_.push_back(added);
  }
  if (capacity_ < total) {
    buffer_ = std::make_unique_for_overwrite<std::byte[]>(total);
    capacity_ = total;
  }
  std::byte* to = buffer_.get();
  std::size_t next = 0;
  for (piece& each : pieces_) {
    each.to = to;
    to += each.bytes;
    for (; next < offsets.size() && offsets[next] < each.offset + each.bytes; ++next) {
      const std::size_t skipped = offsets[next] - each.offset;
      records_.push_back({offsets[next], {each.to + skipped, each.bytes - skipped}});
    }
  }
}

asio::awaitable<void> record_fetcher::read(part_ptr of, std::span<const piece> pieces) {
  log& from = *core_->log_of();
  storage::file_ptr file;
  std::vector<storage::io_request> requests;
  std::vector<piece> asked;
  for (piece left : pieces) {
    while (left.bytes != 0) {
      const std::uint64_t recent = from.recent_from(of->segment_id);
      std::size_t some = left.bytes;
      if (left.offset >= recent) {
        some = std::min(some, recent_copy_bytes);
        // It may have been overwritten meanwhile: then it is in the file.
        if (!from.copy_recent(of->segment_id, left.offset, left.to, some)) {
          if (from.recent_from(of->segment_id) != recent) continue;
          // Behind the end of the log: the checks find it.
          std::memset(left.to, 0, some);
        }
      } else {
        some = static_cast<std::size_t>(std::min<std::uint64_t>(some, recent - left.offset));
        if (!file) file = co_await core::data_of(core_, of);
        const std::size_t got = core_->files().read_cached(file, left.offset, left.to, some);
        if (got < some) {
          asked.push_back({left.offset + got, some - got, left.to + got});
        }
      }
      left.offset += some;
      left.to += some;
      left.bytes -= some;
    }
  }
  if (asked.empty()) co_return;
  requests.resize(asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    requests[i].kind = storage::io_kind::read;
    requests[i].offset = asked[i].offset;
    requests[i].target = file;
    requests[i].pieces[0] = {asked[i].to, asked[i].bytes};
    requests[i].piece_count = 1;
  }
  co_await storage::perform_all(core_->files(), requests);
  const std::string name = format::segment_file_name(of->segment_id);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (requests[i].result < 0) {
      throw boost::system::system_error(static_cast<int>(-requests[i].result),
                                        boost::system::system_category(), "read " + name);
    }
    const auto got = static_cast<std::size_t>(requests[i].result);
    if (got < asked[i].bytes) {
      // A short read, or the end of the file, behind which there are zeros: the checks find it.
      const std::size_t more =
          co_await storage::read_at(core_->files(), file, asked[i].offset + got, asked[i].to + got,
                                    asked[i].bytes - got, name);
      std::memset(asked[i].to + got + more, 0, asked[i].bytes - got - more);
    }
  }
}

asio::awaitable<void> record_fetcher::read_device(part_ptr of, piece what) {
  const std::string name = format::segment_file_name(of->segment_id);
  storage::file_ptr file;
  try {
    file = co_await core_->files().open(name, storage::open_mode::read_direct);
  } catch (const boost::system::system_error& error) {
    if (error.code() != boost::system::errc::no_such_file_or_directory) throw;
    throw_error(errc::position_not_found, name + " was deleted");
  }
  const std::uint64_t from = engine::block_floor(what.offset);
  const std::size_t size = engine::block_ceil(what.offset + what.bytes) - from;
  const unique_blocks blocks = allocate_blocks(size);
  const std::size_t got =
      co_await storage::read_at(core_->files(), file, from, blocks.get(), size, name);
  std::memset(blocks.get() + got, 0, size - got);
  std::memcpy(what.to, blocks.get() + (what.offset - from), what.bytes);
}

// Sees to it that each record is whole and right.
asio::awaitable<void> record_fetcher::complete(part_ptr of, std::uint64_t end) {
  const std::uint32_t seed = format::segment_seed(core_->log_of()->id(), of->segment_id);
  std::size_t longest = 0;
  const auto judge = [&](const found_record& record) {
    return format::check_frame(record.bytes, seed, end - record.offset);
  };
  std::vector<std::size_t> cut;
  std::vector<piece> more;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const auto check = judge(records_[i]);
    if (check.verdict != format::frame_verdict::incomplete) {
      longest = std::max<std::size_t>(longest, format::frame_bytes(check.header.length));
      continue;
    }
    piece whole;
    whole.offset = records_[i].offset;
    whole.bytes = static_cast<std::size_t>(
        std::min<std::uint64_t>(check.needed_bytes, end - records_[i].offset));
    extra_.push_back(std::make_unique_for_overwrite<std::byte[]>(whole.bytes));
    whole.to = extra_.back().get();
    longest = std::max(longest, whole.bytes);
    cut.push_back(i);
    more.push_back(whole);
  }
  guess_bytes_ = std::clamp(longest, guess_bytes_lowest, guess_bytes_highest);
  if (!more.empty()) {
    co_await read(of, more);
    for (std::size_t i = 0; i < cut.size(); ++i) {
      records_[cut[i]].bytes = {more[i].to, more[i].bytes};
    }
  }
  for (found_record& record : records_) {
    auto check = judge(record);
    if (check.verdict != format::frame_verdict::valid) {
      // The page cache may be wrong where the device is right: look there before accusing it.
      piece whole;
      whole.offset = record.offset;
      whole.bytes = static_cast<std::size_t>(std::min<std::uint64_t>(
          std::max<std::size_t>(record.bytes.size(), guess_bytes_highest), end - record.offset));
      extra_.push_back(std::make_unique_for_overwrite<std::byte[]>(whole.bytes));
      whole.to = extra_.back().get();
      co_await read_device(of, whole);
      record.bytes = {whole.to, whole.bytes};
      check = judge(record);
      if (check.verdict == format::frame_verdict::incomplete) {
        whole.bytes = static_cast<std::size_t>(
            std::min<std::uint64_t>(check.needed_bytes, end - record.offset));
        extra_.push_back(std::make_unique_for_overwrite<std::byte[]>(whole.bytes));
        whole.to = extra_.back().get();
        co_await read_device(of, whole);
        record.bytes = {whole.to, whole.bytes};
        check = judge(record);
      }
    }
    const position at{of->segment_id, record.offset};
    if (check.verdict != format::frame_verdict::valid ||
        check.header.kind != format::frame_kind::record) {
      throw_error(errc::corruption, format::segment_file_name(of->segment_id) + " offset " +
                                        std::to_string(record.offset) + ": damaged data");
    }
    format::decoded_record content;
    const auto body = record.bytes.subspan(format::frame_header_bytes, check.header.length);
    if (format::decode_record(body, record_bytes_highest, content) !=
            format::decode_verdict::valid ||
        content.tombstone || content.compress != compression::none || content.has_time_to_live ||
        content.has_version) {
      throw_error(errc::not_an_event, "position " + text_of(at));
    }
    read_event(content.key, content.stored_value, at, tags_, decoded_.emplace_back());
  }
}

asio::awaitable<void> record_fetcher::fetch(part_ptr of, std::span<const std::uint32_t> offsets,
                                            std::uint64_t end) {
  extra_.clear();
  decoded_.clear();
  tags_.clear();
  events_.clear();
  if (offsets.empty()) co_return;
  const bool falls = offsets.front() > offsets.back();
  std::vector<std::uint32_t> rising;
  if (falls) rising.assign(offsets.rbegin(), offsets.rend());
  plan(falls ? std::span<const std::uint32_t>(rising) : offsets, end);
  co_await read(of, pieces_);
  co_await complete(std::move(of), end);
  if (falls) std::reverse(decoded_.begin(), decoded_.end());
  collect_events(decoded_, tags_, events_);
}

}  // namespace nori::store
