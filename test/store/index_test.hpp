#ifndef NORI_TEST_STORE_INDEX_TEST_HPP
#define NORI_TEST_STORE_INDEX_TEST_HPP

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "storage/storage.hpp"
#include "store/index_file.hpp"
#include "store/index_writer.hpp"
#include "store/posting_reader.hpp"
#include "support/random_source.hpp"
#include "support/run.hpp"
#include "support/scratch_directory.hpp"

namespace nori::store::test {

using nori::test::random_source;
using nori::test::scaled;
using offset_list = std::vector<std::uint32_t>;

/// What an index was made of, searched the slow way.
struct model {
  struct key_facts {
    std::uint64_t first_revision = 0;
    std::uint64_t last_revision = 0;
    offset_list offsets;
  };
  index_facts facts;
  offset_list offsets;
  std::map<std::pair<key_kind, std::string>, key_facts> keys;
};

inline index_facts some_facts() {
  index_facts facts;
  for (std::size_t i = 0; i < facts.log.size(); ++i) facts.log[i] = static_cast<std::uint8_t>(i);
  facts.segment_id = 7;
  facts.from_offset = 8192;
  facts.to_offset = 8192;
  facts.first_global_position = 1000;
  facts.first_time_ns = -5;
  facts.last_time_ns = 99;
  facts.last_frame_crc = 0xc0ffee;
  return facts;
}

/// `count` ascending offsets, `step_max` apart at most.
inline offset_list ascending(random_source& random, std::size_t count, std::size_t step_max) {
  offset_list result;
  std::uint32_t at = 8192;
  for (std::size_t i = 0; i < count; ++i) {
    result.push_back(at);
    at += static_cast<std::uint32_t>(1 + random.below(step_max));
  }
  return result;
}

/// `count` of them, in order.
inline offset_list some_of(random_source& random, const offset_list& all, std::size_t count) {
  offset_list result;
  count = std::min(count, all.size());
  for (std::size_t i = 0; i < all.size() && result.size() < count; ++i) {
    if (random.below(all.size() - i) < count - result.size()) result.push_back(all[i]);
  }
  return result;
}

inline std::vector<std::byte> written(const model& of) {
  index_writer writer(of.facts);
  std::vector<std::byte> bytes;
  const auto take = [&] {
    const auto some = writer.take();
    bytes.insert(bytes.end(), some.begin(), some.end());
  };
  if (!of.offsets.empty()) writer.set_offsets(of.offsets);
  for (const auto& [key, facts] : of.keys) {
    writer.add(key.first, key.second, facts.first_revision, facts.last_revision, facts.offsets);
    take();
  }
  writer.finish();
  take();
  return bytes;
}

/// A directory with index files, and what opens them.
class index_world {
 public:
  explicit index_world(std::size_t cache_bytes = std::size_t{1} << 20)
      : cache(std::make_shared<page_cache>(cache_bytes)) {
    storage::open_options options;
    options.dir = scratch.path();
    on = run(storage::open_storage(std::move(options),
                                   storage::make_completion_executor(io.get_executor())));
  }

  template <typename Result>
  Result run(asio::awaitable<Result> what) {
    return nori::test::run(io, std::move(what));
  }

  void put(const std::string& name, std::span<const std::byte> bytes) const {
    std::ofstream file(scratch.path() / name, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  index_file_ptr open(const std::string& name, const index_facts& facts = some_facts()) {
    return run(index_file::open(on, cache, name, facts.log, facts.segment_id));
  }

  index_file_ptr write(const std::string& name, const model& of) {
    put(name, written(of));
    return open(name, of.facts);
  }

  std::optional<found_key> find(const index_file_ptr& file, key_kind kind, std::string_view name) {
    std::vector<key_lookup> one;
    one.emplace_back(file, kind, name);
    run(find_all(one));
    return one.front().found;
  }

  /// All from there on, `most` at a time.
  offset_list read(const found_key& key, direction way, std::uint32_t from, std::size_t most) {
    posting_reader reader(key, way, from);
    offset_list result;
    while (run(reader.read(result, most)) != 0) continue;
    return result;
  }

  std::vector<key_iterator::item> list(const index_file_ptr& file, key_kind kind, std::string from,
                                       std::size_t most) {
    key_iterator iterator(file, kind, std::move(from));
    std::vector<key_iterator::item> result;
    while (run(iterator.read(result, most)) != 0) continue;
    return result;
  }

  nori::test::scratch_directory scratch;
  asio::io_context io;
  std::shared_ptr<page_cache> cache;
  std::shared_ptr<storage::storage> on;
};

inline offset_list expected(const offset_list& list, direction way, std::uint32_t from) {
  if (way == direction::forwards)
    return {std::lower_bound(list.begin(), list.end(), from), list.end()};
  return {std::make_reverse_iterator(std::upper_bound(list.begin(), list.end(), from)),
          list.rend()};
}

}  // namespace nori::store::test

#endif
