#include "store/index_writer.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <functional>
#include <utility>

#include "format/planted_bug.hpp"

namespace nori::store {

namespace {

// Finished leaves that wait for an open page of postings; then that page ends early. So at most one
// page in this many is partly empty.
constexpr std::size_t held_leaves_max = 64;
// Of a varint of 32 bits.
constexpr std::size_t offset_bytes_max = 5;

[[maybe_unused]] bool ascends(std::span<const std::uint32_t> offsets) noexcept {
  return std::adjacent_find(offsets.begin(), offsets.end(), std::greater_equal<>()) ==
         offsets.end();
}

}  // namespace

index_writer::index_writer(const index_facts& facts) : seed_(page_seed(facts)) {
  footer_.facts = facts;
}

std::vector<std::byte> index_writer::take() { return std::exchange(out_, {}); }

void index_writer::write_page(std::byte* bytes) {
  seal_page(bytes, seed_, footer_.page_count);
  out_.insert(out_.end(), bytes, bytes + page_bytes);
  ++footer_.page_count;
}

void index_writer::set_offsets(std::span<const std::uint32_t> offsets) {
  assert(footer_.page_count == 0 && footer_.key_count == 0);
  assert(ascends(offsets));
  footer_.event_count = offsets.size();
  out_.reserve(static_cast<std::size_t>(footer_.offset_pages()) * page_bytes);
  std::array<std::byte, page_bytes> bytes;
  while (!offsets.empty()) {
    const std::size_t count = std::min(offsets.size(), offsets_per_page);
    bytes.fill(std::byte{0});
    std::memcpy(bytes.data(), offsets.data(), 4 * count);
    offset_firsts_.push_back(offsets.front());
    write_page(bytes.data());
    offsets = offsets.subspan(count);
  }
}

void index_writer::add(key_kind kind, std::string_view name, std::uint64_t first_revision,
                       std::uint64_t last_revision, std::span<const std::uint32_t> offsets) {
  assert(!name.empty() && name.size() <= name_bytes_max);
  assert(kind != key_kind::stream || first_revision <= last_revision);
  if (planted(format::planted_bug::drop_last_index_entry) && offsets.size() > 1) {
    offsets = offsets.first(offsets.size() - 1);
  }
  key_.assign(1, static_cast<char>(kind));
  key_.append(name);
  assert(footer_.key_count == 0 || last_key_ < key_);

  leaf_value value;
  value.count = offsets.size();
  if (kind == key_kind::stream) {
    value.first_revision = first_revision;
    value.last_revision = last_revision;
  }
  value.postings = place(offsets);

  encode_leaf_entry(entry_, leaf_first_, key_, value);
  if (!leaf_.add_entry(entry_)) {
    finish_leaf();
    // Enough to tell the new leaf from the one before, and no more: inner pages stay small.
    const auto differ = std::mismatch(last_key_.begin(), last_key_.end(), key_.begin(), key_.end());
    leaf_separator_.assign(key_.begin(), differ.second + 1);
    encode_leaf_entry(entry_, {}, key_, value);
    [[maybe_unused]] const bool added = leaf_.add_entry(entry_);
    assert(added);
  }
  if (leaf_.count() == 1) leaf_first_ = key_;
  last_key_.swap(key_);
  key_sums_.push_back(key_sum(last_key_));
  ++footer_.key_count;
}

posting_ref index_writer::place(std::span<const std::uint32_t> offsets) {
  assert(ascends(offsets));
  posting_ref inlined;
  // An offset takes a byte at least.
  if (offsets.size() <= inline_bytes_max) {
    std::array<std::byte, inline_bytes_max + offset_bytes_max> bytes;
    std::byte* end = bytes.data();
    std::uint32_t last = 0;
    std::size_t placed = 0;
    for (; placed < offsets.size() && end <= bytes.data() + inline_bytes_max; ++placed) {
      end = put_varint(end, offsets[placed] - last);
      last = offsets[placed];
    }
    if (placed == offsets.size() && end <= bytes.data() + inline_bytes_max) {
      std::copy(bytes.data(), end, inlined.inlined.data());
      inlined.inline_bytes = static_cast<std::uint8_t>(end - bytes.data());
      return inlined;
    }
  }
  return write_postings(offsets);
}

posting_ref index_writer::write_postings(std::span<const std::uint32_t> offsets) {
  if (postings_open_ && postings_.room() < offset_bytes_max) close_postings();
  postings_open_ = true;
  posting_ref made;
  made.first_page = footer_.page_count;
  made.start = static_cast<std::uint16_t>(postings_.end());
  made.pages = 1;
  std::uint32_t last = 0;
  std::size_t count = 0;  // in this page
  for (const std::uint32_t offset : offsets) {
    if (postings_.room() < offset_bytes_max) {
      // The leaves that are held go on waiting: the list continues on the very next page, with the
      // offset itself, so that the page can be read without the one before.
      write_page(postings_.complete(page_kind::postings, 0));
      postings_.clear();
      ++made.pages;
      last = 0;
      count = 0;
    }
    std::byte* const at = postings_.at_end();
    postings_.grow(static_cast<std::size_t>(put_varint(at, offset - last) - at));
    last = offset;
    ++count;
  }
  made.last_count = static_cast<std::uint16_t>(count);
  return made;
}

void index_writer::close_postings() {
  if (!postings_open_) return;
  write_page(postings_.complete(page_kind::postings, 0));
  postings_.clear();
  postings_open_ = false;
  std::size_t held = held_leaves_.size() / page_bytes;
  for (std::size_t i = 0; i < held_leaves_.size(); i += page_bytes, --held) {
    leaves_[leaves_.size() - held].page = footer_.page_count;
    write_page(held_leaves_.data() + i);
  }
  held_leaves_.clear();
}

void index_writer::finish_leaf() {
  std::byte* const bytes = leaf_.complete(page_kind::leaf, 0);
  leaves_.push_back({std::move(leaf_separator_), footer_.page_count});
  if (!postings_open_) {
    write_page(bytes);
  } else {
    held_leaves_.insert(held_leaves_.end(), bytes, bytes + page_bytes);
    if (held_leaves_.size() == held_leaves_max * page_bytes) close_postings();
  }
  leaf_.clear();
  leaf_first_.clear();
}

void index_writer::finish() {
  if (!leaf_.empty()) finish_leaf();
  close_postings();
  if (!leaves_.empty()) write_inner_levels();
  write_offset_index();
  write_filter();

  std::array<std::byte, page_bytes> bytes;
  ++footer_.page_count;
  store_footer(bytes.data(), footer_);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void index_writer::write_inner_levels() {
  std::vector<child> children = std::move(leaves_);
  for (footer_.levels = 1; children.size() != 1; ++footer_.levels) {
    const auto level = static_cast<std::uint8_t>(footer_.levels);
    std::vector<child> parents;
    page_builder inner;
    std::string first;
    for (child& each : children) {
      encode_inner_entry(entry_, first, each.separator, each.page);
      if (!inner.add_entry(entry_)) {
        parents.back().page = footer_.page_count;
        write_page(inner.complete(page_kind::inner, level));
        inner.clear();
        encode_inner_entry(entry_, {}, each.separator, each.page);
        inner.add_entry(entry_);
      }
      if (inner.count() == 1) {
        first = each.separator;
        parents.push_back({std::move(each.separator), 0});
      }
    }
    parents.back().page = footer_.page_count;
    write_page(inner.complete(page_kind::inner, level));
    children = std::move(parents);
  }
  footer_.root_page = children.front().page;
}

void index_writer::write_offset_index() {
  if (offset_firsts_.empty()) return;
  footer_.offset_index_page = footer_.page_count;
  std::array<std::byte, page_bytes> bytes;
  for (std::size_t i = 0; i < offset_firsts_.size(); i += offsets_per_page) {
    bytes.fill(std::byte{0});
    std::memcpy(bytes.data(), &offset_firsts_[i],
                4 * std::min(offsets_per_page, offset_firsts_.size() - i));
    write_page(bytes.data());
  }
}

void index_writer::write_filter() {
  if (key_sums_.empty()) return;
  constexpr std::size_t block_bits = 8 * filter_block_bytes;
  footer_.filter_page = footer_.page_count;
  footer_.filter_blocks = static_cast<std::uint32_t>(
      (key_sums_.size() * filter_bits_per_key + block_bits - 1) / block_bits);
  std::vector<std::byte> pages(static_cast<std::size_t>(footer_.filter_pages()) * page_bytes);
  for (const std::uint32_t sum : key_sums_) {
    const std::size_t block = filter_block(sum, footer_.filter_blocks);
    filter_add(pages.data() + block / filter_blocks_per_page * page_bytes +
                   block % filter_blocks_per_page * filter_block_bytes,
               sum);
  }
  for (std::size_t i = 0; i < pages.size(); i += page_bytes) write_page(pages.data() + i);
}

}  // namespace nori::store
