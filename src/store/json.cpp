#include <nori/store/json.hpp>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <exception>
#include <system_error>

#include <nori/error.hpp>

namespace nori {

namespace {

namespace json = boost::json;

// Builds the value as json::parser does, except that it reads doubles itself: the parser of Boost
// 1.81 multiplies by powers of ten, and what was written as 0.1 + 0.2 comes back as another number.
struct value_builder {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  using error = json::error_code&;
  using text = json::string_view;

  bool on_document_begin(error) {
    values.reset();
    return true;
  }
  bool on_document_end(error) { return true; }
  bool on_array_begin(error) { return true; }
  bool on_array_end(std::size_t count, error) {
    values.push_array(count);
    return true;
  }
  bool on_object_begin(error) { return true; }
  bool on_object_end(std::size_t count, error) {
    values.push_object(count);
    return true;
  }
  bool on_string_part(text s, std::size_t, error) {
    values.push_chars(s);
    return true;
  }
  bool on_string(text s, std::size_t, error) {
    values.push_string(s);
    return true;
  }
  bool on_key_part(text s, std::size_t, error) {
    values.push_chars(s);
    return true;
  }
  bool on_key(text s, std::size_t, error code) {
    if (members_left == 0) {
      code = json::error::object_too_large;
      return false;
    }
    --members_left;
    values.push_key(s);
    return true;
  }
  bool on_number_part(text s, error) {
    number.append(s.data(), s.size());
    return true;
  }
  bool on_int64(std::int64_t i, text, error) {
    number.clear();
    values.push_int64(i);
    return true;
  }
  bool on_uint64(std::uint64_t i, text, error) {
    number.clear();
    values.push_uint64(i);
    return true;
  }
  bool on_double(double, text s, error code) {
    number.append(s.data(), s.size());
    double exact = 0;
    const char* const end = number.data() + number.size();
    const auto [stopped, failed] = std::from_chars(number.data(), end, exact);
    const bool whole = stopped == end;
    number.clear();
    if (!whole || (failed != std::errc() && failed != std::errc::result_out_of_range)) {
      code = json::error::syntax;
      return false;
    }
    if (failed == std::errc::result_out_of_range) {
      // Too small or too large for a double.
      code = json::error::exponent_overflow;
      return false;
    }
    values.push_double(exact);
    return true;
  }
  bool on_bool(bool b, error) {
    values.push_bool(b);
    return true;
  }
  bool on_null(error) {
    values.push_null();
    return true;
  }
  bool on_comment_part(text, error) { return true; }
  bool on_comment(text, error) { return true; }

  json::value_stack values;
  std::string number;
  std::size_t members_left = 0;
};

bool is_utf8(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i <= more) return false;
    // Overlong forms, surrogates and what lies past U+10FFFF show in the second byte.
    const unsigned char lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(i + 1) < lowest || byte(i + 1) > highest) return false;
    for (std::size_t k = 2; k <= more; ++k) {
      if (byte(i + k) < 0x80 || byte(i + k) > 0xbf) return false;
    }
    i += more + 1;
  }
  return true;
}

[[noreturn]] void refuse(const std::string& why) { throw_error(errc::invalid_event, why); }

void check_text(std::string_view text) {
  if (!is_utf8(text)) refuse("a string is not UTF-8, which JSON has to be");
}

std::size_t depth_max_of(const json_limits& limits) noexcept {
  // Values are destroyed and compared by recursion.
  return std::clamp<std::size_t>(limits.depth_max, 1, 512);
}

/// What is left of the limits.
struct allowance {
  std::size_t depth = 0;
  std::size_t members = 0;
};

void check_writable(const json::value& what, allowance& left, const json_limits& limits) {
  const auto deeper = [&] {
    if (left.depth == 0) {
      refuse("JSON nested deeper than " + std::to_string(depth_max_of(limits)));
    }
    --left.depth;
  };
  switch (what.kind()) {
    case json::kind::object: {
      deeper();
      const json::object& object = what.get_object();
      if (object.size() > left.members) {
        refuse("JSON with more than " + std::to_string(limits.members_max) + " members");
      }
      left.members -= object.size();
      for (const auto& member : object) {
        check_text({member.key().data(), member.key().size()});
        check_writable(member.value(), left, limits);
      }
      ++left.depth;
      return;
    }
    case json::kind::array: {
      deeper();
      for (const json::value& each : what.get_array()) check_writable(each, left, limits);
      ++left.depth;
      return;
    }
    case json::kind::string:
      check_text({what.get_string().data(), what.get_string().size()});
      return;
    case json::kind::double_:
      if (!std::isfinite(what.get_double())) refuse("JSON has no infinity and no NaN");
      return;
    default:
      return;
  }
}

}  // namespace

boost::system::result<json::value, decode_error> parse_json(std::string_view text,
                                                            const json_limits& limits) {
  if (text.size() > limits.bytes_max) {
    return decode_error("is JSON of " + std::to_string(text.size()) + " bytes, more than " +
                        std::to_string(limits.bytes_max));
  }
  json::parse_options options;
  options.max_depth = depth_max_of(limits);
  json::basic_parser<value_builder> parser(options);
  parser.handler().members_left = limits.members_max;
  json::error_code code;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), code);
  if (!code && used < text.size()) code = json::error::extra_data;
  if (code) {
    return decode_error("is not JSON, or not within bounds: " + code.message() + " at byte " +
                        std::to_string(std::min(used, text.size())));
  }
  return parser.handler().values.release();
}

std::string write_json(const json::value& what, const json_limits& limits) {
  allowance left{depth_max_of(limits), limits.members_max};
  check_writable(what, left, limits);
  std::string text = json::serialize(what);
  if (text.size() > limits.bytes_max) {
    refuse("JSON of " + std::to_string(text.size()) + " bytes, more than " +
           std::to_string(limits.bytes_max));
  }
  return text;
}

}  // namespace nori
