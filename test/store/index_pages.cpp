// How index files get their pages: the cache, the kernel, the device.

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <iostream>
#include <thread>

#include "store/index_test.hpp"

namespace nori::store::test {
namespace {

/// Counts what is read, and may give wrong bytes where it need not give any.
class counting_storage final : public storage::storage {
 public:
  explicit counting_storage(std::shared_ptr<storage> inner) : inner_(std::move(inner)) {}

  [[nodiscard]] nori::backend which() const noexcept override { return inner_->which(); }
  void start(nori::storage::io_request& first) noexcept override {
    for (const auto* each = &first; each != nullptr; each = each->next) ++reads;
    ++rounds;
    inner_->start(first);
  }
  [[nodiscard]] std::size_t read_cached(const nori::storage::file_ptr& from, std::uint64_t offset,
                                        void* to, std::size_t bytes) noexcept override {
    if (!gives_cached) return 0;
    const std::size_t got = inner_->read_cached(from, offset, to, bytes);
    if (got != 0) ++cached_reads;
    if (got != 0 && lies) static_cast<std::byte*>(to)[got / 2] ^= std::byte{1};
    return got;
  }
  asio::awaitable<nori::storage::file_ptr> open(std::string name,
                                                nori::storage::open_mode mode) override {
    return inner_->open(std::move(name), mode);
  }
  asio::awaitable<std::uint64_t> size(nori::storage::file_ptr of) override {
    return inner_->size(std::move(of));
  }
  asio::awaitable<void> allocate(nori::storage::file_ptr of, std::uint64_t offset,
                                 std::uint64_t bytes) override {
    return inner_->allocate(std::move(of), offset, bytes);
  }
  asio::awaitable<void> truncate(nori::storage::file_ptr of, std::uint64_t bytes) override {
    return inner_->truncate(std::move(of), bytes);
  }
  asio::awaitable<void> rename(std::string from, std::string to) override {
    return inner_->rename(std::move(from), std::move(to));
  }
  asio::awaitable<void> remove(std::string name) override {
    return inner_->remove(std::move(name));
  }
  asio::awaitable<void> sync_directory() override { return inner_->sync_directory(); }
  asio::awaitable<std::vector<nori::storage::directory_entry>> list() override {
    return inner_->list();
  }
  asio::awaitable<std::unique_ptr<nori::storage::ring_memory>> map_ring(
      std::string name, std::size_t bytes) override {
    return inner_->map_ring(std::move(name), bytes);
  }
  asio::awaitable<bool> lock(std::string lock_name) override {
    return inner_->lock(std::move(lock_name));
  }
  asio::awaitable<void> unlock() override { return inner_->unlock(); }
  void shutdown() noexcept override { inner_->shutdown(); }

  std::size_t reads = 0;
  std::size_t rounds = 0;
  std::size_t cached_reads = 0;
  bool gives_cached = true;
  bool lies = false;

