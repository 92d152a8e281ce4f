#ifndef ACCOUNT_SERVER_ACCOUNT_HPP
#define ACCOUNT_SERVER_ACCOUNT_HPP

#include <boost/describe/class.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nori/store/event.hpp>

// The rules of an account. No disk, no clock, no HTTP: what happened is an event, and a command is
// accepted or refused by looking at the accounts that it names.

namespace account_server {

// Minor units. A balance is never more than a JavaScript number holds exactly.
inline constexpr std::int64_t amount_max = 1'000'000'000'000;
inline constexpr std::int64_t balance_max = 9'007'199'254'740'991;

// Each event says what the balance is after it. So the last event of an account tells all of it,
// and a repeated command finds its first answer in the events that it left.
struct account_opened {
  std::int64_t balance = 0;
};
BOOST_DESCRIBE_STRUCT(account_opened, (), (balance))
struct deposited {
  std::int64_t amount = 0;
  std::int64_t balance = 0;
};
BOOST_DESCRIBE_STRUCT(deposited, (), (amount, balance))
struct withdrawn {
  std::int64_t amount = 0;
  std::int64_t balance = 0;
};
BOOST_DESCRIBE_STRUCT(withdrawn, (), (amount, balance))
struct transfer_sent {
  std::int64_t amount = 0;
  std::int64_t balance = 0;
  std::string other;
};
BOOST_DESCRIBE_STRUCT(transfer_sent, (), (amount, balance, other))
struct transfer_received {
  std::int64_t amount = 0;
  std::int64_t balance = 0;
  std::string other;
};
BOOST_DESCRIBE_STRUCT(transfer_received, (), (amount, balance, other))
struct account_closed {
  std::int64_t balance = 0;
};
BOOST_DESCRIBE_STRUCT(account_closed, (), (balance))

using account_event = std::variant<account_opened, deposited, withdrawn, transfer_sent,
                                   transfer_received, account_closed>;

enum class account_status : std::uint8_t { absent, open, closed };
[[nodiscard]] std::string_view name_of(account_status status) noexcept;

struct account {
  account_status status = account_status::absent;
  std::int64_t balance = 0;
  std::optional<std::uint64_t> revision;  ///< of its last event; none: absent
};

[[nodiscard]] account evolve(account before, const account_event& what);

enum class action : std::uint8_t { open, deposit, withdraw, transfer, close };

struct command {
  action what = action::open;
  std::string key;      ///< the client's name for it, for ever
  std::string account;  ///< of a transfer: who pays
  std::string other;    ///< of a transfer: who is paid
  std::int64_t amount = 0;
  std::optional<std::uint64_t> expected_revision;  ///< of `account`

  /// One line that tells it from every other command, the key apart.
  [[nodiscard]] std::string text() const;
};

/// What a command makes happen.
struct changes {
  account_event to_account;
  std::optional<account_event> to_other;
};
enum class reason : std::uint8_t {
  account_exists,
  no_such_account,
  account_closed,
  insufficient_balance,
  balance_too_large,
  balance_not_zero,
  same_account,
  key_reused,  ///< another command has that key
};
[[nodiscard]] std::string_view name_of(reason why) noexcept;
[[nodiscard]] std::string_view message(reason why) noexcept;

struct rejection {
  reason why = reason::no_such_account;
  std::string name;  ///< of the account that it is about
  account found;
};
/// The account is not at the revision that was expected.
struct changed_meanwhile {
  std::string name;
  std::optional<std::uint64_t> expected;
  account found;
};
using decision = std::variant<changes, rejection, changed_meanwhile>;

/// `other` is looked at by a transfer alone.
[[nodiscard]] decision decide(const command& wanted, const account& its, const account& other);

// Each account is a stream of its own; a tag finds the events of one account, another the events
// of one command.
[[nodiscard]] std::string stream_of(std::string_view account);
[[nodiscard]] std::string account_tag(std::string_view account);
[[nodiscard]] std::string key_tag(std::string_view key);
/// @throws errc::undecodable_event
[[nodiscard]] account_event event_of(const nori::recorded_event& stored);
/// The account that an event belongs to. A view into it.
[[nodiscard]] std::string_view account_of(const nori::recorded_event& stored);
/// As it was right after that event: nothing else needs to be read.
[[nodiscard]] account account_after(const nori::recorded_event& stored);

}  // namespace account_server

#endif
