#ifndef BANK_ACCOUNT_LIVE_EVENTS_HPP
#define BANK_ACCOUNT_LIVE_EVENTS_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include <nori/nori.hpp>

namespace bank {

/// "3 money_deposited alice $500", with the id that an event has in the whole bank.
[[nodiscard]] std::string line_of(const nori::recorded_event& what);

/// Prints the events behind `after` as they become durable, until the store is closed.
[[nodiscard]] boost::asio::awaitable<void> print_live(const nori::event_store& store,
                                                      std::optional<std::uint64_t> after);

}  // namespace bank

#endif
