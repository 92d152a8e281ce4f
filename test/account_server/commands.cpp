#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "bank_test.hpp"

// What each command answers: every status code that a client can bring about.

using namespace nori::server_test;

BOOST_AUTO_TEST_SUITE(account_server_commands)

BOOST_FIXTURE_TEST_CASE(a_command_changes_an_account_and_says_how_it_is_then, bank) {
  server at(dir());
  const reply opened = at.post("/accounts", R"({"account":"ann"})", "k1");
  BOOST_TEST(opened.status == 201);
  BOOST_TEST(opened.at("/repeated").as_bool() == false);
  BOOST_TEST(opened.at("/accounts/0/balance").as_int64() == 0);
  const reply more = at.post("/accounts/ann/deposit", R"({"amount":500})", "k2");
  BOOST_TEST(more.status == 200);
  BOOST_TEST(more.at("/accounts/0/balance").as_int64() == 500);
  const reply less = at.post("/accounts/ann/withdraw", R"({"amount":200})", "k3");
  BOOST_TEST(less.at("/accounts/0/balance").as_int64() == 300);
  BOOST_TEST(less.at("/accounts/0/revision").as_int64() == 2);
  BOOST_TEST(at.post("/accounts/ann/withdraw", R"({"amount":300})", "k4").status == 200);
  const reply closed = at.post("/accounts/ann/close", "{}", "k5");
  BOOST_TEST(closed.status == 200);
  BOOST_TEST(closed.at("/accounts/0/status").as_string() == "closed");
}

BOOST_FIXTURE_TEST_CASE(a_transfer_changes_both_accounts_or_neither, bank) {
  server at(dir());
  open(at, "ann", 100);
  open(at, "bob");
  const reply moved = at.post("/transfers", R"({"from":"ann","to":"bob","amount":60})", "t1");
  BOOST_TEST(moved.status == 200);
  BOOST_TEST(moved.at("/accounts/0/account").as_string() == "ann");
  BOOST_TEST(moved.at("/accounts/0/balance").as_int64() == 40);
  BOOST_TEST(moved.at("/accounts/1/balance").as_int64() == 60);
  const reply refused = at.post("/transfers", R"({"from":"ann","to":"bob","amount":60})", "t2");
  BOOST_TEST(refused.status == 422);
  BOOST_TEST(refused.error() == "insufficient_balance");
  BOOST_TEST(balance_of(at, "ann") == 40);
  BOOST_TEST(balance_of(at, "bob") == 60);
}

BOOST_FIXTURE_TEST_CASE(a_rejection_is_422_with_its_reason, bank) {
  server at(dir());
  open(at, "ann", 100);
  open(at, "gone");
  open(at, "rich", 5);
  BOOST_TEST(at.post("/accounts/gone/close", "{}", "c").status == 200);
  const auto rejected = [&](const std::string& path, const std::string& body,
                            const std::string& reason) {
    // A rejected command leaves no trace: the same key is rejected again for the same reason.
    for (int i = 0; i < 2; ++i) {
      const reply got = at.post(path, body, "rejected");
      BOOST_TEST(got.status == 422, path << ' ' << body);
      BOOST_TEST(got.error() == reason, path << ' ' << body);
    }
  };
  rejected("/accounts", R"({"account":"ann"})", "account_exists");
  rejected("/accounts", R"({"account":"gone"})", "account_closed");
  rejected("/accounts/nobody/deposit", R"({"amount":1})", "no_such_account");
  rejected("/accounts/gone/deposit", R"({"amount":1})", "account_closed");
  rejected("/accounts/ann/withdraw", R"({"amount":101})", "insufficient_balance");
  rejected("/accounts/ann/close", "{}", "balance_not_zero");
  rejected("/transfers", R"({"from":"ann","to":"ann","amount":1})", "same_account");
  rejected("/transfers", R"({"from":"ann","to":"nobody","amount":1})", "no_such_account");
  rejected("/transfers", R"({"from":"ann","to":"gone","amount":1})", "account_closed");
  const reply about = at.post("/accounts/ann/withdraw", R"({"amount":101})", "x");
  BOOST_TEST(about.at("/account").as_string() == "ann");
  BOOST_TEST(about.at("/balance").as_int64() == 100);
}

