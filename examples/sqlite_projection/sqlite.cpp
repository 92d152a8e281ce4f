#include "sqlite.hpp"

#include <stdexcept>

namespace sqlite {

namespace {

[[noreturn]] void fail(sqlite3* database) {
  throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(database));
}

}  // namespace

database::database(const std::filesystem::path& file) {
  sqlite3* opened = nullptr;
  const int result = sqlite3_open(file.c_str(), &opened);
  handle_.reset(opened);
  if (result != SQLITE_OK) fail(opened);
  sqlite3_busy_timeout(opened, 5000);  // ms: somebody else may be reading
}

void database::execute(const char* statements) {
  if (sqlite3_exec(get(), statements, nullptr, nullptr, nullptr) != SQLITE_OK) fail(get());
}

statement::statement(database& in, std::string_view text) {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(in.get(), text.data(), static_cast<int>(text.size()), &prepared,
                         nullptr) != SQLITE_OK) {
    fail(in.get());
  }
  handle_.reset(prepared);
}

statement& statement::bind(int parameter, std::int64_t value) {
  if (sqlite3_bind_int64(handle_.get(), parameter, value) != SQLITE_OK) {
    fail(sqlite3_db_handle(handle_.get()));
  }
  return *this;
}

statement& statement::bind(int parameter, std::string_view value) {
  if (sqlite3_bind_text(handle_.get(), parameter, value.data(), static_cast<int>(value.size()),
                        SQLITE_STATIC) != SQLITE_OK) {
    fail(sqlite3_db_handle(handle_.get()));
  }
  return *this;
}

bool statement::step() {
  const int result = sqlite3_step(handle_.get());
  if (result == SQLITE_ROW) return true;
  sqlite3_reset(handle_.get());
  if (result != SQLITE_DONE) fail(sqlite3_db_handle(handle_.get()));
  return false;
}

void statement::run() {
  while (step()) {
  }
}

std::int64_t statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string statement::text(int column) const {
  const auto* const bytes = sqlite3_column_text(handle_.get(), column);
  return bytes == nullptr ? "" : reinterpret_cast<const char*>(bytes);
}

transaction::transaction(database& in) : in_(in) { in_.execute("BEGIN IMMEDIATE"); }

transaction::~transaction() {
  // Closing the database or a crash would do the same: this can fail without harm.
  if (open_) sqlite3_exec(in_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void transaction::commit() {
  in_.execute("COMMIT");
  open_ = false;
}

}  // namespace sqlite
