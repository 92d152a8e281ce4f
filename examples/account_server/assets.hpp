#ifndef ACCOUNT_SERVER_ASSETS_HPP
#define ACCOUNT_SERVER_ASSETS_HPP

#include <string>

namespace account_server {

// The files page.html and openapi.json, which the build makes part of the program.
[[nodiscard]] std::string page_html();
[[nodiscard]] std::string openapi_json();

}  // namespace account_server

#endif
