#ifndef MESSAGE_QUEUE_QUEUE_HPP
#define MESSAGE_QUEUE_QUEUE_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nori/nori.hpp>

namespace asio = boost::asio;

/// Sends messages: all of them or, when something fails, none.
[[nodiscard]] asio::awaitable<void> send(nori::event_store& store, std::vector<std::string> texts);

/// What a consumer does with a message. The id counts messages from 0.
using handle_message = std::function<void(std::uint64_t id, std::string_view text)>;

/// When a consumer leaves.
struct until {
  std::size_t messages = SIZE_MAX;  ///< after so many messages,
  bool empty = true;                ///< or when there are no more; otherwise it waits for more
};

/// Receives, in order, the messages that the consumer of this name is not done with.
///
/// Each consumer has a position of its own, a checkpoint in the store's directory. It moves when a
/// message was handled: a consumer that is killed in between gets that message again (at least
/// once), and none is left out.
///
/// Messages stay in the store when all consumers are done with them; event_store::delete_before
/// removes old ones.
/// @throws what `handle` throws: the message is not done then
[[nodiscard]] asio::awaitable<void> receive(nori::event_store& store, std::string consumer,
                                            until end, handle_message handle);

#endif
