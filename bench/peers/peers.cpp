#include "common/options.hpp"
#include "peers/peer.hpp"

namespace nori::bench {

std::vector<peer_kind> peers_for([[maybe_unused]] fsync_policy policy,
                                 const std::string& postgresql) {
  std::vector<peer_kind> found;
#if defined(NORI_BENCH_ROCKSDB)
  add_rocksdb(found, policy);
#endif
#if defined(NORI_BENCH_SQLITE)
  add_sqlite(found, policy);
#endif
#if defined(NORI_BENCH_LMDB)
  add_lmdb(found, policy);
#endif
  if (!postgresql.empty()) {
#if defined(NORI_BENCH_POSTGRESQL)
    add_postgresql(found, policy, postgresql);
#else
    throw usage_error("--postgresql: this program was built without libpq-dev");
#endif
  }
  return found;
}

std::vector<std::string> missing_peers() {
  std::vector<std::string> missing;
#if !defined(NORI_BENCH_ROCKSDB)
  missing.emplace_back("RocksDB (librocksdb-dev)");
#endif
#if !defined(NORI_BENCH_SQLITE)
  missing.emplace_back("SQLite (libsqlite3-dev)");
#endif
#if !defined(NORI_BENCH_LMDB)
  missing.emplace_back("LMDB (liblmdb-dev)");
#endif
  return missing;
}

}  // namespace nori::bench
