#ifndef NORI_TESTING_DESCRIBE_VALUE_HPP
#define NORI_TESTING_DESCRIBE_VALUE_HPP

#include <boost/core/demangle.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>
#include <boost/mp11/algorithm.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <variant>

namespace nori::testing {

namespace detail {

template <typename T>
inline constexpr bool is_variant = false;
template <typename... Ts>
inline constexpr bool is_variant<std::variant<Ts...>> = true;
template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <typename T>
concept described = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;
template <typename T>
using members = boost::describe::describe_members<T, boost::describe::mod_any_access |
                                                         boost::describe::mod_inherited>;

template <typename T>
std::string name_of() {
  const std::string full = boost::core::demangle(typeid(T).name());
  // A template's arguments have scopes of their own.
  const std::size_t scope = full.substr(0, full.find('<')).rfind("::");
  return scope == std::string::npos ? full : full.substr(scope + 2);
}

}  // namespace detail

/// A value as a person reads it: by <<, or by its description (BOOST_DESCRIBE_STRUCT and
/// BOOST_DESCRIBE_ENUM); for what has neither, the name of its type.
template <typename T>
[[nodiscard]] std::string describe_value(const T& value) {
  if constexpr (std::same_as<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::integral<T>) {
    return std::to_string(value);
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    return '"' + std::string(std::string_view(value)) + '"';
  } else if constexpr (detail::is_variant<T>) {
    return std::visit([](const auto& one) { return describe_value(one); }, value);
  } else if constexpr (detail::is_optional<T>) {
    return value ? describe_value(*value) : "nothing";
  } else if constexpr (std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value) {
    const char* const name = boost::describe::enum_to_string(value, nullptr);
    return name != nullptr
               ? name
               : detail::name_of<T>() + '(' +
                     std::to_string(static_cast<std::underlying_type_t<T>>(value)) + ')';
  } else if constexpr (requires(std::ostream& out) { out << value; }) {
    std::ostringstream out;
    out << value;
    return out.str();
  } else if constexpr (std::is_enum_v<T>) {
    return detail::name_of<T>() + '(' +
           std::to_string(static_cast<std::underlying_type_t<T>>(value)) + ')';
  } else if constexpr (detail::described<T>) {
    std::string text;
    boost::mp11::mp_for_each<detail::members<T>>([&](auto member) {
      text += text.empty() ? "" : ", ";
      text += member.name;
      text += ": " + describe_value(value.*member.pointer);
    });
    return detail::name_of<T>() + '{' + text + '}';
  } else if constexpr (requires { value.first, value.second; }) {
    return describe_value(value.first) + ": " + describe_value(value.second);
  } else if constexpr (requires { std::begin(value) != std::end(value); }) {
    std::string text;
    for (const auto& each : value) {
      text += text.empty() ? "" : ", ";
      text += describe_value(each);
    }
    return '[' + text + ']';
  } else {
    return detail::name_of<T>();
  }
}

/// By == where there is one, else member by member.
template <typename T>
[[nodiscard]] bool same_value(const T& a, const T& b) {
  if constexpr (detail::is_variant<T>) {
    if (a.index() != b.index()) return false;
    return std::visit(
        [&](const auto& one) { return same_value(one, std::get<std::decay_t<decltype(one)>>(b)); },
        a);
  } else if constexpr (requires {
                         { a == b } -> std::convertible_to<bool>;
                       }) {
    return a == b;
  } else {
    static_assert(detail::described<T>, "give this type an operator==, or describe it");
    bool same = true;
    boost::mp11::mp_for_each<detail::members<T>>(
        [&](auto member) { same = same && same_value(a.*member.pointer, b.*member.pointer); });
    return same;
  }
}

}  // namespace nori::testing

#endif
