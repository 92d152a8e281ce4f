#ifndef BANK_ACCOUNT_DEMONSTRATION_HPP
#define BANK_ACCOUNT_DEMONSTRATION_HPP

#include <boost/asio/awaitable.hpp>

#include <filesystem>

namespace bank {

/// What `bank_account [DIRECTORY]` does: a bit of everything.
/// @returns false where a command was rejected.
[[nodiscard]] boost::asio::awaitable<bool> demonstrate(std::filesystem::path directory);

}  // namespace bank

#endif
