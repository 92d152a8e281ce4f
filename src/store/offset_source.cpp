#include "store/offset_source.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

namespace nori::store {

namespace {

// So many offsets of a list are decoded at once.
constexpr std::size_t offsets_at_once = 256;

bool before(std::uint32_t a, std::uint32_t b, direction order) noexcept {
  return order == direction::forwards ? a < b : a > b;
}

class list_in_memory final : public offset_source {
 public:
  list_in_memory(std::span<const std::uint32_t> list, direction order)
      : list_(list), order_(order) {}

  step seek(std::uint32_t bound, std::uint32_t& found) override {
    if (order_ == direction::forwards) {
      const auto at = std::lower_bound(list_.begin(), list_.end(), bound);
      list_ = list_.subspan(static_cast<std::size_t>(at - list_.begin()));
      if (list_.empty()) return step::end;
      found = list_.front();
    } else {
      const auto at = std::upper_bound(list_.begin(), list_.end(), bound);
      list_ = list_.first(static_cast<std::size_t>(at - list_.begin()));
      if (list_.empty()) return step::end;
      found = list_.back();
    }
    return step::found;
  }
  asio::awaitable<void> fetch() override { co_return; }

 private:
  std::span<const std::uint32_t> list_;
  direction order_;
};

// A list short enough to lie in its key's leaf.
class list_in_leaf final : public offset_source {
 public:
  list_in_leaf(const found_key& list, direction order)
      : offsets_(decode_inlined(list)), all_(offsets_, order) {}

  step seek(std::uint32_t bound, std::uint32_t& found) override { return all_.seek(bound, found); }
  asio::awaitable<void> fetch() override { co_return; }

 private:
  std::vector<std::uint32_t> offsets_;
  list_in_memory all_;
};

// Decoded offsets, in the order of reading, and whence more come.
class buffered : public offset_source {
 public:
  explicit buffered(direction order) : order_(order) {}

  step seek(std::uint32_t bound, std::uint32_t& found) final {
    while (next_ < buffer_.size() && before(buffer_[next_], bound, order_)) ++next_;
    if (next_ < buffer_.size()) {
      found = buffer_[next_];
      return step::found;
    }
    if (ended_) return step::end;
    bound_ = bound;
    return step::fetch;
  }
  asio::awaitable<void> fetch() final {
    buffer_.clear();
    next_ = 0;
    co_await more(bound_);
    if (buffer_.empty()) ended_ = true;
  }

 protected:
  [[nodiscard]] virtual asio::awaitable<void> more(std::uint32_t bound) = 0;

  direction order_;
  std::vector<std::uint32_t> buffer_;

 private:
  std::size_t next_ = 0;
  std::uint32_t bound_ = 0;
  bool ended_ = false;
};

class list_in_file final : public buffered {
 public:
  list_in_file(found_key list, direction order)
      : buffered(order),
        list_(std::move(list)),
        reader_(list_, order, order == direction::forwards ? 0 : UINT32_MAX) {}

 private:
  asio::awaitable<void> more(std::uint32_t bound) override {
    co_await reader_.seek(bound);
    co_await reader_.read(buffer_, offsets_at_once);
  }

  found_key list_;
  posting_reader reader_;
};

class all_in_file final : public buffered {
 public:
  all_in_file(index_file_ptr index, direction order)
      : buffered(order), index_(std::move(index)), left_(index_->summary().event_count) {}

 private:
  // Ordinals [0, left_) backwards, [count - left_, count) forwards are still to come.
  asio::awaitable<void> more(std::uint32_t bound) override {
    const std::uint64_t count = index_->summary().event_count;
    const std::uint64_t at = co_await index_->ordinal_at_or_after(bound);
    if (order_ == direction::forwards) {
      left_ = std::min(left_, count - std::min(count, at));
      const std::uint64_t some = std::min<std::uint64_t>(left_, offsets_at_once);
      co_await index_->offsets(count - left_, some, buffer_);
      left_ -= some;
      co_return;
    }
    // The event at `bound` itself counts.
    std::uint64_t end = at;
    if (at < count) {
      const std::uint32_t found = co_await index_->offset_of(at);
      if (found == bound) ++end;
    }
    left_ = std::min(left_, end);
    const std::uint64_t some = std::min<std::uint64_t>(left_, offsets_at_once);
    co_await index_->offsets(left_ - some, some, buffer_);
    std::reverse(buffer_.begin(), buffer_.end());
    left_ -= some;
  }

  index_file_ptr index_;
  std::uint64_t left_;
};

// What all of its sources have.
class common final : public offset_source {
 public:
  explicit common(std::vector<source_ptr> sources) : sources_(std::move(sources)) {}

