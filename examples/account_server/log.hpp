#ifndef ACCOUNT_SERVER_LOG_HPP
#define ACCOUNT_SERVER_LOG_HPP

#include <boost/json/object.hpp>

#include <string_view>

namespace account_server {

/// Writes one line of JSON to standard error: when, what, and `more`. Never what a client sent:
/// names of accounts, amounts and keys are the users' own.
///
/// @par Thread safety
/// Safe to call from any thread; a line is written at once.
void log_line(std::string_view level, std::string_view what, boost::json::object more = {});

}  // namespace account_server

#endif
