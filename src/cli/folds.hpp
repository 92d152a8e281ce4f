#ifndef NORI_CLI_FOLDS_HPP
#define NORI_CLI_FOLDS_HPP

#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <nori/store/event.hpp>

namespace nori::cli {

/// A way to make one JSON value of the events of a stream, without knowing the service.
struct fold {
  std::string_view name;
  std::string_view help;
  void (*apply)(boost::json::value& state, const recorded_event& event,
                const boost::json::value& data);
};

[[nodiscard]] const std::vector<fold>& folds();
/// Null where there is none of that name.
[[nodiscard]] const fold* find_fold(std::string_view name);

}  // namespace nori::cli

#endif
