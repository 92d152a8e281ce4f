#include "wal/visible_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace nori {

namespace {

// A copy out of the buffer holds the log's mutex: for a few microseconds at this size.
constexpr std::size_t recent_copy_bytes = std::size_t{64} << 10;

}  // namespace

asio::awaitable<void> read_visible_bytes(std::shared_ptr<log> from, segment_ptr what,
                                         storage::file_ptr file, std::uint64_t offset,
                                         std::byte* to, std::size_t bytes) {
  while (bytes != 0) {
    const std::uint64_t recent = from->recent_from(what->id);
    if (offset >= recent) {
      const std::size_t some = std::min(bytes, recent_copy_bytes);
      // It may have been overwritten meanwhile: then it is in the file.
      if (!from->copy_recent(what->id, offset, to, some)) continue;
      offset += some;
      to += some;
      bytes -= some;
      continue;
    }
    const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, recent - offset));
    std::size_t got = from->files().read_cached(file, offset, to, some);
    if (got < some) {
      got += co_await storage::read_at(from->files(), file, offset + got, to + got, some - got,
                                       what->name);
    }
    // A file that ends early reads as zeros: the checks find it.
    std::memset(to + got, 0, some - got);
    offset += some;
    to += some;
    bytes -= some;
  }
}

}  // namespace nori
