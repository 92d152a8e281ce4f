#ifndef NORI_STORE_SNAPSHOT_FILES_HPP
#define NORI_STORE_SNAPSHOT_FILES_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nori/store/snapshots.hpp>
#include <nori/store/turns.hpp>

#include "storage/storage.hpp"

namespace nori::store {

/// What snapshot_store is made of.
class snapshot_files {
 public:
  using storage_factory = std::function<asio::awaitable<std::shared_ptr<storage::storage>>(
      storage::completion_executor)>;

  /// Locks the directory.
  [[nodiscard]] static asio::awaitable<std::shared_ptr<snapshot_files>> open(
      snapshot_config options, storage_factory make_storage);

  snapshot_files(snapshot_config options, std::shared_ptr<storage::storage> files);

  // As snapshot_store has them. This object must live until they are done.
  [[nodiscard]] asio::awaitable<void> save(snapshot what);
  [[nodiscard]] asio::awaitable<found_snapshot> load(std::string stream,
                                                     std::uint32_t schema_version,
                                                     std::uint64_t at_most_revision);
  [[nodiscard]] asio::awaitable<void> remove(std::string stream);

 private:
  class scratch_number;

  asio::awaitable<std::size_t> choose_slot(const snapshot& what);
  asio::awaitable<std::optional<std::vector<std::byte>>> read(
      std::string name, std::vector<ignored_snapshot>& ignored);
  void count(const metric& what, std::string_view label) const noexcept;

  snapshot_config config_;
  std::shared_ptr<storage::storage> files_;
  turns turns_;  // one save of a stream at a time: two would choose the same slot
  std::mutex mutex_;
  std::set<std::size_t> saving_;
};

}  // namespace nori::store

#endif