BOOST_FIXTURE_TEST_CASE(a_balance_never_exceeds_what_a_number_of_json_holds, bank) {
  server at(dir());
  open(at, "rich");
  // 9007 times 10^12 fit below 2^53; many deposits at once over one connection.
  wire to = at.connect();
  const int fit = 9007;
  for (int i = 0; i < fit; ++i) {
    to.send(
        at.command("/accounts/rich/deposit", R"({"amount":1000000000000})", "d" + std::to_string(i))
            .text());
    BOOST_TEST_REQUIRE(to.read_reply().status == 200);
  }
  const reply refused = at.post("/accounts/rich/deposit", R"({"amount":1000000000000})", "over");
  BOOST_TEST(refused.error() == "balance_too_large");
  BOOST_TEST(at.post("/accounts/rich/deposit", R"({"amount":199254740991})", "last").status == 200);
  BOOST_TEST(balance_of(at, "rich") == 9'007'199'254'740'991);
}

BOOST_FIXTURE_TEST_CASE(a_revision_that_was_not_expected_is_409_with_what_was_found, bank) {
  server at(dir());
  open(at, "ann", 100);
  const std::string body = R"({"amount":1,"expected_revision":0})";
  const reply got = at.post("/accounts/ann/deposit", body, "k");
  BOOST_TEST(got.status == 409);
  BOOST_TEST(got.at("/expected_revision").as_int64() == 0);
  BOOST_TEST(got.at("/found/revision").as_int64() == 1);
  BOOST_TEST(got.at("/found/balance").as_int64() == 100);
  const reply none =
      at.post("/accounts/nobody/withdraw", R"({"amount":1,"expected_revision":3})", "k");
  BOOST_TEST(none.status == 409);
  BOOST_TEST(none.at("/found/revision").is_null());
  const std::string right = R"({"amount":1,"expected_revision":1})";
  BOOST_TEST(at.post("/accounts/ann/deposit", right, "k").status == 200);
  // Its own change does not make a conflict of its repetition.
  const reply again = at.post("/accounts/ann/deposit", right, "k");
  BOOST_TEST(again.status == 200);
  BOOST_TEST(again.at("/repeated").as_bool());
}

BOOST_FIXTURE_TEST_CASE(a_repeated_command_gives_the_first_answer_and_does_nothing, bank) {
  const std::string body = R"({"from":"ann","to":"bob","amount":60})";
  reply first;
  {
    server at(dir());
    open(at, "ann", 100);
    open(at, "bob");
    first = at.post("/transfers", body, "t");
    BOOST_TEST(at.post("/accounts/ann/withdraw", R"({"amount":40})", "w").status == 200);
    BOOST_TEST(at.post("/transfers", body, "t").at("/accounts") == first.at("/accounts"));
    at.signal(SIGKILL);
    BOOST_TEST(at.wait() == -SIGKILL);
  }
  server at(dir());
  for (int i = 0; i < 3; ++i) {
    const reply again = at.post("/transfers", body, "t");
    BOOST_TEST(again.status == 200);
    BOOST_TEST(again.at("/repeated").as_bool());
    BOOST_TEST(again.at("/position") == first.at("/position"));
    BOOST_TEST(again.at("/accounts") == first.at("/accounts"));
  }
  BOOST_TEST(balance_of(at, "ann") == 0);
  BOOST_TEST(balance_of(at, "bob") == 60);
}

BOOST_FIXTURE_TEST_CASE(a_key_belongs_to_one_command, bank) {
  server at(dir());
  open(at, "ann", 100);
  open(at, "bob", 100);
  BOOST_TEST(at.post("/accounts/ann/deposit", R"({"amount":1})", "k").status == 200);
  const auto refused = [&](const std::string& path, const std::string& body) {
    const reply got = at.post(path, body, "k");
    BOOST_TEST(got.status == 422, path);
    BOOST_TEST(got.error() == "key_reused", path);
  };
  refused("/accounts/ann/deposit", R"({"amount":2})");
  refused("/accounts/bob/deposit", R"({"amount":1})");
  refused("/accounts/ann/withdraw", R"({"amount":1})");
  refused("/accounts/ann/deposit", R"({"amount":1,"expected_revision":2})");
  BOOST_TEST(balance_of(at, "ann") == 101);
  BOOST_TEST(balance_of(at, "bob") == 100);
}

BOOST_FIXTURE_TEST_CASE(of_one_command_sent_many_times_at_once_one_is_done, bank) {
  server at(dir(), {"--threads", "2"});
  open(at, "ann");
  std::vector<wire> wires;
  for (int i = 0; i < 32; ++i) wires.push_back(at.connect());
  const std::string text = at.command("/accounts/ann/deposit", R"({"amount":7})", "k").text();
  for (wire& each : wires) each.send(text);
  int fresh = 0;
  for (wire& each : wires) {
    const reply got = each.read_reply();
    BOOST_TEST(got.status == 200);
    BOOST_TEST(got.at("/accounts/0/balance").as_int64() == 7);
    if (!got.at("/repeated").as_bool()) ++fresh;
  }
  BOOST_TEST(fresh == 1);
  BOOST_TEST(balance_of(at, "ann") == 7);
}

BOOST_FIXTURE_TEST_CASE(transfers_there_and_back_keep_the_sum, bank) {
  server at(dir(), {"--threads", "4"});
  open(at, "ann", 1000);
  open(at, "bob", 1000);
  std::vector<wire> wires;
  for (int i = 0; i < 20; ++i) wires.push_back(at.connect());
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < wires.size(); ++i) {
      const std::string body = i % 2 == 0 ? R"({"from":"ann","to":"bob","amount":3})"
                                          : R"({"from":"bob","to":"ann","amount":5})";
      const std::string key = "t" + std::to_string(round) + '.' + std::to_string(i);
      wires[i].send(at.command("/transfers", body, key).text());
    }
    for (wire& each : wires) BOOST_TEST(each.read_reply().status == 200);
  }
  BOOST_TEST(balance_of(at, "ann") == 1000 + 100 * 5 - 100 * 3);
  BOOST_TEST(balance_of(at, "bob") == 1000 - 100 * 5 + 100 * 3);
}

