#ifndef NORI_STORE_JSON_FORM_HPP
#define NORI_STORE_JSON_FORM_HPP

#include <boost/describe/enum_to_string.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/system/result.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nori/store/undecodable.hpp>

namespace nori {

/// How a type that json_codec does not know becomes JSON. Specialise it with
///
///     static boost::json::value write(const T&);
///     static boost::system::result<T, nori::decode_error> read(const boost::json::value&);
template <typename T>
struct json_form;

namespace detail {

template <typename T>
concept has_own_json_form = requires(const T& value, const boost::json::value& from) {
  { json_form<T>::write(value) } -> std::convertible_to<boost::json::value>;
  { json_form<T>::read(from) } -> std::same_as<boost::system::result<T, decode_error>>;
};

template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <typename T>
concept described_class = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;
template <typename T>
concept described_enum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;
template <typename T>
concept string_map = std::same_as<typename T::key_type, std::string> &&
                     requires(T map, typename T::mapped_type value) {
                       map.emplace(std::string(), std::move(value));
                       map.clear();
                     };
template <typename T>
concept sequence = !string_map<T> && requires(T some, typename T::value_type value) {
  some.insert(some.end(), std::move(value));
  some.begin();
  some.clear();
};

// Members of base classes, and private ones if they were described.
template <typename T>
using described_members = boost::describe::describe_members<T, boost::describe::mod_any_access |
                                                                   boost::describe::mod_inherited>;

}  // namespace detail

/// What json_codec can write and read, as far as the type itself goes.
template <typename T>
concept json_formed =
    detail::has_own_json_form<T> || std::is_arithmetic_v<T> || std::same_as<T, std::string> ||
    detail::is_optional<T> || detail::described_enum<T> || detail::described_class<T> ||
    detail::string_map<T> || detail::sequence<T>;

namespace detail {

/// Where in a value one is: a chain towards the root that lives on the stack.
struct json_path {
  enum class kind : std::uint8_t { root, member, element, key };

  json_path() = default;
  json_path(const json_path& its_parent, std::string_view its_name)
      : is(kind::member), parent(&its_parent), name(its_name) {}
  json_path(const json_path& its_parent, std::size_t its_index)
      : is(kind::element), parent(&its_parent), index(its_index) {}
  json_path(const json_path& its_parent, kind its_kind) : is(its_kind), parent(&its_parent) {}

  [[nodiscard]] std::string text() const;

