#ifndef NORI_CLI_SOURCE_HPP
#define NORI_CLI_SOURCE_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include <nori/store/event_store.hpp>
#include <nori/wal.hpp>

#include "arguments.hpp"

namespace nori::cli {

namespace asio = boost::asio;

/// A log opened for reading, which may be in use, and the event store in it if it is one.
class source {
 public:
  source() = default;

  wal log;
  recovery_info recovered;
  std::optional<event_store> store;
  std::optional<store_recovery_info> store_recovered;

  /// A log without a record may be either; it counts as a plain log.
  [[nodiscard]] bool has_events() const noexcept {
    return store && store->next_global_position() != 0;
  }
};

[[nodiscard]] asio::awaitable<source> open_for_reading(std::string dir);
/// The same, for verbs that are about events: says so where there are none.
[[nodiscard]] asio::awaitable<source> open_events(std::string dir);

/// Where the record or event that a person named starts; for a global position behind the last one
/// the end of the log. Throws stop where it is not there.
[[nodiscard]] asio::awaitable<position> position_of(source* in, place where);
/// Behind the last event recorded at or before `when`.
[[nodiscard]] asio::awaitable<position> position_behind(source* in, event_time when);

}  // namespace nori::cli

#endif
