#include "demonstration.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "../alongside.hpp"
#include "balances.hpp"
#include "bank.hpp"
#include "live_events.hpp"
#include "version_1.hpp"

namespace bank {

namespace {

using namespace asio::experimental::awaitable_operators;

std::string counted(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string text_of(const account& which) {
  return which.opened ? to_string(which.balance, which.currency) : "no account yet";
}

asio::awaitable<bool> perform(accounts& on, std::string name, command wanted, std::string report) {
  const accounts::result performed = co_await on.handle(std::move(name), std::move(wanted));
  std::cout << (performed ? std::string_view(report) : message(performed.error())) << '\n';
  co_return performed.has_value();
}

// Commands: what they decide is stored.
asio::awaitable<bool> use_account(opened_bank& in, accounts& on) {
  // The first run plays the first version of this program, so that events of it are there.
  const bool opened = co_await version_1::open_account(in.store, "Alice", dollars(1000));
  const nori::handled<account> found = co_await on.load("Alice");
  std::cout << (opened ? "Opened Alice's account with " : "Alice has an account with ")
            << text_of(found.state) << '\n';
  const bool deposited = co_await perform(on, "Alice", deposit{dollars(500)}, "Deposited $500");
  const bool withdrew = co_await perform(on, "Alice", withdraw{dollars(200)}, "Withdrew $200");
  co_await in.store.sync();

  const nori::handled<account> alice = co_await on.load("Alice");
  std::cout << "Alice's balance: " << text_of(alice.state) << '\n';
  co_return deposited&& withdrew;
}

// Time travel: by event and by time.
asio::awaitable<void> look_back(opened_bank& in, accounts& on, nori::event_time began) {
  const std::uint64_t before_last = in.store.next_global_position() - 2;
  const nori::handled<account> then =
      co_await on.load_as_of("Alice", nori::as_of::position(before_last));
  std::cout << "Alice's balance as of event " << before_last << ": " << text_of(then.state) << '\n';
  const nori::handled<account> first = co_await on.load_as_of("Alice", nori::as_of::time(began));
  std::cout << "Alice's balance when this run began: " << text_of(first.state) << '\n';
}

asio::awaitable<void> work(opened_bank& in, nori::projection<balances>& all, nori::event_time began,
                           bool& accepted) {
  accounts on = in.handler();
  accepted = co_await use_account(in, on);
  co_await look_back(in, on, began);
  // The view keeps up by itself; wait until it has what was just stored.
  co_await all.wait_for(in.store.next_global_position() - 1);
  all.read([](const balances& now, std::optional<std::uint64_t>) {
    std::cout << "All balances:";
    for (const auto& [name, its] : now) std::cout << ' ' << name << ' ' << text_of(its);
    std::cout << '\n';
  });
}

asio::awaitable<bool> work_and_close(opened_bank& in, nori::event_time began) {
  nori::projection<balances> all = project_balances(in.store);
  bool accepted = false;
  // The projection runs until the work is done. Then it is cancelled, and saves its view.
  co_await alongside(all.run(), work(in, all, began, accepted));
  co_await in.store.close();
  co_return accepted;
}

// What Prometheus is given, without the lines for its buckets and the explanations.
void print_metrics(const nori::prometheus_exporter& metrics) {
  std::cout << "Metrics:\n";
  std::istringstream text(metrics.text());
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("#") || line.find("_bucket{") != line.npos) continue;
    std::cout << line << '\n';
  }
}

}  // namespace

asio::awaitable<bool> demonstrate(std::filesystem::path directory) {
  const nori::event_time began = std::chrono::system_clock::now();
  const std::unique_ptr<opened_bank> in = co_await open_bank(directory, nori::access::read_write);
  const nori::store_recovery_info& found = in->recovered;
  std::cout << "Opened the event store in " << directory.string() << ": recovered "
            << counted(found.events, "event") << " in " << counted(found.log.segments, "segment")
            << ", the next event id is " << found.next_global_position << '\n';

  std::optional<std::uint64_t> newest;
  if (found.next_global_position > 0) newest = found.next_global_position - 1;
  const bool accepted = co_await (work_and_close(*in, began) && print_live(in->store, newest));
  print_metrics(*in->metrics);
  co_return accepted;
}

}  // namespace bank
