#include "store/record_fetcher.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

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

// Where in pieces of a run's segment each of its records lies; offsets rise.
void record_fetcher::plan_run(const run& of, std::span<const std::uint32_t> rising) {
  const std::uint64_t end = of.end_offset;
  const std::uint64_t span_bytes = end - std::min<std::uint64_t>(end, of.of->from);
  const std::uint64_t average = span_bytes / std::max<std::uint64_t>(1, of.events);
  const std::uint64_t guess =
      std::clamp<std::uint64_t>(std::max<std::uint64_t>(average + average / 4, usual_bytes_),
                                guess_bytes_lowest, guess_bytes_highest);
  bool fresh = true;
  for (const std::uint32_t offset : rising) {
    if (offset >= end) {
      throw_error(errc::corruption, format::segment_file_name(of.of->segment_id) + " offset " +
                                        std::to_string(offset) +
                                        ": its index names an event behind the segment's end");
    }
    const std::uint64_t record_end = std::min<std::uint64_t>(end, offset + guess);
    bool joins = false;
    if (!fresh) {
      piece& last = pieces_.back();
      joins = offset <= last.offset + last.bytes + gap_bytes_max &&
              record_end - last.offset <= piece_bytes_max;
      if (joins) last.bytes = std::max<std::size_t>(last.bytes, record_end - last.offset);
    }
    if (!joins) {
      piece& added = pieces_.emplace_back();
      added.of = &of;
      added.offset = offset;
      added.bytes = record_end - offset;
      fresh = false;
    }
    found_record& record = records_.emplace_back();
    record.of = &of;
    record.offset = offset;
    piece_of_.push_back(pieces_.size() - 1);
  }
}

// Offsets to pieces and records, these in the order of the offsets.
void record_fetcher::plan(std::span<const run> runs, std::span<const std::uint32_t> offsets) {
  pieces_.clear();
  records_.clear();
  piece_of_.clear();
  pieces_.reserve(offsets.size());
  records_.reserve(offsets.size());
  piece_of_.reserve(offsets.size());
  std::vector<std::uint32_t> rising;
  for (const run& each : runs) {
    const std::span<const std::uint32_t> its = offsets.subspan(each.first, each.count);
    if (its.front() <= its.back()) {
      plan_run(each, its);
      continue;
    }
    rising.assign(its.rbegin(), its.rend());
    const auto first = static_cast<std::ptrdiff_t>(records_.size());
    plan_run(each, rising);
    std::reverse(records_.begin() + first, records_.end());
    std::reverse(piece_of_.begin() + first, piece_of_.end());
  }
  std::size_t total = 0;
  for (const piece& each : pieces_) total += each.bytes;
  if (capacity_ < total) {
    buffer_ = std::make_unique_for_overwrite<std::byte[]>(total);
    capacity_ = total;
  }
  std::byte* to = buffer_.get();
  for (piece& each : pieces_) {
    each.to = to;
    to += each.bytes;
  }
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const piece& its = pieces_[piece_of_[i]];
    const std::size_t skipped = records_[i].offset - its.offset;
    records_[i].bytes = {its.to + skipped, its.bytes - skipped};
  }
}

