#ifndef NORI_STORE_JSON_UPCASTING_HPP
#define NORI_STORE_JSON_UPCASTING_HPP

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <nori/store/json.hpp>
#include <nori/store/upcasting.hpp>

namespace nori::json_upcasting {

/// What to give to upcasters::add(type, version, ...) for events whose data is a JSON object. Each
/// makes the next version of the same type, unless it says otherwise.

/// Any change. `how` may throw: see upcasters::step.
[[nodiscard]] upcasters::step change(std::function<void(boost::json::object&)> how,
                                     json_limits limits = {});

/// Adds a member, unless there is one of that name.
[[nodiscard]] upcasters::step add_member(std::string name, boost::json::value value);
/// Gives a member another name. One that is missing is an error.
[[nodiscard]] upcasters::step rename_member(std::string from, std::string to);
/// Removes a member, if it is there.
[[nodiscard]] upcasters::step remove_member(std::string name);

/// What one event becomes when it is split.
struct content {
  content(std::string its_type, std::uint32_t its_version, boost::json::value its_data)
      : type(std::move(its_type)), version(its_version), data(std::move(its_data)) {}

  std::string type;
  std::uint32_t version = 1;
  boost::json::value data;
};
/// Any number of events of any types.
[[nodiscard]] upcasters::step split(
    std::function<std::vector<content>(const boost::json::object&)> how, json_limits limits = {});

}  // namespace nori::json_upcasting

#endif
