#ifndef NORI_WAL_VISIBLE_BYTES_HPP
#define NORI_WAL_VISIBLE_BYTES_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/storage.hpp"
#include "wal/log.hpp"
#include "wal/segment_set.hpp"

namespace nori {

/// Reads [offset, offset + bytes) of what is visible of a segment, from wherever it is: the buffer,
/// the page cache, or the device. Where the file ends early there are zeros.
/// What need not be waited for completes at once, without giving anybody else a turn.
[[nodiscard]] asio::awaitable<void> read_visible_bytes(std::shared_ptr<log> from, segment_ptr what,
                                                       storage::file_ptr file, std::uint64_t offset,
                                                       std::byte* to, std::size_t bytes);

}  // namespace nori

#endif
