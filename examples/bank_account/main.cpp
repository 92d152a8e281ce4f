// A bank whose accounts are events in a write-ahead log. See usage_text, or run it.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bank.hpp"

namespace {

using namespace bank;

constexpr std::string_view usage_text =
    "usage: bank_account [DIRECTORY]\n"
    "           opens Alice's account, deposits and withdraws; every run goes on from the last\n"
    "       bank_account DIRECTORY open NAME AMOUNT\n"
    "       bank_account DIRECTORY deposit NAME AMOUNT\n"
    "       bank_account DIRECTORY withdraw NAME AMOUNT\n"
    "       bank_account DIRECTORY balance NAME\n"
    "       bank_account DIRECTORY events\n"
    "\n"
    "DIRECTORY holds the events (./event_store unless one is named); it is created where it is\n"
    "missing. AMOUNT is in dollars: 1200 or 1200.50. balance and events also work while another\n"
    "program has the directory open.\n"
    "\n"
    "Ends with 0, or 1 when the rules of the account reject a command (nothing is recorded then),\n"
    "2 when the command line is wrong, 3 when something failed.\n";

enum exit_code { done = 0, rejected = 1, bad_usage = 2, failed = 3 };

// Why the command line is wrong.
struct usage_error {
  std::string what;
};

struct arguments {
  std::filesystem::path directory = "./event_store";
  std::string action;  ///< empty: the demonstration
  std::string name;
  money amount;
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

arguments parse(const std::vector<std::string_view>& words) {
  arguments parsed;
  if (words.empty()) return parsed;
  if (words[0].empty()) throw usage_error{"DIRECTORY is empty"};
  if (words[0].starts_with("-")) throw usage_error{"no such option: " + std::string(words[0])};
  parsed.directory = words[0];
  if (words.size() == 1) return parsed;

  parsed.action = words[1];
  const bool has_amount =
      parsed.action == "open" || parsed.action == "deposit" || parsed.action == "withdraw";
  const bool has_name = has_amount || parsed.action == "balance";
  if (!has_name && parsed.action != "events") {
    throw usage_error{"no such command: " + parsed.action};
  }
  const std::size_t expected = 2u + (has_name ? 1 : 0) + (has_amount ? 1 : 0);
  if (words.size() != expected) {
    throw usage_error{parsed.action + " takes " +
                      (has_amount ? "NAME and AMOUNT"
                       : has_name ? "NAME"
                                  : "nothing more")};
  }
  if (has_name) parsed.name = parse_name(words[2]);
  if (has_amount) {
    const std::optional<money> amount = parse_money(words[3]);
    if (!amount) {
      throw usage_error{"AMOUNT is in dollars, like 1200 or 1200.50: " + std::string(words[3])};
    }
    parsed.amount = *amount;
  }
  return parsed;
}

std::string counted(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

asio::awaitable<exit_code> demonstrate(arguments given) {
  event_log events = co_await event_log::open(given.directory, nori::access::read_write);
  std::cout << "Opened the event store in " << given.directory.string() << ": recovered "
            << counted(events.next_id(), "event") << " in "
            << counted(events.recovered().segments, "segment") << ", the next event id is "
            << events.next_id() << '\n';

  accounts bank(events);
  const std::string name = "Alice";
  const auto opened = co_await bank.perform(name, open_account{dollars(1000)});
  if (opened) {
    std::cout << "Opened Alice's account with " << to_string(opened->balance) << '\n';
  } else {
    const account found = co_await bank.find(name);
    std::cout << "Alice has an account with " << to_string(found.balance) << '\n';
  }
  const std::vector<std::pair<command, std::string>> rest = {
      {deposit{dollars(500)}, "Deposited $500"}, {withdraw{dollars(200)}, "Withdrew $200"}};
  exit_code result = done;
  for (const auto& [wanted, report] : rest) {
    const auto performed = co_await bank.perform(name, wanted);
    if (!performed) result = rejected;
    std::cout << (performed ? std::string_view(report) : message(performed.error())) << '\n';
  }
  co_await events.sync();

  const account alice = co_await bank.find(name);
  std::cout << "Alice's balance: " << to_string(alice.balance) << '\n';
  co_await events.close();
  co_return result;
}

command command_of(const arguments& given) {
  if (given.action == "open") return open_account{given.amount};
  if (given.action == "deposit") return deposit{given.amount};
  return withdraw{given.amount};
}

asio::awaitable<exit_code> change(arguments given) {
  event_log events = co_await event_log::open(given.directory, nori::access::read_write);
  accounts bank(events);
  const command wanted = command_of(given);
  const auto performed = co_await bank.perform(given.name, wanted);
  // Nobody is told of what a power cut could still take back.
  co_await events.sync();
  if (performed) {
    std::cout << given.name << "'s balance: " << to_string(performed->balance) << std::endl;
  } else {
    std::cout << message(performed.error()) << std::endl;
  }
  co_await events.close();
  co_return performed ? done : rejected;
}

asio::awaitable<exit_code> show_balance(arguments given) {
  event_log events = co_await event_log::open(given.directory, nori::access::read_only);
  accounts bank(events);
  const account found = co_await bank.find(given.name);
  if (found.opened) {
    std::cout << given.name << "'s balance: " << to_string(found.balance) << '\n';
  } else {
    std::cout << message(rejection::no_such_account) << '\n';
  }
  co_await events.close();
  co_return found.opened ? done : rejected;
}

asio::awaitable<exit_code> show_events(arguments given) {
  event_log events = co_await event_log::open(given.directory, nori::access::read_only);
  event_reader reader = events.read_all();
  while (const std::optional<event> each = co_await reader.next()) {
    std::cout << each->id << ' ' << each->type << ' ' << each->account << ' '
              << to_string(amount_of(account_event_of(*each))) << '\n';
  }
  co_await events.close();
  co_return done;
}

asio::awaitable<exit_code> run(arguments given) {
  if (given.action.empty()) return demonstrate(std::move(given));
  if (given.action == "balance") return show_balance(std::move(given));
  if (given.action == "events") return show_events(std::move(given));
  return change(std::move(given));
}

std::string explain(const boost::system::system_error& error, const arguments& given) {
  const std::string directory = given.directory.string();
  if (error.code() == nori::errc::locked) {
    return directory + " is locked: another program has it open; try again when it has ended";
  }
  if (error.code() == nori::errc::corruption) {
    return "the events in " + directory + " are damaged; nothing was changed: " + error.what();
  }
  return error.what();
}

}  // namespace

int main(int argc, char* argv[]) {
  const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
  if (words.size() == 1 && (words[0] == "--help" || words[0] == "-h")) {
    std::cout << usage_text;
    return std::cout.flush() ? done : failed;
  }
  arguments given;
  try {
    given = parse(words);
    asio::io_context context;
    exit_code result = failed;
    asio::co_spawn(context, run(given), [&](std::exception_ptr error, exit_code value) {
      if (error) std::rethrow_exception(error);
      result = value;
    });
    context.run();
    if (!std::cout.flush()) throw std::runtime_error("standard output can't be written to");
    return result;
  } catch (const usage_error& error) {
    std::cerr << "bank_account: " << error.what << "\nbank_account --help says more\n";
    return bad_usage;
  } catch (const boost::system::system_error& error) {
    std::cerr << "bank_account: " << explain(error, given) << '\n';
    return failed;
  } catch (const std::exception& error) {
    std::cerr << "bank_account: " << error.what() << '\n';
    return failed;
  }
}
