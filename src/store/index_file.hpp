#ifndef NORI_STORE_INDEX_FILE_HPP
#define NORI_STORE_INDEX_FILE_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/storage.hpp"
#include "store/index_format.hpp"
#include "store/page_cache.hpp"

namespace nori::store {

namespace asio = boost::asio;

class index_file;
using index_file_ptr = std::shared_ptr<const index_file>;

/// What the index says about a key.
struct found_key {
  found_key() = default;

  index_file_ptr file;
  leaf_value value;  ///< revisions, count, and where the offsets are
};

/// A key to look for, and what is found.
struct key_lookup {
  key_lookup(index_file_ptr where, key_kind of, std::string_view called)
      : file(std::move(where)), kind(of), name(called) {}

  index_file_ptr file;
  key_kind kind;
  std::string_view name;  ///< must stay until find_all is done
  std::optional<found_key> found;
};

/// Looks up all of them together: pages that several of them lack are read in one round, so that
/// many files cost hardly more time than one. Throws index_damaged of the first file that is.
[[nodiscard]] asio::awaitable<void> find_all(std::span<key_lookup> lookups);

/// An open index file. Nothing is kept of it but its footer; pages come from the cache, else from
/// the kernel's page cache, else from the device.
///
/// @par Errors
/// Whatever does not verify throws index_damaged: rebuild the file. A read that fails throws
/// boost::system::system_error.
/// @par Cancellation
/// Ignored: a read takes what the device takes.
/// @par Thread safety
/// Safe to call from any thread, also at the same time. Must live until what was called is done.
class index_file : public std::enable_shared_from_this<index_file> {
 public:
  /// Opens the index of a segment and checks its footer. Whether it is that of the segment's
  /// present contents is for the caller to see, in the summary.
  ///
  /// @throws index_damaged; the system's error, no_such_file_or_directory where there is no file.
  [[nodiscard]] static asio::awaitable<index_file_ptr> open(std::shared_ptr<storage::storage> on,
                                                            std::shared_ptr<page_cache> cache,
                                                            std::string name, format::log_id log,
                                                            std::uint64_t segment_id);
  ~index_file();

  [[nodiscard]] const index_footer& summary() const noexcept { return footer_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// The offset in the segment of the event that is number `ordinal` in this file, which must be
  /// below summary().facts.event_count.
  [[nodiscard]] asio::awaitable<std::uint32_t> offset_of(std::uint64_t ordinal) const;
  /// Those of `count` events from `first` on, appended to `out`; all of them must exist.
  [[nodiscard]] asio::awaitable<void> offsets(std::uint64_t first, std::size_t count,
                                              std::vector<std::uint32_t>& out) const;
  /// The number of the first event at or behind an offset; event_count where there is none.
  [[nodiscard]] asio::awaitable<std::uint64_t> ordinal_at_or_after(std::uint32_t offset) const;

  // For those who walk through the pages.

  /// A page, checked, or null where it would have to wait for the device.
  [[nodiscard]] page_ref try_page(std::uint32_t number) const;
  [[nodiscard]] asio::awaitable<page_ref> get_page(std::uint32_t number) const;
  [[noreturn]] void damaged(std::uint32_t number, const char* what) const;

 private:
  struct passkey {};

 public:
  index_file(passkey, std::shared_ptr<storage::storage> on, std::shared_ptr<page_cache> cache,
             std::string name, storage::file_ptr file, const index_footer& footer);
  index_file(const index_file&) = delete;
  index_file& operator=(const index_file&) = delete;

 private:
  friend class page_fetch;

  page_ref keep(std::uint32_t number, page_ref what) const;
  [[nodiscard]] asio::awaitable<std::uint32_t> offset_page_of(std::uint32_t offset) const;

  const std::shared_ptr<storage::storage> on_;
  const std::shared_ptr<page_cache> cache_;
  const std::string name_;
  const storage::file_ptr file_;
  const index_footer footer_;
  const std::uint32_t seed_;
  const std::uint64_t number_;  ///< in the cache
};

/// A page that is wanted, and got.
struct page_wish {
  page_wish(const index_file* where, std::uint32_t which) : file(where), number(which) {}

  const index_file* file;
  std::uint32_t number;
  page_ref got;
};

/// Gets all of them, in one round of reads where any are not in memory. The files are of one
/// storage.
[[nodiscard]] asio::awaitable<void> fetch(std::span<page_wish> wishes);

/// Calls `read` for what a page says; the error it may throw then names the file and the page.
template <typename Read>
auto on_page(const index_file& file, std::uint32_t number, Read read) {
  try {
    return read();
  } catch (const index_damaged& error) {
    file.damaged(number, error.what());
  }
}

}  // namespace nori::store

#endif
