#ifndef ACCOUNT_SERVER_COMMANDS_HPP
#define ACCOUNT_SERVER_COMMANDS_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nori/store/event_store.hpp>
#include <nori/store/state_cache.hpp>
#include <nori/store/turns.hpp>

#include "account.hpp"

namespace account_server {

namespace asio = boost::asio;

/// What a command did, now or, if it is repeated, then.
struct done {
  bool repeated = false;
  std::uint64_t position = 0;  ///< global, of its last event
  struct changed {
    std::string name;
    account now;
  };
  std::vector<changed> accounts;  ///< in the order in which the command names them
};
using outcome = std::variant<done, rejection, changed_meanwhile>;

/// Does commands, each exactly once for its key.
///
/// Every event carries a tag made of the key of its command, and is appended on the condition that
/// no event has that tag. So the log itself knows which commands were done, however long ago, and
/// however often the process was killed since; there is no table beside it that could disagree.
///
/// @par Thread safety
/// Safe to use from any thread. Commands to the same account wait for each other.
class commands {
 public:
  /// The store must outlive this, and this every call. Nobody else may append to it.
  explicit commands(nori::event_store& store) : store_(store) {}

  /// @par Durability
  /// What it gives is durable, as the store's policy is always.
  /// @throws what event_store::append and its readers throw. After errc::append_in_doubt the
  ///   command may have been done: repeat it with its key.
  [[nodiscard]] asio::awaitable<outcome> execute(command wanted);

 private:
  [[nodiscard]] asio::awaitable<account> load(std::string name);
  /// What the command did when it was done before; that its key is another command's; or nothing.
  [[nodiscard]] asio::awaitable<std::optional<outcome>> done_before(command wanted);

  // An account takes some 200 bytes here.
  static constexpr std::size_t accounts_cached_max = 65536;

  nori::event_store& store_;
  nori::store::state_cache<account> cache_{accounts_cached_max};
  nori::store::turns turns_;
};

}  // namespace account_server

#endif
