#ifndef NORI_STORE_DECIDER_HPP
#define NORI_STORE_DECIDER_HPP

#include <boost/system/result.hpp>

#include <concepts>
#include <span>
#include <utility>
#include <vector>

namespace nori {

/// What a command makes happen (nothing, if there are no events), or why it does not.
template <typename Decider>
using decision =
    boost::system::result<std::vector<typename Decider::event>, typename Decider::rejection>;

/// The pure core of a service: it knows no disk, no clock and no other stream.
///
///     struct account {
///       using state = ...;      // copyable
///       using command = ...;    // usually a std::variant
///       using event = ...;      // a std::variant, or one struct
///       using rejection = ...;  // an enum, or a struct; with a default constructor
///       static state initial();
///       static state evolve(state before, const event& what);
///       static nori::decision<account> decide(const state& now, const command& wanted);
///       static bool is_final(const state& now);  // optional: nothing more will happen
///     };
///
/// The functions may also be const members of an object that carries what they need. `evolve`
/// accepts whatever happened: only `decide` may refuse.
template <typename D>
concept decider =
    requires {
      typename D::state;
      typename D::command;
      typename D::event;
      typename D::rejection;
    } && std::copy_constructible<typename D::state> &&
    requires(const D& d, typename D::state before, const typename D::state& now,
             const typename D::event& what, const typename D::command& wanted) {
      { d.initial() } -> std::convertible_to<typename D::state>;
      { d.evolve(std::move(before), what) } -> std::convertible_to<typename D::state>;
      { d.decide(now, wanted) } -> std::same_as<decision<D>>;
    };

/// The state after these events.
template <decider D>
[[nodiscard]] typename D::state fold(const D& d, typename D::state before,
                                     std::span<const typename D::event> events) {
  for (const auto& each : events) before = d.evolve(std::move(before), each);
  return before;
}

/// Whether nothing more will happen to it; false for deciders that don't say.
template <decider D>
[[nodiscard]] bool is_final(const D& d, const typename D::state& now) {
  if constexpr (requires {
                  { d.is_final(now) } -> std::convertible_to<bool>;
                }) {
    return d.is_final(now);
  } else {
    return false;
  }
}

}  // namespace nori

#endif
