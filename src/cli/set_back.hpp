#ifndef NORI_CLI_SET_BACK_HPP
#define NORI_CLI_SET_BACK_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "output.hpp"

namespace nori::cli {

namespace asio = boost::asio;

/// Somebody whose checkpoint or view named events that a copied log does not have.
struct set_back_reader {
  std::string name;
  bool is_view = false;                  ///< of a projection
  std::optional<std::uint64_t> through;  ///< what the checkpoint says now; none: it is gone
};

/// Makes what lies beside a log that lost its end true again: a checkpoint that names events which
/// are not there any more names the last one that is, and such a view is removed, to be made again.
///
/// Left as they are, they would not be believed, so that everything is handled a second time; and
/// once the store has grown past them they would be, so that what was appended until then is never
/// handled.
[[nodiscard]] asio::awaitable<std::vector<set_back_reader>> set_back_readers(std::string dir);

void print_set_back(const std::vector<set_back_reader>& readers, output& to);
[[nodiscard]] boost::json::array json_of(const std::vector<set_back_reader>& readers);

}  // namespace nori::cli

#endif
