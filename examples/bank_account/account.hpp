#ifndef BANK_ACCOUNT_ACCOUNT_HPP
#define BANK_ACCOUNT_ACCOUNT_HPP

#include <boost/describe/class.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include <nori/store/decider.hpp>

#include "money.hpp"

// The rules of a bank account. No disk, no clock: what happened is an event, an account is what its
// events add up to, and a command is accepted or rejected by looking at the account.

namespace bank {

// Version 1 of the events had no currency: version_1.hpp has it.
struct account_opened {
  money amount;
  std::string currency;
  static constexpr std::uint32_t event_version = 2;
};
BOOST_DESCRIBE_STRUCT(account_opened, (), (amount, currency))

struct money_deposited {
  money amount;
  std::string currency;
  static constexpr std::uint32_t event_version = 2;
};
BOOST_DESCRIBE_STRUCT(money_deposited, (), (amount, currency))

struct money_withdrawn {
  money amount;
  std::string currency;
  static constexpr std::uint32_t event_version = 2;
};
BOOST_DESCRIBE_STRUCT(money_withdrawn, (), (amount, currency))

using account_event = std::variant<account_opened, money_deposited, money_withdrawn>;

/// "$500", or "500 EUR".
[[nodiscard]] std::string amount_of(const account_event& what);

struct account {
  bool opened = false;
  money balance;
  std::string currency;
};
BOOST_DESCRIBE_STRUCT(account, (), (opened, balance, currency))

struct open_account {
  money amount;
  std::string currency = "USD";
};
struct deposit {
  money amount;
};
struct withdraw {
  money amount;
};

enum class rejection {
  account_exists,
  no_such_account,
  amount_not_positive,
  insufficient_balance,
  balance_too_large,
};
[[nodiscard]] std::string_view message(rejection why) noexcept;

/// The rules, as nori::command_handler wants them.
struct account_rules {
  using state = account;
  using command = std::variant<open_account, deposit, withdraw>;
  using event = account_event;
  using rejection = bank::rejection;

  static account initial() { return {}; }
  /// The account after one more event.
  static account evolve(account before, const account_event& what);
  /// What a command makes happen, or why it does not.
  static nori::decision<account_rules> decide(const account& now, const command& wanted);
};
using command = account_rules::command;

}  // namespace bank

#endif
