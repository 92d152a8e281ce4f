#include "command_line.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace bank {

const std::string_view usage_text =
    "usage: bank_account [DIRECTORY]\n"
    "           opens Alice's account, deposits and withdraws; every run goes on from the last\n"
    "       bank_account DIRECTORY open NAME AMOUNT [CURRENCY]\n"
    "       bank_account DIRECTORY deposit NAME AMOUNT\n"
    "       bank_account DIRECTORY withdraw NAME AMOUNT\n"
    "       bank_account DIRECTORY balance NAME [WHEN]\n"
    "       bank_account DIRECTORY balances\n"
    "       bank_account DIRECTORY events\n"
    "       bank_account DIRECTORY stored\n"
    "\n"
    "DIRECTORY holds the events (./event_store unless one is named); it is created where it is\n"
    "missing. AMOUNT is in dollars, or in the account's CURRENCY: 1200 or 1200.50. WHEN is an "
    "event\n"
    "of the past, by its id, or a time, like date +@%s.%N prints it. events shows the events as "
    "they\n"
    "are read, stored as they were stored. Only open, deposit, withdraw and the demonstration "
    "need\n"
    "the directory for themselves.\n"
    "\n"
    "Ends with 0, or 1 when the rules of the account reject a command (nothing is recorded then),\n"
    "2 when the command line is wrong, 3 when something failed.\n";

namespace {

// What a command line is made of behind the directory.
struct grammar {
  std::string_view action;
  std::size_t words_min;
  std::size_t words_max;
  std::string_view takes;
};
constexpr grammar actions[] = {
    {"open", 2, 3, "NAME and AMOUNT, and perhaps CURRENCY"},
    {"deposit", 2, 2, "NAME and AMOUNT"},
    {"withdraw", 2, 2, "NAME and AMOUNT"},
    {"balance", 1, 2, "NAME, and perhaps WHEN"},
    {"balances", 0, 0, "nothing more"},
    {"events", 0, 0, "nothing more"},
    {"stored", 0, 0, "nothing more"},
};

std::string parse_name(std::string_view text) {
  constexpr std::size_t name_bytes_max = 100;
  const bool printable = std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (text.empty() || text.size() > name_bytes_max || !printable) {
    throw usage_error{"NAME is 1 to 100 bytes without control characters"};
  }
  return std::string(text);
}

money parse_amount(std::string_view text) {
  const std::optional<money> amount = parse_money(text);
  if (!amount) {
    throw usage_error{"AMOUNT is in dollars, like 1200 or 1200.50: " + std::string(text)};
  }
  return *amount;
}

std::string parse_currency(std::string_view text) {
  const bool letters =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (text.size() != 3 || !letters) {
    throw usage_error{"CURRENCY is three capital letters, like EUR: " + std::string(text)};
  }
  return std::string(text);
}

// Nothing unless the whole text is a number.
std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return count;
}

nori::as_of parse_when(std::string_view text) {
  if (const std::optional<std::uint64_t> id = parse_count(text)) return nori::as_of::position(*id);
  // Seconds since 1970, and perhaps nine digits behind the point.
  if (text.starts_with("@")) {
    const std::size_t point = std::min(text.find('.'), text.size());
    const std::optional<std::uint64_t> seconds = parse_count(text.substr(1, point - 1));
    std::optional<std::uint64_t> ns = 0;
    if (point < text.size()) {
      ns = text.size() - point == 10 ? parse_count(text.substr(point + 1)) : std::nullopt;
    }
    if (seconds && ns && *seconds < 9'000'000'000) {
      return nori::as_of::time(
          nori::event_time(std::chrono::seconds(*seconds) + std::chrono::nanoseconds(*ns)));
    }
  }
  throw usage_error{"WHEN is the id of an event, like 12, or a time, like @1700000000: " +
                    std::string(text)};
}

}  // namespace

arguments parse(const std::vector<std::string_view>& words) {
  arguments parsed;
  if (words.empty()) return parsed;
  if (words[0].empty()) throw usage_error{"DIRECTORY is empty"};
  if (words[0].starts_with("-")) throw usage_error{"no such option: " + std::string(words[0])};
  parsed.directory = words[0];
  if (words.size() == 1) return parsed;

  parsed.action = words[1];
  const auto* const found =
      std::find_if(std::begin(actions), std::end(actions),
                   [&](const grammar& each) { return each.action == words[1]; });
  if (found == std::end(actions)) throw usage_error{"no such command: " + parsed.action};
  const std::size_t count = words.size() - 2;
  if (count < found->words_min || count > found->words_max) {
    throw usage_error{parsed.action + " takes " + std::string(found->takes)};
  }
  if (count > 0) parsed.name = parse_name(words[2]);
  if (parsed.action == "balance") {
    if (count > 1) parsed.when = parse_when(words[3]);
  } else {
    if (count > 1) parsed.amount = parse_amount(words[3]);
    if (count > 2) parsed.currency = parse_currency(words[4]);
  }
  return parsed;
}

}  // namespace bank
