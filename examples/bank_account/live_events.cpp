#include "live_events.hpp"

#include <boost/asio/error.hpp>

#include <iostream>
#include <string>

#include "bank.hpp"

namespace bank {

std::string line_of(const nori::recorded_event& what) {
  return std::to_string(what.global_position) + ' ' + std::string(what.type) + ' ' +
         std::string(name_of(what.stream)) + ' ' + amount_of(event_of(what));
}

asio::awaitable<void> print_live(const nori::event_store& store,
                                 std::optional<std::uint64_t> after) {
  nori::subscribe_options how;
  how.after = after;
  nori::subscription events = store.subscribe(how);
  try {
    for (;;) {
      const nori::event_batch batch = co_await events.next_batch();
      for (const nori::recorded_event& each : batch.events) {
        std::cout << "  durable: " << line_of(each) << '\n';
      }
    }
  } catch (const boost::system::system_error& error) {
    // The store was closed, or this was cancelled: then something else failed, which says why.
    if (error.code() != nori::errc::closed && error.code() != asio::error::operation_aborted) throw;
  }
}

}  // namespace bank
