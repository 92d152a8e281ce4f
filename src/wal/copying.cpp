// Copying a log, segment by segment, while it may be in use.

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <nori/copy.hpp>

#include "engine/chain_scanner.hpp"
#include "wal/blocks.hpp"
#include "wal/identity_file.hpp"
#include "wal/log.hpp"
#include "wal/segment_file_reader.hpp"
#include "wal/stock.hpp"
#include "wal/visible_bytes.hpp"

namespace nori {

using boost::system::system_error;

namespace {

constexpr std::size_t copy_piece_bytes = std::size_t{1} << 20;
constexpr std::string_view copied_segment_tmp = "copy.tmp";
// Whoever opens the copy to write to it removes this: it is the beginning of another log then.
constexpr std::string_view copy_mark = "is-a-copy.tmp";

class copying {
 public:
  copying(log::shared from, std::filesystem::path to, copy_options options)
      : from_(std::move(from)), dir_(std::move(to)), options_(std::move(options)) {}

  asio::awaitable<copied_log> perform();

 private:
  using header_bytes = std::array<std::byte, format::segment_header_bytes>;

  void refuse(const std::string& what) const {
    throw_error(errc::invalid_config, dir_.string() + " " + what);
  }
  asio::awaitable<void> take_stock();
  asio::awaitable<storage::file_ptr> open_source(segment_ptr what);
  asio::awaitable<format::segment_header> header_of(segment_ptr what, header_bytes* bytes);
  asio::awaitable<engine::chain_scanner> scan_copy(std::string name, format::segment_header header,
                                                   std::uint64_t limit);
  asio::awaitable<bool> continues_copy(format::segment_header first);
  asio::awaitable<bool> is_there(segment_ptr what, segment_ptr next);
  asio::awaitable<void> copy(segment_ptr what, std::uint64_t end, bool sealed);
  asio::awaitable<void> write_pieces(segment_ptr what, storage::file_ptr source,
                                     storage::file_ptr target, std::uint64_t end);
  asio::awaitable<void> cut_behind(std::string name, std::uint64_t end);
  void report(std::uint64_t bytes) {
    done_ += bytes;
    if (options_.progress) options_.progress(std::min(done_, total_), total_);
  }

