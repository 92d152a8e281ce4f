#include "wal/segment_file_reader.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "format/frame_scan.hpp"

namespace nori {

namespace {

constexpr std::uint64_t scan_window_bytes = std::uint64_t{4} << 20;
constexpr std::size_t piece_bytes = std::size_t{512} << 10;
constexpr std::uint64_t search_window_bytes = std::uint64_t{8} << 20;

std::size_t last_nonzero(std::span<const std::byte> bytes) noexcept {
  std::size_t end = bytes.size();
  // Eight at a time while that works; frames and blocks are aligned.
  while (end >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + end - 8, 8);
    if (word != 0) break;
    end -= 8;
  }
  while (end != 0 && bytes[end - 1] == std::byte{0}) --end;
  return end;
}

}  // namespace

segment_file_reader::segment_file_reader(storage::storage& files, storage::file_ptr file,
                                         std::string name, std::uint64_t bytes)
    : files_(files), file_(std::move(file)), name_(std::move(name)), bytes_(bytes) {}

asio::awaitable<std::span<const std::byte>> segment_file_reader::window(std::uint64_t from,
                                                                        std::uint64_t least) {
  const std::uint64_t begin = engine::block_floor(from);
  // No more than is there: the kernel fills what is asked for behind the end of a file with zeros,
  // which for a small segment takes longer than everything else.
  if (begin >= bytes_) co_return std::span<const std::byte>{};
  const std::size_t wanted =
      engine::block_ceil(std::min<std::uint64_t>(from - begin + least, bytes_ - begin));
  if (capacity_ < wanted) {
    blocks_ = allocate_blocks(wanted);
    capacity_ = wanted;
  }
  const std::size_t got = co_await read_blocks(begin, wanted);
  const std::uint64_t skipped = from - begin;
  if (got <= skipped) co_return std::span<const std::byte>{};
  co_return std::span<const std::byte>{blocks_.get() + skipped, got - skipped};
}

// In pieces at the same time, which is what a device is fastest with.
asio::awaitable<std::size_t> segment_file_reader::read_blocks(std::uint64_t begin,
                                                              std::size_t bytes) {
  std::vector<storage::io_request> requests((bytes + piece_bytes - 1) / piece_bytes);
  std::size_t asked = 0;
  for (storage::io_request& each : requests) {
    const std::size_t some = std::min(piece_bytes, bytes - asked);
    each.kind = storage::io_kind::read;
    each.target = file_;
    each.offset = begin + asked;
    each.pieces[0] = {blocks_.get() + asked, some};
    each.piece_count = 1;
    asked += some;
  }
  co_await storage::perform_all(files_, requests);
  std::size_t got = 0;
  for (const storage::io_request& each : requests) {
    if (each.result != static_cast<std::int64_t>(each.pieces[0].iov_len)) break;
    got += each.pieces[0].iov_len;
  }
  if (got == bytes) co_return got;
  // The end of the file, a short read, or an error: whichever it is, this finds out.
  co_return got + co_await storage::read_at(files_, file_, begin + got, blocks_.get() + got,
                                            bytes - got, name_);
}

asio::awaitable<format::frame_verdict> segment_file_reader::scan(engine::chain_scanner& scanner) {
  std::uint64_t least = scan_window_bytes;
  for (;;) {
    const std::span<const std::byte> bytes = co_await window(scanner.offset(), least);
    const auto progress = scanner.feed(bytes);
    if (progress.stop == engine::scan_stop::broken) co_return progress.verdict;
    // At the end of the file: the limit has made sure that no frame claims more.
    if (progress.consumed == 0 && bytes.size() < std::min(least, progress.needed_bytes)) {
      co_return format::frame_verdict::incomplete;
    }
    least = std::max(scan_window_bytes, progress.needed_bytes);
  }
}

asio::awaitable<segment_file_reader::rest> segment_file_reader::search(
    std::uint64_t from, std::uint32_t seed, std::uint64_t sequence, std::uint64_t frame_bytes_max,
    std::uint64_t reach_bytes, bool reused_file) {
  rest found;
  found.end = from;
  // Windows overlap by the largest frame, so that each frame is whole in one of them.
  const std::uint64_t overlap = engine::block_ceil(frame_bytes_max);
  const std::uint64_t size = std::max(search_window_bytes, 2 * overlap);
  for (std::uint64_t at = from; at < bytes_;) {
    const std::span<const std::byte> bytes = co_await window(at, size);
    if (bytes.empty()) break;
    const std::size_t end = last_nonzero(bytes);
    if (end != 0) {
      found.zero = false;
      if (!reused_file) found.end = std::max(found.end, at + end);
      // A frame may end with any number of zeros.
      const std::size_t searched = std::min<std::uint64_t>(bytes.size(), end + frame_bytes_max);
      if (const auto proof =
              engine::find_proof(bytes.first(searched), seed, sequence, reach_bytes)) {
        found.proof = at + *proof;
        co_return found;
      }
      if (reused_file) {
        format::frame_pattern ours;
        ours.sequence_min = sequence;
        ours.sequence_max = sequence + reach_bytes / format::frame_header_bytes;
        format::frame_scanner scanner(bytes.first(searched), seed);
        for (std::size_t next = 0; const auto frame = scanner.next(next, ours);) {
          const auto header = format::load_frame_header(bytes.data() + *frame);
          next = *frame + format::frame_bytes(header.length);
          found.end = std::max(found.end, at + next);
        }
      }
    }
    if (bytes.size() < size) break;
    at += size - overlap;
  }
  co_return found;
}

asio::awaitable<void> segment_file_reader::read(std::uint64_t offset, std::byte* to,
                                                std::size_t bytes) {
  const std::span<const std::byte> got = co_await window(offset, bytes);
  const std::size_t some = std::min(bytes, got.size());
  std::memcpy(to, got.data(), some);
  std::memset(to + some, 0, bytes - some);
}

}  // namespace nori
