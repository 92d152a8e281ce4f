// Events in a store, the view of them in SQLite: see balances_table.hpp, or run it.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <nori/nori.hpp>
#include <nori/store/json_codec.hpp>

#include "balances_table.hpp"

namespace {

namespace asio = boost::asio;

constexpr const char* usage_text =
    "usage: sqlite_projection STORE append COUNT SEED    appends deposits, at random\n"
    "       sqlite_projection STORE project DATABASE     projects until it is killed\n"
    "       sqlite_projection STORE catch_up DATABASE    projects what is there\n"
    "       sqlite_projection STORE totals DATABASE      what the database has\n"
    "       sqlite_projection STORE totals               what the events add up to\n"
    "All but append may run while another process appends.\n";

nori::store_config options_of(std::string directory, nori::access access) {
  nori::store_config options(std::move(directory));
  options.log.access = access;
  options.log.fsync = nori::fsync_policy::always();
  options.log.segment_bytes_max = std::uint64_t{1} << 20;
  options.log.buffer_bytes_max = std::size_t{256} << 10;
  return options;
}

asio::awaitable<void> append(std::string directory, unsigned long count, unsigned long seed) {
  const nori::store_config options = options_of(directory, nori::access::read_write);
  auto [store, recovered] = co_await nori::event_store::open(options);
  std::mt19937_64 random(seed);
  for (unsigned long done = 0; done < count;) {
    const std::string account = "account-" + std::to_string(random() % 20);
    std::vector<nori::event> events;
    for (unsigned long i = random() % 4 + 1; i > 0 && done < count; --i, ++done) {
      const auto cents = static_cast<std::int64_t>(random() % 10000);
      events.push_back(nori::encode(nori::json_codec(), deposited{account, cents}));
    }
    (co_await store.append(account, nori::expected_revision::any(), events)).value();
  }
  co_await store.close();
}

// Adds what is there now. SQLite blocks the thread: a service that has other things to do runs
// this on a thread of its own.
asio::awaitable<void> catch_up(std::string directory, balances_table& table) {
  const nori::store_config options = options_of(directory, nori::access::read_only);
  auto [store, recovered] = co_await nori::event_store::open(options);
  const std::optional<std::uint64_t> through = table.through();
  // A view of another store, or of one that was replaced by an old copy, would stay wrong.
  if (through && *through >= store.next_global_position()) {
    throw std::runtime_error("the database has events that the store does not have: remove it");
  }
  nori::subscribe_options how;
  how.after = through;
  how.batch_events_max = 16;  // one transaction; larger ones are faster
  nori::subscription events = store.subscribe(how);
  for (bool caught_up = false; !caught_up;) {
    const nori::event_batch batch = co_await events.next_batch();
    table.add(batch.events);
    if (!batch.events.empty()) std::cout << "has event " << *batch.through << std::endl;
    caught_up = batch.caught_up;
  }
  co_await store.close();
}

asio::awaitable<void> project(std::string directory, std::string file) {
  balances_table table(file);
  asio::steady_timer pause(co_await asio::this_coro::executor);
  for (;;) {
    // A store that is open for reading shows what was there when it was opened.
    co_await catch_up(directory, table);
    pause.expires_after(std::chrono::milliseconds(5));
    co_await pause.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> project_once(std::string directory, std::string file) {
  balances_table table(file);
  co_await catch_up(directory, table);
}

asio::awaitable<void> print_totals(std::string directory) {
  const nori::store_config options = options_of(directory, nori::access::read_only);
  auto [store, recovered] = co_await nori::event_store::open(options);
  std::map<std::string, total> all;
  nori::event_reader events = store.read_all();
  while (const auto each = co_await events.next()) {
    const auto what = nori::decode<deposited>(nori::json_codec(), *each);
    all[what.account].cents += what.cents;
    all[what.account].events += 1;
  }
  for (const auto& [account, its] : all) {
    std::cout << account << ' ' << its.cents << " cents in " << its.events << " events\n";
  }
  co_await store.close();
}

void print_table(const std::string& file) {
  for (const auto& [account, its] : balances_table(file).totals()) {
    std::cout << account << ' ' << its.cents << " cents in " << its.events << " events\n";
  }
}

void run(asio::io_context& context, asio::awaitable<void> work) {
  asio::co_spawn(context, std::move(work), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  context.run();
}

}  // namespace

int main(int argc, char* argv[]) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string action = words.size() > 1 ? words[1] : "";
  try {
    asio::io_context context;
    if (action == "append" && words.size() == 4) {
      run(context, append(words[0], std::stoul(words[2]), std::stoul(words[3])));
    } else if (action == "project" && words.size() == 3) {
      run(context, project(words[0], words[2]));
    } else if (action == "catch_up" && words.size() == 3) {
      run(context, project_once(words[0], words[2]));
    } else if (action == "totals" && words.size() == 3) {
      print_table(words[2]);
    } else if (action == "totals" && words.size() == 2) {
      run(context, print_totals(words[0]));
    } else {
      std::cerr << usage_text;
      return 2;
    }
    return std::cout.flush() ? 0 : 3;
  } catch (const std::exception& error) {
    std::cerr << "sqlite_projection: " << error.what() << '\n';
    return 3;
  }
}
