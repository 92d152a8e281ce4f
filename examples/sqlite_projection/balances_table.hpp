#ifndef SQLITE_PROJECTION_BALANCES_TABLE_HPP
#define SQLITE_PROJECTION_BALANCES_TABLE_HPP

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>

#include <nori/store/event.hpp>

#include "deposits.hpp"
#include "sqlite.hpp"

/// A view in SQLite, and with it how far it has got.
///
/// Both change in one transaction. A crash leaves both or neither, so each event counts exactly
/// once, however often this is killed. With a checkpoint that is kept elsewhere an event would
/// count twice or never when the crash comes between the two.
class balances_table {
 public:
  /// Opens the table in a file, creates it where there is none.
  explicit balances_table(const std::filesystem::path& file);

  /// The global position of the last event in it; none: no event is.
  [[nodiscard]] std::optional<std::uint64_t> through();
  /// Adds the events behind through(), which are deposits.
  void add(std::span<const nori::recorded_event> events);
  [[nodiscard]] std::map<std::string, total> totals();

 private:
  sqlite::database database_;
};

#endif
