#ifndef NORI_STORE_PAGE_CACHE_HPP
#define NORI_STORE_PAGE_CACHE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace nori::store {

inline constexpr std::size_t page_bytes = 4096;

struct page {
  std::array<std::byte, page_bytes> bytes;
};
/// Keeps the page alive, also once the cache has let go of it.
using page_ref = std::shared_ptr<const page>;

/// Memory of pages that nobody needs any more, for the next ones: an allocator is slow with blocks
/// of this size.
///
/// @par Thread safety
/// Safe to call from any thread. A page may outlive the pool.
class page_pool {
 public:
  page_pool();
  /// Its bytes are whatever they are. Throws std::bad_alloc only.
  [[nodiscard]] std::shared_ptr<page> take();

 private:
  struct free_pages;
  std::shared_ptr<free_pages> free_;
};

/// The pages of all index files of a store that are kept in memory, each checked before it came in.
///
/// Bounded; the page to go is found by a clock hand that spares what was used since its last turn,
/// and for some turns more what every lookup in a file goes through.
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

  /// For many in a row: holds the cache as long as it lives.
  class session {
   public:
    explicit session(page_cache& of) noexcept : of_(&of), lock_(of.mutex_) {}
    [[nodiscard]] page_ref find(std::uint64_t file, std::uint32_t number) noexcept {
      return of_->find_locked({file, number});
    }

   private:
    page_cache* of_;
    std::unique_lock<std::mutex> lock_;
  };

  /// What a page is good for.
  enum class use : std::uint8_t {
    few,   ///< a leaf, a list: lookups of a few keys
    many,  ///< of the filter, or inner: any lookup may come by
  };
  /// Keeps the page, instead of another where there is no room. Returns the one that is kept, which
  /// is that of somebody who was faster. Throws std::bad_alloc only.
  page_ref insert(std::uint64_t file, std::uint32_t number, page_ref what, use by);
  /// Drops all pages of a file.
  void invalidate(std::uint64_t file) noexcept;

  /// Memory for a page that may come into the cache.
  [[nodiscard]] std::shared_ptr<page> take_memory() { return pool_.take(); }

  struct statistics {
    std::size_t pages = 0;
    std::size_t pages_max = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };
  [[nodiscard]] statistics stats() const noexcept;
  /// Hits and misses are those since the last call of this.
  [[nodiscard]] statistics take_stats() noexcept;

 private:
  struct key {
    std::uint64_t file = 0;
    std::uint32_t number = 0;
    friend bool operator==(const key&, const key&) = default;
  };
  struct slot {
    key of;
    page_ref what;  ///< null in a free slot
    use by = use::few;
    std::uint8_t spared = 0;  ///< turns of the hand that it still survives
  };

  // All with the mutex held.

  [[nodiscard]] page_ref find_locked(const key& of) noexcept;
  /// An empty slot, made so where necessary; what it held goes to `dropped`, which is freed without
  /// the mutex.
  [[nodiscard]] std::size_t make_room(page_ref& dropped);
  [[nodiscard]] std::size_t home_of(const key& of) const noexcept;
  /// Where in the table the key is, or the free place where it would be.
  [[nodiscard]] std::size_t place_of(const key& of) const noexcept;
  void forget(const key& of) noexcept;
  void grow_table();

  page_pool pool_;
  mutable std::mutex mutex_;
  const std::size_t pages_max_;
  std::vector<slot> slots_;  ///< grows up to pages_max_
  std::vector<std::size_t> free_;
  /// Numbers of slots plus 1, by key: open addressing, at most half full. 0: free.
  std::vector<std::uint32_t> table_;
  std::size_t hand_ = 0;
  std::uint64_t last_file_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
  std::uint64_t hits_taken_ = 0;
  std::uint64_t misses_taken_ = 0;
};

}  // namespace nori::store

#endif
