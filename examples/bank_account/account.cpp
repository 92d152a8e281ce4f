#include "account.hpp"

#include <boost/json/value.hpp>

namespace bank {

namespace {

template <typename... Functions>
struct overloaded : Functions... {
  using Functions::operator()...;
};

std::optional<account> with_balance(std::optional<money> balance) {
  if (!balance) return std::nullopt;
  return account{true, *balance};
}

}  // namespace

std::optional<account> evolve(account before, const account_event& what) {
  // An account begins with account_opened, and has only one.
  if (before.opened == std::holds_alternative<account_opened>(what)) return std::nullopt;
  return std::visit(overloaded{[](const account_opened& e) { return with_balance(e.amount); },
                               [&](const money_deposited& e) {
                                 return with_balance(add(before.balance, e.amount));
                               },
                               [&](const money_withdrawn& e) -> std::optional<account> {
                                 if (e.amount > before.balance) return std::nullopt;
                                 return account{true, {before.balance.cents - e.amount.cents}};
                               }},
                    what);
}

std::string_view message(rejection why) noexcept {
  switch (why) {
    case rejection::account_exists:
      return "Account exists already";
    case rejection::no_such_account:
      return "No such account";
    case rejection::amount_not_positive:
      return "Amount must be more than $0";
    case rejection::insufficient_balance:
      return "Insufficient balance";
    case rejection::balance_too_large:
      return "Balance would become too large";
  }
  return "Rejected";
}

boost::system::result<account_event, rejection> decide(const account& now, const command& wanted) {
  using decision = boost::system::result<account_event, rejection>;
  return std::visit(overloaded{[&](const open_account& c) -> decision {
                                 if (now.opened) return rejection::account_exists;
                                 return account_event(account_opened{c.amount});
                               },
                               [&](const deposit& c) -> decision {
                                 if (!now.opened) return rejection::no_such_account;
                                 if (c.amount <= money{}) return rejection::amount_not_positive;
                                 if (!add(now.balance, c.amount))
                                   return rejection::balance_too_large;
                                 return account_event(money_deposited{c.amount});
                               },
                               [&](const withdraw& c) -> decision {
                                 if (!now.opened) return rejection::no_such_account;
                                 if (c.amount <= money{}) return rejection::amount_not_positive;
                                 if (c.amount > now.balance) return rejection::insufficient_balance;
                                 return account_event(money_withdrawn{c.amount});
                               }},
                    wanted);
}

std::string_view type_of(const account_event& what) noexcept {
  return std::visit([](const auto& e) { return e.type; }, what);
}

money amount_of(const account_event& what) noexcept {
  return std::visit([](const auto& e) { return e.amount; }, what);
}

boost::json::object to_json(const account_event& what) {
  return {{"cents", amount_of(what).cents}};
}

std::optional<account_event> from_json(std::string_view type, const boost::json::object& data) {
  const boost::json::value* const cents = data.if_contains("cents");
  if (cents == nullptr || !cents->is_int64() || cents->get_int64() < 0) return std::nullopt;
  const money amount{cents->get_int64()};
  if (type == account_opened::type) return account_opened{amount};
  if (type == money_deposited::type) return money_deposited{amount};
  if (type == money_withdrawn::type) return money_withdrawn{amount};
  return std::nullopt;
}

}  // namespace bank
