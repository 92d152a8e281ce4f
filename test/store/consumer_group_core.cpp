// Who gets which event, held against a model that only knows the rules.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/group_core.hpp"
#include "support/random_source.hpp"

namespace nori::store::test {
namespace {

using nori::test::random_source;
using nori::test::scaled;

using delivery = group_core::delivery;

group_core::time at(int ms) { return group_core::time(std::chrono::milliseconds(ms)); }

// The rules, by looking at everything each time.
class sharing_rules {
 public:
  enum class where { free, taken, delayed, poisonous, done };
  struct event {
    std::uint64_t position = 0;
    std::string stream;
    where is = where::free;
    std::uint32_t attempts = 0;
    std::uint64_t with = 0;
    int due = 0;
  };

  explicit sharing_rules(std::uint32_t its_attempts_max) : attempts_max(its_attempts_max) {}

  [[nodiscard]] bool is_oldest(const event& what) const {
    for (const event& each : events) {
      if (each.position < what.position && each.stream == what.stream && each.is != where::done) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] std::vector<std::uint64_t> ready() const {
    std::vector<std::uint64_t> result;
    for (const event& each : events) {
      if (each.is == where::free && is_oldest(each)) result.push_back(each.position);
    }
    return result;
  }
  event& of(std::uint64_t position) {
    return *std::ranges::find(events, position, &event::position);
  }
  void come_back(event& what, int due, int now) {
    what.is = what.attempts >= attempts_max ? where::poisonous
              : due > now                   ? where::delayed
                                            : where::free;
    what.due = due;
  }
  void advance(int now) {
    for (event& each : events) {
      if (each.is == where::delayed && each.due <= now) each.is = where::free;
    }
  }
  [[nodiscard]] std::optional<std::uint64_t> checkpoint() const {
    std::optional<std::uint64_t> result = horizon;
    for (const event& each : events) {
      if (each.is == where::done) continue;
      if (each.position == 0) return std::nullopt;
      return each.position - 1;
    }
    return result;
  }
  [[nodiscard]] std::size_t open() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(events, [](const event& each) { return each.is != where::done; }));
  }

  std::uint32_t attempts_max;
  std::vector<event> events;
  std::optional<std::uint64_t> horizon;
};

// The two, side by side.
class pair {
 public:
  pair(std::size_t window, std::uint32_t attempts) : core(window, attempts), rules(attempts) {}

  void offer(std::uint64_t position, const std::string& stream) {
    core.offer(position, stream);
    sharing_rules::event one;
    one.position = position;
    one.stream = stream;
    rules.events.push_back(one);
    rules.horizon = position;
  }
  void pass(std::uint64_t through) {
    core.pass(through);
    rules.horizon = std::max(through, rules.horizon.value_or(0));
  }
  std::optional<delivery> take(std::uint64_t member) {
    const auto ready = rules.ready();
    const auto given = core.take(member);
    expect(given.has_value() == !ready.empty());
    if (!given) return given;
    expect(given->position == std::ranges::min(ready));
    sharing_rules::event& what = rules.of(given->position);
    what.is = sharing_rules::where::taken;
    what.with = member;
    expect(given->attempt == ++what.attempts);
    return given;
  }
  bool holds(delivery what, std::uint64_t member) {
    const sharing_rules::event& one = rules.of(what.position);
    return one.is == sharing_rules::where::taken && one.with == member &&
           one.attempts == what.attempt;
  }
  void acknowledge(delivery what, std::uint64_t member) {
    const bool holding = holds(what, member);
    expect(core.acknowledge(what, member) == holding);
    if (holding) rules.of(what.position).is = sharing_rules::where::done;
  }
  void give_back(delivery what, std::uint64_t member, int due) {
    const bool holding = holds(what, member);
    expect(core.give_back(what, member, at(due), at(now)) == holding);
    if (holding) rules.come_back(rules.of(what.position), due, now);
  }
  void leave(std::uint64_t member) {
    std::size_t count = 0;
    for (sharing_rules::event& each : rules.events) {
      if (each.is != sharing_rules::where::taken || each.with != member) continue;
      rules.come_back(each, now, now);
      ++count;
    }
    expect(core.leave(member, at(now)) == count);
  }
  void advance(int ms) {
    now += ms;
    rules.advance(now);
    expect(core.advance(at(now)) == !rules.ready().empty());
  }
  void settle_poisonous(bool park) {
    const auto found = core.poisonous();
    if (!found) return;
    sharing_rules::event& what = rules.of(found->position);
    if (park) {
      core.park(found->position);
      what.is = sharing_rules::where::done;
    } else {
      core.pardon(found->position);
      what.is = sharing_rules::where::free;
      what.attempts = 0;
    }
  }
  void check() {
    expect(core.checkpoint() == rules.checkpoint());
    expect(core.unacknowledged() == rules.open());
    expect(core.ready() == !rules.ready().empty());
    std::optional<std::uint64_t> poisonous;
    std::optional<int> due;
    for (const sharing_rules::event& each : rules.events) {
      if (each.is == sharing_rules::where::poisonous && !poisonous) poisonous = each.position;
      if (each.is == sharing_rules::where::delayed)
        due = std::min(each.due, due.value_or(each.due));
    }
    expect(core.poisonous().has_value() == poisonous.has_value());
    if (poisonous) expect(core.poisonous()->position == *poisonous);
    expect(core.next_due().has_value() == due.has_value());
    if (due) expect(*core.next_due() == at(*due));
  }
  void expect(bool holding) { right = right && holding; }

