#ifndef NORI_STORE_GROUP_CORE_HPP
#define NORI_STORE_GROUP_CORE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace nori::store {

/// Decides who of a consumer group gets which event, and when. Performs nothing, knows nothing of
/// events but their places.
///
/// 1. Events are offered in the order of their global positions.
/// 2. Of each stream one event at most is with a member, and it is the oldest that is not done.
/// 3. Of those that could be given the oldest is, so that the checkpoint gets on.
/// 4. An event is done when it was acknowledged or parked; until then it is given again whenever
///    it comes back.
/// 5. An event that comes back from its last attempt is poisonous: it is given to nobody, and its
///    stream waits, until it is parked or pardoned.
/// 6. The checkpoint is the highest position such that everything up to it is done or was passed.
class group_core {
 public:
  using time = std::chrono::steady_clock::time_point;
  using member = std::uint64_t;

  struct delivery {
    std::uint64_t position = 0;
    std::uint32_t attempt = 0;  ///< from 1
    friend bool operator==(const delivery&, const delivery&) = default;
  };

  group_core(std::size_t window_events_max, std::uint32_t attempts_max)
      : window_events_max_(window_events_max), attempts_max_(attempts_max) {}

  /// Whether another event may be offered.
  [[nodiscard]] bool has_room() const noexcept { return entries_.size() < window_events_max_; }
  /// `position` is higher than all before.
  void offer(std::uint64_t position, std::string stream);
  /// Everything up to here was offered or is not for this group.
  void pass(std::uint64_t through);

  /// The next event for this member, if there is one.
  [[nodiscard]] std::optional<delivery> take(member who);
  /// False where this attempt is over: nothing happens.
  bool acknowledge(delivery what, member who);
  /// The same. It is given again at `when` or later.
  bool give_back(delivery what, member who, time when, time now);
  /// Gives back all that it has, at once. Returns how many.
  std::size_t leave(member who, time now);
  /// Makes ready what was given back until now. True where something is.
  bool advance(time now);
  /// When to call advance() next.
  [[nodiscard]] std::optional<time> next_due() const;

  /// The oldest poisonous event.
  [[nodiscard]] std::optional<delivery> poisonous() const;
  /// It is done with.
  void park(std::uint64_t position);
  /// It gets all its attempts once more.
  void pardon(std::uint64_t position);

  [[nodiscard]] std::optional<std::uint64_t> checkpoint() const;
  [[nodiscard]] std::optional<std::uint64_t> horizon() const noexcept { return horizon_; }
  [[nodiscard]] std::size_t unacknowledged() const noexcept { return entries_.size(); }
  [[nodiscard]] bool ready() const noexcept { return !ready_.empty(); }

 private:
  enum class where : std::uint8_t { queued, ready, taken, delayed, poisonous };
  struct entry {
    where is = where::queued;
    std::uint32_t attempts = 0;
    member with = 0;
    time due{};
    std::string stream;
  };

  using entries = std::map<std::uint64_t, entry>;
  entry* taken(delivery what, member who);
  void come_back(std::uint64_t position, entry& what, time when, time now);
  void make_ready(std::uint64_t position, entry& what);
  void finish(entries::iterator what);

  std::size_t window_events_max_;
  std::uint32_t attempts_max_;
  entries entries_;  ///< not done
  std::map<std::string, std::deque<std::uint64_t>, std::less<>> streams_;
  std::set<std::uint64_t> ready_;  ///< the oldest of their streams
  std::set<std::pair<time, std::uint64_t>> delayed_;
  std::set<std::uint64_t> poisonous_;
  std::optional<std::uint64_t> horizon_;
};

}  // namespace nori::store

#endif
