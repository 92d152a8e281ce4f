#ifndef NORI_WAL_STOCK_HPP
#define NORI_WAL_STOCK_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <vector>

#include "engine/recovery.hpp"
#include "format/segment_header.hpp"
#include "storage/storage.hpp"

namespace nori {

namespace asio = boost::asio;

// What is in a log's directory, of which somebody else may be making more.

/// Everything in it, the newest segment before the older ones. Looked at in this order, one that is
/// begun has only begun ones before it. A listing misses what is created while it is taken and may
/// have what was created later: what lies between is asked for by name.
[[nodiscard]] asio::awaitable<std::vector<storage::directory_entry>> list_newest_first(
    storage::storage& files);

/// A segment's file by its first bytes; `bytes` is its size.
/// @throws no_such_file_or_directory where there is none.
[[nodiscard]] asio::awaitable<engine::segment_file> look_at_segment(storage::storage& files,
                                                                    std::uint64_t id,
                                                                    std::uint64_t bytes);

/// The file "log".
/// @throws no_such_file_or_directory where there is none.
[[nodiscard]] asio::awaitable<format::identity_check> look_at_identity(storage::storage& files);

}  // namespace nori

#endif
