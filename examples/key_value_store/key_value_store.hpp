#ifndef KEY_VALUE_STORE_KEY_VALUE_STORE_HPP
#define KEY_VALUE_STORE_KEY_VALUE_STORE_HPP

#include <boost/asio/awaitable.hpp>

#include <filesystem>
#include <map>
#include <string>

#include <nori/nori.hpp>

namespace asio = boost::asio;

/// Keys and values in a log, and the newest of them in a map.
///
/// The log is the truth: opening reads it once from its start and makes the map of it. Removing a
/// key appends a tombstone, a record that says that the key is gone from here on. What was put
/// before stays in the log, as nothing is ever changed in it: the log grows with every put and
/// every removal, and so does the time to open it.
///
/// @par Thread safety
/// One call at a time: the map changes in the order in which the log does.
class key_value_store {
 public:
  using map = std::map<std::string, std::string, std::less<>>;

  /// Opens the store in a directory, creates it where there is none.
  /// @throws what nori::wal::open throws
  [[nodiscard]] static asio::awaitable<key_value_store> open(std::filesystem::path directory);

  /// The value is there after a power cut once this returns.
  [[nodiscard]] asio::awaitable<void> put(std::string key, std::string value);
  /// The same holds for its absence.
  /// @returns false where the key is not there: nothing is written then
  [[nodiscard]] asio::awaitable<bool> remove(std::string key);

  [[nodiscard]] const map& all() const noexcept { return values_; }
  /// Everything that was ever put and removed.
  [[nodiscard]] nori::reader history() const { return log_.read_from(nori::position{}); }
  [[nodiscard]] asio::awaitable<void> close() { return log_.close(); }

 private:
  explicit key_value_store(nori::wal log) noexcept : log_(std::move(log)) {}

  nori::wal log_;
  map values_;
};

#endif
