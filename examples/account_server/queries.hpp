#ifndef ACCOUNT_SERVER_QUERIES_HPP
#define ACCOUNT_SERVER_QUERIES_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <string_view>

#include "http.hpp"
#include "input.hpp"
#include "service.hpp"

// What can be asked, of the accounts and of the server.

namespace account_server {

asio::awaitable<response> get_account(service& in, const target& where, const request& asked);
asio::awaitable<response> get_history(service& in, const target& where, const request& asked);
asio::awaitable<response> get_balances(service& in, const target& where, const request& asked);

// operation.cpp
asio::awaitable<response> get_stats(service& in, const target& where, const request& asked);
asio::awaitable<response> get_metrics(service& in, const target& where, const request& asked);
asio::awaitable<response> get_health(service& in, const target& where, const request& asked);
asio::awaitable<response> get_openapi(service& in, const target& where, const request& asked);
asio::awaitable<response> get_page(service& in, const target& where, const request& asked);

/// account, status and balance
[[nodiscard]] json::object json_of(std::string_view name, const account& its);
/// As the histories and /events show it.
[[nodiscard]] json::object json_of(const nori::recorded_event& stored);

}  // namespace account_server

#endif
