#include "store/posting_reader.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace nori::store {

std::vector<std::uint32_t> decode_inlined(const found_key& list) {
  const posting_ref& postings = list.value.postings;
  const index_footer& footer = list.file->summary();
  std::vector<std::uint32_t> offsets;
  on_page(*list.file, footer.root_page, [&] {
    const std::span<const std::byte> bytes(postings.inlined.data(), postings.inline_bytes);
    decode_offsets(bytes, postings.last_count, footer.facts.from_offset, footer.facts.to_offset,
                   offsets);
  });
  return offsets;
}

posting_reader::posting_reader(found_key list, direction way, std::uint32_t from)
    : list_(std::move(list)),
      way_(way),
      parts_(std::max<std::uint32_t>(1, list_.value.postings.pages)),
      limit_(from),
      ended_(list_.value.count == 0) {}

asio::awaitable<std::size_t> posting_reader::read(std::vector<std::uint32_t>& out,
                                                  std::size_t most) {
  assert(most != 0);
  bool there = in_part();
  if (!there) there = co_await position();
  if (!there) co_return 0;
  std::size_t count = 0;
  if (forwards()) {
    count = std::min(most, part_.size() - next_);
    const auto first = part_.begin() + static_cast<std::ptrdiff_t>(next_);
    out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(count));
    next_ += count;
    limit_ = std::int64_t{out.back()} + 1;
  } else {
    count = std::min(most, next_);
    const auto first = part_.rend() - static_cast<std::ptrdiff_t>(next_);
    out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(count));
    next_ -= count;
    limit_ = std::int64_t{out.back()} - 1;
  }
  co_return count;
}

asio::awaitable<std::optional<std::uint32_t>> posting_reader::seek(std::uint32_t to) {
  if (forwards() ? to > limit_ : to < limit_) {
    limit_ = to;
    sought_ = true;
    if (loaded_) aim();
  }
  bool there = in_part();
  if (!there) there = co_await position();
  std::optional<std::uint32_t> next;
  if (there) next = forwards() ? part_[next_] : part_[next_ - 1];
  co_return next;
}

// Points at the first one in the loaded part that is not before the limit.
void posting_reader::aim() noexcept {
  const auto at = forwards() ? std::lower_bound(part_.begin(), part_.end(), limit_)
                             : std::upper_bound(part_.begin(), part_.end(), limit_);
  next_ = static_cast<std::size_t>(at - part_.begin());
  // One that is there is the next one, since no part before this one has any.
  if (in_part()) sought_ = false;
}

asio::awaitable<bool> posting_reader::position() {
  if (ended_) co_return false;
  const index_facts& facts = list_.file->summary().facts;
  // Parts before `low` end before the limit, those from `high` on begin behind it. The values that
  // go with them bound what the parts between hold.
  std::uint32_t low = 0;
  std::uint32_t high = parts_;
  std::uint64_t low_value = facts.from_offset;
  std::uint64_t high_value = facts.to_offset;
  if (loaded_ && forwards()) {
    low = *loaded_ + 1;
    low_value = std::uint64_t{part_.back()} + 1;
  } else if (loaded_) {
    high = *loaded_;
    high_value = part_.front();
  }
  bool hit = false;
  for (unsigned round = 0; sought_ && !hit && low < high; ++round) {
    std::uint32_t middle = low + (high - low) / 2;
    // Events come evenly more often than not, so a guess by value mostly hits at once. Every other
    // time the middle: nothing makes this slower than twice a binary search.
    if (round % 2 == 0 && low_value < high_value) {
      const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(limit_, 0));
      const std::uint64_t beyond =
          std::clamp(value, low_value, high_value - 1) - low_value;  // below 2^32, as the count is
      middle = low + static_cast<std::uint32_t>(beyond * (high - low) / (high_value - low_value));
    }
    co_await load(middle);
    if (part_.back() < limit_) {
      low = middle + 1;
      low_value = std::uint64_t{part_.back()} + 1;
    } else if (part_.front() > limit_) {
      high = middle;
      high_value = part_.front();
    } else {
      hit = true;
    }
  }
  if (!hit) {
    if (forwards() ? low == parts_ : high == 0) {
      ended_ = true;
      // So that nothing that was loaded on the way is taken for the next one.
      loaded_.reset();
      co_return false;
    }
    co_await load(forwards() ? low : high - 1);
  }
  aim();
  if (!in_part())
    list_.file->damaged(list_.value.postings.first_page + *loaded_, "a list does not ascend");
  sought_ = false;
  co_return true;
}

