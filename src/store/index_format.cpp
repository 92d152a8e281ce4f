#include "store/index_format.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include "format/crc32c.hpp"

namespace nori::store {

namespace {

static_assert(std::endian::native == std::endian::little,
              "integers are copied to and from disk as they lie in memory");

template <typename Integer>
Integer load(const std::byte* at) noexcept {
  Integer value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename Integer>
void store(std::byte* at, Integer value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

std::size_t common_prefix(std::string_view a, std::string_view b) noexcept {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(ends.first - a.begin());
}

[[noreturn]] void refuse(const char* what) { throw index_damaged(what); }

/// Takes values off the front of some bytes; throws index_damaged where there are none.
class cursor {
 public:
  explicit cursor(std::span<const std::byte> bytes) noexcept
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool empty() const noexcept { return at_ == end_; }
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return {at_, end_}; }

  [[nodiscard]] std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto next = std::to_integer<std::uint64_t>(*at_++);
      value |= (next & 127) << shift;
      if (next < 128) {
        if ((next == 0 && shift != 0) || (shift == 63 && next > 1)) break;
        return value;
      }
    }
    refuse("a number is malformed");
  }
  /// One that must not be larger than `most`.
  [[nodiscard]] std::uint64_t varint(std::uint64_t most) {
    const std::uint64_t value = varint();
    if (value > most) refuse("a number is too large");
    return value;
  }
  [[nodiscard]] std::uint8_t byte() { return std::to_integer<std::uint8_t>(take(1)[0]); }
  [[nodiscard]] std::span<const std::byte> take(std::size_t bytes) {
    if (bytes > static_cast<std::size_t>(end_ - at_)) refuse("an entry is cut off");
    at_ += bytes;
    return {at_ - bytes, bytes};
  }

 private:
  const std::byte* at_;
  const std::byte* end_;
};

std::string_view text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A bijection of 64-bit numbers that leaves no pattern (the finalizer of splitmix64).
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

constexpr std::string_view index_magic("noriidx\x01", 8);
constexpr std::uint8_t flag_revisions = 1;
constexpr std::uint8_t flag_pages = 2;

}  // namespace

// Pages

std::uint32_t footer_seed(const format::log_id& log, std::uint64_t segment_id) noexcept {
  return format::segment_seed(log, segment_id);
}

std::uint32_t page_seed(const index_facts& facts) noexcept {
  std::array<std::byte, 20> bytes;
  store(bytes.data(), facts.from_offset);
  store(bytes.data() + 8, facts.to_offset);
  store(bytes.data() + 16, facts.last_frame_crc);
  return format::crc32c(footer_seed(facts.log, facts.segment_id), bytes.data(), bytes.size());
}

namespace {

std::uint32_t sum_of(const std::byte* bytes, std::uint32_t seed, std::uint32_t number) noexcept {
  return format::crc32c(format::crc32c(seed, &number, sizeof number), bytes, page_sum_at);
}

}  // namespace

void seal_page(std::byte* bytes, std::uint32_t seed, std::uint32_t number) noexcept {
  store(bytes + page_sum_at, sum_of(bytes, seed, number));
}

bool check_page(const std::byte* bytes, std::uint32_t seed, std::uint32_t number) noexcept {
  return load<std::uint32_t>(bytes + page_sum_at) == sum_of(bytes, seed, number);
}

// The footer

namespace {

constexpr std::size_t footer_fields_end = 120;

template <typename Field, typename Footer>
void each_field(Footer& footer, Field field) {
  auto& facts = footer.facts;
  field(12, facts.last_frame_crc);
  field(16, facts.log);
  field(32, facts.segment_id);
  field(40, facts.from_offset);
  field(48, facts.to_offset);
  field(56, facts.first_global_position);
  field(64, footer.event_count);
  field(72, facts.first_time_ns);
  field(80, facts.last_time_ns);
  field(88, footer.key_count);
  field(96, footer.page_count);
  field(100, footer.levels);
  field(104, footer.root_page);
  field(108, footer.offset_index_page);
  field(112, footer.filter_page);
  field(116, footer.filter_blocks);
}

}  // namespace

void store_footer(std::byte* bytes, const index_footer& footer) noexcept {
  std::memset(bytes, 0, page_bytes);
  std::memcpy(bytes, index_magic.data(), index_magic.size());
  store(bytes + 8, index_version);
  each_field(footer, [&](std::size_t at, const auto& value) { store(bytes + at, value); });
  seal_page(bytes, footer_seed(footer.facts.log, footer.facts.segment_id), footer.page_count - 1);
}

