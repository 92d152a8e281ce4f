#ifndef NORI_TEST_STORE_BANK_ACCOUNT_HPP
#define NORI_TEST_STORE_BANK_ACCOUNT_HPP

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nori/store/decider.hpp>
#include <nori/store/event.hpp>

namespace nori::bank {

struct opened {
  std::string owner;
  std::int64_t cents = 0;
  std::string currency;
  static constexpr std::string_view event_type = "account_opened";
  static constexpr std::uint32_t event_version = 2;
  friend bool operator==(const opened&, const opened&) = default;
};
BOOST_DESCRIBE_STRUCT(opened, (), (owner, cents, currency))

struct deposited {
  std::int64_t cents = 0;
  friend bool operator==(const deposited&, const deposited&) = default;
};
BOOST_DESCRIBE_STRUCT(deposited, (), (cents))

struct withdrawn {
  std::int64_t cents = 0;
  friend bool operator==(const withdrawn&, const withdrawn&) = default;
};
BOOST_DESCRIBE_STRUCT(withdrawn, (), (cents))

struct closed {
  friend bool operator==(const closed&, const closed&) = default;
};
BOOST_DESCRIBE_STRUCT(closed, (), ())

using event = std::variant<opened, deposited, withdrawn, closed>;

struct open {
  std::string owner;
  std::int64_t cents = 0;
  std::string currency = "USD";
};
struct deposit {
  std::int64_t cents = 0;
};
struct withdraw {
  std::int64_t cents = 0;
};
struct close {};
struct touch {};  // makes nothing happen
using command = std::variant<open, deposit, withdraw, close, touch>;

struct rejection {
  std::string why;
  friend bool operator==(const rejection&, const rejection&) = default;
  friend std::ostream& operator<<(std::ostream& out, const rejection& of) { return out << of.why; }
};

struct balance {
  bool is_open = false;
  bool is_closed = false;
  std::int64_t cents = 0;
  std::string currency;
  std::uint64_t events = 0;  // applied
  friend bool operator==(const balance&, const balance&) = default;
};
BOOST_DESCRIBE_STRUCT(balance, (), (is_open, is_closed, cents, currency, events))

struct account {
  using state = balance;
  using command = bank::command;
  using event = bank::event;
  using rejection = bank::rejection;

  static state initial() { return {}; }

  static state evolve(state before, const event& what) {
    ++before.events;
    if (const auto* o = std::get_if<opened>(&what)) {
      before.is_open = true;
      before.cents = o->cents;
      before.currency = o->currency;
    } else if (const auto* d = std::get_if<deposited>(&what)) {
      before.cents += d->cents;
    } else if (const auto* w = std::get_if<withdrawn>(&what)) {
      before.cents -= w->cents;
    } else {
      before.is_closed = true;
    }
    return before;
  }

  static decision<account> decide(const state& now, const command& wanted) {
    using events = std::vector<event>;
    if (const auto* o = std::get_if<open>(&wanted)) {
      if (now.is_open) return rejection{"Account exists already"};
      return events{opened{o->owner, o->cents, o->currency}};
    }
    if (std::holds_alternative<touch>(wanted)) return events{};
    if (!now.is_open || now.is_closed) return rejection{"No such account"};
    if (const auto* d = std::get_if<deposit>(&wanted)) return events{deposited{d->cents}};
    if (const auto* w = std::get_if<withdraw>(&wanted)) {
      if (w->cents > now.cents) return rejection{"Insufficient balance"};
      return events{withdrawn{w->cents}};
    }
    // What is left is paid out.
    if (now.cents == 0) return events{closed{}};
    return events{withdrawn{now.cents}, closed{}};
  }

  static bool is_final(const state& now) { return now.is_closed; }
};

}  // namespace nori::bank

#endif
