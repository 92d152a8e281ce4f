// What opening changes on disk: damage is kept aside, what was staged is carried into its segment,
// a torn tail becomes zeros, and what is left over goes.

#include <algorithm>
#include <cstring>

#include "wal/blocks.hpp"
#include "wal/identity_file.hpp"
#include "wal/opening.hpp"
#include "wal/stock.hpp"

namespace nori {

using engine::block_ceil;
using engine::block_floor;

std::uint32_t random_epoch(storage::storage& on, std::uint32_t other_than) {
  for (;;) {
    const std::uint32_t epoch = on.random_word();
    if (epoch != 0 && epoch != other_than) return epoch;
  }
}

// In strict mode this throws. Otherwise everything from here on is kept aside and cut off.
asio::awaitable<void> opening::salvage_from(std::uint64_t segment_id, std::uint64_t offset,
                                            std::uint64_t bytes, std::string why) {
  if (!salvages()) refuse_damage(why);
  info.corruption_detected = true;
  info.clean_close = false;
  info.salvage_report.push_back(why);
  // What is cut off is kept aside first, then what follows it, the newest first, and the count of
  // segments comes last: whoever opens the log after a crash in between is refused as before, or
  // everything that was dropped is aside already.
  if (segment_id != 0 && bytes > offset) co_await cut_aside(segment_id, offset, bytes);
  std::vector<std::uint64_t> later;
  for (const auto& file : catalog_.begun) {
    if (file.id > segment_id) later.push_back(file.id);
  }
  for (const auto& file : catalog_.unbegun) {
    if (file.id > segment_id) later.push_back(file.id);
  }
  std::sort(later.rbegin(), later.rend());
  for (const std::uint64_t id : later) {
    co_await set_aside(format::segment_file_name(id), "dropped with what follows it");
  }
  std::erase_if(catalog_.begun, [&](const auto& file) { return file.id > segment_id; });
  catalog_.unbegun.clear();
  // Left where it is, it would tell the next opening of what was dropped.
  if (!staging_.empty()) co_await set_aside(std::string(format::staging_file_name), {});
  staging_.clear();
  if (!staged_.empty()) info.bytes_from_staging = 0;
  staged_.clear();
  identity_.last_segment_id = segment_id;
  co_await write_identity(*files_, identity_);
}

// Keeps [offset, bytes) of a segment aside, and cuts it off.
asio::awaitable<void> opening::cut_aside(std::uint64_t segment_id, std::uint64_t offset,
                                         std::uint64_t bytes) {
  const std::string name = format::segment_file_name(segment_id);
  const std::string aside = "salvaged-" + std::to_string(segment_id) + "-" +
                            std::to_string(offset) + "-" +
                            std::to_string(random_epoch(*files_, 0)) + ".bytes";
  {
    const storage::file_ptr from = co_await files_->open(name, storage::open_mode::write);
    const storage::file_ptr to = co_await files_->open(aside, storage::open_mode::create);
    segment_file_reader reader(*files_, from, name, bytes);
    // Block by block, so that direct I/O is aligned: the file begins with the block that holds
    // the damage.
    constexpr std::size_t piece_bytes = std::size_t{1} << 20;
    const unique_blocks piece = allocate_blocks(piece_bytes);
    const std::uint64_t begin = block_floor(offset);
    for (std::uint64_t at = begin; at < bytes; at += piece_bytes) {
      const auto some =
          static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, block_ceil(bytes - at)));
      co_await reader.read(at, piece.get(), some);
      co_await storage::write_at(*files_, to, at - begin, piece.get(), some, false, aside);
    }
    co_await storage::sync(*files_, to, aside);
    co_await files_->sync_directory();
    // Nothing of it may come back to life: the rest of the block becomes zeros, the file ends.
    co_await reader.read(begin, piece.get(), format::block_bytes);
    std::memset(piece.get() + (offset - begin), 0, format::block_bytes - (offset - begin));
    co_await storage::write_at(*files_, from, begin, piece.get(), format::block_bytes, true, name);
    co_await files_->truncate(from, begin + format::block_bytes);
    co_await storage::sync(*files_, from, name);
  }
  info.bytes_truncated += bytes - offset;
  info.salvaged_files.push_back(aside);
  for (auto& file : catalog_.begun) {
    if (file.id == segment_id) file.bytes = block_floor(offset) + format::block_bytes;
  }
}

asio::awaitable<void> opening::set_aside(std::string name, std::string why) {
  const std::string aside = "salvaged-" + std::to_string(random_epoch(*files_, 0)) + "-" + name;
  co_await files_->rename(name, aside);
  co_await files_->sync_directory();
  info.salvaged_files.push_back(aside);
  if (!why.empty()) info.salvage_report.push_back(name + ": " + why);
}

namespace {

// Nobody else does, and it would take the whole segment with it. Both copies are what they were, at
// any moment.
asio::awaitable<void> write_header_again(storage::storage& files, segment_file_reader& from,
                                         storage::file_ptr to, std::string_view name) {
  const unique_blocks header = allocate_blocks(format::segment_header_bytes);
  co_await from.read(0, header.get(), format::segment_header_bytes);
  co_await storage::write_at(files, std::move(to), 0, header.get(), format::segment_header_bytes,
                             true, name);
}

}  // namespace