index_footer parse_footer(const std::byte* bytes, std::uint64_t page_count,
                          const format::log_id& log, std::uint64_t segment_id) {
  if (page_count == 0 || page_count > UINT32_MAX) refuse("the file has an impossible size");
  if (std::memcmp(bytes, index_magic.data(), index_magic.size()) != 0)
    refuse("the footer is missing");
  if (!check_page(bytes, footer_seed(log, segment_id), static_cast<std::uint32_t>(page_count - 1)))
    refuse("the footer is damaged, or that of another segment");
  if (load<std::uint32_t>(bytes + 8) != index_version) refuse("the format has another version");

  index_footer footer;
  each_field(footer,
             [&](std::size_t at, auto& value) { std::memcpy(&value, bytes + at, sizeof value); });
  const std::uint64_t pages = footer.page_count;
  const auto within = [&](std::uint64_t first, std::uint64_t count) {
    return count == 0 ? first == 0 : first < pages - 1 && count <= pages - 1 - first;
  };
  if (footer.facts.log != log || footer.facts.segment_id != segment_id || pages != page_count)
    refuse("the footer is that of another file");
  if (footer.facts.from_offset > footer.facts.to_offset ||
      footer.facts.to_offset > std::uint64_t{1} << 32 ||
      footer.event_count > footer.facts.to_offset - footer.facts.from_offset)
    refuse("the footer has an impossible range");
  if (footer.levels > levels_max || (footer.levels == 0) != (footer.key_count == 0) ||
      (footer.filter_blocks == 0) != (footer.key_count == 0) ||
      !within(footer.root_page, footer.levels != 0 ? 1 : 0) || footer.offset_pages() > pages - 1 ||
      !within(footer.offset_index_page, footer.offset_index_pages()) ||
      !within(footer.filter_page, footer.filter_pages()))
    refuse("the footer has impossible sections");
  if (std::any_of(bytes + footer_fields_end, bytes + page_sum_at,
                  [](std::byte b) { return b != std::byte{0}; }))
    refuse("the footer has reserved bits");
  return footer;
}

// Making pages

void page_builder::clear() noexcept {
  bytes_.fill(std::byte{0});
  end_ = page_header_bytes;
  count_ = 0;
}

bool page_builder::add_entry(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() + 2 > room()) return false;
  std::memcpy(at_end(), bytes.data(), bytes.size());
  ++count_;
  store(bytes_.data() + page_sum_at - 2 * count_, static_cast<std::uint16_t>(end_));
  end_ += bytes.size();
  return true;
}

std::byte* page_builder::complete(page_kind kind, std::uint8_t level) noexcept {
  bytes_[0] = static_cast<std::byte>(kind);
  bytes_[1] = static_cast<std::byte>(level);
  store(bytes_.data() + 2, static_cast<std::uint16_t>(count_));
  store(bytes_.data() + 4, static_cast<std::uint16_t>(end_));
  return bytes_.data();
}

namespace {

// The shared length, the length of what follows, and that.
void encode_key(std::vector<std::byte>& to, std::string_view first, std::string_view key) {
  std::array<std::byte, 20> lengths;
  const std::size_t shared = common_prefix(first, key);
  std::byte* end = put_varint(lengths.data(), shared);
  end = put_varint(end, key.size() - shared);
  to.assign(lengths.data(), end);
  const auto* const suffix = reinterpret_cast<const std::byte*>(key.data()) + shared;
  to.insert(to.end(), suffix, suffix + (key.size() - shared));
}

}  // namespace

void encode_leaf_entry(std::vector<std::byte>& to, std::string_view first, std::string_view key,
                       const leaf_value& value) {
  encode_key(to, first, key);
  const posting_ref& postings = value.postings;
  std::array<std::byte, 1 + 7 * 10> numbers;
  std::byte* end = numbers.data();
  const bool revisions = key.front() == static_cast<char>(key_kind::stream);
  const bool pages = postings.pages != 0;
  *end++ = static_cast<std::byte>((revisions ? flag_revisions : 0) | (pages ? flag_pages : 0));
  end = put_varint(end, value.count);
  if (revisions) {
    end = put_varint(end, value.first_revision);
    end = put_varint(end, value.last_revision - value.first_revision);
  }
  if (pages) {
    end = put_varint(end, postings.first_page);
    end = put_varint(end, postings.start);
    end = put_varint(end, postings.pages);
    end = put_varint(end, postings.last_count);
  }
  to.insert(to.end(), numbers.data(), end);
  to.insert(to.end(), postings.inlined.data(), postings.inlined.data() + postings.inline_bytes);
}

