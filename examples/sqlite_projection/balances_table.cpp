#include "balances_table.hpp"

#include <stdexcept>

#include <nori/store/json_codec.hpp>

balances_table::balances_table(const std::filesystem::path& file) : database_(file) {
  database_.execute(
      "PRAGMA journal_mode = WAL;"
      "CREATE TABLE IF NOT EXISTS balances ("
      "  account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL);"
      "CREATE TABLE IF NOT EXISTS checkpoint ("
      "  one INTEGER PRIMARY KEY CHECK (one = 1), next_position INTEGER NOT NULL);"
      "INSERT OR IGNORE INTO checkpoint VALUES (1, 0);");
}

std::optional<std::uint64_t> balances_table::through() {
  sqlite::statement read(database_, "SELECT next_position FROM checkpoint");
  read.step();
  const std::int64_t next = read.integer(0);
  if (next == 0) return std::nullopt;
  return static_cast<std::uint64_t>(next - 1);
}

void balances_table::add(std::span<const nori::recorded_event> events) {
  if (events.empty()) return;
  sqlite::transaction all(database_);
  // Read within the transaction: another process may project into the same file.
  const std::optional<std::uint64_t> done = through();
  if (events.front().global_position != (done ? *done + 1 : 0)) {
    throw std::runtime_error("these events do not follow those in the table");
  }
  sqlite::statement count(database_,
                          "INSERT INTO balances VALUES (?1, ?2, 1) ON CONFLICT (account) DO UPDATE "
                          "SET cents = cents + excluded.cents, events = events + 1");
  for (const nori::recorded_event& each : events) {
    const auto what = nori::decode<deposited>(nori::json_codec(), each);
    count.bind(1, what.account).bind(2, what.cents).run();
  }
  sqlite::statement move(database_, "UPDATE checkpoint SET next_position = ?1");
  move.bind(1, static_cast<std::int64_t>(events.back().global_position) + 1).run();
  all.commit();
}

std::map<std::string, total> balances_table::totals() {
  std::map<std::string, total> found;
  sqlite::statement read(database_, "SELECT account, cents, events FROM balances");
  while (read.step()) found[read.text(0)] = {read.integer(1), read.integer(2)};
  return found;
}
