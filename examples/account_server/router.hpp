#ifndef ACCOUNT_SERVER_ROUTER_HPP
#define ACCOUNT_SERVER_ROUTER_HPP

#include <boost/asio/awaitable.hpp>

#include <exception>

#include "http.hpp"
#include "service.hpp"

namespace account_server {

/// Answers a request, whatever is in it. GET /events is not here: it has no end.
///
/// Throws nothing that a client could bring about.
[[nodiscard]] asio::awaitable<response> answer_to(service& in, const request& asked);

/// The response for an exception that work on the store ended with.
[[nodiscard]] response response_to(std::exception_ptr failure);

}  // namespace account_server

#endif
