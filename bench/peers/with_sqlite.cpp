#include <sqlite3.h>

#include <memory>
#include <mutex>
#include <stdexcept>

#include "peers/peer.hpp"

namespace nori::bench {

namespace {

class sqlite_peer final : public peer {
 public:
  sqlite_peer(const std::filesystem::path& dir, const std::string& synchronous) {
    std::filesystem::create_directory(dir);
    if (sqlite3_open((dir / "log.db").c_str(), &db_) != SQLITE_OK) fail_and_close();
    try {
      run("PRAGMA journal_mode = WAL");
      run(("PRAGMA synchronous = " + synchronous).c_str());
      run("CREATE TABLE IF NOT EXISTS log (ordinal INTEGER PRIMARY KEY, value BLOB NOT NULL)");
      insert_ = prepare("INSERT INTO log (value) VALUES (?1)");
      begin_ = prepare("BEGIN IMMEDIATE");
      commit_ = prepare("COMMIT");
    } catch (...) {
      close();
      throw;
    }
  }
  ~sqlite_peer() override { close(); }
  sqlite_peer(const sqlite_peer&) = delete;
  sqlite_peer& operator=(const sqlite_peer&) = delete;

  std::unique_ptr<peer_writer> make_writer() override { return std::make_unique<writer>(*this); }

  std::uint64_t scan(turn& now) {
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> select(
        prepare("SELECT value FROM log ORDER BY ordinal"), &sqlite3_finalize);
    scan_notes notes(now);
    int result = sqlite3_step(select.get());
    while (result == SQLITE_ROW) {
      const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(select.get(), 0));
      if (!notes.found({static_cast<const char*>(sqlite3_column_blob(select.get(), 0)), bytes})) {
        return notes.end();
      }
      result = sqlite3_step(select.get());
    }
    if (result != SQLITE_DONE) fail();
    return notes.end();
  }

 private:
  class writer final : public peer_writer {
   public:
    explicit writer(sqlite_peer& owner) : owner_(owner) {}
    void append(std::string_view value, std::uint64_t count) override {
      owner_.append(value, count);
    }

   private:
    sqlite_peer& owner_;
  };

  // One connection for all, as a database has one writer at a time anyway: waiting for a mutex is
  // cheaper than polling for its lock.
  void append(std::string_view value, std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    step(begin_);
    sqlite3_bind_blob64(insert_, 1, value.data(), value.size(), SQLITE_STATIC);
    for (std::uint64_t i = 0; i < count; ++i) step(insert_);
    step(commit_);
  }

  void step(sqlite3_stmt* what) {
    const int result = sqlite3_step(what);
    sqlite3_reset(what);
    if (result != SQLITE_DONE) fail();
  }
  void run(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* made = nullptr;
    if (sqlite3_prepare_v2(db_, sql, -1, &made, nullptr) != SQLITE_OK) fail();
    return made;
  }
  [[noreturn]] void fail() {
    throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(db_));
  }
  [[noreturn]] void fail_and_close() {
    const std::string why = std::string("SQLite: ") + sqlite3_errmsg(db_);
    close();
    throw std::runtime_error(why);
  }
  void close() noexcept {
    for (sqlite3_stmt* each : {insert_, begin_, commit_}) sqlite3_finalize(each);
    sqlite3_close(db_);
  }

  std::mutex mutex_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
};

void add(std::vector<peer_kind>& to, std::string key, const std::string& synchronous,
         std::string_view survives) {
  to.push_back({std::move(key), "SQLite " + synchronous,
                "SQLite, journal_mode = WAL, synchronous = " + synchronous +
                    ", a transaction for each append, one connection",
                std::string(survives),
                [synchronous](const std::filesystem::path& dir) {
                  return std::make_unique<sqlite_peer>(dir, synchronous);
                },
                [synchronous](const std::filesystem::path& dir) {
                  return scanner_of(std::make_shared<sqlite_peer>(dir, synchronous));
                }});
}

}  // namespace

}  // namespace nori::bench

extern "C" void nori_bench_add_peer(std::vector<nori::bench::peer_kind>& to,
                                    nori::fsync_policy policy, const std::string& /*connection*/) {
  using namespace nori;
  using namespace nori::bench;
  if (policy == fsync_policy::always()) add(to, "sqlite_full", "FULL", survives_power_cut);
  // Compared with always, too, since it is what many take for durable: the text says what it is.
  add(to, "sqlite_normal", "NORMAL", survives_kill);
}
