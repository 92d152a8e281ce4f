#include <lmdb.h>

#include <memory>
#include <mutex>
#include <stdexcept>

#include "peers/peer.hpp"

namespace nori::bench {

namespace {

// Only address space: the file grows as it is written.
constexpr std::size_t map_bytes = std::size_t{256} << 30;

void expect(int result) {
  if (result != MDB_SUCCESS) {
    throw std::runtime_error(std::string("LMDB: ") + mdb_strerror(result));
  }
}

class lmdb_peer final : public peer {
 public:
  lmdb_peer(const std::filesystem::path& dir, unsigned flags) {
    std::filesystem::create_directory(dir);
    expect(mdb_env_create(&env_));
    try {
      expect(mdb_env_set_mapsize(env_, map_bytes));
      expect(mdb_env_open(env_, dir.c_str(), flags, 0600));
      MDB_txn* txn = nullptr;
      expect(mdb_txn_begin(env_, nullptr, 0, &txn));
      const int opened = mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &dbi_);
      if (opened != MDB_SUCCESS) mdb_txn_abort(txn);
      expect(opened);
      expect(mdb_txn_commit(txn));
    } catch (...) {
      mdb_env_close(env_);
      throw;
    }
  }
  ~lmdb_peer() override { mdb_env_close(env_); }
  lmdb_peer(const lmdb_peer&) = delete;
  lmdb_peer& operator=(const lmdb_peer&) = delete;

  std::unique_ptr<peer_writer> make_writer() override { return std::make_unique<writer>(*this); }

  std::uint64_t scan(turn& now) {
    MDB_txn* txn = nullptr;
    expect(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn));
    const std::unique_ptr<MDB_txn, void (*)(MDB_txn*)> owned(txn, &mdb_txn_abort);
    MDB_cursor* cursor = nullptr;
    expect(mdb_cursor_open(txn, dbi_, &cursor));
    const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> closed(cursor, &mdb_cursor_close);
    scan_notes notes(now);
    MDB_val key{};
    MDB_val data{};
    int result = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);
    while (result == MDB_SUCCESS &&
           notes.found({static_cast<const char*>(data.mv_data), data.mv_size})) {
      result = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    if (result != MDB_NOTFOUND) expect(result);
    return notes.end();
  }

 private:
  class writer final : public peer_writer {
   public:
    explicit writer(lmdb_peer& owner) : owner_(owner) {}
    void append(std::string_view value, std::uint64_t count) override {
      owner_.append(value, count);
    }

   private:
    lmdb_peer& owner_;
  };

  // Its own lock lets in one writer at a time; so does this one, which also guards `next_`.
  void append(std::string_view value, std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    MDB_txn* txn = nullptr;
    expect(mdb_txn_begin(env_, nullptr, 0, &txn));
    int result = MDB_SUCCESS;
    for (std::uint64_t i = 0; i < count && result == MDB_SUCCESS; ++i) {
      std::size_t ordinal = next_++;
      MDB_val key{sizeof ordinal, &ordinal};
      MDB_val data{value.size(), const_cast<char*>(value.data())};
      result = mdb_put(txn, dbi_, &key, &data, MDB_APPEND);
    }
    if (result != MDB_SUCCESS) mdb_txn_abort(txn);
    expect(result);
    expect(mdb_txn_commit(txn));
  }

  std::mutex mutex_;
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
  std::size_t next_ = 0;
};

}  // namespace

}  // namespace nori::bench

extern "C" void nori_bench_add_peer(std::vector<nori::bench::peer_kind>& to,
                                    nori::fsync_policy policy, const std::string& /*connection*/) {
  using namespace nori;
  using namespace nori::bench;
  const bool sync = policy == fsync_policy::always();
  // Into a shared mapping, which a killed process does not take along: its fastest way.
  const unsigned flags = sync ? 0U : MDB_WRITEMAP | MDB_NOSYNC;
  to.push_back({sync ? "lmdb" : "lmdb_nosync", sync ? "LMDB" : "LMDB NOSYNC",
                std::string("LMDB, ") + (sync ? "its defaults" : "MDB_WRITEMAP | MDB_NOSYNC") +
                    ", a transaction for each append, MDB_APPEND",
                sync ? std::string(survives_power_cut)
                     : "what was acknowledged survives a killed process; a power cut may destroy "
                       "the database",
                [flags](const std::filesystem::path& dir) {
                  return std::make_unique<lmdb_peer>(dir, flags);
                },
                [flags](const std::filesystem::path& dir) {
                  return scanner_of(std::make_shared<lmdb_peer>(dir, flags));
                }});
}
