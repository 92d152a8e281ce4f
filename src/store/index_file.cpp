#include "store/index_file.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <deque>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <boost/system/system_error.hpp>

namespace nori::store {

namespace {

// Pages of offsets that are read in one round.
constexpr std::size_t offset_pages_at_once = 16;

std::string failure_text(const std::string& name, std::uint32_t number, const char* what) {
  return "index " + name + ", page " + std::to_string(number) + ": " + what;
}

}  // namespace

asio::awaitable<index_file_ptr> index_file::open(std::shared_ptr<storage::storage> on,
                                                 std::shared_ptr<page_cache> cache,
                                                 std::string name, format::log_id log,
                                                 std::uint64_t segment_id) {
  const storage::file_ptr file = co_await on->open(name, storage::open_mode::read);
  const std::uint64_t bytes = co_await on->size(file);
  const std::uint64_t pages = bytes / page_bytes;
  if (bytes % page_bytes != 0 || pages == 0)
    throw index_damaged("index " + name + " does not consist of pages", name);
  page last;
  std::size_t got = 0;
  try {
    got = co_await storage::read_at(*on, file, (pages - 1) * page_bytes, last.bytes.data(),
                                    page_bytes, name);
  } catch (const boost::system::system_error& error) {
    // What the device can't read any more is made again, like what it reads wrongly.
    if (error.code() != boost::system::errc::io_error || segment_id == 0) throw;
  }
  if (got != page_bytes) throw index_damaged("index " + name + " ends early", name);
  std::optional<index_footer> footer;
  try {
    footer = parse_footer(last.bytes.data(), pages, log, segment_id);
  } catch (const index_damaged& error) {
    throw index_damaged("index " + name + ": " + error.what(), name);
  }
  index_file_ptr opened = std::make_shared<index_file>(passkey{}, std::move(on), std::move(cache),
                                                       std::move(name), file, *footer);
  co_return opened;
}

index_file::index_file(passkey, std::shared_ptr<storage::storage> on,
                       std::shared_ptr<page_cache> cache, std::string name, storage::file_ptr file,
                       const index_footer& footer)
    : on_(std::move(on)),
      cache_(std::move(cache)),
      name_(std::move(name)),
      file_(std::move(file)),
      footer_(footer),
      seed_(page_seed(footer.facts)),
      number_(cache_->add_file()) {}

index_file::~index_file() { cache_->invalidate(number_); }

void index_file::damaged(std::uint32_t number, const char* what) const {
  throw index_damaged(failure_text(name_, number, what), name_);
}

page_ref index_file::try_page(std::uint32_t number) const {
  assert(number < footer_.page_count);
  if (page_ref hit = cache_->find(number_, number)) return hit;
  std::shared_ptr<page> fresh = cache_->take_memory();
  const std::size_t got =
      on_->read_cached(file_, std::uint64_t{number} * page_bytes, fresh->bytes.data(), page_bytes);
  // What does not verify is read once more, the long way, before anybody calls it damaged.
  if (got != page_bytes || !check_page(fresh->bytes.data(), seed_, number)) return nullptr;
  return keep(number, std::move(fresh));
}

// A page that was checked.
page_ref index_file::keep(std::uint32_t number, page_ref what) const {
  const bool many = number >= footer_.offset_index_page ||
                    (number >= footer_.offset_pages() &&
                     what->bytes.front() == static_cast<std::byte>(page_kind::inner));
  return cache_->insert(number_, number, std::move(what),
                        many ? page_cache::use::many : page_cache::use::few);
}

asio::awaitable<page_ref> index_file::get_page(std::uint32_t number) const {
  std::array<page_wish, 1> wish{page_wish(this, number)};
  co_await fetch(wish);
  co_return std::move(wish[0].got);
}

/// One round of reads, for as many pages as are not in memory.
class page_fetch {
 public:
  explicit page_fetch(std::span<page_wish> wishes) {
    if (wishes.empty()) return;
    {
      page_cache::session cache(*wishes.front().file->cache_);
      for (page_wish& wish : wishes) {
        assert(wish.number < wish.file->footer_.page_count);
        if (wish.got == nullptr) wish.got = cache.find(wish.file->number_, wish.number);
      }
    }
    for (page_wish& wish : wishes) {
      if (wish.got == nullptr) reads_.emplace_back(wish);
    }
    // The same page may be wanted more than once.
    std::sort(reads_.begin(), reads_.end(),
              [](const read& a, const read& b) { return a.where() < b.where(); });
    take_cached();
  }

