#include "account.hpp"

#include <algorithm>

#include <nori/store/codec.hpp>
#include <nori/store/json_codec.hpp>

namespace account_server {

namespace {

constexpr std::string_view stream_prefix = "account-";

template <typename... Functions>
struct overloaded : Functions... {
  using Functions::operator()...;
};

std::optional<reason> not_open(const account& its) {
  if (its.status == account_status::absent) return reason::no_such_account;
  if (its.status == account_status::closed) return reason::account_closed;
  return std::nullopt;
}

}  // namespace

std::string_view name_of(account_status status) noexcept {
  switch (status) {
    case account_status::absent:
      return "absent";
    case account_status::open:
      return "open";
    case account_status::closed:
      return "closed";
  }
  return "absent";
}

account evolve(account before, const account_event& what) {
  before.balance = std::visit([](const auto& e) { return e.balance; }, what);
  before.status =
      std::holds_alternative<account_closed>(what) ? account_status::closed : account_status::open;
  before.revision = before.revision ? *before.revision + 1 : 0;
  return before;
}

std::string command::text() const {
  std::string line;
  switch (what) {
    case action::open:
      line = "open " + account;
      break;
    case action::deposit:
      line = "deposit " + account + ' ' + std::to_string(amount);
      break;
    case action::withdraw:
      line = "withdraw " + account + ' ' + std::to_string(amount);
      break;
    case action::transfer:
      line = "transfer " + account + ' ' + other + ' ' + std::to_string(amount);
      break;
    case action::close:
      line = "close " + account;
      break;
  }
  if (expected_revision) line += " at " + std::to_string(*expected_revision);
  return line;
}

std::string_view name_of(reason why) noexcept {
  switch (why) {
    case reason::account_exists:
      return "account_exists";
    case reason::no_such_account:
      return "no_such_account";
    case reason::account_closed:
      return "account_closed";
    case reason::insufficient_balance:
      return "insufficient_balance";
    case reason::balance_too_large:
      return "balance_too_large";
    case reason::balance_not_zero:
      return "balance_not_zero";
    case reason::same_account:
      return "same_account";
    case reason::key_reused:
      return "key_reused";
  }
  return "rejected";
}

std::string_view message(reason why) noexcept {
  switch (why) {
    case reason::account_exists:
      return "There is an account of that name";
    case reason::no_such_account:
      return "There is no account of that name";
    case reason::account_closed:
      return "The account was closed";
    case reason::insufficient_balance:
      return "The balance is less than that";
    case reason::balance_too_large:
      return "The balance would become too large";
    case reason::balance_not_zero:
      return "Only an account whose balance is 0 can be closed";
    case reason::same_account:
      return "A transfer is between two accounts";
    case reason::key_reused:
      return "Another command has had this Idempotency-Key";
  }
  return "Rejected";
}

decision decide(const command& wanted, const account& its, const account& other) {
  const auto refuse = [&](reason why) { return rejection{why, wanted.account, its}; };
  if (wanted.what == action::open) {
    if (its.status == account_status::closed) return refuse(reason::account_closed);
    if (its.status == account_status::open) return refuse(reason::account_exists);
    return changes{account_opened{}, {}};
  }
  if (wanted.what == action::transfer && wanted.account == wanted.other) {
    return refuse(reason::same_account);
  }
  if (wanted.expected_revision && its.revision != wanted.expected_revision) {
    return changed_meanwhile{wanted.account, wanted.expected_revision, its};
  }
  if (const std::optional<reason> why = not_open(its)) return refuse(*why);
  switch (wanted.what) {
    case action::open:
      break;
    case action::deposit:
      if (wanted.amount > balance_max - its.balance) return refuse(reason::balance_too_large);
      return changes{deposited{wanted.amount, its.balance + wanted.amount}, {}};
    case action::withdraw:
      if (wanted.amount > its.balance) return refuse(reason::insufficient_balance);
      return changes{withdrawn{wanted.amount, its.balance - wanted.amount}, {}};
    case action::transfer: {
      const auto refuse_other = [&](reason why) { return rejection{why, wanted.other, other}; };
      if (const std::optional<reason> why = not_open(other)) return refuse_other(*why);
      if (wanted.amount > its.balance) return refuse(reason::insufficient_balance);
      if (wanted.amount > balance_max - other.balance) {
        return refuse_other(reason::balance_too_large);
      }
      return changes{
          transfer_sent{wanted.amount, its.balance - wanted.amount, wanted.other},
          transfer_received{wanted.amount, other.balance + wanted.amount, wanted.account}};
    }
    case action::close:
      if (its.balance != 0) return refuse(reason::balance_not_zero);
      return changes{account_closed{}, {}};
  }
  return refuse(reason::no_such_account);
}

std::string stream_of(std::string_view account) {
  return std::string(stream_prefix) + std::string(account);
}
std::string account_tag(std::string_view account) { return "account:" + std::string(account); }
std::string key_tag(std::string_view key) { return "key:" + std::string(key); }

account_event event_of(const nori::recorded_event& stored) {
  return nori::decode<account_event>(nori::json_codec(), stored);
}

std::string_view account_of(const nori::recorded_event& stored) {
  return stored.stream.substr(std::min(stream_prefix.size(), stored.stream.size()));
}

account account_after(const nori::recorded_event& stored) {
  account then = evolve({}, event_of(stored));
  then.revision = stored.revision;
  return then;
}

}  // namespace account_server
