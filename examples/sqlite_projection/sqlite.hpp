#ifndef SQLITE_PROJECTION_SQLITE_HPP
#define SQLITE_PROJECTION_SQLITE_HPP

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

// As much of SQLite as this example needs. Errors are exceptions with SQLite's text.

namespace sqlite {

class database {
 public:
  /// Opens the file, creates it where there is none.
  explicit database(const std::filesystem::path& file);
  /// Runs statements without parameters and results.
  void execute(const char* statements);
  [[nodiscard]] sqlite3* get() const noexcept { return handle_.get(); }

 private:
  struct close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
  };
  std::unique_ptr<sqlite3, close> handle_;
};

/// A statement that is prepared once and run often.
class statement {
 public:
  statement(database& in, std::string_view text);

  statement& bind(int parameter, std::int64_t value);
  /// The bytes must live until the statement has run.
  statement& bind(int parameter, std::string_view value);
  /// @returns whether there is a row; after the last one it may be run again
  bool step();
  /// Runs it to its end.
  void run();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;

 private:
  struct finalize {
    void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
  };
  std::unique_ptr<sqlite3_stmt, finalize> handle_;
};

/// All that is done while it lives happens together, or not at all.
class transaction {
 public:
  explicit transaction(database& in);
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  /// Takes everything back unless it was committed.
  ~transaction();
  void commit();

 private:
  database& in_;
  bool open_ = true;
};

}  // namespace sqlite

#endif
