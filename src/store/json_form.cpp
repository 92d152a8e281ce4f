#include <nori/store/json_form.hpp>

#include <cmath>
#include <vector>

#include <nori/error.hpp>

namespace nori::detail {

namespace json = boost::json;

std::string json_path::text() const {
  std::vector<const json_path*> way;
  for (const json_path* at = this; at->is != kind::root; at = at->parent) way.push_back(at);
  std::string result;
  for (auto at = way.rbegin(); at != way.rend(); ++at) {
    switch ((*at)->is) {
      case kind::root:
        break;
      case kind::member:
        if (!result.empty()) result += '.';
        result += (*at)->name;
        break;
      case kind::element:
        result += '[' + std::to_string((*at)->index) + ']';
        break;
      case kind::key:
        result += "[*]";
        break;
    }
  }
  return result;
}

bool fail_reading(const json_path& at, std::string_view what, decode_error& why) {
  why.path = at.text();
  why.what = what;
  return false;
}

bool fail_kind(const json_path& at, std::string_view wanted, const json::value& found,
               decode_error& why) {
  const auto name = [&]() -> std::string_view {
    switch (found.kind()) {
      case json::kind::null:
        return "null";
      case json::kind::bool_:
        return "true or false";
      case json::kind::int64:
      case json::kind::uint64:
        return "an integer";
      case json::kind::double_:
        return "a number with fraction or exponent, or too large";
      case json::kind::string:
        return "a string";
      case json::kind::array:
        return "an array";
      case json::kind::object:
        return "an object";
    }
    return "something else";
  };
  std::string what = "is ";
  what += name();
  what += ", not ";
  what += wanted;
  return fail_reading(at, what, why);
}

bool read_signed(const json::value& from, std::int64_t lowest, std::int64_t highest,
                 std::int64_t& to, const json_path& at, decode_error& why) {
  if (from.is_uint64()) {
    // The parser uses it for what exceeds int64, other writers for anything.
    if (from.get_uint64() > static_cast<std::uint64_t>(highest)) {
      return fail_reading(at, "is out of range", why);
    }
    to = static_cast<std::int64_t>(from.get_uint64());
    return true;
  }
  if (!from.is_int64()) return fail_kind(at, "an integer", from, why);
  if (from.get_int64() < lowest || from.get_int64() > highest) {
    return fail_reading(at, "is out of range", why);
  }
  to = from.get_int64();
  return true;
}

bool read_unsigned(const json::value& from, std::uint64_t highest, std::uint64_t& to,
                   const json_path& at, decode_error& why) {
  std::uint64_t read = 0;
  if (from.is_uint64()) {
    read = from.get_uint64();
  } else if (!from.is_int64()) {
    return fail_kind(at, "an integer", from, why);
  } else if (from.get_int64() < 0) {
    return fail_reading(at, "is out of range", why);
  } else {
    read = static_cast<std::uint64_t>(from.get_int64());
  }
  if (read > highest) return fail_reading(at, "is out of range", why);
  to = read;
  return true;
}

bool read_double(const json::value& from, double& to, const json_path& at, decode_error& why) {
  if (from.is_double()) {
    to = from.get_double();
  } else if (from.is_int64()) {
    to = static_cast<double>(from.get_int64());
  } else if (from.is_uint64()) {
    to = static_cast<double>(from.get_uint64());
  } else {
    return fail_kind(at, "a number", from, why);
  }
  return true;
}

void refuse_enumerator() {
  throw_error(errc::invalid_event, "an enumeration has a value that was not described");
}

}  // namespace nori::detail