 private:
  std::shared_ptr<storage> inner_;
};

model many_streams(std::size_t keys) {
  model made;
  made.facts = some_facts();
  for (std::size_t i = 0; i < keys; ++i)
    made.offsets.push_back(static_cast<std::uint32_t>(8192 + 160 * i));
  made.facts.to_offset = std::uint64_t{made.offsets.back()} + 160;
  for (std::size_t i = 0; i < keys; ++i)
    made.keys[{key_kind::stream, "account-" + std::to_string(i * 7919)}].offsets = {
        made.offsets[i]};
  made.keys[{key_kind::type, "opened"}].offsets = made.offsets;
  return made;
}

page_ref some_page(std::byte value) {
  auto made = std::make_shared<page>();
  made->bytes.fill(value);
  return made;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(index_pages)

BOOST_AUTO_TEST_CASE(a_full_cache_lets_go_of_pages_and_keeps_those_in_use) {
  page_cache cache(10 * page_cache::bytes_per_page + 5);
  const std::uint64_t a = cache.add_file();
  const std::uint64_t b = cache.add_file();
  BOOST_TEST(a != b);
  BOOST_TEST(cache.stats().pages_max == 10U);
  const page_ref held = cache.insert(a, 0, some_page(std::byte{7}), page_cache::use::few);
  cache.insert(a, 1, some_page(std::byte{8}), page_cache::use::few);
  for (std::uint32_t i = 2; i < 500; ++i) {
    cache.insert(i % 2 == 0 ? a : b, i, some_page(static_cast<std::byte>(i)), page_cache::use::few);
    if (i % 7 == 0) {
      const page_ref last = cache.find(i % 2 == 0 ? a : b, i);
      BOOST_TEST_REQUIRE(last != nullptr);
      BOOST_TEST((last->bytes[100] == static_cast<std::byte>(i)));
    }
    BOOST_TEST(cache.stats().pages <= 10U);
    BOOST_TEST(cache.find(a, 1) != nullptr);  // used all the time
    BOOST_TEST(cache.find(i % 2 == 0 ? b : a, i) == nullptr);
  }
  BOOST_TEST(cache.find(a, 0) == nullptr);
  BOOST_TEST((held->bytes[4095] == std::byte{7}));

  // Who comes second is given what the first one brought.
  const page_ref first = cache.insert(b, 1000, some_page(std::byte{1}), page_cache::use::few);
  BOOST_TEST(cache.insert(b, 1000, some_page(std::byte{1}), page_cache::use::few) == first);

  cache.invalidate(a);
  BOOST_TEST(cache.find(a, 1) == nullptr);
  BOOST_TEST(cache.find(b, 1000) == first);
  const std::size_t left = cache.stats().pages;
  BOOST_TEST(left < 10U);
  for (std::uint32_t i = 0; i < 100; ++i)
    cache.insert(a, i, some_page(std::byte{2}), page_cache::use::few);
  BOOST_TEST(cache.stats().pages == 10U);
  cache.invalidate(a);
  cache.invalidate(b);
  BOOST_TEST(cache.stats().pages == 0U);
}

BOOST_AUTO_TEST_CASE(threads_share_a_cache) {
  page_cache cache(20 * page_cache::bytes_per_page);
  const std::uint64_t files[] = {cache.add_file(), cache.add_file()};
  std::atomic<std::size_t> wrong{0};
  std::vector<std::thread> all;
  for (std::size_t t = 0; t < 4; ++t) {
    all.emplace_back([&, t] {
      std::uint64_t state = t + 1;
      for (std::size_t i = 0; i < scaled(20000); ++i) {
        state = state * 6364136223846793005 + 1442695040888963407;
        const auto number = static_cast<std::uint32_t>(state >> 33) % 50;
        const std::uint64_t file = files[state >> 40 & 1];
        page_ref got = cache.find(file, number);
        if (!got)
          got = cache.insert(file, number, some_page(static_cast<std::byte>(number)),
                             page_cache::use::few);
        if (got->bytes[17] != static_cast<std::byte>(number)) ++wrong;
        if (i % 1000 == 0) cache.invalidate(file);
      }
    });
  }
  for (auto& each : all) each.join();
  BOOST_TEST(wrong == 0U);
  BOOST_TEST(cache.stats().pages <= 20U);
}

BOOST_AUTO_TEST_CASE(a_present_key_costs_a_page_and_an_absent_one_next_to_none) {
  index_world in(std::size_t{16} << 20);
  const auto counting = std::make_shared<counting_storage>(in.on);
  in.on = counting;
  counting->gives_cached = false;
  const model of = many_streams(30000);
  const auto file = in.write("index", of);
  BOOST_TEST(file->summary().levels == 2U);
  // Warms the filter, the root, and the last leaf.
  for (int i = 0; i < 20000; ++i) in.find(file, key_kind::stream, "x" + std::to_string(i));
  const std::size_t cold = counting->reads;
  std::size_t most = 0;
  random_source random;
  for (int i = 0; i < 500; ++i) {
    const std::size_t before = counting->reads;
    const std::string name = "account-" + std::to_string(random.below(30000) * 7919);
    BOOST_TEST(in.find(file, key_kind::stream, name).has_value());
    most = std::max(most, counting->reads - before);
  }
  BOOST_TEST(most == 1U);  // the leaf
  const std::size_t before = counting->reads;
  constexpr std::size_t absent = 5000;
  for (std::size_t i = 0; i < absent; ++i)
    BOOST_TEST(!in.find(file, key_kind::stream, "y" + std::to_string(i)).has_value());
  BOOST_TEST(counting->reads - before < absent / 30);
  BOOST_TEST_MESSAGE(cold << " pages to warm up, " << counting->reads - before << " for " << absent
                          << " absent keys");
}

BOOST_AUTO_TEST_CASE(pages_wanted_together_are_read_in_one_round) {
  index_world in;
  const auto counting = std::make_shared<counting_storage>(in.on);
  in.on = counting;
  counting->gives_cached = false;
  const model of = many_streams(3000);
  std::vector<index_file_ptr> files;
  for (int i = 0; i < 8; ++i) files.push_back(in.write("index" + std::to_string(i), of));
  std::vector<key_lookup> lookups;
  for (const auto& file : files) {
    lookups.emplace_back(file, key_kind::stream, "account-7919");
    lookups.emplace_back(file, key_kind::stream, "account-7919");  // wants the same pages
  }
  counting->rounds = counting->reads = 0;
  in.run(find_all(lookups));
  for (const key_lookup& each : lookups) BOOST_TEST(each.found.has_value());
  BOOST_TEST(counting->rounds == 3U);  // filter, root, leaf
  BOOST_TEST(counting->reads == 3 * files.size());
}

BOOST_AUTO_TEST_CASE(a_page_that_does_not_verify_is_read_again_before_it_is_called_damaged) {
  index_world in;
  const auto counting = std::make_shared<counting_storage>(in.on);
  in.on = counting;
  const model of = many_streams(3000);
  const auto file = in.write("index", of);
  counting->lies = true;
  counting->reads = 0;
  BOOST_TEST(in.find(file, key_kind::stream, "account-7919").has_value());
  if (counting->cached_reads == 0) {
    std::cout << "SKIP: no RWF_NOWAIT on this file system" << std::endl;
    return;
  }
  BOOST_TEST(counting->reads == 3U);
}

BOOST_AUTO_TEST_CASE(speed_is_printed) {
  const std::size_t keys = scaled(400000);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < keys; ++i) names.push_back("account-" + std::to_string(i * 7919));
  std::sort(names.begin(), names.end());
  offset_list offsets;
  for (std::size_t i = 0; i < keys; ++i)
    offsets.push_back(static_cast<std::uint32_t>(8192 + 160 * i));
  model of;
  of.facts = some_facts();
  of.facts.to_offset = std::uint64_t{offsets.back()} + 160;

  auto start = std::chrono::steady_clock::now();
  std::vector<std::byte> bytes;
  std::size_t held_most = 0;
  index_writer writer(of.facts);
  writer.set_offsets(offsets);
  const auto take = [&] {
    held_most = std::max(held_most, writer.ready_bytes());
    const auto some = writer.take();
    bytes.insert(bytes.end(), some.begin(), some.end());
  };
  take();
  held_most = 0;
  for (std::size_t i = 0; i < keys; ++i) {
    writer.add(key_kind::stream, names[i], i, i, std::span(offsets).subspan(i, 1));
    if (writer.ready_bytes() >= (std::size_t{1} << 16)) take();
  }
  writer.add(key_kind::type, "opened", 0, 0, offsets);
  take();
  writer.finish();
  take();
  std::cout << keys << " keys written in " << ms_since(start) << " ms, " << bytes.size()
            << " bytes, at most " << held_most << " at once" << std::endl;

  index_world in(std::size_t{32} << 20);
  in.put("index", bytes);
  const auto file = in.open("index", of.facts);
  const auto look_up = [](index_file_ptr where, std::vector<std::string>* all,
                          std::size_t stride) -> asio::awaitable<std::size_t> {
    std::size_t found = 0;
    for (std::size_t i = 0; i < 20000; ++i) {
      std::vector<key_lookup> one;
      one.emplace_back(where, key_kind::stream, (*all)[i * stride % all->size()]);
      co_await find_all(one);
      found += one.front().found ? 1 : 0;
    }
    co_return found;
  };
  std::vector<std::string> absent;
  for (std::size_t i = 0; i < 20000; ++i) absent.push_back("nobody-" + std::to_string(i));
  for (const char* when : {"first", "again"}) {
    start = std::chrono::steady_clock::now();
    BOOST_TEST(in.run(look_up(file, &names, 9973)) == 20000U);
    std::cout << "present, " << when << ": " << ms_since(start) / 20 << " us each" << std::endl;
  }
  start = std::chrono::steady_clock::now();
  BOOST_TEST(in.run(look_up(file, &absent, 1)) == 0U);
  std::cout << "absent: " << ms_since(start) / 20 << " us each" << std::endl;
  const auto opened = in.find(file, key_kind::type, "opened");
  BOOST_TEST_REQUIRE(opened.has_value());
  start = std::chrono::steady_clock::now();
  BOOST_TEST((in.read(*opened, direction::forwards, 0, 4096) == offsets));
  std::cout << "list of " << keys << ": " << ms_since(start) << " ms" << std::endl;
  start = std::chrono::steady_clock::now();
  BOOST_TEST(in.list(file, key_kind::stream, "", 1024).size() == keys);
  std::cout << "all names: " << ms_since(start) << " ms" << std::endl;
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store::test