  [[nodiscard]] bool done() const noexcept { return reads_.empty(); }

  [[nodiscard]] asio::awaitable<void> run() {
    if (reads_.empty()) co_return;
    storage::storage& on = *reads_.front().wish->file->on_;
    // Short reads are rare, so rounds are few; each gets a byte at least for every page.
    while (ask()) {
      co_await storage::perform_all(on, requests_);
      take();
    }
    give();
  }

 private:
  struct read {
    explicit read(page_wish& of) : wish(&of), into(of.file->cache_->take_memory()) {}
    [[nodiscard]] std::pair<std::uint64_t, std::uint32_t> where() const noexcept {
      return {wish->file->number_, wish->number};
    }
    [[nodiscard]] bool verifies() const noexcept {
      return check_page(into->bytes.data(), wish->file->seed_, wish->number);
    }

    page_wish* wish;
    std::shared_ptr<page> into;
    std::size_t got = 0;
    bool verified = false;
  };

  [[nodiscard]] bool repeats(std::size_t i) const noexcept {
    return i != 0 && reads_[i].where() == reads_[i - 1].where();
  }

  // What the kernel's page cache has. What does not verify is read once more, the long way, before
  // anybody calls it damaged.
  void take_cached() {
    if (reads_.empty()) return;
    std::vector<storage::cached_read> asked(reads_.size());
    for (std::size_t i = 0; i < reads_.size(); ++i) {
      if (repeats(i)) continue;  // asks for nothing
      asked[i].from = reads_[i].wish->file->file_;
      asked[i].offset = std::uint64_t{reads_[i].wish->number} * page_bytes;
      asked[i].to = reads_[i].into->bytes.data();
      asked[i].bytes = page_bytes;
    }
    std::erase_if(asked, [](const storage::cached_read& each) { return !each.from; });
    reads_.front().wish->file->on_->read_all_cached(asked);
    std::size_t next = 0;
    for (std::size_t i = 0; i < reads_.size(); ++i) {
      if (repeats(i)) continue;
      read& each = reads_[i];
      const storage::cached_read& its = asked[next++];
      each.verified = its.got == page_bytes && each.verifies();
      if (each.verified) each.got = page_bytes;
    }
  }

  // Makes requests for what is still to read; false where that is nothing.
  [[nodiscard]] bool ask() {
    asked_.clear();
    for (std::size_t i = 0; i < reads_.size(); ++i) {
      if (!repeats(i) && reads_[i].got < page_bytes) asked_.push_back(&reads_[i]);
    }
    requests_ = std::vector<storage::io_request>(asked_.size());
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      const read& each = *asked_[i];
      assert(each.wish->file->on_ == reads_.front().wish->file->on_);
      storage::io_request& request = requests_[i];
      request.piece_count = 1;
      request.pieces[0] = {each.into->bytes.data() + each.got, page_bytes - each.got};
      request.offset = std::uint64_t{each.wish->number} * page_bytes + each.got;
      request.target = each.wish->file->file_;
    }
    return !asked_.empty();
  }

  void take() {
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      read& each = *asked_[i];
      const index_file& file = *each.wish->file;
      const std::int64_t result = requests_[i].result;
      // What the device can't read any more is made again, like what it reads wrongly; of no
      // segment, it can't be.
      if (result == -EIO && file.footer_.facts.segment_id != 0)
        file.damaged(each.wish->number, "the device can't read it");
      if (result < 0) {
        throw boost::system::system_error(
            boost::system::error_code(static_cast<int>(-result), boost::system::system_category()),
            failure_text(file.name_, each.wish->number, "read"));
      }
      if (result == 0) file.damaged(each.wish->number, "the file ends before it");
      each.got += static_cast<std::size_t>(result);
    }
  }

  void give() {
    for (std::size_t i = 0; i < reads_.size(); ++i) {
      page_wish& wish = *reads_[i].wish;
      if (repeats(i)) {
        wish.got = reads_[i - 1].wish->got;
        continue;
      }
      const index_file& file = *wish.file;
      if (!reads_[i].verified && !reads_[i].verifies())
        file.damaged(wish.number, "the checksum is wrong");
      wish.got = file.keep(wish.number, std::move(reads_[i].into));
    }
  }

  std::vector<read> reads_;
  std::vector<read*> asked_;
  std::vector<storage::io_request> requests_;
};