asio::awaitable<void> record_fetcher::read(std::span<const piece> pieces) {
  log& from = *core_->log_of();
  std::vector<storage::cached_read> reads;
  std::vector<const run*> of_reads;
  reads.reserve(pieces.size());
  of_reads.reserve(pieces.size());
  const run* of = nullptr;
  storage::file_ptr file;
  std::uint64_t recent = 0;
  for (piece left : pieces) {
    if (left.of != of) {
      of = left.of;
      file = nullptr;
      recent = from.recent_from(of->of->segment_id);
    }
    while (left.bytes != 0) {
      std::size_t some = left.bytes;
      if (left.offset >= recent) {
        some = std::min(some, recent_copy_bytes);
        // It may have been overwritten meanwhile: then it is in the file.
        if (!from.copy_recent(of->of->segment_id, left.offset, left.to, some)) {
          const std::uint64_t now = from.recent_from(of->of->segment_id);
          if (now != std::exchange(recent, now)) continue;
          // Behind the end of the log: the checks find it.
          std::memset(left.to, 0, some);
        }
      } else {
        some = static_cast<std::size_t>(std::min<std::uint64_t>(some, recent - left.offset));
        if (!file) file = core_->try_data(*of->of);
        if (!file) file = co_await core::data_of(core_, of->of);
        storage::cached_read& asked = reads.emplace_back();
        asked.from = file;
        asked.offset = left.offset;
        asked.to = left.to;
        asked.bytes = some;
        of_reads.push_back(of);
      }
      left.offset += some;
      left.to += some;
      left.bytes -= some;
    }
  }
  core_->files().read_all_cached(reads);
  // What the page cache lacks goes to the device together.
  std::vector<storage::io_request> requests;
  std::vector<const run*> of_requests;
  for (std::size_t i = 0; i < reads.size(); ++i) {
    const storage::cached_read& each = reads[i];
    if (each.got == each.bytes) continue;
    storage::io_request& request = requests.emplace_back();
    request.kind = storage::io_kind::read;
    request.offset = each.offset + each.got;
    request.target = each.from;
    request.pieces[0] = {static_cast<std::byte*>(each.to) + each.got, each.bytes - each.got};
    request.piece_count = 1;
    of_requests.push_back(of_reads[i]);
  }
  if (requests.empty()) co_return;
  co_await storage::perform_all(core_->files(), requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const storage::io_request& request = requests[i];
    const std::string name = format::segment_file_name(of_requests[i]->of->segment_id);
    if (request.result < 0) {
      throw boost::system::system_error(static_cast<int>(-request.result),
                                        boost::system::system_category(), "read " + name);
    }
    const auto got = static_cast<std::size_t>(request.result);
    const std::size_t bytes = request.pieces[0].iov_len;
    if (got < bytes) {
      // A short read, or the end of the file, behind which there are zeros: the checks find it.
      auto* const to = static_cast<std::byte*>(request.pieces[0].iov_base);
      const std::size_t more = co_await storage::read_at(
          core_->files(), request.target, request.offset + got, to + got, bytes - got, name);
      std::memset(to + got + more, 0, bytes - got - more);
    }
  }
}

// As the device and the log's buffer have it, past the page cache.
asio::awaitable<void> record_fetcher::read_again(piece what) {
  const log& from = *core_->log_of();
  const std::uint64_t segment = what.of->of->segment_id;
  for (;;) {
    const std::uint64_t recent = from.recent_from(segment);
    piece written = what;
    written.bytes = static_cast<std::size_t>(
        std::min<std::uint64_t>(what.bytes, recent - std::min(recent, what.offset)));
    if (written.bytes != 0) co_await read_device(written);
    const std::size_t rest = what.bytes - written.bytes;
    std::byte* const to = what.to + written.bytes;
    if (rest == 0 || from.copy_recent(segment, what.offset + written.bytes, to, rest)) co_return;
    if (from.recent_from(segment) != recent) continue;
    // Behind the end of the log: the checks find it.
    std::memset(to, 0, rest);
    co_return;
  }
}

