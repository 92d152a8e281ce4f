#include "wal/identity_file.hpp"

#include <array>

#include "format/planted_bug.hpp"

namespace nori {

namespace {

// The file that was kept for it, or a new one.
asio::awaitable<storage::file_ptr> open_next(storage::storage& files, std::string name) {
  storage::file_ptr kept;
  try {
    kept = co_await files.open(name, storage::open_mode::write);
  } catch (const boost::system::system_error& error) {
    if (!storage::is_missing(error)) throw;
  }
  if (kept) {
    if (co_await files.size(kept) == format::log_identity_bytes) co_return kept;
    kept = nullptr;
    co_await files.remove(name);
  }
  co_return co_await files.open(name, storage::open_mode::create);
}

}  // namespace

asio::awaitable<void> write_identity(storage::storage& files, format::log_identity identity) {
  const std::string name(format::identity_file_name);
  const std::string tmp(next_identity_file_name);
  {
    const storage::file_ptr file = co_await open_next(files, tmp);
    // Aligned for direct I/O.
    struct alignas(format::block_bytes) image {
      std::array<std::byte, format::log_identity_bytes> bytes;
    };
    const auto content = std::make_unique<image>();
    format::store_log_identity(content->bytes.data(), identity);
    co_await storage::write_at(files, file, 0, content->bytes.data(), content->bytes.size(), false,
                               tmp);
    co_await storage::sync(files, file, tmp);
  }
  co_await files.rename(tmp, name);
  if (!planted(format::planted_bug::skip_directory_sync)) co_await files.sync_directory();
  // Room for the next one: on a full disk, deleting segments needs it before it gives any back.
  try {
    const storage::file_ptr kept = co_await files.open(tmp, storage::open_mode::create);
    co_await files.allocate(kept, 0, format::log_identity_bytes);
  } catch (const boost::system::system_error&) {  // NOLINT: it is made when it is needed
  }
}

asio::awaitable<void> remove_if_there(storage::storage& files, std::string name) {
  try {
    co_await files.remove(name);
  } catch (const boost::system::system_error& error) {
    if (!storage::is_missing(error)) throw;
  }
}

}  // namespace nori
