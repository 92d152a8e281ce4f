#include <nori/store/json_upcasting.hpp>

#include <nori/error.hpp>

namespace nori::json_upcasting {

namespace json = boost::json;

namespace {

json::object object_in(const std::string& data, const json_limits& limits) {
  boost::system::result<json::value, decode_error> parsed = parse_json(data, limits);
  if (parsed.has_error()) throw_error(errc::undecodable_event, parsed.error().message());
  if (!parsed->is_object()) throw_error(errc::undecodable_event, "is no JSON object");
  return std::move(parsed->get_object());
}

}  // namespace

upcasters::step change(std::function<void(json::object&)> how, json_limits limits) {
  return [how = std::move(how), limits](upcasters::content before) {
    json::object members = object_in(before.data, limits);
    how(members);
    upcasters::contents after;
    after.emplace_back(std::move(before.type), before.version + 1,
                       write_json(json::value(std::move(members)), limits));
    return after;
  };
}

upcasters::step add_member(std::string name, json::value value) {
  return change([name = std::move(name), value = std::move(value)](json::object& members) {
    members.emplace(name, value);  // leaves one that is there
  });
}

upcasters::step rename_member(std::string from, std::string to) {
  return change([from = std::move(from), to = std::move(to)](json::object& members) {
    const auto found = members.find(from);
    if (found == members.end()) throw_error(errc::undecodable_event, from + " is missing");
    json::value value = std::move(found->value());
    members.erase(found);
    members.insert_or_assign(to, std::move(value));
  });
}

upcasters::step remove_member(std::string name) {
  return change([name = std::move(name)](json::object& members) { members.erase(name); });
}

upcasters::step split(std::function<std::vector<content>(const json::object&)> how,
                      json_limits limits) {
  return [how = std::move(how), limits](const upcasters::content& before) {
    const std::vector<content> parts = how(object_in(before.data, limits));
    upcasters::contents after;
    for (const content& part : parts) {
      after.emplace_back(part.type, part.version, write_json(part.data, limits));
    }
    return after;
  };
}

}  // namespace nori::json_upcasting
