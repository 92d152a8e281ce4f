// A bank whose accounts are events in a store. See usage_text in command_line.cpp, or run it.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "balances.hpp"
#include "bank.hpp"
#include "command_line.hpp"
#include "demonstration.hpp"
#include "live_events.hpp"

namespace {

using namespace bank;

enum exit_code { done = 0, rejected = 1, bad_usage = 2, failed = 3 };

command command_of(const arguments& given) {
  if (given.action == "open") return open_account{given.amount, given.currency};
  if (given.action == "deposit") return deposit{given.amount};
  return withdraw{given.amount};
}

asio::awaitable<exit_code> change(arguments given) {
  const auto in = co_await open_bank(given.directory, nori::access::read_write);
  accounts on = in->handler();
  const accounts::result performed = co_await on.handle(given.name, command_of(given));
  // Nobody is told of what a power cut could still take back.
  co_await in->store.sync();
  if (performed) {
    const account& now = performed->state;
    std::cout << given.name << "'s balance: " << to_string(now.balance, now.currency) << std::endl;
  } else {
    std::cout << message(performed.error()) << std::endl;
  }
  co_await in->store.close();
  co_return performed ? done : rejected;
}

asio::awaitable<exit_code> show_balance(arguments given) {
  const auto in = co_await open_bank(given.directory, nori::access::read_only);
  accounts on = in->handler();
  nori::handled<account> found;
  if (given.when) {
    found = co_await on.load_as_of(given.name, *given.when);
  } else {
    found = co_await on.load(given.name);
  }
  const account& then = found.state;
  if (then.opened) {
    std::cout << given.name << "'s balance: " << to_string(then.balance, then.currency) << '\n';
  } else {
    std::cout << message(rejection::no_such_account) << '\n';
  }
  co_await in->store.close();
  co_return then.opened ? done : rejected;
}

asio::awaitable<exit_code> show_balances(arguments given) {
  const auto in = co_await open_bank(given.directory, nori::access::read_only);
  const nori::projection<balances> view = project_balances(in->store);
  balances all;
  if (const std::uint64_t next = in->store.next_global_position(); next > 0) {
    all = co_await view.as_of(next - 1);
  }
  for (const auto& [name, its] : all) {
    std::cout << name << ": " << to_string(its.balance, its.currency) << '\n';
  }
  co_await in->store.close();
  co_return done;
}

asio::awaitable<exit_code> show_events(arguments given) {
  const auto in = co_await open_bank(given.directory, nori::access::read_only);
  nori::event_reader events = in->store.read_all();
  while (const auto each = co_await events.next()) {
    if (given.action == "events") {
      std::cout << line_of(*each) << '\n';
    } else {
      std::cout << each->global_position << ' ' << each->stream << '/' << each->revision << ' '
                << each->type << " version " << each->version << ' ' << each->data << '\n';
    }
  }
  co_await in->store.close();
  co_return done;
}

asio::awaitable<exit_code> show_demonstration(arguments given) {
  const bool accepted = co_await demonstrate(given.directory);
  co_return accepted ? done : rejected;
}

asio::awaitable<exit_code> run(arguments given) {
  if (given.action.empty()) return show_demonstration(std::move(given));
  if (given.action == "balance") return show_balance(std::move(given));
  if (given.action == "balances") return show_balances(std::move(given));
  if (given.action == "events" || given.action == "stored") return show_events(std::move(given));
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
