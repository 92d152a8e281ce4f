#ifndef NORI_STORE_POSTING_READER_HPP
#define NORI_STORE_POSTING_READER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nori/store/reading.hpp>

#include "store/index_file.hpp"

namespace nori::store {

/// The offsets of a list that lies in its key's leaf.
[[nodiscard]] std::vector<std::uint32_t> decode_inlined(const found_key& list);

/// Reads the offsets of a key, from any of them on, one page in memory at a time.
///
/// Errors, cancellation and lifetimes are those of index_file. One coroutine at a time.
class posting_reader {
 public:
  /// Starts with the first offset >= `from`, or, backwards, with the last one <= `from`. Reads
  /// nothing yet.
  posting_reader(found_key list, direction way, std::uint32_t from);

  /// Appends the next offsets, `most` at most (not 0); returns how many: 0 at the end. Gives less
  /// than it could have rather than read another page.
  [[nodiscard]] asio::awaitable<std::size_t> read(std::vector<std::uint32_t>& out,
                                                  std::size_t most);

  /// Skips what lies before `to` in this direction, and returns what read() will give next; nothing
  /// at the end. Never goes back. Costs a page or a few where `to` is far away.
  [[nodiscard]] asio::awaitable<std::optional<std::uint32_t>> seek(std::uint32_t to);

 private:
  [[nodiscard]] bool forwards() const noexcept { return way_ == direction::forwards; }
  // Is there a next one in the part that is loaded?
  [[nodiscard]] bool in_part() const noexcept {
    return loaded_ && (forwards() ? next_ < part_.size() : next_ > 0);
  }
  // Loads the part that has the next one; false at the end.
  [[nodiscard]] asio::awaitable<bool> position();
  [[nodiscard]] asio::awaitable<void> load(std::uint32_t part);
  // Points at the next one in the part that is loaded.
  void aim() noexcept;

  found_key list_;
  direction way_;
  std::uint32_t parts_;  ///< of the list: one a page, 1 where it is inline
  std::int64_t limit_;   ///< nothing before this is given
  bool sought_ = true;   ///< the next one may be in any part from here on, not just the next
  bool ended_ = false;
  std::optional<std::uint32_t> loaded_;  ///< the part in part_
  std::vector<std::uint32_t> part_;
  std::size_t next_ = 0;  ///< forwards: where the next one is; backwards: behind it
};

/// Lists the keys of one kind, in order.
///
/// Errors, cancellation and lifetimes are those of index_file. One coroutine at a time.
class key_iterator {
 public:
  struct item {
    item() = default;
    std::string name;
    std::uint64_t first_revision = 0;
    std::uint64_t last_revision = 0;
    std::uint64_t count = 0;
  };

  /// Starts with the first name >= `from`.
  key_iterator(index_file_ptr of, key_kind kind, std::string from);

  /// Appends the next keys, `most` at most (not 0); returns how many: 0 at the end. Gives less than
  /// it could have rather than read another page.
  [[nodiscard]] asio::awaitable<std::size_t> read(std::vector<item>& out, std::size_t most);

 private:
  struct place {
    page_ref what;
    std::uint32_t number = 0;
    std::size_t next = 0;  ///< entry
  };
  // Goes to a page one level down, or to the root.
  [[nodiscard]] asio::awaitable<void> enter(std::uint32_t number);
  // Gives from the leaf, and leaves it at its end.
  [[nodiscard]] std::size_t give(std::vector<item>& out, std::size_t most);
  // Goes up to a page that has another child, or ends.
  void leave();

  index_file_ptr file_;
  std::string last_;     ///< kind and name: what comes next is not before it
  bool given_ = false;   ///< last_ was given, so what comes next is behind it
  bool placed_ = false;  ///< some leaf was reached
  bool ended_ = false;
  std::vector<place> path_;  ///< from the root to the leaf
};

}  // namespace nori::store

#endif