// Writes what only the staging file held into its segment.
asio::awaitable<void> opening::carry_pieces(bool keeps_rest) {
  if (!staged_.empty() && !catalog_.begun.empty() &&
      staged_.front().segment_id != catalog_.begun.back().id) {
    // It goes on with the next segment, whose header says that this one is whole: it must be, and
    // what a killed process wrote may be in the page cache alone.
    const engine::segment_file& full = catalog_.begun.back();
    const std::string name = format::segment_file_name(full.id);
    const storage::file_ptr to = co_await files_->open(name, storage::open_mode::write);
    segment_file_reader reader(*files_, to, name, full.bytes);
    co_await write_header_again(*files_, reader, to, name);
    co_await storage::sync(*files_, to, name);
  }
  for (const staged_piece& piece : staged_) {
    const std::string name = format::segment_file_name(piece.segment_id);
    const storage::file_ptr to = co_await files_->open(name, storage::open_mode::write);
    const std::uint64_t size = co_await files_->size(to);
    segment_file_reader reader(*files_, to, name, size);
    const std::uint64_t begin = block_floor(piece.offset);
    const std::uint64_t end = piece.offset + piece.bytes;
    const std::size_t bytes = block_ceil(end) - begin;
    if (block_ceil(end) > size) co_await files_->allocate(to, size, block_ceil(end) - size);
    // The last segment's is written below.
    if (piece.offset != 0 && piece.segment_id != end_.segment_id) {
      co_await write_header_again(*files_, reader, to, name);
    }
    const unique_blocks blocks = allocate_blocks(bytes);
    std::memset(blocks.get(), 0, bytes);
    if (begin != piece.offset) co_await reader.read(begin, blocks.get(), format::block_bytes);
    std::memcpy(blocks.get() + (piece.offset - begin), staging_.data() + piece.from, piece.bytes);
    if (keeps_rest && end % format::block_bytes != 0) {
      // What lies behind it in its block may be all that is left of a record.
      const unique_blocks last = allocate_blocks(format::block_bytes);
      co_await reader.read(block_floor(end), last.get(), format::block_bytes);
      const std::uint64_t used = end - block_floor(end);
      std::memcpy(blocks.get() + (end - begin), last.get() + used, format::block_bytes - used);
    } else {
      std::memset(blocks.get() + (end - begin), 0, bytes - (end - begin));
    }
    co_await storage::write_at(*files_, to, begin, blocks.get(), bytes, true, name);
    co_await storage::sync(*files_, to, name);
  }
}

// What the staging file holds before the damage is kept where it belongs: from then on the log ends
// in its files.
asio::awaitable<void> opening::keep_staged() {
  co_await carry_pieces(true);
  for (const staged_piece& piece : staged_) {
    const std::string name = format::segment_file_name(piece.segment_id);
    const storage::file_ptr file = co_await files_->open(name, storage::open_mode::read);
    const std::uint64_t bytes = co_await files_->size(file);
    const auto unbegun =
        std::find_if(catalog_.unbegun.begin(), catalog_.unbegun.end(),
                     [&](const auto& each) { return each.id == piece.segment_id; });
    if (unbegun == catalog_.unbegun.end()) {
      catalog_.begun.back().bytes = bytes;
      continue;
    }
    catalog_.begun.push_back(co_await look_at_segment(*files_, piece.segment_id, bytes));
    catalog_.unbegun.erase(unbegun);
  }
  staged_.clear();
}

// Writes what only the staging file held into its segment, and makes sure that the device has
// everything that recovery counts: after a failed sync the page cache may claim more than it does.
asio::awaitable<void> opening::carry_staged() {
  co_await carry_pieces(false);
  if (end_.segment_id == 0) co_return;
  // The mark of a clean close may be readable and not durable, too. The last block is written
  // again, and zeros over the first frame that was cut off, also where it starts a block: what is
  // written there next, if only its zeros arrive before a crash, could be just what that frame was
  // missing.
  const std::string name = format::segment_file_name(end_.segment_id);
  const storage::file_ptr to = co_await files_->open(name, storage::open_mode::write);
  const std::uint64_t size = co_await files_->size(to);
  segment_file_reader reader(*files_, to, name, size);
  co_await write_header_again(*files_, reader, to, name);
  const std::uint64_t begin = block_floor(end_.offset - 1);
  const std::size_t bytes = std::min(block_ceil(end_.offset + 1), block_ceil(size)) - begin;
  const unique_blocks blocks = allocate_blocks(bytes);
  co_await reader.read(begin, blocks.get(), format::block_bytes);
  std::memset(blocks.get() + (end_.offset - begin), 0, bytes - (end_.offset - begin));
  co_await storage::write_at(*files_, to, begin, blocks.get(), bytes, true, name);
  co_await storage::sync(*files_, to, name);
}

asio::awaitable<void> opening::clear_up() {
  // Everything in it is in its segment now.
  if (!staging_.empty() && config_.fsync.which() == fsync_policy::kind::always) {
    leftovers_.emplace_back(format::staging_file_name);
  }
  for (const std::uint64_t id : catalog_.deleted) {
    leftovers_.push_back(format::segment_file_name(id));
  }
  format::log_identity wanted = identity_;
  wanted.last_segment_id = end_.segment_id;
  std::vector<std::string> surplus;
  for (const auto& file : catalog_.unbegun) {
    if (file.id > end_.segment_id) surplus.push_back(format::segment_file_name(file.id));
  }
  if (wanted != identity_ || info.corruption_detected) {
    co_await write_identity(*files_, wanted);
    identity_ = wanted;
  }
  for (const std::string& name : surplus) co_await remove_if_there(*files_, name);
  for (const std::string& name : leftovers_) co_await remove_if_there(*files_, name);
  if (!surplus.empty() || !leftovers_.empty()) co_await files_->sync_directory();
}

}  // namespace nori
