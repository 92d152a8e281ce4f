#ifndef BANK_ACCOUNT_BANK_HPP
#define BANK_ACCOUNT_BANK_HPP

#include <boost/asio/awaitable.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <nori/nori.hpp>
#include <nori/store/command_handler.hpp>

#include "account.hpp"

namespace bank {

namespace asio = boost::asio;

using accounts = nori::command_handler<account_rules>;

/// What is open while the program works. A directory holds everything: the events, which are the
/// truth, and beside them `snapshots` and the saved view, which are made of events.
struct opened_bank {
  nori::event_store store;
  nori::store_recovery_info recovered;
  std::shared_ptr<nori::prometheus_exporter> metrics;
  std::shared_ptr<nori::snapshot_store> snapshots;  ///< null where nothing may be written

  /// Handles commands to accounts, by their names. The bank must outlive it.
  [[nodiscard]] accounts handler();
};

/// @throws what nori::event_store::open and nori::snapshot_store::open throw.
[[nodiscard]] asio::awaitable<std::unique_ptr<opened_bank>> open_bank(std::filesystem::path dir,
                                                                      nori::access access);

/// Each account is a stream of its own.
[[nodiscard]] std::string stream_of(std::string_view name);
[[nodiscard]] std::string_view name_of(std::string_view stream);

/// A stored event as what it is today, whatever it was when it was stored.
/// @throws errc::undecodable_event: it is never skipped, as what follows would be wrong.
[[nodiscard]] account_event event_of(const nori::recorded_event& stored);

}  // namespace bank

#endif