  const log::shared from_;
  const std::filesystem::path dir_;
  const copy_options options_;
  std::shared_ptr<storage::storage> to_;
  std::optional<format::log_identity> identity_;
  std::vector<std::uint64_t> ids_there_;
  bool marked_ = false;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  copied_log result_;
};

asio::awaitable<void> copying::take_stock() {
  for (const storage::directory_entry& entry : co_await to_->list()) {
    if (const auto id = format::parse_segment_file_name(entry.name)) {
      ids_there_.push_back(*id);
    } else if (entry.name == format::identity_file_name) {
      const auto check = co_await look_at_identity(*to_);
      if (check.verdict != format::header_verdict::valid) refuse("has a damaged log");
      if (check.identity.log != from_->id()) refuse("has another log: choose a new directory");
      identity_ = check.identity;
    } else if (entry.name == copy_mark) {
      marked_ = true;
    } else if (entry.name == format::staging_file_name) {
      refuse("has a log that was written to: choose a new directory");
    }
  }
  std::sort(ids_there_.begin(), ids_there_.end());
  if (!identity_ && !ids_there_.empty()) refuse("has segments of an unknown log");
  if (!marked_ && !ids_there_.empty()) {
    refuse("has a log that was opened for writing: choose a new directory");
  }
}

asio::awaitable<storage::file_ptr> copying::open_source(segment_ptr what) {
  try {
    co_return co_await from_->open_for_reading(what, storage::open_mode::read);
  } catch (const system_error& error) {
    if (!storage::is_missing(error)) throw;
  }
  throw_error(errc::position_not_found, what->name + " was deleted");
}

asio::awaitable<format::segment_header> copying::header_of(segment_ptr what, header_bytes* bytes) {
  const storage::file_ptr file = co_await open_source(what);
  co_await read_visible_bytes(from_, what, file, 0, bytes->data(), bytes->size());
  const auto check = format::check_segment_header(*bytes);
  if (check.verdict != format::header_verdict::valid || check.header.segment_id != what->id ||
      check.header.log != from_->id()) {
    // A file that is about to be used again has a header of zeros.
    if (check.verdict == format::header_verdict::zero ||
        check.verdict == format::header_verdict::valid) {
      throw_error(errc::position_not_found, what->name + " was deleted");
    }
    throw_error(errc::corruption, what->name + ": its header is damaged");
  }
  co_return check.header;
}

// Follows the records of a segment in the copy, as the device has it.
asio::awaitable<engine::chain_scanner> copying::scan_copy(std::string name,
                                                          format::segment_header header,
                                                          std::uint64_t limit) {
  engine::chain_state chain;
  chain.sequence = header.first_sequence - 1;
  chain.crc = header.previous_crc;
  chain.epoch = header.epoch;
  chain.records = header.records_before;
  engine::chain_scanner scanner(format::segment_seed(header.log, header.segment_id), chain,
                                format::segment_header_bytes, limit);
  const storage::file_ptr file = co_await to_->open(name, storage::open_mode::read_direct);
  const std::uint64_t bytes = co_await to_->size(file);
  segment_file_reader reader(*to_, file, name, bytes);
  co_await reader.scan(scanner);
  co_return scanner;
}

// Whether what is there of before `next`, the oldest segment that the log still has, is whole and
// leads up to it. Newest first: each says how the one before it ends.
asio::awaitable<bool> copying::continues_copy(format::segment_header next) {
  const std::uint64_t oldest = next.segment_id;
  for (auto id = ids_there_.rbegin(); id != ids_there_.rend(); ++id) {
    if (*id >= oldest) continue;
    if (*id < identity_->first_segment_id) break;
    if (*id + 1 != next.segment_id) co_return false;
    const engine::segment_file before = co_await look_at_segment(*to_, *id, 0);
    const format::header_check& check = before.header;
    if (check.verdict != format::header_verdict::valid || check.header.log != from_->id() ||
        check.header.segment_id != *id) {
      co_return false;
    }
    const engine::chain_scanner scanner =
        co_await scan_copy(format::segment_file_name(*id), check.header, next.previous_end);
    if (scanner.offset() != next.previous_end || scanner.chain().crc != next.previous_crc) {
      co_return false;
    }
    next = check.header;
  }
  co_return next.segment_id == std::min(oldest, identity_->first_segment_id);
}

// Whether an earlier copy has all of a sealed segment, as `next` says that it ends: a power cut may
// have taken some of what was copied, and the segment gone on with something else to the same end.
asio::awaitable<bool> copying::is_there(segment_ptr what, segment_ptr next) {
  if (!std::binary_search(ids_there_.begin(), ids_there_.end(), what->id)) co_return false;
  header_bytes behind{};
  const format::segment_header successor = co_await header_of(next, &behind);
  header_bytes ours{};
  const format::segment_header header = co_await header_of(what, &ours);
  const storage::file_ptr file = co_await to_->open(what->name, storage::open_mode::read);
  header_bytes theirs{};
  const std::size_t got =
      co_await storage::read_at(*to_, file, 0, theirs.data(), theirs.size(), what->name);
  if (got != theirs.size() || theirs != ours) co_return false;
  const std::uint64_t end = successor.previous_end;
  const engine::chain_scanner scanner = co_await scan_copy(what->name, header, end);
  const bool is_whole = scanner.offset() == end && scanner.last_batch().offset == end;
  co_return is_whole&& scanner.chain().crc == successor.previous_crc;
}

asio::awaitable<void> copying::write_pieces(segment_ptr what, storage::file_ptr source,
                                            storage::file_ptr target, std::uint64_t end) {
  const unique_blocks piece = allocate_blocks(copy_piece_bytes);
  for (std::uint64_t at = 0; at < end; at += copy_piece_bytes) {
    const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(copy_piece_bytes, end - at));
    const std::size_t whole = engine::block_ceil(some);
    co_await read_visible_bytes(from_, what, source, at, piece.get(), some);
    std::memset(piece.get() + some, 0, whole - some);
    co_await storage::write_at(*to_, target, at, piece.get(), whole, false, copied_segment_tmp);
    report(some);
  }
}

// Zeros behind `end`, and no more than a block of them.
asio::awaitable<void> copying::cut_behind(std::string name, std::uint64_t end) {
  const storage::file_ptr file = co_await to_->open(name, storage::open_mode::write);
  const std::uint64_t bytes = co_await to_->size(file);
  if (end % format::block_bytes != 0) {
    segment_file_reader reader(*to_, file, name, bytes);
    const unique_blocks block = allocate_blocks(format::block_bytes);
    const std::uint64_t begin = engine::block_floor(end);
    co_await reader.read(begin, block.get(), format::block_bytes);
    std::memset(block.get() + (end - begin), 0, format::block_bytes - (end - begin));
    co_await storage::write_at(*to_, file, begin, block.get(), format::block_bytes, false, name);
  }
  co_await to_->truncate(file, engine::block_ceil(end));
  co_await storage::sync(*to_, file, name);
}

asio::awaitable<void> copying::copy(segment_ptr what, std::uint64_t end, bool sealed) {
  header_bytes bytes{};
  const format::segment_header header = co_await header_of(what, &bytes);
  const std::string tmp(copied_segment_tmp);
  co_await remove_if_there(*to_, tmp);
  {
    const storage::file_ptr source = co_await open_source(what);
    const storage::file_ptr target = co_await to_->open(tmp, storage::open_mode::create);
    co_await write_pieces(what, source, target, end);
    co_await storage::sync(*to_, target, tmp);
  }
  const bool cuts = options_.until < position{what->id, end};
  const engine::chain_scanner scanner =
      co_await scan_copy(tmp, header, cuts ? options_.until.offset : end);
  const std::uint64_t reached = scanner.last_batch().offset;
  if (!cuts && (scanner.offset() != end || (sealed && reached != end))) {
    header_bytes now{};
    const format::segment_header header_now = co_await header_of(what, &now);
    if (header_now != header) throw_error(errc::position_not_found, what->name + " was deleted");
    throw_error(errc::corruption,
                what->name + " offset " + std::to_string(scanner.offset()) + ": damaged data");
  }
  const std::uint64_t keep = std::max<std::uint64_t>(reached, format::segment_header_bytes);
  if (keep != end) co_await cut_behind(tmp, keep);
  co_await to_->rename(tmp, what->name);
  co_await to_->sync_directory();
  ++result_.segments;
  result_.bytes += keep;
  result_.end = {what->id, keep};
}

asio::awaitable<copied_log> copying::perform() {
  const auto strand = storage::make_completion_executor(co_await asio::this_coro::executor);
  const storage::open_options place{dir_, backend::automatic, false};
  to_ = co_await storage::open_storage(place, strand);
  const std::string lock(format::lock_file_name);
  const bool mine = co_await to_->lock(lock);
  if (!mine) throw_error(errc::locked, dir_.string());
  co_await take_stock();

  struct piece {
    segment_ptr what;
    std::uint64_t end;
    bool sealed;
  };
  std::vector<piece> pieces;
  for (const log::segment_info& each : from_->segments()) {
    const log::view view = from_->view_of(each.id, visibility::acknowledged);
    if (!view.segment || view.end < format::segment_header_bytes) continue;
    if (options_.until <= position{each.id, format::segment_header_bytes}) break;
    pieces.push_back({view.segment, view.end, view.sealed});
    total_ += view.end;
  }
  const std::uint64_t last = pieces.empty() ? 0 : pieces.back().what->id;
  if (!ids_there_.empty() && ids_there_.back() > last) {
    refuse("has more of this log than is to be copied: choose a new directory");
  }
  if (!identity_) {
    identity_.emplace();
    identity_->log = from_->id();
    identity_->first_segment_id =
        pieces.empty() ? from_->first_position().segment_id : pieces.front().what->id;
    if (identity_->first_segment_id == 0) identity_->first_segment_id = 1;
    // Whatever comes of this, the directory says which log it is a copy of.
    co_await write_identity(*to_, *identity_);
  } else if (!pieces.empty() && ids_there_.empty()) {
    // Nothing had been begun when it was copied before.
    identity_->first_segment_id = pieces.front().what->id;
    co_await write_identity(*to_, *identity_);
  } else if (!pieces.empty()) {
    header_bytes bytes{};
    const format::segment_header oldest = co_await header_of(pieces.front().what, &bytes);
    const bool continues = co_await continues_copy(oldest);
    if (!continues) {
      refuse(
          "lacks segments that the log has deleted since, or what is there of them is not what "
          "the log had: begin a copy in a new directory");
    }
  }
  if (!marked_) {
    co_await remove_if_there(*to_, std::string(copy_mark));
    static_cast<void>(co_await to_->open(std::string(copy_mark), storage::open_mode::create));
    co_await to_->sync_directory();
  }
  for (std::size_t i = 0; i != pieces.size(); ++i) {
    const piece& each = pieces[i];
    const bool cuts = options_.until < position{each.what->id, each.end};
    bool kept = false;
    if (each.sealed && !cuts && i + 1 != pieces.size()) {
      kept = co_await is_there(each.what, pieces[i + 1].what);
    }
    if (kept) {
      ++result_.segments_kept;
      result_.end = {each.what->id, each.end};
      report(each.end);
    } else {
      co_await copy(each.what, each.end, each.sealed);
    }
  }
  identity_->last_segment_id = last;
  co_await write_identity(*to_, *identity_);
  co_await to_->unlock();
  co_return result_;
}

}  // namespace

asio::awaitable<copied_log> copy_log(const wal& from, std::filesystem::path to,
                                     copy_options options) {
  copying work(log::of(from), std::move(to), std::move(options));
  co_return co_await work.perform();
}

}  // namespace nori
