#ifndef NORI_STORE_UNDECODABLE_HPP
#define NORI_STORE_UNDECODABLE_HPP

#include <boost/assert/source_location.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nori/store/event.hpp>

namespace nori {

/// Why bytes are not what a type has. Never quotes them.
struct decode_error {
  decode_error() = default;
  explicit decode_error(std::string its_what, std::string its_path = {})
      : path(std::move(its_path)), what(std::move(its_what)) {}

  /// Of the member, such as `amount.cents` or `lines[3].price`; empty for the whole. A key of a map
  /// is data, and shows as `[*]`.
  std::string path;
  std::string what;  ///< such as "is missing" or "is not an integer"

  [[nodiscard]] std::string message() const;
};

/// What a decode_error becomes where a result is used without looking: system_error with
/// errc::undecodable_event.
[[noreturn]] void throw_exception_from_error(const decode_error& why,
                                             const boost::source_location& where);

/// An event that can't be decoded or upcast, and why.
struct undecodable {
  undecodable() = default;
  undecodable(const recorded_event& event, std::string_view type, std::uint32_t version,
              decode_error its_why);

  std::uint64_t global_position = 0;
  std::uint64_t revision = 0;
  /// What it was to be decoded as: as it is stored, or as an upcaster made it.
  std::string type;
  std::uint32_t version = 1;
  decode_error why;

  /// One sentence for a log: position, type and member, and neither payload nor stream.
  [[nodiscard]] std::string message() const;
};

/// Throws system_error with errc::undecodable_event and its message.
[[noreturn]] void throw_undecodable(const undecodable& what);

/// What is done about an event that can't be decoded: returns one to take its place, or nothing to
/// skip it, or throws. Without a handler throw_undecodable is called: nothing is skipped in
/// silence.
///
/// Called on whichever thread decodes, possibly on several at once.
template <typename Event>
using undecodable_handler =
    std::function<std::optional<Event>(const recorded_event&, const undecodable&)>;

}  // namespace nori

#endif