  kind is = kind::root;
  const json_path* parent = nullptr;
  std::string_view name;
  std::size_t index = 0;
};

/// Fills in `why`; returns false.
bool fail_reading(const json_path& at, std::string_view what, decode_error& why);
/// What it is instead is said, too.
bool fail_kind(const json_path& at, std::string_view wanted, const boost::json::value& found,
               decode_error& why);
/// Integers within [lowest, highest].
bool read_signed(const boost::json::value& from, std::int64_t lowest, std::int64_t highest,
                 std::int64_t& to, const json_path& at, decode_error& why);
bool read_unsigned(const boost::json::value& from, std::uint64_t highest, std::uint64_t& to,
                   const json_path& at, decode_error& why);
bool read_double(const boost::json::value& from, double& to, const json_path& at,
                 decode_error& why);
[[noreturn]] void refuse_enumerator();

template <typename T>
boost::json::value to_json(const T& value) {
  namespace json = boost::json;
  static_assert(json_formed<T>,
                "no JSON for this type: describe it with BOOST_DESCRIBE_STRUCT or "
                "BOOST_DESCRIBE_ENUM, or specialise nori::json_form");
  if constexpr (has_own_json_form<T>) {
    return json_form<T>::write(value);
  } else if constexpr (std::same_as<T, bool>) {
    return json::value(value);
  } else if constexpr (std::signed_integral<T>) {
    return json::value(static_cast<std::int64_t>(value));
  } else if constexpr (std::unsigned_integral<T>) {
    return json::value(static_cast<std::uint64_t>(value));
  } else if constexpr (std::floating_point<T>) {
    static_assert(sizeof(T) <= sizeof(double), "JSON has no numbers larger than double");
    return json::value(static_cast<double>(value));
  } else if constexpr (std::same_as<T, std::string>) {
    return json::value(json::string_view(value.data(), value.size()));
  } else if constexpr (is_optional<T>) {
    return value ? to_json(*value) : json::value();
  } else if constexpr (described_enum<T>) {
    const char* const name = boost::describe::enum_to_string(value, nullptr);
    if (name == nullptr) refuse_enumerator();
    return json::value(json::string_view(name));
  } else if constexpr (described_class<T>) {
    json::object members;
    boost::mp11::mp_for_each<described_members<T>>([&](auto member) {
      const auto& each = value.*member.pointer;
      using type = std::remove_cvref_t<decltype(each)>;
      if constexpr (is_optional<type>) {
        if (!each) return;
      }
      members.emplace(member.name, to_json<type>(each));
    });
    return members;
  } else if constexpr (string_map<T>) {
    json::object members;
    for (const auto& [key, each] : value) {
      members.emplace(json::string_view(key.data(), key.size()), to_json(each));
    }
    return members;
  } else {
    json::array elements;
    for (const auto& each : value) {
      elements.emplace_back(to_json<typename T::value_type>(each));
    }
    return elements;
  }
}

template <typename T>
bool read_json(const boost::json::value& from, T& to, const json_path& at, decode_error& why) {
  namespace json = boost::json;
  static_assert(json_formed<T>,
                "no JSON for this type: describe it with BOOST_DESCRIBE_STRUCT or "
                "BOOST_DESCRIBE_ENUM, or specialise nori::json_form");
  if constexpr (has_own_json_form<T>) {
    boost::system::result<T, decode_error> made = json_form<T>::read(from);
    if (made.has_value()) {
      to = std::move(*made);
      return true;
    }
    const decode_error inner = made.error();
    const std::string outer = at.text();
    const bool dot = !outer.empty() && !inner.path.empty() && inner.path.front() != '[';
    why.what = inner.what;
    why.path = outer + (dot ? "." : "") + inner.path;
    return false;
  } else if constexpr (std::same_as<T, bool>) {
    if (!from.is_bool()) return fail_kind(at, "true or false", from, why);
    to = from.get_bool();
    return true;
  } else if constexpr (std::signed_integral<T>) {
    std::int64_t read = 0;
    if (!read_signed(from, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), read, at,
                     why)) {
      return false;
    }
    to = static_cast<T>(read);
    return true;
  } else if constexpr (std::unsigned_integral<T>) {
    std::uint64_t read = 0;
    if (!read_unsigned(from, std::numeric_limits<T>::max(), read, at, why)) return false;
    to = static_cast<T>(read);
    return true;
  } else if constexpr (std::floating_point<T>) {
    double read = 0;
    if (!read_double(from, read, at, why)) return false;
    if (read > static_cast<double>(std::numeric_limits<T>::max()) ||
        read < static_cast<double>(std::numeric_limits<T>::lowest())) {
      return fail_reading(at, "is out of range", why);
    }
    to = static_cast<T>(read);
    return true;
  } else if constexpr (std::same_as<T, std::string>) {
    if (!from.is_string()) return fail_kind(at, "a string", from, why);
    to.assign(from.get_string().data(), from.get_string().size());
    return true;
  } else if constexpr (is_optional<T>) {
    if (from.is_null()) {
      to.reset();
      return true;
    }
    return read_json(from, to.emplace(), at, why);
  } else if constexpr (described_enum<T>) {
    if (!from.is_string()) return fail_kind(at, "the name of an enumerator", from, why);
    const std::string name(from.get_string().data(), from.get_string().size());
    // Compared by its characters: a name with a zero in it is another one.
    bool found = false;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto enumerator) {
      if (!found && name == enumerator.name) {
        to = enumerator.value;
        found = true;
      }
    });
    return found || fail_reading(at, "is no enumerator that is known here", why);
  } else if constexpr (described_class<T>) {
    if (!from.is_object()) return fail_kind(at, "an object", from, why);
    const json::object& members = from.get_object();
    bool good = true;
    boost::mp11::mp_for_each<described_members<T>>([&](auto member) {
      if (!good) return;
      auto& each = to.*member.pointer;
      using type = std::remove_cvref_t<decltype(each)>;
      const json_path there(at, std::string_view(member.name));
      if (const json::value* const found = members.if_contains(member.name)) {
        good = read_json(*found, each, there, why);
      } else if constexpr (is_optional<type>) {
        each.reset();
      } else {
        good = fail_reading(there, "is missing", why);
      }
    });
    return good;
  } else if constexpr (string_map<T>) {
    if (!from.is_object()) return fail_kind(at, "an object", from, why);
    to.clear();
    for (const auto& member : from.get_object()) {
      typename T::mapped_type each{};
      if (!read_json(member.value(), each, json_path(at, json_path::kind::key), why)) return false;
      to.emplace(std::string(member.key().data(), member.key().size()), std::move(each));
    }
    return true;
  } else {
    if (!from.is_array()) return fail_kind(at, "an array", from, why);
    to.clear();
    std::size_t index = 0;
    for (const json::value& element : from.get_array()) {
      typename T::value_type each{};
      if (!read_json(element, each, json_path(at, index), why)) return false;
      to.insert(to.end(), std::move(each));
      ++index;
    }
    return true;
  }
}

}  // namespace detail

}  // namespace nori

#endif
