#ifndef NORI_STORE_PROJECTION_JSON_HPP
#define NORI_STORE_PROJECTION_JSON_HPP

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include <string>
#include <string_view>

#include <nori/store/projection.hpp>

namespace nori {

/// Has a projection save its view as JSON, by boost::json::value_from and value_to, which must know
/// the type (described classes, containers and the like, or tag_invoke).
template <typename View>
[[nodiscard]] view_definition<View> saved_as_json(view_definition<View> how) {
  how.to_bytes = [](const View& view) {
    return boost::json::serialize(boost::json::value_from(view));
  };
  how.from_bytes = [](std::string_view bytes) {
    return boost::json::value_to<View>(
        boost::json::parse(boost::json::string_view(bytes.data(), bytes.size())));
  };
  return how;
}

}  // namespace nori

#endif
