#include <chrono>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bank_test.hpp"
#include "description.hpp"
#include "support/files.hpp"
#include "support/sanitized.hpp"

// GET /events: what its readers see, whatever happens to them and to the server.

using namespace nori::server_test;

namespace {

/// The next event; what else is in the stream is passed over.
sse_message next_event(wire& from) {
  for (;;) {
    sse_message got = from.read_message();
    if (!got.event.empty() && got.event != "caught_up") return got;
  }
}

sse_message next_caught_up(wire& from) {
  for (;;) {
    sse_message got = from.read_message();
    if (got.event == "caught_up") return got;
  }
}

void deposit(server& at, const std::string& name, int count, const std::string& key) {
  wire to = at.connect();
  for (int i = 0; i < count; ++i) {
    to.send(at.command("/accounts/" + name + "/deposit", R"({"amount":1})",
                       key + '.' + std::to_string(i))
                .text());
    // Boost.Test is for one thread.
    if (to.read_reply().status != 200) throw std::runtime_error("a deposit was refused");
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(account_server_events)

BOOST_FIXTURE_TEST_CASE(events_come_as_they_are_described, bank) {
  server at(dir());
  const auto description = at.get("/openapi.json").json();
  wire events = at.subscribe();
  const sse_message nothing = next_caught_up(events);
  BOOST_TEST(nothing.id == "");
  BOOST_TEST(nothing.data == R"({"position":null})");
  open(at, "ann", 100);
  open(at, "bob");
  BOOST_TEST(at.post("/accounts/ann/withdraw", R"({"amount":40})", "w").status == 200);
  BOOST_TEST(at.post("/transfers", R"({"from":"ann","to":"bob","amount":60})", "t").status == 200);
  BOOST_TEST(at.post("/accounts/ann/close", "{}", "c").status == 200);
  const std::vector<std::string> types{"account_opened", "deposited",     "account_opened",
                                       "withdrawn",      "transfer_sent", "transfer_received",
                                       "account_closed"};
  const auto& schema = description.at_pointer("/components/schemas/Event");
  for (std::size_t i = 0; i < types.size(); ++i) {
    const sse_message got = next_event(events);
    BOOST_TEST(got.id == std::to_string(i));
    BOOST_TEST(got.event == types[i]);
    const auto data = boost::json::parse(got.data);
    BOOST_TEST(why_not(description, schema, data) == "", got.data);
    BOOST_TEST(data.at("type").as_string() == types[i]);
    BOOST_TEST(data.at("position").as_int64() == static_cast<std::int64_t>(i));
    // As the history of its account shows it.
    const std::string account = data.at("account").as_string().c_str();
    const reply history = at.get("/accounts/" + account + "/history?limit=1&from=" +
                                 std::to_string(data.at("revision").as_int64()));
    BOOST_TEST(history.at("/events/0") == data);
  }
  BOOST_TEST(next_caught_up(events).id == "6");
}

BOOST_FIXTURE_TEST_CASE(a_filter_gives_what_it_names_and_says_how_far_it_has_come, bank) {
  server at(dir());
  open(at, "ann", 100);
  open(at, "anna", 100);  // another account, whose name begins with the first one's
  BOOST_TEST(at.post("/transfers", R"({"from":"ann","to":"anna","amount":60})", "t").status == 200);
  wire its = at.subscribe("?account=ann");
  for (const char* const id : {"0", "1", "4"}) BOOST_TEST(next_event(its).id == id);
  BOOST_TEST(next_caught_up(its).id == "5");
  wire types = at.subscribe("?type=deposited,transfer_received");
  for (const char* const id : {"1", "3", "5"}) BOOST_TEST(next_event(types).id == id);
  wire both = at.subscribe("?type=deposited&account=anna");
  BOOST_TEST(next_event(both).id == "3");
  BOOST_TEST(next_caught_up(both).id == "5");
  // What comes is for one, and the other one is told how far he is.
  deposit(at, "ann", 1, "d");
  BOOST_TEST(next_event(its).id == "6");
  BOOST_TEST(next_caught_up(both).id == "6");
  wire from_now = at.subscribe("?after=latest");
  BOOST_TEST(next_caught_up(from_now).id == "6");
  deposit(at, "anna", 1, "e");
  BOOST_TEST(next_event(from_now).id == "7");
  wire behind = at.subscribe("?after=5");
  BOOST_TEST(next_event(behind).id == "6");
}

BOOST_FIXTURE_TEST_CASE(a_reader_that_resumes_misses_nothing_and_sees_nothing_twice, bank) {
  // It loses its connection after some events, and the server is killed or stopped now and then,
  // while commands go on.
  std::string last;
  std::vector<std::uint64_t> seen;
  int written = 0;
  {
    server at(dir());
    open(at, "ann");
    written = 1;
  }
  for (int round = 0; round < 6; ++round) {
    server at(dir());
    std::thread writer([&] { deposit(at, "ann", 25, "r" + std::to_string(round)); });
    written += 25;
    const std::size_t wanted = static_cast<std::size_t>(written) - 7 * (round % 2 == 0 ? 1 : 0);
    while (seen.size() < wanted) {
      // Another connection after every ninth event.
      wire events = at.subscribe({}, last);
      for (int i = 0; i < 9 && seen.size() < wanted; ++i) {
        const sse_message got = next_event(events);
        seen.push_back(std::stoull(got.id));
        last = got.id;
      }
    }
    writer.join();
    if (round % 2 == 0) {
      at.signal(SIGKILL);
      BOOST_TEST(at.wait() == -SIGKILL);
    } else {
      BOOST_TEST(at.stop() == 0);
    }
  }
  BOOST_TEST(seen.size() == static_cast<std::size_t>(written));
  for (std::size_t i = 0; i < seen.size(); ++i) BOOST_TEST_REQUIRE(seen[i] == i);
}

BOOST_FIXTURE_TEST_CASE(a_quiet_stream_shows_that_it_is_alive, bank) {
  server at(dir(), {"--alive-seconds", "1"});
  wire events = at.subscribe();
  next_caught_up(events);
  BOOST_TEST(events.read_message().comment == "alive");
  BOOST_TEST(events.read_message().comment == "alive");
  open(at, "ann");
  BOOST_TEST(next_event(events).id == "0");
}

BOOST_FIXTURE_TEST_CASE(a_reader_who_takes_nothing_is_disconnected_and_costs_no_memory, bank) {
  server at(dir(), {"--write-seconds", "1"});
  constexpr int accounts = 8;
  constexpr int deposits = 1000;
  std::vector<std::thread> threads;
  for (int i = 0; i < accounts; ++i) open(at, "a" + std::to_string(i));
  for (int i = 0; i < accounts; ++i) {
    threads.emplace_back([&at, i] {
      const std::string name = "a" + std::to_string(i);
      deposit(at, name, deposits, name);
    });
  }
  for (std::thread& each : threads) each.join();
  const auto resident_kib = [&] {
    const std::string status =
        nori::test::bytes_of_file("/proc/" + std::to_string(at.pid()) + "/status");
    return std::stoul(status.substr(status.find("VmRSS:") + 6));
  };
  [[maybe_unused]] const std::size_t before = resident_kib();
  std::vector<wire> slow;
  for (int i = 0; i < 40; ++i) slow.push_back(at.subscribe({}, {}, 4096));
  // The first one that is disconnected has been slow for a second; then the others are, too.
  while (at.log().find("slow_reader_disconnected") == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    BOOST_TEST_REQUIRE(at.get("/health").status == 200);
  }
  // 8000 events are some 1.5 MB of text: 60 MB for all. What a subscription reads with is 400 KB.
#ifndef NORI_SANITIZED  // whose memory is freed much later
  BOOST_TEST(resident_kib() < before + 40'000);
#endif
  while (!at.get("/stats").at("/subscriptions").as_array().empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  BOOST_TEST(balance_of(at, "a0") == deposits);
}

BOOST_FIXTURE_TEST_CASE(a_reader_who_hangs_up_is_forgotten_and_there_are_so_many_at_most, bank) {
  server at(dir(), {"--subscriptions-max", "2"});
  open(at, "ann");
  {
    wire one = at.subscribe();
    wire two = at.subscribe();
    next_caught_up(one);
    next_caught_up(two);
    call third;
    third.path = "/events";
    const reply refused = at.ask(third);
    BOOST_TEST(refused.status == 503);
    BOOST_TEST(refused.headers.at("retry-after") == "1");
    const reply stats = at.get("/stats");
    BOOST_TEST(stats.at("/subscriptions").as_array().size() == 2);
    BOOST_TEST(stats.at("/subscriptions/0/lag").as_int64() == 0);
    BOOST_TEST(stats.at("/subscriptions/0/position").as_int64() == 0);
  }
  // At once, not with the next sign of life 15 seconds later.
  while (!at.get("/stats").at("/subscriptions").as_array().empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  wire again = at.subscribe();
  next_caught_up(again);
}

BOOST_AUTO_TEST_SUITE_END()
