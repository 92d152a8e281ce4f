#ifndef BANK_ACCOUNT_EVENT_LOG_HPP
#define BANK_ACCOUNT_EVENT_LOG_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nori/nori.hpp>

namespace bank {

namespace asio = boost::asio;

/// Something that happened to an account. Ids count from 0 without gaps.
struct event {
  std::uint64_t id = 0;
  std::string account;
  std::string type;
  boost::json::object data;
  nori::position at;
};

/// An event that this program can't make sense of. It is never skipped: what follows would be
/// wrong.
class undecodable_event : public std::runtime_error {
 public:
  undecodable_event(nori::position at, std::string_view type, const std::string& why);
};

/// Gives events in their order.
class event_reader {
 public:
  /// The next event, or nothing at the end.
  /// @throws undecodable_event, and what nori::reader::next throws.
  [[nodiscard]] asio::awaitable<std::optional<event>> next();

 private:
  friend class event_log;
  event_reader(nori::reader records, std::uint64_t from_id) noexcept;

  nori::reader records_;
  std::uint64_t from_id_;
  std::uint64_t next_id_ = 0;
};

/// An event store as small as this program needs it: one record per event, its key the account and
/// its value JSON, `{"id":0,"type":"account_opened","data":{...}}`.
///
/// @par Thread safety
/// One call at a time.
class event_log {
 public:
  /// Opens the store in `dir`, or creates it, and reads it once to learn the next id.
  /// @throws undecodable_event, and what nori::wal::open throws.
  [[nodiscard]] static asio::awaitable<event_log> open(std::filesystem::path dir,
                                                       nori::access access);

  /// Appends an event and gives it the next id. It survives a killed process when this returns, and
  /// a power cut once sync() has.
  /// @returns its id.
  [[nodiscard]] asio::awaitable<std::uint64_t> append(std::string account, std::string type,
                                                      boost::json::object data);

  /// The events from `id` on. The ones before it are read too, and checked.
  [[nodiscard]] event_reader read_from(std::uint64_t id) const;
  [[nodiscard]] event_reader read_all() const { return read_from(0); }

  [[nodiscard]] asio::awaitable<void> sync();
  [[nodiscard]] asio::awaitable<void> close();

  /// The id that the next event gets: as many events as there are.
  [[nodiscard]] std::uint64_t next_id() const noexcept { return next_id_; }
  /// What opening found.
  [[nodiscard]] const nori::recovery_info& recovered() const noexcept { return recovered_; }

 private:
  explicit event_log(nori::wal::opened opened) noexcept;

  nori::wal log_;
  nori::recovery_info recovered_;
  std::uint64_t next_id_ = 0;
};

}  // namespace bank

#endif
