#ifndef ACCOUNT_SERVER_POSTS_HPP
#define ACCOUNT_SERVER_POSTS_HPP

#include <boost/asio/awaitable.hpp>

#include "http.hpp"
#include "input.hpp"
#include "service.hpp"

// The commands over HTTP: what the router calls once it knows that they may be given.

namespace account_server {

asio::awaitable<response> post_open(service& in, const target& where, const request& asked);
asio::awaitable<response> post_deposit(service& in, const target& where, const request& asked);
asio::awaitable<response> post_withdraw(service& in, const target& where, const request& asked);
asio::awaitable<response> post_transfer(service& in, const target& where, const request& asked);
asio::awaitable<response> post_close(service& in, const target& where, const request& asked);

}  // namespace account_server

#endif
