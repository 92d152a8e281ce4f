#ifndef ACCOUNT_SERVER_INPUT_HPP
#define ACCOUNT_SERVER_INPUT_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nori/store/event.hpp>

#include "account.hpp"
#include "http.hpp"

// What a client sends, checked. Everything here throws bad_input, which names the field.

namespace account_server {

/// Path and query of a request.
struct target {
  std::vector<std::string> path;  ///< between the slashes
  std::map<std::string, std::string, std::less<>> query;

  /// The value of a parameter, if it is there.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
  [[nodiscard]] std::optional<std::uint64_t> count(std::string_view name) const;
  /// 1 to `most`; `otherwise` where it is not there.
  [[nodiscard]] std::size_t limit(std::size_t otherwise, std::size_t most) const;
  /// Refuses parameters that are not among these.
  void allow(std::initializer_list<std::string_view> names) const;
};
[[nodiscard]] target parse_target(std::string_view text);

[[nodiscard]] std::string parse_account(std::string_view text, std::string_view field);
/// Digits, below 2^63: positions and revisions.
[[nodiscard]] std::uint64_t parse_count(std::string_view text, std::string_view field);
/// RFC 3339 in UTC.
[[nodiscard]] nori::event_time parse_time(std::string_view text, std::string_view field);
[[nodiscard]] std::string to_string(nori::event_time when);

/// The command in a POST: its key from the header, the rest from the body. `account` is the one in
/// the path, if there is one.
[[nodiscard]] command parse_command(action what, std::optional<std::string> account,
                                    const request& asked);

}  // namespace account_server

#endif
