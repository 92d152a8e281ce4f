#include "wal/cursor.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <string>

#include "format/planted_bug.hpp"
#include "format/record_codec.hpp"
#include "format/segment_header.hpp"
#include "storage/parked_handler.hpp"
#include "wal/blocks.hpp"
#include "wal/visible_bytes.hpp"

namespace nori {

namespace {

// So many that they and what they point to stay in the cache.
constexpr std::size_t entries_at_once = 256;

// Reading what the page cache holds waits for nothing: after so much, a tenth of a millisecond,
// whoever else is ready on the executor gets a turn.
constexpr std::size_t bytes_between_turns = std::size_t{1} << 20;

constexpr std::size_t read_bytes_lowest = std::size_t{4} << 10;
constexpr std::size_t read_bytes_highest = std::size_t{16} << 20;

std::string text_of(position where) {
  return std::to_string(where.segment_id) + ":" + std::to_string(where.offset);
}

}  // namespace

cursor::cursor(std::shared_ptr<log> from, position start, read_options options)
    : log_(std::move(from)), options_(options), at_(start) {
  options_.read_bytes = std::clamp(options_.read_bytes, read_bytes_lowest, read_bytes_highest);
  at_.offset = std::max<std::uint64_t>(at_.offset, format::segment_header_bytes);
}

asio::awaitable<std::optional<entry>> cursor::next() {
  decompressed_.clear();
  for (;;) {
    if (segment_) {
      const step taken = parse(current_);
      if (taken == step::got) co_return current_;
      if (taken == step::skip) continue;
      if (taken == step::damaged) {
        co_await doubt();
        continue;
      }
    }
    if (!co_await advance()) co_return std::nullopt;
  }
}

asio::awaitable<std::span<const entry>> cursor::next_batch() {
  decompressed_.clear();
  if (entries_.empty()) entries_.resize(entries_at_once);
  std::size_t count = 0;
  for (;;) {
    while (segment_ && count < entries_.size()) {
      step taken = step::fill;
      try {
        taken = parse(entries_[count]);
      } catch (...) {
        // What is before it comes first: it is met again then.
        if (count == 0) throw;
        break;
      }
      if (taken == step::got) {
        ++count;
      } else if (taken == step::damaged) {
        if (count != 0) break;
        co_await doubt();
      } else if (taken == step::fill) {
        break;
      }
    }
    if (count != 0) co_return std::span<const entry>(entries_.data(), count);
    if (!co_await advance()) co_return std::span<const entry>();
  }
}

cursor::step cursor::parse(entry& to) {
  if (at_.offset >= visible_end_) return step::fill;
  const std::uint64_t left = visible_end_ - at_.offset;
  const std::uint64_t skipped = at_.offset - window_begin_;
  const std::span<const std::byte> bytes(window_.get() + skipped, window_bytes_ - skipped);
  if (chain_) [[likely]] {
    format::frame_header record;
    if (format::is_record_frame(bytes, seed_, left, record) && engine::continues(*chain_, record))
        [[likely]] {
      take(record, bytes, to);
      return step::got;
    }
  }
  const auto check = format::check_frame(bytes, seed_, left);
  if (check.verdict == format::frame_verdict::incomplete) {
    needed_bytes_ = check.needed_bytes;
    return step::fill;
  }
  const format::frame_header& header = check.header;
  if (check.verdict != format::frame_verdict::valid) return step::damaged;
  if (chain_ && !engine::continues(*chain_, header)) return step::damaged;
  if (header.kind == format::frame_kind::record) {
    take(header, bytes, to);
    return step::got;
  }
  pass(header);
  at_.offset += format::frame_bytes(header.length);
  return step::skip;
}

void cursor::pass(const format::frame_header& frame) noexcept {
  if (!chain_) chain_.emplace();
  chain_->sequence = frame.sequence;
  chain_->crc = frame.crc;
  chain_->epoch = frame.epoch;
  needed_bytes_ = 0;
}

void cursor::take(const format::frame_header& record, std::span<const std::byte> bytes, entry& to) {
  to.at = at_;
  to.next = {at_.segment_id, at_.offset + format::frame_bytes(record.length)};
  if (planted(format::planted_bug::skip_starved_record)) {
    pass(record);
    at_ = to.next;
  }
  // Before anything moves on: it may run out of memory, and is read again then.
  decode(record, bytes.subspan(format::frame_header_bytes, record.length), to);
  pass(record);
  at_ = to.next;
}

void cursor::decode(const format::frame_header& header, std::span<const std::byte> body,
                    entry& to) {
  to.sequence = header.sequence;
  to.ends_batch = !header.has(format::frame_flag::batch_continues);
  if (format::decode_plain_record(body, record_bytes_limit_, to.key, to.value)) [[likely]] {
    to.tombstone = false;
    to.stored_uncompressed = false;
    to.compress = compression::none;
    to.time_to_live.reset();
    to.expires_at.reset();
    to.version.reset();
    return;
  }
  format::decoded_record decoded;
  const auto verdict = format::decode_record(body, record_bytes_limit_, decoded);
  if (verdict == format::decode_verdict::unknown_attribute) {
    throw_error(errc::unsupported_format, segment_->name + " offset " + std::to_string(at_.offset) +
                                              ": the record was written by a later version");
  }
  if (verdict != format::decode_verdict::valid) throw_damaged("the record is malformed");
  to.key = decoded.key;
  to.tombstone = decoded.tombstone;
  to.compress = decoded.compress;
  to.stored_uncompressed = decoded.compress != compression::none && !decoded.stored_compressed;
  to.time_to_live.reset();
  to.expires_at.reset();
  to.version.reset();
  if (decoded.has_time_to_live) [[unlikely]] {
    using std::chrono::milliseconds;
    const milliseconds ttl(static_cast<std::int64_t>(
        std::min<std::uint64_t>(decoded.time_to_live_ms, std::uint64_t{1} << 53)));
    const milliseconds appended(static_cast<std::int64_t>(
        std::min<std::uint64_t>(decoded.appended_ms, std::uint64_t{1} << 42)));
    to.time_to_live = ttl;
    // The clock counts nanoseconds in 64 bits: a later end of life is the last it can name.
    const milliseconds last = std::chrono::duration_cast<milliseconds>(
        std::chrono::system_clock::time_point::max().time_since_epoch());
    to.expires_at = std::chrono::system_clock::time_point(
        appended > last - std::min(ttl, last) ? last : appended + ttl);
  }
  if (decoded.has_version) to.version = decoded.version;
  if (!decoded.stored_compressed) {
    to.value = decoded.stored_value;
    return;
  }
  auto& room =
      decompressed_.emplace_back(std::make_unique_for_overwrite<std::byte[]>(decoded.value_bytes));
  if (format::decompress_value(decoded, {room.get(), decoded.value_bytes}) !=
      format::decode_verdict::valid) {
    throw_damaged("the compressed value does not decompress");
  }
  to.value = {reinterpret_cast<const char*>(room.get()), decoded.value_bytes};
}

void cursor::throw_damaged(const char* what) const {
  throw_error(errc::corruption,
              segment_->name + " offset " + std::to_string(at_.offset) + ": " + what);
}

asio::awaitable<bool> cursor::advance() {
  for (;;) {
    position waits_behind = at_;
    if (!segment_) {
      waits_behind = {};
      log::view view = log_->view_of(at_.segment_id, options_.sees);
      if (view.segment) {
        if (view.end >= format::segment_header_bytes) {
          if (at_.offset > view.end) {
            throw_error(errc::position_not_found,
                        "position " + text_of(at_) + " lies behind the end of the log");
          }
          at_.segment_id = view.segment->id;
          co_await enter(std::move(view));
          continue;
        }
        waits_behind = {view.segment->id, 0};
      } else {
        const position first = log_->first_position();
        if (at_.segment_id != 0 && at_ != first) {
          throw_error(errc::position_not_found, "position " + text_of(at_) +
                                                    ": the log has no such segment; it begins at " +
                                                    text_of(first));
        }
      }
    } else if (at_.offset < visible_end_) {
      co_await load();
      co_return true;
    } else {
      log::view view = log_->view_of(at_.segment_id, options_.sees);
      // A deleted segment was sealed: what was seen of it last is all there is.
      if (view.segment && view.end > visible_end_) {
        visible_end_ = view.end;
        continue;
      }
      if (!view.segment || view.sealed) {
        log::view next = log_->view_of(at_.segment_id + 1, options_.sees);
        if (next.segment && next.end >= format::segment_header_bytes) {
          co_await enter(std::move(next));
          continue;
        }
        if (!next.segment && !view.segment) {
          throw_error(errc::position_not_found,
                      "position " + text_of(at_) + ": the segments behind it were deleted");
        }
      }
    }
    if (!options_.follow) co_return false;
    co_await log::wait_visible(log_, waits_behind, options_.sees);
  }
}

asio::awaitable<void> cursor::enter(log::view into) {
  storage::file_ptr file;
  try {
    file = co_await log_->open_for_reading(into.segment, storage::open_mode::read);
  } catch (const boost::system::system_error& error) {
    if (error.code() != boost::system::errc::no_such_file_or_directory) throw;
    throw_error(errc::position_not_found, into.segment->name + " was deleted");
  }
  const bool from_before = segment_ != nullptr;
  const segment_ptr before = std::exchange(segment_, into.segment);
  const storage::file_ptr file_before = std::exchange(file_, file);
  const position at_before = at_;
  const std::uint64_t end_before = visible_end_;
  try {
    std::array<std::byte, format::segment_header_bytes> bytes;
    visible_end_ = into.end;
    co_await read_visible(0, bytes.data(), bytes.size());
    const format::header_check check = format::check_segment_header(bytes);
    if (from_before) at_ = {into.segment->id, format::segment_header_bytes};
    if (check.verdict == format::header_verdict::unsupported_version) {
      throw_error(errc::unsupported_format, segment_->name +
                                                " was written by a later version of nori (format " +
                                                std::to_string(check.header.version) + ")");
    }
    if (check.verdict != format::header_verdict::valid ||
        check.header.segment_id != into.segment->id) {
      co_await throw_if_deleted();
      throw_damaged("the segment's header is damaged");
    }
    const format::segment_header& header = check.header;
    if (from_before && chain_ &&
        (header.first_sequence != chain_->sequence + 1 || header.previous_crc != chain_->crc)) {
      throw_damaged("the segment does not continue the one before it");
    }
    if (at_.offset == format::segment_header_bytes) {
      chain_.emplace();
      chain_->sequence = header.first_sequence - 1;
      chain_->crc = header.previous_crc;
      chain_->epoch = header.epoch;
    }
    record_bytes_limit_ = header.record_bytes_max;
    seed_ = format::segment_seed(header.log, header.segment_id);
  } catch (...) {
    segment_ = before;
    file_ = file_before;
    at_ = at_before;
    visible_end_ = end_before;
    throw;
  }
  window_begin_ = at_.offset;
  window_bytes_ = 0;
  needed_bytes_ = 0;
}

asio::awaitable<void> cursor::load() {
  const std::uint64_t visible = visible_end_ - at_.offset;
  const auto wanted = static_cast<std::size_t>(
      std::min(visible, std::max<std::uint64_t>(options_.read_bytes, needed_bytes_)));
  // What is left of the window comes first.
  const std::uint64_t skipped = at_.offset - window_begin_;
  std::size_t kept = skipped < window_bytes_ ? window_bytes_ - skipped : 0;
  if (kept >= wanted) kept = 0;
  if (window_capacity_ < wanted) {
    auto larger = std::make_unique_for_overwrite<std::byte[]>(wanted);
    if (kept != 0) std::memcpy(larger.get(), window_.get() + skipped, kept);
    window_ = std::move(larger);
    window_capacity_ = wanted;
  } else if (kept != 0) {
    std::memmove(window_.get(), window_.get() + skipped, kept);
  }
  window_begin_ = at_.offset;
  window_bytes_ = kept;
  co_await read_visible(at_.offset + kept, window_.get() + kept, wanted - kept);
  bytes_since_turn_ += wanted - kept;
  if (bytes_since_turn_ >= bytes_between_turns) {
    bytes_since_turn_ = 0;
    storage::parked_handler parked;
    co_await storage::take_turn(parked);
  }
  window_bytes_ = wanted;
}

asio::awaitable<void> cursor::read_visible(std::uint64_t offset, std::byte* to, std::size_t bytes) {
  return read_visible_bytes(log_, segment_, file_, offset, to, bytes);
}

asio::awaitable<void> cursor::read_device(std::uint64_t offset, std::byte* to, std::size_t bytes) {
  const storage::file_ptr file =
      co_await log_->open_for_reading(segment_, storage::open_mode::read_direct);
  const std::uint64_t from = engine::block_floor(offset);
  const std::size_t size = engine::block_ceil(offset + bytes) - from;
  const unique_blocks blocks = allocate_blocks(size);
  const std::size_t got =
      co_await storage::read_at(log_->files(), file, from, blocks.get(), size, segment_->name);
  std::memset(blocks.get() + got, 0, size - got);
  std::memcpy(to, blocks.get() + (offset - from), bytes);
}

asio::awaitable<void> cursor::doubt() {
  const std::uint64_t recent = log_->recent_from(segment_->id);
  if (doubted_ != at_.offset && at_.offset < recent) {
    // The page cache may be wrong where the device is right: look there before accusing it.
    doubted_ = at_.offset;
    const std::uint64_t skipped = at_.offset - window_begin_;
    const auto bytes = static_cast<std::size_t>(
        std::min<std::uint64_t>(window_bytes_ - skipped, recent - at_.offset));
    bool readable = true;
    try {
      co_await read_device(at_.offset, window_.get() + skipped, bytes);
    } catch (const boost::system::system_error&) {
      readable = false;
    } catch (const std::bad_alloc&) {
      doubted_.reset();
      throw;
    }
    if (readable) co_return;
  }
  // Not in one condition: g++ 12 goes wrong over a co_await behind &&.
  if (!chain_) {
    const bool is_there = co_await starts_a_frame(at_);
    if (!is_there) {
      throw_error(errc::position_not_found,
                  "position " + text_of(at_) + ": no record starts there");
    }
  }
  co_await throw_if_deleted();
  throw_damaged("damaged data");
}

asio::awaitable<void> cursor::throw_if_deleted() {
  const bool gone = co_await was_deleted();
  if (gone) throw_error(errc::position_not_found, segment_->name + " was deleted");
}

// Whoever only reads a log is not waited for: another process may have deleted the segment, and
// used its file again, while it was read.
asio::awaitable<bool> cursor::was_deleted() {
  if (log_->config().access != access::read_only) co_return false;
  try {
    const storage::file_ptr file =
        co_await log_->open_for_reading(segment_, storage::open_mode::read);
    std::array<std::byte, format::segment_header_bytes> bytes{};
    const std::size_t got = co_await storage::read_at(log_->files(), file, 0, bytes.data(),
                                                      bytes.size(), segment_->name);
    const auto check = format::check_segment_header({bytes.data(), got});
    // A file that is about to be used again has a header of zeros.
    co_return check.verdict == format::header_verdict::zero ||
        (check.verdict == format::header_verdict::valid && check.header.segment_id != segment_->id);
  } catch (const boost::system::system_error& error) {
    co_return storage::is_missing(error);
  }
}

// Whether following the frames from the start of the segment comes by `where`.
asio::awaitable<bool> cursor::starts_a_frame(position where) {
  cursor walk(log_, {where.segment_id, format::segment_header_bytes}, {false, options_.sees});
  try {
    while (walk.at() < where) {
      if (!(co_await walk.next())) co_return false;
    }
  } catch (const boost::system::system_error&) {
    co_return true;
  }
  co_return walk.at() == where;
}

reader::reader(std::unique_ptr<cursor> cursor) noexcept : cursor_(std::move(cursor)) {}
reader::reader(reader&&) noexcept = default;
reader& reader::operator=(reader&&) noexcept = default;
reader::~reader() = default;

asio::awaitable<std::optional<entry>> reader::next() { return cursor_->next(); }
asio::awaitable<std::span<const entry>> reader::next_batch() { return cursor_->next_batch(); }
position reader::at() const noexcept { return cursor_->at(); }

}  // namespace nori
