#ifndef BANK_ACCOUNT_MONEY_HPP
#define BANK_ACCOUNT_MONEY_HPP

#include <boost/describe/class.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace bank {

/// An amount in whole cents: fractions of a dollar do not add up exactly as floating point. Of
/// which currency, whoever has it knows.
struct money {
  std::int64_t cents = 0;

  friend constexpr auto operator<=>(const money&, const money&) = default;
};
BOOST_DESCRIBE_STRUCT(money, (), (cents))

constexpr money dollars(std::int64_t count) noexcept { return {count * 100}; }

/// Nothing where the sum is too large. Neither side is negative.
constexpr std::optional<money> add(money a, money b) noexcept {
  if (a.cents > std::numeric_limits<std::int64_t>::max() - b.cents) return std::nullopt;
  return money{a.cents + b.cents};
}

/// "1200", "1200.5" or "1200.50", without sign. Nothing for anything else.
inline std::optional<money> parse_money(std::string_view text) noexcept {
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::int64_t cents = 0;
  const auto take_digits = [&cents](std::string_view digits) {
    for (const char digit : digits) {
      if (digit < '0' || digit > '9') return false;
      if (cents > (std::numeric_limits<std::int64_t>::max() - (digit - '0')) / 10) return false;
      cents = cents * 10 + (digit - '0');
    }
    return true;
  };
  std::string_view fraction = "00";
  if (point != std::string_view::npos) fraction = text.substr(point + 1);
  if (whole.empty() || fraction.empty() || fraction.size() > 2) return std::nullopt;
  if (!take_digits(whole) || !take_digits(fraction)) return std::nullopt;
  if (fraction.size() == 1 && !take_digits("0")) return std::nullopt;
  return money{cents};
}

/// "$1300", "$1299.50" where there are cents, and "1300 EUR" in another currency.
inline std::string to_string(money amount, std::string_view currency) {
  std::string text = std::to_string(amount.cents / 100);
  if (const std::int64_t cents = amount.cents % 100; cents != 0) {
    text += cents < 10 ? ".0" : ".";
    text += std::to_string(cents);
  }
  if (currency == "USD") return "$" + text;
  return text + " " + std::string(currency);
}

}  // namespace bank

#endif