asio::awaitable<void> fetch(std::span<page_wish> wishes) {
  page_fetch fetching(wishes);
  co_await fetching.run();
}

// Offsets

asio::awaitable<std::uint32_t> index_file::offset_of(std::uint64_t ordinal) const {
  assert(ordinal < footer_.event_count);
  const auto number = static_cast<std::uint32_t>(ordinal / offsets_per_page);
  page_ref got = try_page(number);
  if (got == nullptr) got = co_await get_page(number);
  const std::uint32_t offset = offset_at(*got, ordinal % offsets_per_page);
  if (offset < footer_.facts.from_offset || offset >= footer_.facts.to_offset)
    damaged(number, "an offset lies outside the range");
  co_return offset;
}

asio::awaitable<void> index_file::offsets(std::uint64_t first, std::size_t count,
                                          std::vector<std::uint32_t>& out) const {
  assert(first <= footer_.event_count && count <= footer_.event_count - first);
  const std::uint64_t end = first + count;
  std::vector<page_wish> wishes;
  while (first < end) {
    wishes.clear();
    for (std::uint64_t at = first / offsets_per_page;
         at <= (end - 1) / offsets_per_page && wishes.size() < offset_pages_at_once; ++at)
      wishes.emplace_back(this, static_cast<std::uint32_t>(at));
    co_await fetch(wishes);
    for (const page_wish& wish : wishes) {
      const std::uint64_t page_end =
          std::min(end, (std::uint64_t{wish.number} + 1) * offsets_per_page);
      for (; first < page_end; ++first) {
        const std::uint32_t offset = offset_at(*wish.got, first % offsets_per_page);
        if (offset < footer_.facts.from_offset || offset >= footer_.facts.to_offset)
          damaged(wish.number, "an offset lies outside the range");
        out.push_back(offset);
      }
    }
  }
}

namespace {

// How many of the first `count` values of a page are below `offset`.
std::size_t count_below(const page& of, std::size_t count, std::uint64_t offset) noexcept {
  std::size_t low = 0;
  while (count != 0) {
    const std::size_t half = count / 2;
    if (offset_at(of, low + half) < offset) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return low;
}

}  // namespace

// The last page of offsets whose first one is not above `offset`, or page 0.
asio::awaitable<std::uint32_t> index_file::offset_page_of(std::uint32_t offset) const {
  const std::uint64_t behind = std::uint64_t{offset} + 1;
  auto low = std::uint64_t{0};
  auto high = footer_.offset_index_pages() - 1;
  page_ref got;
  while (true) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    const auto number = static_cast<std::uint32_t>(footer_.offset_index_page + middle);
    got = try_page(number);
    if (got == nullptr) got = co_await get_page(number);
    if (low == high) break;
    if (offset_at(*got, 0) < behind) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const std::uint64_t first = low * offsets_per_page;
  const std::size_t count =
      std::min<std::uint64_t>(footer_.offset_pages() - first, offsets_per_page);
  const std::size_t below = count_below(*got, count, behind);
  co_return static_cast<std::uint32_t>(first + (below == 0 ? 0 : below - 1));
}

asio::awaitable<std::uint64_t> index_file::ordinal_at_or_after(std::uint32_t offset) const {
  if (footer_.event_count == 0) co_return 0;
  const std::uint32_t number = co_await offset_page_of(offset);
  page_ref got = try_page(number);
  if (got == nullptr) got = co_await get_page(number);
  const std::uint64_t first = std::uint64_t{number} * offsets_per_page;
  const std::size_t count = std::min<std::uint64_t>(footer_.event_count - first, offsets_per_page);
  co_return first + count_below(*got, count, offset);
}

// Keys

namespace {

/// A key as it is in a file, and its sum.
struct spelled_key {
  explicit spelled_key(const key_lookup& of) {
    text.reserve(1 + of.name.size());
    text.assign(1, static_cast<char>(of.kind));
    text.append(of.name);
    sum = key_sum(text);
  }
  [[nodiscard]] bool is_of(const key_lookup& of) const noexcept {
    return text.front() == static_cast<char>(of.kind) &&
           std::string_view(text).substr(1) == of.name;
  }

