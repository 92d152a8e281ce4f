#ifndef NORI_CLI_SELECTION_HPP
#define NORI_CLI_SELECTION_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include <nori/store/event_store.hpp>

#include "arguments.hpp"
#include "source.hpp"

namespace nori::cli {

namespace asio = boost::asio;

/// What a verb is asked to show, as the store can look for it. Throws stop where it makes no sense.
[[nodiscard]] asio::awaitable<read_events> reading_of(const arguments* with, source* in);

/// The criteria that no index has, on an event or on a record.
[[nodiscard]] bool matches(const arguments& with, const recorded_event& event);
[[nodiscard]] bool matches(const arguments& with, const entry& record);

/// Refuses criteria that records of a plain log do not have.
void check_for_records(const arguments& with);

}  // namespace nori::cli

#endif
