#ifndef ACCOUNT_SERVER_EVENTS_STREAM_HPP
#define ACCOUNT_SERVER_EVENTS_STREAM_HPP

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>

#include <nori/store/reading.hpp>

#include "connection.hpp"
#include "http.hpp"
#include "service.hpp"

namespace account_server {

/// Where in the store a reader of /events begins, and what it wants to see.
/// @throws bad_input
[[nodiscard]] nori::subscribe_options parse_subscription(const service& in, const request& asked);

/// Takes bytes for a reader, who must take them in time.
using message_writer = std::function<asio::awaitable<void>(std::string)>;

/// Writes events as they become durable, until the reader hangs up or the server stops.
///
/// It pulls: the next events are read when the last ones have been taken, so a slow reader costs
/// no memory. To be run on the connection's executor.
/// @throws what the writer and the subscription throw
asio::awaitable<void> stream_events(service& in, std::shared_ptr<connection> me,
                                    std::shared_ptr<readers::reader> counted,
                                    nori::subscribe_options how, message_writer write);

}  // namespace account_server

#endif
