// An index file, asked everything that can be asked. The mutator mends the crcs of its pages, so
// that hostile pages get past them.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "fuzz/index_seed.hpp"
#include "fuzz/memory_files.hpp"
#include "store/index_file.hpp"
#include "store/index_format.hpp"
#include "store/page_cache.hpp"
#include "store/posting_reader.hpp"
#include "support/run.hpp"

using namespace nori;
using namespace nori::store;
using namespace nori::fuzz;

namespace {

using offsets = std::vector<std::uint32_t>;

// A list of a key: ascending, within the range that the footer states, the same from both ends.
asio::awaitable<void> read_list(found_key key, std::size_t offsets_most) {
  const index_facts facts = key.file->summary().facts;
  offsets forwards;
  posting_reader reader(key, direction::forwards, 0);
  for (;;) {
    const std::size_t got = co_await reader.read(forwards, 1000);
    if (got == 0) break;
    require(forwards.size() <= offsets_most, "a list is no longer than the file can hold");
  }
  for (std::size_t i = 0; i < forwards.size(); ++i) {
    require(forwards[i] >= facts.from_offset && forwards[i] < facts.to_offset,
            "offsets lie in the range of the file");
    require(i == 0 || forwards[i - 1] < forwards[i], "a list ascends");
  }
  offsets backwards;
  posting_reader other(key, direction::backwards, UINT32_MAX);
  for (;;) {
    const std::size_t got = co_await other.read(backwards, 1000);
    if (got == 0) break;
    require(backwards.size() <= offsets_most, "a list is no longer than the file can hold");
  }
  require(std::equal(forwards.begin(), forwards.end(), backwards.rbegin(), backwards.rend()),
          "a list is the same from both ends");
}

asio::awaitable<void> list_keys(index_file_ptr file, key_kind kind, std::size_t keys_most) {
  key_iterator iterator(file, kind, "");
  std::vector<key_iterator::item> items;
  std::size_t keys = 0;
  for (;;) {
    items.clear();
    const std::size_t got = co_await iterator.read(items, 16);
    if (got == 0) break;
    keys += got;
    require(keys <= keys_most, "there are no more keys than the file can hold");
  }
}

asio::awaitable<void> ask(std::shared_ptr<memory_file> on, std::size_t bytes) {
  const auto cache = std::make_shared<page_cache>(bytes + page_cache::bytes_per_page);
  const index_file_ptr file =
      co_await index_file::open(on, cache, "fuzzed", seed_facts().log, seed_facts().segment_id);
  std::vector<key_lookup> lookups;
  for (const char* const name : seed_names) {
    for (const key_kind kind : {key_kind::tag, key_kind::stream, key_kind::type}) {
      lookups.emplace_back(file, kind, name);
    }
  }
  try {
    co_await find_all(lookups);
  } catch (const index_damaged&) {
  }
  for (const key_lookup& each : lookups) {
    if (!each.found) continue;
    try {
      const found_key& key = *each.found;
      co_await read_list(key, bytes);
    } catch (const index_damaged&) {
    }
  }
  for (const key_kind kind : {key_kind::tag, key_kind::stream, key_kind::type}) {
    try {
      co_await list_keys(file, kind, bytes);
    } catch (const index_damaged&) {
    }
  }
  const std::uint64_t events = file->summary().event_count;
  if (events == 0) co_return;
  for (const std::uint64_t ordinal : {std::uint64_t{0}, events / 2, events - 1}) {
    (void)co_await file->offset_of(ordinal);
  }
  offsets all;
  const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(events, bytes));
  co_await file->offsets(0, some, all);
  require(all.size() == some, "as many offsets as were asked for");
  for (const std::uint32_t offset : {0U, 9000U, UINT32_MAX}) {
    require(co_await file->ordinal_at_or_after(offset) <= events, "an ordinal is one of an event");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Kept between inputs: making one takes longer than most inputs do.
  static asio::io_context io;
  const auto on = std::make_shared<memory_file>(io, bytes_of(data, size));
  const allocation_bound bounded((std::size_t{1} << 20) + 256 * size);
  try {
    test::run(io, ask(on, size));
  } catch (const index_damaged&) {
  }
  io.restart();
  io.run();
  require(on->reads() <= 4096 + size, "no page is read over and over");
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned random) {
  // Mostly within the pages, at what a page says of itself: its head, its entries' places, its end.
  const std::size_t pages = size / page_bytes;
  if (pages != 0 && random % 8 != 0) {
    const std::size_t page = random / 8 % pages * page_bytes;
    const std::size_t part = random % 3 == 0 ? 0 : random / 64 % (page_bytes - 128);
    LLVMFuzzerMutate(data + page + part, 128, 128);
  } else {
    size = LLVMFuzzerMutate(data, size, size_max);
  }
  if (random % 16 != 0) mend_index({reinterpret_cast<std::byte*>(data), size});
  return size;
}