BOOST_FIXTURE_TEST_CASE(whatever_is_wrong_with_the_input_is_400_and_named, bank) {
  server at(dir());
  open(at, "ann", 100);
  const auto wrong = [&](const std::string& path, const std::string& body,
                         const std::string& field) {
    const reply got = at.post(path, body, "k");
    BOOST_TEST(got.status == 400, path << ' ' << body);
    BOOST_TEST(got.at("/field").as_string() == field, path << ' ' << body << ' ' << got.body);
  };
  const std::string deposit = "/accounts/ann/deposit";
  for (const char* const amount : {"0", "-1", "1.5", "1e3", "1000000000001", "99999999999999999999",
                                   "\"1\"", "null", "true", "[1]", "{}"}) {
    wrong(deposit, "{\"amount\":" + std::string(amount) + "}", "amount");
  }
  wrong(deposit, "{}", "amount");
  wrong(deposit, R"({"amount":1,"expected_revision":-1})", "expected_revision");
  wrong(deposit, R"({"amount":1,"colour":"red"})", "colour");
  for (const char* const body : {"", "{", "[]", "1", "{\"amount\":1}x", "{\"amount\":01}",
                                 "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}", "\xff"}) {
    wrong(deposit, body, "body");
  }
  wrong("/accounts/a%20b/deposit", R"({"amount":1})", "account");
  wrong("/accounts/" + std::string(65, 'a') + "/deposit", R"({"amount":1})", "account");
  wrong("/accounts", R"({"account":""})", "account");
  wrong("/accounts", R"({"account":"a/b"})", "account");
  wrong("/accounts", R"({"account":1})", "account");
  wrong("/transfers", R"({"from":"ann","amount":1})", "to");
  wrong("/transfers", R"({"to":"ann","amount":1})", "from");
  wrong("/accounts?colour=red", R"({"account":"x"})", "colour");

  call without_key = at.command(deposit, R"({"amount":1})", "k");
  without_key.headers.erase("Idempotency-Key");
  BOOST_TEST(at.ask(without_key).at("/field").as_string() == "Idempotency-Key");
  for (const std::string& key : {std::string(), std::string("a b"), std::string(65, 'k')}) {
    const reply got = at.post(deposit, R"({"amount":1})", key);
    BOOST_TEST(got.status == 400);
    BOOST_TEST(got.at("/field").as_string() == "Idempotency-Key");
  }
  BOOST_TEST(balance_of(at, "ann") == 100);
}

