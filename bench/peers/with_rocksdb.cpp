#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <stdexcept>

#include "peers/peer.hpp"

namespace nori::bench {

namespace {

void expect(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
}

// Ordinals are keys: what comes later sorts later.
std::array<char, 8> key_of(std::uint64_t ordinal) {
  std::array<char, 8> key;
  for (std::size_t i = key.size(); i-- > 0; ordinal >>= 8) key[i] = static_cast<char>(ordinal);
  return key;
}

class rocksdb_peer final : public peer {
 public:
  rocksdb_peer(const std::filesystem::path& dir, bool sync) {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* opened = nullptr;
    expect(rocksdb::DB::Open(options, dir.string(), &opened));
    db_.reset(opened);
    how_.sync = sync;
  }

  std::unique_ptr<peer_writer> make_writer() override { return std::make_unique<writer>(*this); }

  std::uint64_t scan(turn& now) {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    scan_notes notes(now);
    at->SeekToFirst();
    while (at->Valid() && notes.found({at->value().data(), at->value().size()})) at->Next();
    expect(at->status());
    return notes.end();
  }

 private:
  class writer final : public peer_writer {
   public:
    explicit writer(rocksdb_peer& owner) : owner_(owner) {}

    void append(std::string_view value, std::uint64_t count) override {
      const std::uint64_t first = owner_.next_.fetch_add(count);
      const rocksdb::Slice data(value.data(), value.size());
      batch_.Clear();
      for (std::uint64_t i = first; i < first + count; ++i) {
        const auto key = key_of(i);
        expect(batch_.Put(rocksdb::Slice(key.data(), key.size()), data));
      }
      expect(owner_.db_->Write(owner_.how_, &batch_));
    }

   private:
    rocksdb_peer& owner_;
    rocksdb::WriteBatch batch_;
  };

  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions how_;
  std::atomic<std::uint64_t> next_ = 0;
};

}  // namespace

}  // namespace nori::bench

extern "C" void nori_bench_add_peer(std::vector<nori::bench::peer_kind>& to,
                                    nori::fsync_policy policy, const std::string& /*connection*/) {
  using namespace nori;
  using namespace nori::bench;
  const bool sync = policy == fsync_policy::always();
  to.push_back({sync ? "rocksdb_sync" : "rocksdb", sync ? "RocksDB sync" : "RocksDB",
                std::string("RocksDB, its defaults and WriteOptions::sync = ") +
                    (sync ? "true" : "false") +
                    ": the write-ahead log, and the memtable; writers share a sync",
                std::string(sync ? survives_power_cut : survives_kill),
                [sync](const std::filesystem::path& dir) {
                  return std::make_unique<rocksdb_peer>(dir, sync);
                },
                [sync](const std::filesystem::path& dir) {
                  return scanner_of(std::make_shared<rocksdb_peer>(dir, sync));
                }});
}