  std::string text;
  std::uint32_t sum = 0;
};

/// The way of one lookup through its file: it names a page, and is fed with it.
class walk {
 public:
  walk(key_lookup& of, const spelled_key& key) : of_(&of), key_(&key) {
    of.found.reset();
    const index_footer& footer = of.file->summary();
    if (footer.levels == 0) return;
    block_ = filter_block(key_->sum, footer.filter_blocks);
    wanted_ = static_cast<std::uint32_t>(footer.filter_page + block_ / filter_blocks_per_page);
    left_ = footer.levels + 1;
  }

  [[nodiscard]] const index_file& file() const noexcept { return *of_->file; }
  [[nodiscard]] bool done() const noexcept { return left_ == 0; }
  [[nodiscard]] std::uint32_t wanted() const noexcept { return wanted_; }

  void feed(const page& got) {
    on_page(file(), wanted_, [&] { step(got); });
  }

 private:
  void step(const page& got) {
    const index_footer& footer = file().summary();
    --left_;
    if (left_ == footer.levels) {
      const std::byte* const block =
          got.bytes.data() + block_ % filter_blocks_per_page * filter_block_bytes;
      if (filter_may_have(block, key_->sum)) {
        wanted_ = footer.root_page;
      } else {
        left_ = 0;
      }
    } else if (left_ != 0) {
      const entry_page inner(got, page_kind::inner, static_cast<std::uint8_t>(left_));
      const std::size_t behind = inner.upper_bound(key_->text);
      if (behind == 0) throw index_damaged("a key lies before its page");
      wanted_ = inner.child(behind - 1, footer.page_count);
    } else {
      const entry_page leaf(got, page_kind::leaf, 0);
      const std::size_t at = leaf.lower_bound(key_->text);
      if (at == leaf.count() || !leaf.key_is(at, key_->text)) return;
      found_key& found = of_->found.emplace();
      found.file = of_->file;
      found.value = leaf.value(at, footer.page_count);
    }
  }

  key_lookup* of_;
  const spelled_key* key_;
  std::uint32_t block_ = 0;
  std::uint32_t wanted_ = 0;
  std::uint32_t left_ = 0;  ///< pages to see: the filter's, then one of each level
};

}  // namespace

asio::awaitable<void> find_all(std::span<key_lookup> lookups) {
  std::vector<walk> walks;
  walks.reserve(lookups.size());
  // Mostly one key is looked up in many files: spelled once.
  std::deque<spelled_key> keys;
  for (key_lookup& each : lookups) {
    if (keys.empty() || !keys.back().is_of(each)) keys.emplace_back(each);
    walks.emplace_back(each, keys.back());
  }
  std::vector<page_wish> wishes;
  std::vector<walk*> waiting;
  wishes.reserve(walks.size());
  waiting.reserve(walks.size());
  // A page of each in every round: of the filter, which mostly is the last one, then down the tree.
  while (true) {
    wishes.clear();
    waiting.clear();
    for (walk& each : walks) {
      if (each.done()) continue;
      wishes.emplace_back(&each.file(), each.wanted());
      waiting.push_back(&each);
    }
    if (wishes.empty()) co_return;
    page_fetch fetching(wishes);
    if (!fetching.done()) co_await fetching.run();
    for (std::size_t i = 0; i < wishes.size(); ++i) waiting[i]->feed(*wishes[i].got);
  }
}

}  // namespace nori::store
