#ifndef BANK_ACCOUNT_ACCOUNT_HPP
#define BANK_ACCOUNT_ACCOUNT_HPP

#include <boost/json/object.hpp>
#include <boost/system/result.hpp>

#include <optional>
#include <string_view>
#include <variant>

#include "money.hpp"

// The rules of a bank account. No disk, no clock: what happened is an event, an account is what its
// events add up to, and a command is accepted or rejected by looking at the account.

namespace bank {

struct account_opened {
  money amount;
  static constexpr std::string_view type = "account_opened";
};
struct money_deposited {
  money amount;
  static constexpr std::string_view type = "money_deposited";
};
struct money_withdrawn {
  money amount;
  static constexpr std::string_view type = "money_withdrawn";
};
using account_event = std::variant<account_opened, money_deposited, money_withdrawn>;

struct account {
  bool opened = false;
  money balance;
};

/// The account after one more event. Nothing where no account can have such an event next.
[[nodiscard]] std::optional<account> evolve(account before, const account_event& what);

struct open_account {
  money amount;
};
struct deposit {
  money amount;
};
struct withdraw {
  money amount;
};
using command = std::variant<open_account, deposit, withdraw>;

enum class rejection {
  account_exists,
  no_such_account,
  amount_not_positive,
  insufficient_balance,
  balance_too_large,
};
[[nodiscard]] std::string_view message(rejection why) noexcept;

/// What a command makes happen, or why it does not.
[[nodiscard]] boost::system::result<account_event, rejection> decide(const account& now,
                                                                     const command& wanted);

[[nodiscard]] std::string_view type_of(const account_event& what) noexcept;
[[nodiscard]] money amount_of(const account_event& what) noexcept;

/// The event as JSON, and back: nothing where the type is unknown or the data is not what it has.
[[nodiscard]] boost::json::object to_json(const account_event& what);
[[nodiscard]] std::optional<account_event> from_json(std::string_view type,
                                                     const boost::json::object& data);

}  // namespace bank

#endif
