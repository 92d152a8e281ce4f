#ifndef ACCOUNT_SERVER_AUTH_HPP
#define ACCOUNT_SERVER_AUTH_HPP

#include <filesystem>
#include <string>
#include <string_view>

#include "http.hpp"

namespace account_server {

/// The token in a file, which is created with a random one where there is none.
///
/// @throws std::runtime_error where the file may be read by others, is somebody else's, or holds
///   no token of 16 to 256 printable characters.
[[nodiscard]] std::string load_token(const std::filesystem::path& file);

/// Whether a request carries the token. Takes as long for a wrong token as for the right one.
[[nodiscard]] bool is_authorized(const request& asked, std::string_view token);

}  // namespace account_server

#endif