  group_core core;
  sharing_rules rules;
  int now = 0;
  bool right = true;
};

// Every sequence of `depth` steps with two members, two streams and three events.
void walk(const pair& from, std::uint64_t offered,
          const std::vector<std::pair<delivery, std::uint64_t>>& given, int depth,
          std::size_t& states) {
  ++states;
  if (!from.right) throw std::runtime_error("a rule is broken");
  if (depth == 0) return;
  if (offered < 3) {
    pair next = from;
    next.offer(2 * offered, offered == 1 ? "b" : "a");
    next.check();
    walk(next, offered + 1, given, depth - 1, states);
  }
  for (std::uint64_t member = 1; member <= 2; ++member) {
    pair next = from;
    auto more = given;
    if (const auto taken = next.take(member)) more.emplace_back(*taken, member);
    next.check();
    walk(next, offered, more, depth - 1, states);
  }
  {
    pair next = from;
    next.leave(1);
    next.check();
    walk(next, offered, given, depth - 1, states);
  }
  {
    pair next = from;
    next.advance(1);
    next.settle_poisonous(depth % 2 == 0);
    next.check();
    walk(next, offered, given, depth - 1, states);
  }
  // Also those that are over.
  for (const auto& [what, member] : given) {
    for (const int how : {0, 1, 2}) {
      pair next = from;
      if (how == 0) next.acknowledge(what, member);
      if (how == 1) next.give_back(what, member, next.now);
      if (how == 2) next.give_back(what, member, next.now + 1);
      next.check();
      walk(next, offered, given, depth - 1, states);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(consumer_group_core)

BOOST_AUTO_TEST_CASE(every_short_history_keeps_the_rules) {
  std::size_t states = 0;
  const int depth = scaled(10) == 10 ? 7 : 6;
  BOOST_CHECK_NO_THROW(walk(pair(3, 2), 0, {}, depth, states));
  BOOST_TEST(states > 10'000u);
  BOOST_TEST_MESSAGE(states << " states");
}

BOOST_AUTO_TEST_CASE(long_histories_keep_the_rules) {
  random_source random;
  for (std::size_t round = 0; round < scaled(200); ++round) {
    const std::size_t window = 1 + random.below(30);
    pair both(window, static_cast<std::uint32_t>(1 + random.below(4)));
    std::uint64_t position = random.below(3);
    std::vector<std::pair<delivery, std::uint64_t>> given;
    for (int step = 0; step < 500 && both.right; ++step) {
      const std::uint64_t member = 1 + random.below(4);
      switch (random.below(8)) {
        case 0:
        case 1:
        case 2:
          if (both.core.has_room()) {
            both.offer(position, std::string(1, static_cast<char>('a' + random.below(6))));
            position += 1 + random.below(3);
          } else {
            both.expect(both.rules.open() == window);
          }
          break;
        case 3:
          if (random.below(4) == 0) both.pass(position++);
          if (random.below(10) == 0) both.leave(member);
          both.advance(static_cast<int>(random.below(5)));
          both.settle_poisonous(random.below(2) == 0);
          break;
        case 4:
        case 5:
          if (const auto taken = both.take(member)) given.emplace_back(*taken, member);
          break;
        default:
          if (given.empty()) break;
          // Settled ones stay: a second settlement must do nothing.
          const auto [what, with] =
              given[given.size() - 1 - random.below(std::min<std::size_t>(given.size(), 8))];
          if (random.below(3) == 0) {
            both.give_back(what, with, both.now + static_cast<int>(random.below(4)));
          } else {
            both.acknowledge(what, random.below(20) == 0 ? member : with);
          }
      }
      both.check();
    }
    BOOST_TEST_REQUIRE(both.right);
    // Once all is acknowledged, nothing is left.
    for (int step = 0; step < 10000 && both.core.unacknowledged() > 0; ++step) {
      for (std::uint64_t member = 1; member <= 4; ++member) both.leave(member);
      both.advance(10);
      both.settle_poisonous(true);
      while (const auto taken = both.take(1)) both.acknowledge(*taken, 1);
      both.check();
    }
    BOOST_TEST_REQUIRE(both.right);
    BOOST_TEST(both.core.unacknowledged() == 0u);
    BOOST_TEST((both.core.checkpoint() == both.rules.horizon));
  }
}

BOOST_AUTO_TEST_CASE(one_blocked_stream_does_not_hold_up_others) {
  group_core core(100, 10);
  core.offer(0, "a");
  core.offer(1, "a");
  core.offer(2, "b");
  const auto first = core.take(1);
  BOOST_TEST_REQUIRE((first == delivery{0, 1}));
  BOOST_TEST((core.take(2) == delivery{2, 1}));
  BOOST_TEST(!core.take(3));
  core.give_back(*first, 1, at(10), at(0));
  BOOST_TEST(!core.take(3));
  core.acknowledge({2, 1}, 2);
  BOOST_TEST(!core.checkpoint());
  BOOST_TEST(core.advance(at(10)));
  BOOST_TEST((core.take(3) == delivery{0, 2}));
  core.acknowledge({0, 2}, 3);
  BOOST_TEST((core.checkpoint() == 0u));
  BOOST_TEST((core.take(3) == delivery{1, 1}));
  core.acknowledge({1, 1}, 3);
  BOOST_TEST((core.checkpoint() == 2u));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store::test