void encode_inner_entry(std::vector<std::byte>& to, std::string_view first,
                        std::string_view separator, std::uint32_t child) {
  encode_key(to, first, separator);
  std::array<std::byte, 4> number;
  store(number.data(), child);
  to.insert(to.end(), number.begin(), number.end());
}

// Reading pages

entry_page::entry_page(const page& of, page_kind kind, std::uint8_t level)
    : bytes_(of.bytes.data()),
      count_(load<std::uint16_t>(bytes_ + 2)),
      end_(load<std::uint16_t>(bytes_ + 4)) {
  if (bytes_[0] != static_cast<std::byte>(kind) || bytes_[1] != static_cast<std::byte>(level) ||
      load<std::uint16_t>(bytes_ + 6) != 0)
    refuse("the page is of another kind");
  if (count_ == 0 || end_ < page_header_bytes || end_ + 2 * count_ > page_sum_at)
    refuse("the page has an impossible size");
  const entry first = parse(0);
  if (first.shared != 0) refuse("the first entry of the page leans on another");
  first_ = first.suffix;
}

entry_page::entry entry_page::parse(std::size_t at) const {
  assert(at < count_);
  const std::byte* const slot = bytes_ + page_sum_at - 2 * (at + 1);
  const std::size_t begin = load<std::uint16_t>(slot);
  const std::size_t end = at + 1 == count_ ? end_ : load<std::uint16_t>(slot - 2);
  if (begin < page_header_bytes || begin > end || end > end_) refuse("an entry lies elsewhere");
  cursor bytes({bytes_ + begin, end - begin});
  entry result;
  // Of the first entry, before first_ is known, only 0 is acceptable.
  result.shared = static_cast<std::size_t>(bytes.varint(first_.size()));
  const std::uint64_t suffix_bytes = bytes.varint(key_bytes_max - result.shared);
  result.suffix = text(bytes.take(static_cast<std::size_t>(suffix_bytes)));
  result.rest = bytes.rest();
  return result;
}

