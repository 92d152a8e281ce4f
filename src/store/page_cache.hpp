#ifndef NORI_STORE_PAGE_CACHE_HPP
#define NORI_STORE_PAGE_CACHE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace nori::store {

inline constexpr std::size_t page_bytes = 4096;

struct page {
  std::array<std::byte, page_bytes> bytes;
};
/// Keeps the page alive, also once the cache has let go of it.
using page_ref = std::shared_ptr<const page>;

/// The pages of all index files of a store that are kept in memory, each checked before it came in.
///
/// Bounded; the page to go is found by a clock hand that spares what was used since its last turn.
///
/// @par Thread safety
/// Safe to call from any thread.
class page_cache {
 public:
  /// Memory for a page and what it takes to find it.
  static constexpr std::size_t bytes_per_page = page_bytes + 160;

  /// Holds as many pages as fit into `bytes_max`, one at least.
  explicit page_cache(std::size_t bytes_max);
  page_cache(const page_cache&) = delete;
  page_cache& operator=(const page_cache&) = delete;

  /// A number for a file, never given twice.
  [[nodiscard]] std::uint64_t add_file() noexcept;

  /// The page, or null.
  [[nodiscard]] page_ref find(std::uint64_t file, std::uint32_t number) noexcept;
  /// Keeps the page, instead of another where there is no room. Returns the one that is kept, which
  /// is that of somebody who was faster. Throws std::bad_alloc only.
  page_ref insert(std::uint64_t file, std::uint32_t number, page_ref what);
  /// Drops all pages of a file.
  void invalidate(std::uint64_t file) noexcept;

  struct statistics {
    std::size_t pages = 0;
    std::size_t pages_max = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };
  [[nodiscard]] statistics stats() const noexcept;

 private:
  struct key {
    std::uint64_t file = 0;
    std::uint32_t number = 0;
    friend bool operator==(const key&, const key&) = default;
  };
  struct key_hash {
    std::size_t operator()(const key& of) const noexcept;
  };
  struct slot {
    key of;
    page_ref what;  ///< null in a free slot
    bool used = false;
  };

  // With the mutex held: an empty slot, made so where necessary; what it held goes to `dropped`,
  // which is freed without the mutex.
  [[nodiscard]] std::size_t make_room(page_ref& dropped);

  mutable std::mutex mutex_;
  const std::size_t pages_max_;
  std::vector<slot> slots_;  ///< grows up to pages_max_
  std::vector<std::size_t> free_;
  std::unordered_map<key, std::size_t, key_hash> where_;
  std::size_t hand_ = 0;
  std::uint64_t last_file_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

}  // namespace nori::store

#endif
