#ifndef NORI_STORE_JSON_CODEC_HPP
#define NORI_STORE_JSON_CODEC_HPP

#include <boost/json/value.hpp>
#include <boost/system/result.hpp>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nori/store/codec.hpp>
#include <nori/store/json.hpp>
#include <nori/store/json_form.hpp>

namespace nori {

/// Described structs (BOOST_DESCRIBE_STRUCT) as JSON objects, without code of their own.
///
/// A struct becomes an object with its members' names. Members may be bool, integers, floating
/// point numbers, std::string, described enums (by the enumerator's name), described structs,
/// std::optional of these (not written where empty; absent and null read as empty), sequences and
/// sets (std::vector and the like), and maps with std::string keys. Other types take a
/// specialisation of json_form.
///
/// Reading is strict about what is there: a member that is missing, of another kind, or out of its
/// type's range is an error that names it; integers are not read from fractions, nor 1.0. Members
/// that the struct does not have are ignored, so that an older program can read what a newer one
/// has written.
class json_codec {
 public:
  json_codec() = default;
  explicit json_codec(json_limits limits) : limits_(limits) {}

  /// @throws errc::invalid_event for what JSON can't hold, and what exceeds the limits: an event
  ///   that could not be read is not written.
  template <json_formed T>
  [[nodiscard]] std::string encode(const T& value) const {
    return write_json(detail::to_json(value), limits_);
  }

  template <json_formed T>
  [[nodiscard]] boost::system::result<T, decode_error> decode(std::string_view bytes) const {
    static_assert(std::is_default_constructible_v<T>,
                  "a described struct is read member by member");
    const boost::system::result<boost::json::value, decode_error> parsed =
        parse_json(bytes, limits_);
    if (parsed.has_error()) return parsed.error();
    T made{};
    decode_error why;
    if (!detail::read_json(*parsed, made, detail::json_path(), why)) return why;
    return made;
  }

  [[nodiscard]] const json_limits& limits() const noexcept { return limits_; }

 private:
  json_limits limits_;
};

}  // namespace nori

#endif
