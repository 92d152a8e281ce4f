#ifndef BANK_ACCOUNT_BALANCES_HPP
#define BANK_ACCOUNT_BALANCES_HPP

#include <map>
#include <string>

#include <nori/nori.hpp>

#include "account.hpp"

namespace bank {

/// A view of the whole bank: all accounts, by name.
using balances = std::map<std::string, account>;

/// The view, which keeps up with the store while it runs, and is saved beside the events. The store
/// must outlive it.
[[nodiscard]] nori::projection<balances> project_balances(nori::event_store& store);

}  // namespace bank

#endif
