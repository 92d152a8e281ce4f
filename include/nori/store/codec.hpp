#ifndef NORI_STORE_CODEC_HPP
#define NORI_STORE_CODEC_HPP

#include <boost/system/result.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <nori/store/event.hpp>
#include <nori/store/event_type.hpp>
#include <nori/store/undecodable.hpp>

namespace nori {

/// Turns values of a type into bytes and back.
///
/// `decode` reports what is wrong with the bytes as a value, whatever the bytes; `encode` throws
/// where a value has no encoding, so that nothing is stored that can't be read. Both are const and
/// safe to call from any thread.
template <typename Codec, typename T>
concept codec_of = requires(const Codec& codec, const T& value, std::string_view bytes) {
  { codec.encode(value) } -> std::same_as<std::string>;
  { codec.template decode<T>(bytes) } -> std::same_as<boost::system::result<T, decode_error>>;
};

/// For events that are bytes already: structs with one member, a std::string named `bytes`.
struct bytes_codec {
  template <typename T>
    requires std::same_as<decltype(T::bytes), std::string>
  [[nodiscard]] std::string encode(const T& value) const {
    return value.bytes;
  }
  template <typename T>
    requires std::same_as<decltype(T::bytes), std::string>
  [[nodiscard]] boost::system::result<T, decode_error> decode(std::string_view bytes) const {
    return T{std::string(bytes)};
  }
};

/// An event to append: type and version from event_type, data from the codec.
///
/// @throws what the codec throws: errc::invalid_event where the value has no encoding.
template <typename Codec, typename T>
[[nodiscard]] event encode(const Codec& codec, const T& what) {
  static_assert(codec_of<Codec, T>, "this codec can't encode this type");
  event made(std::string(event_type<T>::name), codec.encode(what));
  made.version = event_type<T>::version;
  return made;
}
/// The alternative that it holds.
template <typename Codec, typename... Ts>
[[nodiscard]] event encode(const Codec& codec, const std::variant<Ts...>& what) {
  static_assert(detail::alternatives<std::variant<Ts...>>::distinct,
                "two alternatives have the same event_type name and version");
  return std::visit([&](const auto& one) { return encode(codec, one); }, what);
}

/// The Event (a variant of types, or a single type) with this name, version and data; or why there
/// is none.
template <typename Event, typename Codec>
[[nodiscard]] boost::system::result<Event, decode_error> decode_as(const Codec& codec,
                                                                   std::string_view type,
                                                                   std::uint32_t version,
                                                                   std::string_view data) {
  using types = detail::alternatives<Event>;
  static_assert(types::distinct, "two alternatives have the same event_type name and version");
  std::optional<Event> made;
  std::optional<decode_error> why;
  bool knows_name = false;
  types::any([&]<typename T>(T*) {
    static_assert(codec_of<Codec, T>, "this codec can't decode this type");
    if (event_type<T>::name != type) return false;
    knows_name = true;
    if (event_type<T>::version != version) return false;
    boost::system::result<T, decode_error> decoded = codec.template decode<T>(data);
    if (decoded.has_value()) {
      made.emplace(std::move(*decoded));
    } else {
      why.emplace(std::move(decoded).error());
    }
    return true;
  });
  if (made) return std::move(*made);
  if (why) return std::move(*why);
  return decode_error(knows_name ? "is of a version that is unknown here"
                                 : "is of an unknown type");
}

/// The Event that a recorded event holds. Knows no upcasters: decoder does.
///
/// @throws errc::undecodable_event naming global position, type and member.
template <typename Event, typename Codec>
[[nodiscard]] Event decode(const Codec& codec, const recorded_event& what) {
  boost::system::result<Event, decode_error> decoded =
      decode_as<Event>(codec, what.type, what.version, what.data);
  if (decoded.has_error()) {
    throw_undecodable(undecodable(what, what.type, what.version, std::move(decoded).error()));
  }
  return std::move(*decoded);
}

}  // namespace nori

#endif
