#include <chrono>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "bank_test.hpp"
#include "support/random_source.hpp"

// Clients that do not keep to the rules. Whatever they do, others are served.

using namespace nori::server_test;

namespace {

/// What the server says to these bytes; nothing where it hangs up without a word.
std::optional<reply> answer_to(server& at, const std::string& bytes) {
  wire to = at.connect();
  to.try_send(bytes);
  to.shut_down_sending();
  try {
    return to.read_reply();
  } catch (const hung_up&) {
    return std::nullopt;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(account_server_hostile)

BOOST_FIXTURE_TEST_CASE(what_is_no_http_is_400_or_the_end, bank) {
  server at(dir());
  for (const std::string bytes :
       {"GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / FTP/1.1\r\n\r\n", "nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nNo colon\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}) {
    const std::optional<reply> got = answer_to(at, bytes);
    if (!got) continue;
    BOOST_TEST((got->status == 400 || got->status == 413), bytes << got->body);
    BOOST_TEST(got->at("/error").is_string());
  }
  const std::optional<reply> got = answer_to(at, "nonsense\r\n\r\n");
  BOOST_TEST_REQUIRE(got.has_value());
  BOOST_TEST(got->at("/field").as_string() == "request");
  BOOST_TEST(at.get("/health").status == 200);
}

BOOST_FIXTURE_TEST_CASE(random_bytes_harm_nobody, bank) {
  nori::test::random_source random;
  server at(dir());
  open(at, "ann", 100);
  const std::string good = at.command("/accounts/ann/deposit", R"({"amount":0})", "k").text();
  for (std::size_t i = 0; i < nori::test::scaled(400); ++i) {
    std::string bytes = i % 4 == 0 ? random.text(random.below(600)) : good;
    if (i % 4 != 0) {
      // A request with a few bytes of it altered, removed or repeated.
      for (std::size_t n = random.below(4) + 1; n > 0; --n) {
        const std::size_t where = random.below(bytes.size());
        switch (random.below(3)) {
          case 0:
            bytes[where] = static_cast<char>(random());
            break;
          case 1:
            bytes.erase(where, random.below(8));
            break;
          default:
            bytes.insert(where, bytes.substr(random.below(bytes.size()), random.below(40)));
        }
      }
    }
    const std::optional<reply> got = answer_to(at, bytes);
    if (got) BOOST_TEST((got->status >= 400 && got->status < 500), bytes);
  }
  BOOST_TEST(balance_of(at, "ann") == 100);
}

BOOST_FIXTURE_TEST_CASE(a_body_or_headers_that_are_too_large_are_refused_with_a_word, bank) {
  server at(dir());
  open(at, "ann");
  const reply body = at.post("/accounts", std::string(4097, ' '), "k");
  BOOST_TEST(body.status == 413);
  BOOST_TEST(body.at("/field").as_string() == "body");
  // Told before it is sent, and while a lot more is on its way.
  BOOST_TEST(at.post("/accounts", std::string(900'000, ' '), "k").status == 413);
  wire unsent = at.connect();
  unsent.send("POST /accounts HTTP/1.1\r\nContent-Length: 4097\r\n\r\n");
  BOOST_TEST(unsent.read_reply().status == 413);
  unsent.wait_for_end();
  wire chunked = at.connect();
  chunked.send("POST /accounts HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) chunked.try_send("800\r\n" + std::string(2048, ' ') + "\r\n");
  BOOST_TEST(chunked.read_reply().status == 413);
  const std::string most = R"({"account":"bob"})" + std::string(4096 - 17, ' ');
  BOOST_TEST(at.post("/accounts", most, "k").status == 201);

  call what;
  what.path = "/health";
  what.headers["X"] = std::string(9000, 'x');
  BOOST_TEST(at.ask(what).status == 431);
  what.headers["X"] = std::string(7000, 'x');
  BOOST_TEST(at.ask(what).status == 200);
  wire endless = at.connect();
  endless.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 20'000; ++i) {
    if (!endless.try_send("X: y\r\n")) break;
  }
  BOOST_TEST(endless.read_reply().status == 431);
}

BOOST_FIXTURE_TEST_CASE(whoever_is_slow_or_silent_is_disconnected, bank) {
  server at(dir(), {"--request-seconds", "1", "--idle-seconds", "1"});
  open(at, "ann");
  wire silent = at.connect();
  wire half = at.connect();
  half.send("GET /health HTTP/1.1\r\nHost: x\r\n");
  wire without_body = at.connect();
  const call deposit = at.command("/accounts/ann/deposit", R"({"amount":1})", "k");
  const std::string text = deposit.text();
  without_body.send(text.substr(0, text.size() - 1));
  wire idle = at.connect();
  idle.send("GET /health HTTP/1.1\r\n\r\n");
  BOOST_TEST(idle.read_reply().status == 200);
  // A byte now and then does not help: the whole request has a time to come in.
  wire trickling = at.connect();
  const auto begun = std::chrono::steady_clock::now();
  std::size_t sent = 0;
  while (sent < 6000 && trickling.try_send("x")) {
    ++sent;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  BOOST_TEST(sent < 6000);
  BOOST_TEST((std::chrono::steady_clock::now() - begun < std::chrono::seconds(50)));
  for (wire* const each : {&silent, &half, &without_body, &idle}) each->wait_for_end();
  BOOST_TEST(balance_of(at, "ann") == 0);
}

BOOST_FIXTURE_TEST_CASE(a_client_that_sends_a_command_and_goes_may_repeat_it, bank) {
  server at(dir());
  open(at, "ann");
  for (int i = 0; i < 50; ++i) {
    const call what = at.command("/accounts/ann/deposit", R"({"amount":1})", std::to_string(i));
    {
      wire gone = at.connect();
      gone.send(what.text());
    }
    BOOST_TEST(at.ask(what).status == 200);
  }
  BOOST_TEST(balance_of(at, "ann") == 50);
}

BOOST_FIXTURE_TEST_CASE(requests_that_come_at_once_are_answered_one_by_one_in_their_order, bank) {
  server at(dir());
  open(at, "ann");
  std::string all;
  for (int i = 0; i < 100; ++i) {
    all += at.command("/accounts/ann/deposit", R"({"amount":1})", std::to_string(i)).text();
  }
  wire to = at.connect();
  to.send(all);
  for (int i = 1; i <= 100; ++i) {
    BOOST_TEST(to.read_reply().at("/accounts/0/balance").as_int64() == i);
  }
}

BOOST_FIXTURE_TEST_CASE(over_the_limit_of_connections_one_is_told_so, bank) {
  server at(dir(), {"--connections-max", "3"});
  {
    std::vector<wire> held;
    for (int i = 0; i < 3; ++i) {
      held.push_back(at.connect());
      held.back().send("GET /health HTTP/1.1\r\n\r\n");
      BOOST_TEST(held.back().read_reply().status == 200);
    }
    wire one_more = at.connect();
    const reply refused = one_more.read_reply();
    BOOST_TEST(refused.status == 503);
    BOOST_TEST(refused.headers.at("retry-after") == "1");
    BOOST_TEST(refused.error() == "overloaded");
    one_more.shut_down_sending();
    one_more.wait_for_end();
  }
  // They have gone: there is room again.
  while (true) {
    wire again = at.connect();
    again.try_send("GET /health HTTP/1.1\r\n\r\n");
    if (again.read_reply().status == 200) break;
  }
}

BOOST_FIXTURE_TEST_CASE(expect_100_is_answered_before_the_body_comes, bank) {
  server at(dir());
  call what = at.command("/accounts", R"({"account":"ann"})", "k");
  what.headers["Expect"] = "100-continue";
  const std::string text = what.text();
  wire to = at.connect();
  to.send(text.substr(0, text.find("\r\n\r\n") + 4));
  BOOST_TEST(to.read_reply().status == 100);
  to.send(*what.body);
  BOOST_TEST(to.read_reply().status == 201);
}

BOOST_FIXTURE_TEST_CASE(the_log_says_nothing_that_a_client_sent, bank) {
  server at(dir(), {"--log-requests"});
  open(at, "secretname", 4711);
  at.get("/accounts/secretname?colour=secretcolour");
  at.post("/accounts", "secretbody", "secretkey");
  answer_to(at, "secret\r\n\r\n");
  BOOST_TEST(at.stop() == 0);
  const std::string log = at.log();
  BOOST_TEST((log.find("\"event\":\"request\"") != std::string::npos));
  BOOST_TEST((log.find("secret") == std::string::npos));
  BOOST_TEST((log.find("4711") == std::string::npos));
  BOOST_TEST((log.find(at.token()) == std::string::npos));
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    BOOST_TEST(boost::json::parse(line).at("at").is_string());
  }
}

BOOST_AUTO_TEST_SUITE_END()
