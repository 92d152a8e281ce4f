#include "key_value_store.hpp"

#include <optional>
#include <utility>

asio::awaitable<key_value_store> key_value_store::open(std::filesystem::path directory) {
  nori::config options(std::move(directory));
  options.fsync = nori::fsync_policy::always();
  nori::wal::opened opened = co_await nori::wal::open(options);
  key_value_store store(std::move(opened.log));

  // Later records win, tombstones too.
  nori::reader records = store.history();
  while (const std::optional<nori::entry> each = co_await records.next()) {
    if (each->tombstone) {
      store.values_.erase(std::string(each->key));
    } else {
      store.values_.insert_or_assign(std::string(each->key), std::string(each->value));
    }
  }
  co_return store;
}

asio::awaitable<void> key_value_store::put(std::string key, std::string value) {
  // The log first: whoever sees the value in the map will see it after a crash, too.
  co_await log_.append({.key = key, .value = value});
  values_.insert_or_assign(std::move(key), std::move(value));
}

asio::awaitable<bool> key_value_store::remove(std::string key) {
  const auto found = values_.find(key);
  if (found == values_.end()) co_return false;
  co_await log_.append({.key = key, .tombstone = true});
  values_.erase(found);
  co_return true;
}
