#ifndef BANK_ACCOUNT_VERSION_1_HPP
#define BANK_ACCOUNT_VERSION_1_HPP

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

#include <nori/nori.hpp>

#include "money.hpp"

// Events as the first version of this program stored them: without a currency, as all accounts were
// in dollars. They stay as they are; whoever reads them sees today's.

namespace bank::version_1 {

/// Opens an account as the first version did.
/// @returns false where there is one.
[[nodiscard]] boost::asio::awaitable<bool> open_account(nori::event_store& store, std::string name,
                                                        money amount);

/// Turns events of version 1 into those of version 2.
[[nodiscard]] std::shared_ptr<const nori::upcasters> to_version_2();

}  // namespace bank::version_1

#endif
