#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "bank_test.hpp"
#include "support/random_source.hpp"

// A server that is killed under load, and clients that repeat with its key what was not answered.

using namespace nori::server_test;

namespace {

constexpr int clients = 8;
constexpr int accounts = 5;

std::string account(std::size_t i) { return "a" + std::to_string(i); }

/// A client with commands of its own, one after the other; all but the last of them answered.
struct client {
  int number = 0;
  int next = 0;  ///< the first command without an answer
  struct answered {
    std::string key;
    boost::json::value accounts;
    std::int64_t position;
  };
  std::vector<answered> answers;

  /// The n-th command: a deposit of 1 or a transfer of 1.
  [[nodiscard]] call command(const server& at) const {
    const std::string key = "c" + std::to_string(number) + '.' + std::to_string(next);
    const auto i = static_cast<std::size_t>(number + next);
    if (next % 3 == 0) {
      return at.command("/transfers",
                        R"({"from":")" + account(i % accounts) + R"(","to":")" +
                            account((i + 1) % accounts) + R"(","amount":1})",
                        key);
    }
    return at.command("/accounts/" + account(i % accounts) + "/deposit", R"({"amount":1})", key);
  }

  /// Until the server is gone, or `end` commands are answered.
  void run(const server& at, int end) {
    try {
      wire to = at.connect();
      while (next < end) {
        const call what = command(at);
        to.send(what.text());
        const reply got = to.read_reply();
        if (got.status != 200) throw std::runtime_error(got.body);
        answers.push_back({what.headers.at("Idempotency-Key"), got.at("/accounts"),
                           got.at("/position").as_int64()});
        ++next;
      }
    } catch (const hung_up&) {
    } catch (const std::system_error&) {
      // It can't be connected to any more.
    }
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(account_server_kills)

BOOST_FIXTURE_TEST_CASE(every_answered_command_is_there_once_however_often_the_server_is_killed,
                        bank) {
  nori::test::random_source random;
  std::vector<client> all(clients);
  for (int i = 0; i < clients; ++i) all[static_cast<std::size_t>(i)].number = i;
  {
    server at(dir());
    for (std::size_t i = 0; i < accounts; ++i) open(at, account(i), 1'000'000);
  }
  const std::size_t kills = nori::test::scaled(8);
  constexpr int unbounded = 1'000'000;
  for (std::size_t round = 0; round <= kills; ++round) {
    const bool last = round == kills;
    server at(dir(), {"--threads", random.below(2) == 0 ? "1" : "2"});
    std::vector<std::thread> threads;
    for (client& each : all) {
      // In the last round each does what was not answered, and a few more.
      const int end = last ? each.next + 3 : unbounded;
      threads.emplace_back([&each, &at, end] { each.run(at, end); });
    }
    if (!last) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.below(150)));
      at.signal(SIGKILL);
    }
    for (std::thread& each : threads) each.join();
    if (!last) BOOST_TEST(at.wait() == -SIGKILL);
  }

  // The events of every account say which commands were done: each one that was answered, at the
  // place and with the balance that its answer said, and nothing else.
  server at(dir());
  std::size_t commands = 0;
  std::int64_t deposited = 0;
  for (const client& each : all) {
    BOOST_TEST(each.next > 0);
    BOOST_TEST(each.answers.size() == static_cast<std::size_t>(each.next));
    commands += each.answers.size();
    for (int n = 0; n < each.next; ++n) deposited += n % 3 == 0 ? 0 : 1;
    // A sample of them: what the same command is told now.
    client again = each;
    for (again.next = static_cast<int>(random.below(7)); again.next < each.next; again.next += 7) {
      const reply got = at.ask(again.command(at));
      const client::answered& first = each.answers[static_cast<std::size_t>(again.next)];
      BOOST_TEST(got.at("/repeated").as_bool());
      BOOST_TEST(got.at("/position").as_int64() == first.position);
      BOOST_TEST(got.at("/accounts") == first.accounts);
    }
  }
  std::vector<std::int64_t> positions;
  for (const client& each : all) {
    for (const client::answered& answer : each.answers) positions.push_back(answer.position);
  }
  std::sort(positions.begin(), positions.end());
  BOOST_TEST((std::adjacent_find(positions.begin(), positions.end()) == positions.end()));
  const reply balances = at.get("/balances?at_least=" + std::to_string(positions.back()));
  BOOST_TEST(balances.at("/total").as_int64() == accounts * 1'000'000 + deposited);
  // Each transfer left two events, each deposit one.
  const std::int64_t events = at.get("/stats").at("/next_position").as_int64();
  const auto transfers = static_cast<std::int64_t>(commands) - deposited;
  BOOST_TEST(events == 2 * accounts + deposited + 2 * transfers);
  BOOST_TEST_MESSAGE(commands << " commands, " << kills << " kills");
}

BOOST_AUTO_TEST_SUITE_END()
