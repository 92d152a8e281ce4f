#include <dlfcn.h>

#include <array>

#include "common/options.hpp"
#include "peers/peer.hpp"

namespace nori::bench {

namespace {

struct module {
  const char* file;
  const char* peer;
  const char* package;  ///< which has to be there when this program is built
};

constexpr std::array<module, 3> embedded{{
    {"nori-bench-rocksdb.so", "RocksDB", "librocksdb-dev"},
    {"nori-bench-sqlite.so", "SQLite", "libsqlite3-dev"},
    {"nori-bench-lmdb.so", "LMDB", "liblmdb-dev"},
}};
constexpr module postgresql_module{"nori-bench-postgresql.so", "PostgreSQL", "libpq-dev"};

// What a module adds with; null with the reason where it can't be loaded. It stays loaded.
decltype(&nori_bench_add_peer) load(const module& what, std::string& reason) {
  // Searched for where the run path of this program says.
  void* const loaded = dlopen(what.file, RTLD_NOW | RTLD_LOCAL);
  void* const found = loaded == nullptr ? nullptr : dlsym(loaded, "nori_bench_add_peer");
  if (found == nullptr) {
    reason = std::string(what.peer) + " (" + what.package + "): " + dlerror();
  }
  return reinterpret_cast<decltype(&nori_bench_add_peer)>(found);
}

}  // namespace

std::vector<peer_kind> peers_for(fsync_policy policy, const std::string& postgresql) {
  std::vector<peer_kind> found;
  std::string reason;
  for (const module& each : embedded) {
    if (auto* const add = load(each, reason)) add(found, policy, {});
  }
  if (!postgresql.empty()) {
    auto* const add = load(postgresql_module, reason);
    if (add == nullptr) throw usage_error("--postgresql: " + reason);
    add(found, policy, postgresql);
  }
  return found;
}

std::vector<std::string> missing_peers() {
  std::vector<std::string> missing;
  std::string reason;
  for (const module& each : embedded) {
    if (load(each, reason) == nullptr) missing.push_back(reason);
  }
  return missing;
}

}  // namespace nori::bench
