#ifndef NORI_TESTING_GIVEN_WHEN_THEN_HPP
#define NORI_TESTING_GIVEN_WHEN_THEN_HPP

#include <concepts>
#include <cstddef>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nori/store/decider.hpp>
#include <nori/testing/describe_value.hpp>

namespace nori::testing {

/// What a decider did is not what was expected. The text says where, and what is different.
class difference : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What a command did. Each function throws `difference` unless it did what is named, and returns
/// this object, so that more can be asked.
template <decider D>
class outcome {
 public:
  using event = typename D::event;

  outcome(D of, std::vector<event> given, typename D::state before,
          const typename D::command& wanted, std::source_location where)
      : decider_(std::move(of)),
        given_(std::move(given)),
        state_(std::move(before)),
        command_(describe_value(wanted)),
        where_(where) {
    decision<D> decided = decider_.decide(state_, wanted);
    if (decided.has_value()) {
      events_ = std::move(*decided);
      state_ = fold<D>(decider_, std::move(state_), events_);
    } else {
      rejection_.emplace(decided.error());
    }
  }

  /// Exactly these events, in this order.
  template <typename... Events>
  const outcome& then(const Events&... events) const {
    std::vector<event> expected;
    (expected.push_back(event(events)), ...);
    return then_events(expected);
  }
  const outcome& then_events(const std::vector<event>& expected) const {
    if (rejection_) fail("the events" + listed(expected), rejected());
    bool same = events_.size() == expected.size();
    for (std::size_t i = 0; same && i < expected.size(); ++i) {
      same = same_value(events_[i], expected[i]);
    }
    if (!same) fail("the events" + listed(expected), "the events" + listed(events_));
    return *this;
  }
  /// It was accepted, and no events came of it.
  const outcome& then_nothing() const {
    if (rejection_) fail("nothing", rejected());
    if (!events_.empty()) fail("nothing", "the events" + listed(events_));
    return *this;
  }
  const outcome& then_rejected(const typename D::rejection& why) const {
    const std::string expected = "a rejection: " + describe_value(why);
    if (!rejection_) fail(expected, events_.empty() ? "nothing" : "the events" + listed(events_));
    if (!same_value(*rejection_, why)) fail(expected, rejected());
    return *this;
  }
  /// The state with the new events, if any, applied.
  const outcome& then_state(const typename D::state& expected) const {
    if (!same_value(state_, expected)) {
      fail("the state " + describe_value(expected), "the state " + describe_value(state_));
    }
    return *this;
  }

  [[nodiscard]] const std::vector<event>& events() const noexcept { return events_; }
  [[nodiscard]] const typename D::state& state() const noexcept { return state_; }
  [[nodiscard]] const std::optional<typename D::rejection>& rejection() const noexcept {
    return rejection_;
  }

 private:
  static std::string listed(const std::vector<event>& events) {
    if (events.empty()) return " (none)";
    std::string text;
    for (const event& each : events) text += "\n    " + describe_value(each);
    return text;
  }
  std::string rejected() const { return "a rejection: " + describe_value(*rejection_); }

  [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
    throw difference(std::string(where_.file_name()) + ":" + std::to_string(where_.line()) +
                     ":\n  given" + listed(given_) + "\n  when\n    " + command_ + "\n  expected " +
                     expected + "\n  found " + found);
  }

  D decider_;
  std::vector<event> given_;
  typename D::state state_;
  std::string command_;
  std::source_location where_;
  std::vector<event> events_;
  std::optional<typename D::rejection> rejection_;
};

/// What happened before a command.
template <decider D>
class history {
 public:
  history(D of, std::vector<typename D::event> events)
      : decider_(std::move(of)), events_(std::move(events)) {}

  /// Decides a command. May be called several times, each time with the same history.
  [[nodiscard]] outcome<D> when(
      const typename D::command& wanted,
      std::source_location where = std::source_location::current()) const {
    return outcome<D>(decider_, events_, state(), wanted, where);
  }
  [[nodiscard]] typename D::state state() const {
    return fold<D>(decider_, decider_.initial(), events_);
  }

 private:
  D decider_;
  std::vector<typename D::event> events_;
};

/// For a decider that carries something.
template <decider D, typename... Events>
[[nodiscard]] history<D> given_to(D of, const Events&... events) {
  std::vector<typename D::event> all;
  (all.push_back(typename D::event(events)), ...);
  return history<D>(std::move(of), std::move(all));
}

/// Tests a decider without a disk, in any test framework:
///
///     given<account>(opened{"ann", 100}).when(withdraw{30}).then(withdrawn{30});
///     given<account>(opened{"ann", 100}).when(withdraw{101}).then_rejected(insufficient_balance);
///
/// Values are compared by ==, or member by member where they are described and have none.
template <decider D, typename... Events>
  requires std::default_initializable<D>
[[nodiscard]] history<D> given(const Events&... events) {
  return given_to(D(), events...);
}
}  // namespace nori::testing

#endif
