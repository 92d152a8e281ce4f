#ifndef NORI_WAL_SEGMENT_FILE_READER_HPP
#define NORI_WAL_SEGMENT_FILE_READER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/chain_scanner.hpp"
#include "storage/storage.hpp"
#include "wal/blocks.hpp"

namespace nori {

namespace asio = boost::asio;

/// Reads a segment file block by block for recovery: what the device has, a window at a time.
class segment_file_reader {
 public:
  segment_file_reader(storage::storage& files, storage::file_ptr file, std::string name,
                      std::uint64_t bytes);

  /// Feeds `scanner` from its offset() on until its chain breaks.
  /// Returns the verdict on the first frame that does not continue it.
  asio::awaitable<format::frame_verdict> scan(engine::chain_scanner& scanner);

  /// What lies in [from, end of file).
  struct rest {
    bool zero = true;
    std::optional<std::uint64_t> proof;  ///< offset of a frame that proves `sequence` was durable
    std::uint64_t end = 0;               ///< behind the last byte that is not zero, or `from`
  };
  asio::awaitable<rest> search(std::uint64_t from, std::uint32_t seed, std::uint64_t sequence,
                               std::uint64_t frame_bytes_max, std::uint64_t reach_bytes,
                               bool reused_file);

  /// Reads [offset, offset + bytes) into `to`; behind the end of the file there are zeros.
  asio::awaitable<void> read(std::uint64_t offset, std::byte* to, std::size_t bytes);

 private:
  // The bytes from `from`, at least `least` of them where the file has so many.
  asio::awaitable<std::span<const std::byte>> window(std::uint64_t from, std::uint64_t least);

  asio::awaitable<std::size_t> read_blocks(std::uint64_t begin, std::size_t bytes);

  storage::storage& files_;
  storage::file_ptr file_;
  std::string name_;
  std::uint64_t bytes_;
  unique_blocks blocks_;
  std::size_t capacity_ = 0;
};

}  // namespace nori

#endif