BOOST_FIXTURE_TEST_CASE(nothing_is_written_without_the_token, bank) {
  server at(dir());
  open(at, "ann", 100);
  call what = at.command("/accounts/ann/withdraw", R"({"amount":1})", "k");
  const auto refused = [&] {
    const reply got = at.ask(what);
    BOOST_TEST(got.status == 401);
    BOOST_TEST(got.headers.at("www-authenticate") == "Bearer");
  };
  const std::string right = what.headers.at("Authorization");
  for (std::string other : {std::string("Bearer "), std::string("Basic ") + at.token(), right + "x",
                            right.substr(0, right.size() - 1), at.token(),
                            std::string("Bearer ") + std::string(at.token().size(), '0')}) {
    what.headers["Authorization"] = other;
    refused();
  }
  what.headers.erase("Authorization");
  refused();
  what.headers["authorization"] = "bearer " + at.token();  // the scheme's case does not matter
  BOOST_TEST(at.ask(what).status == 200);
  BOOST_TEST(balance_of(at, "ann") == 99);
}

BOOST_FIXTURE_TEST_CASE(a_body_that_is_not_said_to_be_json_is_415, bank) {
  server at(dir());
  call what = at.command("/accounts", R"({"account":"ann"})", "k");
  for (const char* const type : {"text/plain", "application/x-www-form-urlencoded", ""}) {
    what.headers["Content-Type"] = type;
    BOOST_TEST(at.ask(what).status == 415);
  }
  what.headers.erase("Content-Type");
  BOOST_TEST(at.ask(what).status == 415);
  what.headers["Content-Type"] = "application/json; charset=utf-8";
  BOOST_TEST(at.ask(what).status == 201);
}

BOOST_FIXTURE_TEST_CASE(too_many_commands_at_once_are_503_and_done_when_they_are_repeated, bank) {
  server at(dir(), {"--commands-max", "1", "--threads", "2"});
  open(at, "ann");
  std::vector<wire> wires;
  for (int i = 0; i < 40; ++i) wires.push_back(at.connect());
  int refused = 0;
  // Most meet another one; should they all have come one by one, they are sent again.
  for (int round = 0; round < 200 && refused == 0; ++round) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < wires.size(); ++i) {
      texts.push_back(at.command("/accounts/ann/deposit", R"({"amount":1})",
                                 std::to_string(round) + '.' + std::to_string(i))
                          .text());
      wires[i].send(texts[i]);
    }
    for (std::size_t i = 0; i < wires.size(); ++i) {
      reply got = wires[i].read_reply();
      while (got.status == 503) {
        ++refused;
        BOOST_TEST(got.error() == "overloaded");
        BOOST_TEST(got.headers.at("retry-after") == "1");
        wires[i].send(texts[i]);
        got = wires[i].read_reply();
      }
      BOOST_TEST(got.status == 200);
      BOOST_TEST(!got.at("/repeated").as_bool());
    }
    BOOST_TEST(balance_of(at, "ann") == (round + 1) * 40);
  }
  BOOST_TEST(refused > 0);
}

BOOST_AUTO_TEST_SUITE_END()
