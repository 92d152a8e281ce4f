#include <libpq-fe.h>

#include <unistd.h>
#include <array>
#include <atomic>
#include <stdexcept>

#include "peers/peer.hpp"

namespace nori::bench {

namespace {

class connection {
 public:
  explicit connection(const std::string& to) : handle_(PQconnectdb(to.c_str())) {
    if (PQstatus(handle_.get()) != CONNECTION_OK) fail();
  }

  void run(const std::string& sql) { check(PQexec(handle_.get(), sql.c_str())); }

  [[nodiscard]] std::string ask(const std::string& sql) {
    const result got(PQexec(handle_.get(), sql.c_str()));
    if (PQresultStatus(got.get()) != PGRES_TUPLES_OK) fail();
    return PQgetvalue(got.get(), 0, 0);
  }

  void prepare(const char* name, const std::string& sql) {
    check(PQprepare(handle_.get(), name, sql.c_str(), 2, nullptr));
  }

  void run_prepared(const char* name, std::string_view value, const std::string& count) {
    const std::array<const char*, 2> values{value.data(), count.c_str()};
    const std::array<int, 2> lengths{static_cast<int>(value.size()), 0};
    const std::array<int, 2> binary{1, 0};
    check(PQexecPrepared(handle_.get(), name, 2, values.data(), lengths.data(), binary.data(), 0));
  }

 private:
  struct finish {
    void operator()(PGconn* what) const noexcept { PQfinish(what); }
  };
  struct clear {
    void operator()(PGresult* what) const noexcept { PQclear(what); }
  };
  using result = std::unique_ptr<PGresult, clear>;

  void check(PGresult* got) {
    const result owned(got);
    const ExecStatusType status = PQresultStatus(got);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail();
  }
  [[noreturn]] void fail() {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(handle_.get()));
  }

  std::unique_ptr<PGconn, finish> handle_;
};

std::string settings_of(const std::string& to) {
  connection server(to);
  std::string text = "PostgreSQL " + server.ask("SHOW server_version") + ", its own directory";
  for (const char* each : {"fsync", "wal_sync_method", "full_page_writes"}) {
    text += ", " + std::string(each) + " = " + server.ask("SHOW " + std::string(each));
  }
  return text;
}

// A table of its own in a database that may hold others.
class postgresql_peer final : public peer {
 public:
  postgresql_peer(const std::string& to, bool sync)
      : to_(to), sync_(sync), main_(to), table_(next_table_name()) {
    main_.run("CREATE TABLE " + table_ + " (ordinal bigserial PRIMARY KEY, value bytea NOT NULL)");
  }
  ~postgresql_peer() override {
    try {
      main_.run("DROP TABLE " + table_);
    } catch (...) {
      // The server has gone, and what was asked of it failed for that reason.
    }
  }
  postgresql_peer(const postgresql_peer&) = delete;
  postgresql_peer& operator=(const postgresql_peer&) = delete;

  std::unique_ptr<peer_writer> make_writer() override {
    return std::make_unique<writer>(to_, table_, sync_);
  }

 private:
  class writer final : public peer_writer {
   public:
    writer(const std::string& to, const std::string& table, bool sync) : server_(to) {
      server_.run(sync ? "SET synchronous_commit = on" : "SET synchronous_commit = off");
      server_.prepare("append", "INSERT INTO " + table +
                                    " (value) SELECT $1::bytea FROM "
                                    "generate_series(1, $2::bigint)");
    }
    void append(std::string_view value, std::uint64_t count) override {
      server_.run_prepared("append", value, std::to_string(count));
    }

   private:
    connection server_;
  };

  static std::string next_table_name() {
    static std::atomic<unsigned> made = 0;
    return "nori_bench_" + std::to_string(::getpid()) + "_" + std::to_string(++made);
  }

  std::string to_;
  bool sync_;
  connection main_;
  std::string table_;
};

}  // namespace

}  // namespace nori::bench

extern "C" void nori_bench_add_peer(std::vector<nori::bench::peer_kind>& to,
                                    nori::fsync_policy policy, const std::string& server) {
  using namespace nori;
  using namespace nori::bench;
  const bool sync = policy == fsync_policy::always();
  to.push_back(
      {sync ? "postgresql" : "postgresql_asynchronous",
       sync ? "PostgreSQL" : "PostgreSQL asynchronous",
       settings_of(server) + ", synchronous_commit = " + (sync ? "on" : "off") +
           ", a connection for each writer, a transaction for each append",
       sync ? std::string(survives_power_cut)
            : "a killed server or a power cut may take what was acknowledged last (three times "
              "wal_writer_delay)",
       [server, sync](const std::filesystem::path&) {
         return std::make_unique<postgresql_peer>(server, sync);
       },
       {}});
}
