#ifndef NORI_STORE_SUBSCRIBER_HPP
#define NORI_STORE_SUBSCRIBER_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>

#include <nori/store/reading.hpp>

#include "store/core.hpp"
#include "store/range_reader.hpp"

namespace nori::store {

/// Behind subscription: reads the range (what was given, what is visible], and again.
class subscriber {
 public:
  subscriber(core::shared from, subscribe_options how);

  asio::awaitable<event_batch> next_batch();
  [[nodiscard]] std::optional<std::uint64_t> at() const noexcept;
  [[nodiscard]] std::uint64_t lag() const noexcept;

 private:
  const core::shared core_;
  const visibility sees_;
  std::uint64_t next_;  ///< everything before was given or does not match
  std::uint64_t end_;   ///< of the range that is being read
  range_reader reader_;
  bool told_caught_up_ = false;
};

}  // namespace nori::store

#endif
