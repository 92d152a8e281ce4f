#ifndef ACCOUNT_SERVER_SERVICE_HPP
#define ACCOUNT_SERVER_SERVICE_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <nori/store/event_store.hpp>
#include <nori/store/projection.hpp>

#include "balances.hpp"
#include "commands.hpp"
#include "live_meter.hpp"
#include "options.hpp"

namespace account_server {

/// Readers of /events, for those who watch over them.
///
/// @par Thread safety
/// Safe to use from any thread.
class readers {
 public:
  struct reader {
    /// How many events of the store are behind it: given, or passed over by its filter.
    std::atomic<std::uint64_t> taken = 0;
    std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
  };

  /// Null where `most` are there already. It is counted until it is destroyed.
  [[nodiscard]] std::shared_ptr<reader> enter(std::size_t most);
  /// id, position, lag and seconds of each.
  [[nodiscard]] json::array describe(std::uint64_t next_position) const;
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::uint64_t largest_lag(std::uint64_t next_position) const;

 private:
  struct entry {
    std::uint64_t id;
    std::weak_ptr<reader> who;
  };
  mutable std::mutex mutex_;
  std::vector<entry> entries_;
  std::uint64_t next_id_ = 1;
};

/// What all requests share: the store in this process, and what stands around it.
struct service {
  options how;
  std::string token;
  std::string page;     ///< of GET /
  std::string openapi;  ///< of GET /openapi.json
  std::shared_ptr<live_meter> meter;
  nori::event_store store;
  std::optional<commands> desk;
  std::optional<nori::projection<balances>> view;
  readers subscribers;
  std::atomic<std::size_t> commands_in_flight = 0;
  std::atomic<std::size_t> connections = 0;
  std::atomic<bool> stopping = false;
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();

  /// Why the projection ended, or empty.
  [[nodiscard]] std::string projection_failure() const;
  void set_projection_failure(std::string why);

  /// Opens the store in `how.dir`, which is created where it is missing.
  /// @throws what event_store::open throws, and std::runtime_error for the token
  [[nodiscard]] static asio::awaitable<std::unique_ptr<service>> open(options how);

 private:
  mutable std::mutex mutex_;
  std::string projection_failure_;
};

}  // namespace account_server

#endif