asio::awaitable<void> posting_reader::load(std::uint32_t part) {
  if (loaded_ == part) co_return;
  // Where this throws, the place among the parts is lost, and the next call finds it by the limit.
  loaded_.reset();
  sought_ = true;
  const posting_ref& postings = list_.value.postings;
  const index_facts& facts = list_.file->summary().facts;
  if (postings.pages == 0) {
    part_ = decode_inlined(list_);
  } else {
    const std::uint32_t number = postings.first_page + part;
    page_ref got = list_.file->try_page(number);
    if (got == nullptr) got = co_await list_.file->get_page(number);
    on_page(*list_.file, number, [&] {
      const auto bytes = posting_bytes(*got, part == 0 ? postings.start : page_header_bytes);
      const std::size_t count = part + 1 == postings.pages ? postings.last_count : 0;
      decode_offsets(bytes, count, facts.from_offset, facts.to_offset, part_);
    });
  }
  loaded_ = part;
}

key_iterator::key_iterator(index_file_ptr of, key_kind kind, std::string from)
    : file_(std::move(of)), last_(1, static_cast<char>(kind)) {
  last_ += from;
  ended_ = file_->summary().levels == 0;
}

asio::awaitable<std::size_t> key_iterator::read(std::vector<item>& out, std::size_t most) {
  assert(most != 0);
  while (!ended_) {
    const std::size_t levels = file_->summary().levels;
    if (path_.empty()) {
      co_await enter(file_->summary().root_page);
    } else if (path_.size() < levels) {
      const place& above = path_.back();
      const auto level = static_cast<std::uint8_t>(levels - path_.size());
      const std::uint32_t child = on_page(*file_, above.number, [&] {
        return entry_page(*above.what, page_kind::inner, level)
            .child(above.next, file_->summary().page_count);
      });
      co_await enter(child);
    } else {
      const std::size_t count =
          on_page(*file_, path_.back().number, [&] { return give(out, most); });
      if (count != 0) co_return count;
    }
  }
  co_return 0;
}

asio::awaitable<void> key_iterator::enter(std::uint32_t number) {
  place to;
  to.number = number;
  to.what = file_->try_page(number);
  if (to.what == nullptr) to.what = co_await file_->get_page(number);
  const std::size_t below = file_->summary().levels - path_.size() - 1;
  // The place is looked for on the first way down only. From there on everything must ascend, which
  // is also what makes an end certain, whatever the pages name as their children.
  if (!placed_) {
    on_page(*file_, number, [&] {
      if (below != 0) {
        const entry_page inner(*to.what, page_kind::inner, static_cast<std::uint8_t>(below));
        const std::size_t behind = inner.upper_bound(last_);
        to.next = behind == 0 ? 0 : behind - 1;
      } else {
        to.next = entry_page(*to.what, page_kind::leaf, 0).lower_bound(last_);
      }
    });
  }
  if (below == 0) placed_ = true;
  path_.push_back(std::move(to));
}

// Gives from the leaf; at its end goes up to a page that has another child, or ends.
std::size_t key_iterator::give(std::vector<item>& out, std::size_t most) {
  place& here = path_.back();
  const entry_page leaf(*here.what, page_kind::leaf, 0);
  const std::uint32_t page_count = file_->summary().page_count;
  std::size_t count = 0;
  std::string key;
  for (; count < most && here.next < leaf.count(); ++here.next, ++count) {
    leaf.copy_key(here.next, key);
    if (key.empty() || key.front() < last_.front()) throw index_damaged("keys do not ascend");
    if (key.front() != last_.front()) {
      ended_ = true;
      return count;
    }
    if (given_ ? key <= last_ : key < last_) throw index_damaged("keys do not ascend");
    const leaf_value value = leaf.value(here.next, page_count);
    item& made = out.emplace_back();
    made.name.assign(key, 1);
    made.first_revision = value.first_revision;
    made.last_revision = value.last_revision;
    made.count = value.count;
    last_.swap(key);
    given_ = true;
  }
  if (here.next == leaf.count()) leave();
  return count;
}

void key_iterator::leave() {
  do {
    path_.pop_back();
    if (path_.empty()) {
      ended_ = true;
      return;
    }
  } while (++path_.back().next >=
           entry_page(*path_.back().what, page_kind::inner,
                      static_cast<std::uint8_t>(file_->summary().levels - path_.size()))
               .count());
}

}  // namespace nori::store
