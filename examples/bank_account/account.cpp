#include "account.hpp"

#include <vector>

namespace bank {

namespace {

template <typename... Functions>
struct overloaded : Functions... {
  using Functions::operator()...;
};

}  // namespace

std::string amount_of(const account_event& what) {
  return std::visit([](const auto& e) { return to_string(e.amount, e.currency); }, what);
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

account account_rules::evolve(account before, const account_event& what) {
  // Nothing is refused here: it has happened. decide made sure that the sums fit.
  return std::visit(
      overloaded{[](const account_opened& e) { return account{true, e.amount, e.currency}; },
                 [&](const money_deposited& e) {
                   before.balance.cents += e.amount.cents;
                   return before;
                 },
                 [&](const money_withdrawn& e) {
                   before.balance.cents -= e.amount.cents;
                   return before;
                 }},
      what);
}

nori::decision<account_rules> account_rules::decide(const account& now, const command& wanted) {
  using decision = nori::decision<account_rules>;
  using events = std::vector<account_event>;
  return std::visit(overloaded{[&](const open_account& c) -> decision {
                                 if (now.opened) return rejection::account_exists;
                                 return events{account_opened{c.amount, c.currency}};
                               },
                               [&](const deposit& c) -> decision {
                                 if (!now.opened) return rejection::no_such_account;
                                 if (c.amount <= money{}) return rejection::amount_not_positive;
                                 if (!add(now.balance, c.amount))
                                   return rejection::balance_too_large;
                                 return events{money_deposited{c.amount, now.currency}};
                               },
                               [&](const withdraw& c) -> decision {
                                 if (!now.opened) return rejection::no_such_account;
                                 if (c.amount <= money{}) return rejection::amount_not_positive;
                                 if (c.amount > now.balance) return rejection::insufficient_balance;
                                 return events{money_withdrawn{c.amount, now.currency}};
                               }},
                    wanted);
}

}  // namespace bank
