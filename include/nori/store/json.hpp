#ifndef NORI_STORE_JSON_HPP
#define NORI_STORE_JSON_HPP

#include <boost/json/value.hpp>
#include <boost/system/result.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include <nori/store/undecodable.hpp>

namespace nori {

/// How much JSON is accepted, and written.
struct json_limits {
  std::size_t bytes_max = std::size_t{4} << 20;  ///< of the text
  std::size_t depth_max = 32;                    ///< arrays and objects within each other; 1 to 512
  std::size_t members_max = 65536;               ///< of all objects together
};

/// The value that `text` (one JSON document, RFC 8259, in UTF-8) stands for.
///
/// Numbers without fraction and exponent stay integers of 64 bits where they fit; all others become
/// the nearest double (Boost.JSON alone may be off by one unit in the last place). Of members with
/// the same name the last one counts.
[[nodiscard]] boost::system::result<boost::json::value, decode_error> parse_json(
    std::string_view text, const json_limits& limits = {});

/// The text of a value, which parse_json gives back as it was.
///
/// @throws errc::invalid_event where it exceeds the limits, or has no JSON: strings that are not
///   UTF-8, infinite numbers and NaN.
[[nodiscard]] std::string write_json(const boost::json::value& what,
                                     const json_limits& limits = {});

}  // namespace nori

#endif
