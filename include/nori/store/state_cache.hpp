#ifndef NORI_STORE_STATE_CACHE_HPP
#define NORI_STORE_STATE_CACHE_HPP

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace nori::store {

/// A state and the revision of the last event in it; none: nothing has happened yet. Copying it
/// copies no state.
template <typename State>
struct versioned_state {
  versioned_state() = default;
  versioned_state(std::shared_ptr<const State> its_state, std::optional<std::uint64_t> at)
      : state(std::move(its_state)), revision(at) {}

  std::shared_ptr<const State> state;
  std::optional<std::uint64_t> revision;
};

/// The states of the streams that were used last.
///
/// @par Thread safety
/// Safe to use from any thread.
template <typename State>
class state_cache {
 public:
  explicit state_cache(std::size_t streams_max) : streams_max_(streams_max) {}

  [[nodiscard]] std::optional<versioned_state<State>> find(std::string_view stream) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(stream);
    if (found == entries_.end()) return std::nullopt;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }

  /// Unless a newer one is there.
  void put(const std::string& stream, versioned_state<State> what) {
    if (streams_max_ == 0) return;
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(stream); found != entries_.end()) {
      // No revision is older than any.
      if (what.revision >= found->second->second.revision) found->second->second = std::move(what);
      order_.splice(order_.begin(), order_, found->second);
      return;
    }
    order_.emplace_front(stream, std::move(what));
    entries_.emplace(order_.front().first, order_.begin());
    if (entries_.size() > streams_max_) {
      entries_.erase(order_.back().first);
      order_.pop_back();
    }
  }

  void erase(std::string_view stream) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(stream);
    if (found == entries_.end()) return;
    const auto at = found->second;
    entries_.erase(found);
    order_.erase(at);
  }

  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  using order = std::list<std::pair<std::string, versioned_state<State>>>;

  std::size_t streams_max_;
  mutable std::mutex mutex_;
  order order_;  // the one used last comes first
  // Keys are views of the names in the list, which stay in place.
  std::unordered_map<std::string_view, typename order::iterator> entries_;
};

}  // namespace nori::store

#endif
