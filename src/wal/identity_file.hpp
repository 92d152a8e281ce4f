#ifndef NORI_WAL_IDENTITY_FILE_HPP
#define NORI_WAL_IDENTITY_FILE_HPP

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>

#include "format/segment_header.hpp"
#include "storage/storage.hpp"

namespace nori {

namespace asio = boost::asio;

/// The file that becomes "log" next. It stays in the directory, so that there is room for it on a
/// full disk.
inline constexpr std::string_view next_identity_file_name = "log.tmp";

/// Replaces the file "log" by one with this content: durable when it returns, and a crash leaves
/// the old one or the new one.
[[nodiscard]] asio::awaitable<void> write_identity(storage::storage& files,
                                                   format::log_identity identity);

/// Removes a file; none there is no error.
[[nodiscard]] asio::awaitable<void> remove_if_there(storage::storage& files, std::string name);

}  // namespace nori

#endif
