#include "description.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cctype>
#include <regex>
#include <string_view>
#include <vector>

namespace nori::server_test {

namespace {

namespace json = boost::json;

std::string text_of(json::string_view text) { return std::string(text.data(), text.size()); }

const json::value& resolve(const json::value& description, const json::value& what) {
  const json::value* at = &what;
  while (at->is_object() && at->get_object().contains("$ref")) {
    at = &description.at_pointer(at->at("$ref").as_string().subview(1));
  }
  return *at;
}

std::vector<std::string> parts(std::string_view path) {
  path = path.substr(0, path.find('?'));
  std::vector<std::string> all;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    all.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return all;
}

bool fits(std::string_view pattern, std::string_view path) {
  const std::vector<std::string> wanted = parts(pattern);
  const std::vector<std::string> given = parts(path);
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].starts_with('{') && wanted[i] != given[i]) return false;
  }
  return true;
}

bool is_type(const json::value& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  return type == "number" && value.is_number();
}

}  // namespace

std::string why_not(const json::value& description, const json::value& schema_or_ref,
                    const json::value& value, const std::string& where) {
  const json::object& schema = resolve(description, schema_or_ref).as_object();
  if (const json::value* const some = schema.if_contains("oneOf")) {
    for (const json::value& each : some->as_array()) {
      if (why_not(description, each, value, where).empty()) return {};
    }
    return where + " is none of what is described";
  }
  if (value.is_null()) {
    const json::value* const nullable = schema.if_contains("nullable");
    return nullable != nullptr && nullable->as_bool() ? "" : where + " is null";
  }
  const std::string type = text_of(schema.at("type").as_string());
  if (!is_type(value, type)) return where + " is no " + type;
  if (const json::value* const values = schema.if_contains("enum")) {
    bool found = false;
    for (const json::value& each : values->as_array()) found = found || each == value;
    if (!found) return where + " is none of the enumerated values";
  }
  if (const json::value* const pattern = schema.if_contains("pattern")) {
    const std::regex wanted(text_of(pattern->as_string()));
    if (!std::regex_search(text_of(value.as_string()), wanted)) return where + " does not match";
  }
  if (const json::value* const least = schema.if_contains("minimum")) {
    if (value.to_number<double>() < least->to_number<double>()) return where + " is too small";
  }
  if (const json::value* const most = schema.if_contains("maximum")) {
    if (value.to_number<double>() > most->to_number<double>()) return where + " is too large";
  }
  if (value.is_array()) {
    const json::value* const most = schema.if_contains("maxItems");
    if (most != nullptr && value.get_array().size() > most->to_number<std::size_t>()) {
      return where + " has too many items";
    }
    for (const json::value& each : value.get_array()) {
      std::string why = why_not(description, schema.at("items"), each, where + "[]");
      if (!why.empty()) return why;
    }
  }
  if (!value.is_object() || !schema.contains("properties")) return {};
  const json::object& properties = schema.at("properties").as_object();
  if (const json::value* const required = schema.if_contains("required")) {
    for (const json::value& name : required->as_array()) {
      if (!value.get_object().contains(name.as_string())) {
        return where + '.' + text_of(name.as_string()) + " is missing";
      }
    }
  }
  for (const auto& member : value.get_object()) {
    const std::string inner = where + '.' + text_of(member.key());
    const json::value* const its = properties.if_contains(member.key());
    if (its == nullptr) return inner + " is not described";
    std::string why = why_not(description, *its, member.value(), inner);
    if (!why.empty()) return why;
  }
  return {};
}

void check_described(const json::value& description, const call& asked, const reply& got) {
  const json::object* its_path = nullptr;
  for (const auto& each : description.at("paths").as_object()) {
    if (fits(text_of(each.key()), asked.path)) its_path = &each.value().as_object();
  }
  std::string method = asked.method;
  for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string what = asked.method + ' ' + asked.path + " -> " + std::to_string(got.status);
  if (its_path == nullptr || !its_path->contains(method)) {
    BOOST_TEST((got.status == 404 || got.status == 405), what);
    return;
  }
  const json::object& responses = its_path->at(method).at("responses").as_object();
  const json::value* const found = responses.if_contains(std::to_string(got.status));
  BOOST_TEST_REQUIRE((found != nullptr), what << " is not described");
  const json::object& content = resolve(description, *found).at("content").as_object();
  const std::string type = got.headers.at("content-type");
  const json::value* const media = content.if_contains(type.substr(0, type.find(';')));
  BOOST_TEST_REQUIRE((media != nullptr), what << " has another type: " << type);
  if (!type.starts_with("application/json")) return;
  const std::string why = why_not(description, media->at("schema"), got.json(), "body");
  BOOST_TEST(why == "", what << ": " << why << ": " << got.body.substr(0, 300));
}

}  // namespace nori::server_test