  step seek(std::uint32_t bound, std::uint32_t& found) override {
    std::size_t agreeing = 0;
    for (std::size_t i = 0;; i = (i + 1) % sources_.size()) {
      std::uint32_t at = 0;
      const step taken = sources_[i]->seek(bound, at);
      if (taken != step::found) {
        wanting_ = sources_[i].get();
        return taken;
      }
      agreeing = at == bound ? agreeing + 1 : 1;
      bound = at;
      if (agreeing >= sources_.size()) {
        found = bound;
        return step::found;
      }
    }
  }
  asio::awaitable<void> fetch() override { return wanting_->fetch(); }

 private:
  std::vector<source_ptr> sources_;
  offset_source* wanting_ = nullptr;
};

// What any of its sources has.
class any_of final : public offset_source {
 public:
  any_of(std::vector<source_ptr> sources, direction order)
      : sources_(std::move(sources)), order_(order) {}

  step seek(std::uint32_t bound, std::uint32_t& found) override {
    bool some = false;
    for (const source_ptr& each : sources_) {
      std::uint32_t at = 0;
      const step taken = each->seek(bound, at);
      if (taken == step::fetch) {
        wanting_ = each.get();
        return taken;
      }
      if (taken == step::end) continue;
      if (!some || before(at, found, order_)) found = at;
      some = true;
    }
    return some ? step::found : step::end;
  }
  asio::awaitable<void> fetch() override { return wanting_->fetch(); }

 private:
  std::vector<source_ptr> sources_;
  direction order_;
  offset_source* wanting_ = nullptr;
};

source_ptr together(std::vector<source_ptr> sources, direction order) {
  if (sources.empty()) return nullptr;
  if (sources.size() == 1) return std::move(sources.front());
  return std::make_unique<any_of>(std::move(sources), order);
}

source_ptr in_common(std::vector<source_ptr> sources) {
  if (sources.size() == 1) return std::move(sources.front());
  return std::make_unique<common>(std::move(sources));
}

// Builds the tree of a query; `list` gives the source of a key, or null.
template <typename List>
source_ptr tree_of(const query& what, direction order, List list) {
  std::vector<source_ptr> items;
  for (const query_item& item : what.items) {
    std::vector<source_ptr> needed;
    bool possible = true;
    for (const std::string& tag : item.tags) {
      source_ptr found = list(key_kind::tag, tag);
      if (!found) {
        possible = false;
        break;
      }
      needed.push_back(std::move(found));
    }
    if (possible && !item.types.empty()) {
      std::vector<source_ptr> types;
      for (const std::string& type : item.types) {
        if (source_ptr found = list(key_kind::type, type)) types.push_back(std::move(found));
      }
      if (types.empty()) {
        possible = false;
      } else {
        needed.push_back(together(std::move(types), order));
      }
    }
    if (possible) items.push_back(in_common(std::move(needed)));
  }
  return together(std::move(items), order);
}

}  // namespace

bool matches_all(const query& what) noexcept {
  return what.items.empty() ||
         std::any_of(what.items.begin(), what.items.end(), [](const query_item& item) {
           return item.types.empty() && item.tags.empty();
         });
}

bool bound_behind(std::uint32_t offset, direction order, std::uint32_t& bound) {
  if (order == direction::forwards) {
    if (offset == UINT32_MAX) return false;
    bound = offset + 1;
    return true;
  }
  if (offset == 0) return false;
  bound = offset - 1;
  return true;
}

source_ptr source_of(std::span<const std::uint32_t> list, direction order) {
  return std::make_unique<list_in_memory>(list, order);
}

source_ptr source_of(found_key list, direction order) {
  if (list.value.postings.pages == 0) return std::make_unique<list_in_leaf>(list, order);
  return std::make_unique<list_in_file>(std::move(list), order);
}

source_ptr source_of_all(index_file_ptr index, direction order) {
  return std::make_unique<all_in_file>(std::move(index), order);
}

source_ptr match_in_memory(const memory_index& memory, const query& what, direction order) {
  if (matches_all(what)) return source_of(memory.offsets(), order);
  return tree_of(what, order, [&](key_kind kind, const std::string& name) -> source_ptr {
    const auto found = memory.find(kind, name);
    return found ? source_of(found->offsets, order) : nullptr;
  });
}

source_ptr match_in_file(index_file_ptr index, const query& what,
                         std::span<key_lookup* const> lookups, direction order) {
  if (matches_all(what)) return source_of_all(std::move(index), order);
  return tree_of(what, order, [&](key_kind kind, const std::string& name) -> source_ptr {
    for (key_lookup* const each : lookups) {
      if (each->kind != kind || each->name != name || !each->found) continue;
      source_ptr made = source_of(std::move(*each->found), order);
      // A tag may be in several items, each with a lookup of its own.
      each->found.reset();
      return made;
    }
    return nullptr;
  });
}

}  // namespace nori::store
