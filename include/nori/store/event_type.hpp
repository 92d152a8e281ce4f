#ifndef NORI_STORE_EVENT_TYPE_HPP
#define NORI_STORE_EVENT_TYPE_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

namespace nori {

namespace detail {

template <typename T>
constexpr std::string_view spelled_name() noexcept {
  // g++:   "... spelled_name() [with T = bank::deposited; std::string_view = ...]"
  // clang: "... spelled_name() [T = bank::deposited]"
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  text = text.substr(0, text.find_first_of(";]"));
  if (const std::size_t scope = text.rfind("::"); scope != text.npos) text.remove_prefix(scope + 2);
  return text;
}

constexpr bool is_identifier(std::string_view text) noexcept {
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(c >= '0' && c <= '9')) return false;
  }
  return !text.empty();
}

template <typename T>
constexpr std::string_view name_of_event() noexcept {
  if constexpr (requires {
                  { T::event_type } -> std::convertible_to<std::string_view>;
                }) {
    return T::event_type;
  } else {
    constexpr std::string_view name = spelled_name<T>();
    static_assert(is_identifier(name),
                  "a template can't name its events: give it a member "
                  "static constexpr std::string_view event_type, or specialise nori::event_type");
    return name;
  }
}

template <typename T>
constexpr std::uint32_t version_of_event() noexcept {
  if constexpr (requires {
                  { T::event_version } -> std::convertible_to<std::uint32_t>;
                }) {
    return T::event_version;
  } else {
    return 1;
  }
}

}  // namespace detail

/// The type name and the schema version under which events of a C++ type are stored.
///
/// The name is the member `static constexpr std::string_view event_type = "..."` if there is one,
/// else the name of the struct without its namespaces: renaming such a struct renames its events,
/// which takes an upcaster, or that member with the old name. The version is the member
/// `static constexpr std::uint32_t event_version = ...`, else 1. Specialise it for types that can't
/// have members.
template <typename T>
struct event_type {
  static constexpr std::string_view name = detail::name_of_event<T>();
  static constexpr std::uint32_t version = detail::version_of_event<T>();
};

namespace detail {

template <typename T>
struct alternatives {
  static constexpr std::size_t count = 1;
  static constexpr bool distinct = true;
  /// Calls with a pointer (null) to each type, until one returns true.
  template <typename Function>
  static constexpr bool any(Function function) {
    return function(static_cast<T*>(nullptr));
  }
};

template <typename... Ts>
struct alternatives<std::variant<Ts...>> {
  static constexpr std::size_t count = sizeof...(Ts);
  template <typename Function>
  static constexpr bool any(Function function) {
    return (function(static_cast<Ts*>(nullptr)) || ...);
  }
  template <typename T>
  static constexpr std::size_t same_as_it =
      ((event_type<T>::name == event_type<Ts>::name &&
                event_type<T>::version == event_type<Ts>::version
            ? std::size_t{1}
            : std::size_t{0}) +
       ...);
  /// No two are stored under the same name and version.
  static constexpr bool distinct = ((same_as_it<Ts> == 1) && ...);
};

}  // namespace detail

}  // namespace nori

#endif
