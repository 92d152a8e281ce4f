#ifndef NORI_STORAGE_STORAGE_SOURCE_HPP
#define NORI_STORAGE_STORAGE_SOURCE_HPP

#include <boost/asio/awaitable.hpp>

#include <memory>

#include "storage/storage.hpp"

namespace nori {

/// What config::storage points to: opens directories elsewhere than in the file system.
class storage_source {
 public:
  storage_source() = default;
  storage_source(const storage_source&) = delete;
  storage_source& operator=(const storage_source&) = delete;
  virtual ~storage_source() = default;

  /// As storage::open_storage.
  [[nodiscard]] virtual boost::asio::awaitable<std::shared_ptr<storage::storage>> open(
      storage::open_options options, storage::completion_executor executor) = 0;
};

namespace storage {

/// Opens a directory from `source`, or from the file system where that is null.
[[nodiscard]] asio::awaitable<std::shared_ptr<storage>> open_from(
    std::shared_ptr<storage_source> source, open_options options, completion_executor executor);

}  // namespace storage
}  // namespace nori

#endif
