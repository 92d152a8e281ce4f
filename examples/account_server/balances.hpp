#ifndef ACCOUNT_SERVER_BALANCES_HPP
#define ACCOUNT_SERVER_BALANCES_HPP

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include <nori/store/event_store.hpp>
#include <nori/store/projection.hpp>

#include "account.hpp"

namespace account_server {

/// All accounts by name: what no single stream knows.
struct balances {
  std::map<std::string, account, std::less<>> accounts;
  std::uint64_t total = 0;  ///< of all balances
};

/// Follows the events and is saved now and then; see nori::projection.
[[nodiscard]] nori::projection<balances> project_balances(nori::event_store& store);

}  // namespace account_server

#endif