std::size_t entry_page::bound(std::string_view key, bool above) const {
  const std::size_t common = common_prefix(key, first_);
  const bool at_first_end = common == first_.size();
  // Whether the key comes before the first one, where they differ.
  const bool before_first =
      !at_first_end && (common == key.size() || static_cast<unsigned char>(key[common]) <
                                                    static_cast<unsigned char>(first_[common]));
  std::size_t low = 0;
  std::size_t high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const entry here = parse(middle);
    bool skip = false;  // is this entry before the bound?
    if (here.shared > common) {
      // It is on the side of the first key, seen from `key`.
      skip = !before_first;
    } else {
      const int order = here.suffix.compare(key.substr(here.shared));
      skip = above ? order <= 0 : order < 0;
    }
    if (skip) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::size_t entry_page::lower_bound(std::string_view key) const { return bound(key, false); }
std::size_t entry_page::upper_bound(std::string_view key) const { return bound(key, true); }

bool entry_page::key_is(std::size_t at, std::string_view key) const {
  const entry here = parse(at);
  return key.size() == here.shared + here.suffix.size() &&
         key.substr(0, here.shared) == first_.substr(0, here.shared) &&
         key.substr(here.shared) == here.suffix;
}

void entry_page::copy_key(std::size_t at, std::string& to) const {
  const entry here = parse(at);
  to.assign(first_.substr(0, here.shared));
  to.append(here.suffix);
}

leaf_value entry_page::value(std::size_t at, std::uint32_t page_count) const {
  cursor bytes(parse(at).rest);
  leaf_value result;
  const unsigned flags = bytes.byte();
  if ((flags & ~unsigned{flag_revisions | flag_pages}) != 0) refuse("an entry has unknown flags");
  result.count = bytes.varint(std::uint64_t{1} << 32);
  if ((flags & flag_revisions) != 0) {
    result.first_revision = bytes.varint();
    result.last_revision = result.first_revision + bytes.varint(UINT64_MAX - result.first_revision);
  }
  posting_ref& postings = result.postings;
  if ((flags & flag_pages) != 0) {
    postings.first_page = static_cast<std::uint32_t>(bytes.varint(UINT32_MAX));
    postings.start = static_cast<std::uint16_t>(bytes.varint(page_sum_at - 1));
    postings.pages = static_cast<std::uint32_t>(bytes.varint(UINT32_MAX));
    postings.last_count = static_cast<std::uint16_t>(bytes.varint(page_sum_at));
    if (postings.pages == 0 || postings.start < page_header_bytes || postings.last_count == 0 ||
        postings.first_page >= page_count || postings.pages > page_count - postings.first_page ||
        result.count < postings.last_count ||
        (postings.pages == 1 && result.count != postings.last_count))
      refuse("a list lies elsewhere");
    if (!bytes.empty()) refuse("an entry is too long");
    return result;
  }
  const std::span<const std::byte> inlined = bytes.rest();
  if (inlined.size() > inline_bytes_max) refuse("a list is too long to be inline");
  if (result.count > inlined.size() || (result.count == 0) != inlined.empty())
    refuse("a list is cut off");
  postings.inline_bytes = static_cast<std::uint8_t>(inlined.size());
  postings.last_count = static_cast<std::uint16_t>(result.count);
  std::copy(inlined.begin(), inlined.end(), postings.inlined.begin());
  return result;
}

std::uint32_t entry_page::child(std::size_t at, std::uint32_t page_count) const {
  const entry here = parse(at);
  if (here.rest.size() != 4) refuse("an entry has another size");
  const auto number = load<std::uint32_t>(here.rest.data());
  if (number >= page_count) refuse("a child lies behind the end of the file");
  return number;
}

// Offsets and postings

std::uint32_t offset_at(const page& of, std::size_t at) noexcept {
  return load<std::uint32_t>(of.bytes.data() + 4 * at);
}

void decode_offsets(std::span<const std::byte> bytes, std::size_t count, std::uint64_t from,
                    std::uint64_t end, std::vector<std::uint32_t>& to) {
  to.clear();
  cursor values(bytes);
  std::uint64_t last = 0;
  while (count == 0 ? !values.empty() : to.size() < count) {
    const std::uint64_t next = values.varint(UINT32_MAX);
    if (!to.empty() && next == 0) refuse("a list does not ascend");
    last += next;
    if (last < from || last >= end) refuse("an offset lies outside the range");
    to.push_back(static_cast<std::uint32_t>(last));
  }
}

std::span<const std::byte> posting_bytes(const page& of, std::size_t start) {
  const std::byte* const bytes = of.bytes.data();
  const std::size_t end = load<std::uint16_t>(bytes + 4);
  if (bytes[0] != static_cast<std::byte>(page_kind::postings) || bytes[1] != std::byte{0} ||
      load<std::uint16_t>(bytes + 2) != 0 || load<std::uint16_t>(bytes + 6) != 0)
    refuse("the page is of another kind");
  if (start < page_header_bytes || end > page_sum_at || start >= end)
    refuse("a list lies elsewhere");
  return {bytes + start, end - start};
}

// The filter

std::uint32_t key_sum(std::string_view key) noexcept {
  return format::crc32c(0, key.data(), key.size());
}

std::uint32_t filter_block(std::uint32_t sum, std::uint32_t blocks) noexcept {
  return static_cast<std::uint32_t>((mix(sum) >> 32) * blocks >> 32);
}

namespace {

// Calls `probe` with the byte and the mask of each bit of a key in its block.
template <typename Probe>
void each_bit(std::uint32_t sum, Probe probe) noexcept {
  // Not the bits that chose the block.
  std::uint64_t bits = mix(mix(sum));
  for (std::size_t i = 0; i < filter_probes; ++i, bits >>= 9)
    probe(static_cast<std::size_t>(bits >> 3 & 63), static_cast<std::byte>(1U << (bits & 7)));
}

}  // namespace

void filter_add(std::byte* block, std::uint32_t sum) noexcept {
  each_bit(sum, [&](std::size_t at, std::byte mask) { block[at] |= mask; });
}

bool filter_may_have(const std::byte* block, std::uint32_t sum) noexcept {
  bool all = true;
  each_bit(sum, [&](std::size_t at, std::byte mask) { all &= (block[at] & mask) != std::byte{0}; });
  return all;
}

}  // namespace nori::store
