#include "wal/stock.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace nori {

namespace {

// More than are begun during any listing; a directory with larger gaps is damaged.
constexpr std::size_t missed_max = 64;

}  // namespace

asio::awaitable<std::vector<storage::directory_entry>> list_newest_first(storage::storage& files) {
  std::vector<storage::directory_entry> entries = co_await files.list();
  std::vector<std::uint64_t> ids;
  for (const storage::directory_entry& entry : entries) {
    if (const auto id = format::parse_segment_file_name(entry.name)) ids.push_back(*id);
  }
  for (const std::uint64_t id : engine::missing_segments(ids, missed_max)) {
    storage::directory_entry missed;
    missed.name = format::segment_file_name(id);
    try {
      const storage::file_ptr file = co_await files.open(missed.name, storage::open_mode::read);
      missed.bytes = co_await files.size(file);
      entries.push_back(missed);
    } catch (const boost::system::system_error& error) {
      if (error.code() != boost::system::errc::no_such_file_or_directory) throw;
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name > b.name; });
  co_return entries;
}

asio::awaitable<engine::segment_file> look_at_segment(storage::storage& files, std::uint64_t id,
                                                      std::uint64_t bytes) {
  engine::segment_file found;
  found.id = id;
  found.bytes = bytes;
  const std::string name = format::segment_file_name(id);
  const storage::file_ptr file = co_await files.open(name, storage::open_mode::read);
  std::array<std::byte, format::segment_header_bytes> header{};
  const std::size_t got =
      co_await storage::read_at(files, file, 0, header.data(), header.size(), name);
  found.header = format::check_segment_header({header.data(), got});
  co_return found;
}

asio::awaitable<format::identity_check> look_at_identity(storage::storage& files) {
  const std::string name(format::identity_file_name);
  const storage::file_ptr file = co_await files.open(name, storage::open_mode::read);
  std::array<std::byte, format::log_identity_bytes> bytes{};
  const std::size_t got =
      co_await storage::read_at(files, file, 0, bytes.data(), bytes.size(), name);
  co_return format::check_log_identity({bytes.data(), got});
}

}  // namespace nori
