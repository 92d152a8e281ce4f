#ifndef BANK_ACCOUNT_BANK_HPP
#define BANK_ACCOUNT_BANK_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/system/result.hpp>

#include <string>

#include "account.hpp"
#include "event_log.hpp"

namespace bank {

/// Accounts kept as events in a log: reads the account, decides, records what happened.
///
/// @par Lifetimes
/// Refers to the log, which outlives it.
class accounts {
 public:
  explicit accounts(event_log& events) noexcept : events_(events) {}

  /// The account, as its events add up.
  /// @throws undecodable_event where one of them is none of an account.
  [[nodiscard]] asio::awaitable<account> find(std::string name) const;

  /// Records what the command makes happen, unless the account's rules reject it: then nothing is.
  /// Its durability is that of event_log::append.
  /// @returns the account afterwards.
  [[nodiscard]] asio::awaitable<boost::system::result<account, rejection>> perform(std::string name,
                                                                                   command wanted);

 private:
  event_log& events_;
};

/// The event of an account that a stored event is.
/// @throws undecodable_event
[[nodiscard]] account_event account_event_of(const event& stored);

}  // namespace bank

#endif