asio::awaitable<void> record_fetcher::read_device(piece what) {
  const std::string name = format::segment_file_name(what.of->of->segment_id);
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

record_fetcher::piece record_fetcher::add_extra(const run& of, std::uint64_t offset,
                                                std::uint64_t bytes) {
  piece whole;
  whole.of = &of;
  whole.offset = offset;
  whole.bytes = static_cast<std::size_t>(std::min(bytes, of.end_offset - offset));
  extra_.push_back(std::make_unique_for_overwrite<std::byte[]>(whole.bytes));
  whole.to = extra_.back().get();
  return whole;
}

// Sees to it that each record is whole and right.
asio::awaitable<void> record_fetcher::complete() {
  const format::log_id& log = core_->log_of()->id();
  const run* of = nullptr;
  std::uint32_t seed = 0;
  const auto judge = [&](const found_record& record) {
    if (record.of != of) {
      of = record.of;
      seed = format::segment_seed(log, of->of->segment_id);
    }
    return format::check_frame(record.bytes, seed, of->end_offset - record.offset);
  };
  std::vector<std::size_t> cut;
  std::vector<piece> more;
  std::size_t usual = 0;
  const auto accept = [&](const found_record& record, const format::frame_check& check) {
    const position at{record.of->of->segment_id, record.offset};
    format::decoded_record content;
    const auto body = record.bytes.subspan(format::frame_header_bytes, check.header.length);
    if (format::decode_record(body, record_bytes_highest, content) !=
            format::decode_verdict::valid ||
        content.tombstone || content.compress != compression::none || content.has_time_to_live ||
        content.has_version) {
      throw_error(errc::not_an_event, "position " + text_of(at));
    }
    usual += format::frame_bytes(check.header.length);
    read_event(content.key, content.stored_value, at, tags_, decoded_.emplace_back());
  };
  const auto is_record = [](const format::frame_check& check) {
    return check.verdict == format::frame_verdict::valid &&
           check.header.kind == format::frame_kind::record;
  };
  // Mostly all of them are right as they were read.
  std::size_t done = 0;
  for (; done < records_.size(); ++done) {
    const auto check = judge(records_[done]);
    if (!is_record(check)) break;
    accept(records_[done], check);
  }
  for (std::size_t i = done; i < records_.size(); ++i) {
    const auto check = judge(records_[i]);
    if (check.verdict != format::frame_verdict::incomplete) continue;
    cut.push_back(i);
    more.push_back(add_extra(*records_[i].of, records_[i].offset, check.needed_bytes));
  }
  if (!more.empty()) {
    co_await read(more);
    for (std::size_t i = 0; i < cut.size(); ++i) {
      records_[cut[i]].bytes = {more[i].to, more[i].bytes};
    }
  }
  for (; done < records_.size(); ++done) {
    found_record& record = records_[done];
    auto check = judge(record);
    if (check.verdict != format::frame_verdict::valid) {
      // The page cache may be wrong where the device is right: look there before accusing it.
      piece whole = add_extra(*record.of, record.offset,
                              std::max<std::size_t>(record.bytes.size(), guess_bytes_highest));
      co_await read_again(whole);
      record.bytes = {whole.to, whole.bytes};
      check = judge(record);
      if (check.verdict == format::frame_verdict::incomplete) {
        whole = add_extra(*record.of, record.offset, check.needed_bytes);
        co_await read_again(whole);
        record.bytes = {whole.to, whole.bytes};
        check = judge(record);
      }
    }
    if (!is_record(check)) {
      throw_error(errc::corruption, format::segment_file_name(record.of->of->segment_id) +
                                        " offset " + std::to_string(record.offset) +
                                        ": damaged data");
    }
    accept(record, check);
  }
  usual_bytes_ = usual / records_.size();
}

asio::awaitable<std::span<const recorded_event>> record_fetcher::fetch(
    std::span<const run> runs, std::span<const std::uint32_t> offsets) {
  extra_.clear();
  decoded_.clear();
  tags_.clear();
  events_.clear();
  if (!offsets.empty()) {
    decoded_.reserve(offsets.size());
    tags_.reserve(offsets.size());
    plan(runs, offsets);
    co_await read(pieces_);
    co_await complete();
    collect_events(decoded_, tags_, events_);
  }
  co_return events_;
}

asio::awaitable<recorded_event> record_fetcher::fetch_one(part_ptr of, core::part_now now,
                                                          std::uint32_t offset) {
  run only;
  only.of = std::move(of);
  only.end_offset = now.end_offset;
  only.events = now.end_global - now.first_global;
  only.count = 1;
  const std::span<const recorded_event> found =
      co_await fetch(std::span<const run>(&only, 1), std::span<const std::uint32_t>(&offset, 1));
  co_return found.front();
}

}  // namespace nori::store
