#include <algorithm>
#include <string>
#include <vector>

#include "bank_test.hpp"

using namespace nori::server_test;

BOOST_AUTO_TEST_SUITE(account_server_queries)

BOOST_FIXTURE_TEST_CASE(an_account_now_at_a_time_and_at_a_revision, bank) {
  server at(dir());
  open(at, "ann", 500);
  const std::string opened =
      at.get("/accounts/ann?revision=0").at("/recorded_at").as_string().c_str();
  BOOST_TEST(at.post("/accounts/ann/withdraw", R"({"amount":200})", "w").status == 200);
  const std::string then =
      at.get("/accounts/ann?revision=1").at("/recorded_at").as_string().c_str();

  BOOST_TEST(at.get("/accounts/ann").at("/balance").as_int64() == 300);
  BOOST_TEST(at.get("/accounts/ann?revision=1").at("/balance").as_int64() == 500);
  BOOST_TEST(at.get("/accounts/ann?revision=0").at("/balance").as_int64() == 0);
  BOOST_TEST(at.get("/accounts/ann?at=" + then).at("/balance").as_int64() == 500);
  BOOST_TEST(at.get("/accounts/ann?at=" + opened).at("/balance").as_int64() == 0);
  BOOST_TEST(at.get("/accounts/ann?at=2200-01-01T00%3A00%3A00Z").at("/balance").as_int64() == 300);
  BOOST_TEST(at.get("/accounts/ann?at=1999-01-01T00:00:00Z").status == 404);
  BOOST_TEST(at.get("/accounts/ann?revision=3").status == 404);
  BOOST_TEST(at.get("/accounts/bob").status == 404);
  BOOST_TEST(at.get("/accounts/bob").error() == "no_such_account");
}

BOOST_FIXTURE_TEST_CASE(a_bad_parameter_is_400_and_named, bank) {
  server at(dir());
  open(at, "ann");
  const auto wrong = [&](const std::string& path, const std::string& field) {
    const reply got = at.get(path);
    BOOST_TEST(got.status == 400, path);
    BOOST_TEST(got.at("/field").as_string() == field, path << ' ' << got.body);
  };
  for (const char* const time :
       {"yesterday", "2026-11-25", "2026-13-25T00:00:00Z", "2026-02-29T00:00:00Z",
        "2026-11-25T24:00:00Z", "2026-11-25T00:00:00", "2026-11-25T00:00:00.Z",
        "2026-11-25T00:00:00.1234567890Z", "2026-11-25T00:00:00+01:00", "9999-01-01T00:00:00Z",
        ""}) {
    wrong("/accounts/ann?at=" + std::string(time), "at");
  }
  for (const char* const count : {"-1", "x", "", "1x", "9223372036854775808", "%2B1", "0x1"}) {
    wrong("/accounts/ann?revision=" + std::string(count), "revision");
    wrong("/accounts/ann/history?from=" + std::string(count), "from");
  }
  wrong("/accounts/ann?revision=0&at=2026-11-25T00:00:00Z", "revision");
  wrong("/accounts/ann?colour=red", "colour");
  wrong("/accounts/ann?revision=0&revision=0", "revision");
  wrong("/accounts/ann?revision=%4", "revision");
  wrong("/accounts/a.b", "account");
  wrong("/accounts/", "account");
  wrong("/accounts/ann/history?limit=0", "limit");
  wrong("/accounts/ann/history?limit=1001", "limit");
  wrong("/accounts/ann/history?order=up", "order");
  wrong("/balances?after=a%00b", "after");
  wrong("/balances?at_least=1", "at_least");
  wrong("/events?after=1", "after");
  wrong("/events?after=soon", "after");
  wrong("/events?type=nonsense", "type");
  wrong("/events?type=deposited,", "type");
  wrong("/events?account=", "account");
  call resumed;
  resumed.path = "/events";
  resumed.headers["Last-Event-ID"] = "77";
  BOOST_TEST(at.ask(resumed).at("/field").as_string() == "Last-Event-ID");
}

BOOST_FIXTURE_TEST_CASE(a_history_is_given_page_by_page_both_ways, bank) {
  server at(dir());
  open(at, "ann");
  for (int i = 1; i <= 10; ++i) {
    BOOST_TEST(at.post("/accounts/ann/deposit", "{\"amount\":" + std::to_string(i) + "}",
                       "d" + std::to_string(i))
                   .status == 200);
  }
  for (const std::string order : {"asc", "desc"}) {
    for (const int limit : {1, 3, 10, 11, 12}) {
      const std::string path =
          "/accounts/ann/history?order=" + order + "&limit=" + std::to_string(limit);
      std::string from;
      std::vector<std::int64_t> revisions;
      for (;;) {
        const reply page = at.get(path + from);
        const auto events = page.at("/events").as_array();
        BOOST_TEST_REQUIRE(events.size() <= static_cast<std::size_t>(limit));
        for (const auto& each : events) revisions.push_back(each.at("revision").as_int64());
        if (page.at("/next").is_null()) break;
        BOOST_TEST_REQUIRE(!events.empty());
        from = "&from=" + std::to_string(page.at("/next").as_int64());
      }
      if (order == "desc") std::reverse(revisions.begin(), revisions.end());
      BOOST_TEST_REQUIRE(revisions.size() == 11);
      for (std::int64_t i = 0; i < 11; ++i) {
        BOOST_TEST(revisions[static_cast<std::size_t>(i)] == i);
      }
    }
  }
  BOOST_TEST(at.get("/accounts/ann/history?from=11").at("/events").as_array().empty());
  BOOST_TEST(at.get("/accounts/bob/history").status == 404);
}

BOOST_FIXTURE_TEST_CASE(all_balances_are_there_after_a_command_that_one_waits_for, bank) {
  const auto check = [](server& at, std::int64_t position) {
    const reply all = at.get("/balances?limit=2&at_least=" + std::to_string(position));
    BOOST_TEST(all.at("/count").as_int64() == 3);
    BOOST_TEST(all.at("/total").as_int64() == 300);
    BOOST_TEST(all.at("/accounts/0/account").as_string() == "ann");
    BOOST_TEST(all.at("/accounts/0/balance").as_int64() == 60);
    BOOST_TEST(all.at("/next").as_string() == "bob");
    const reply rest = at.get("/balances?after=bob");
    BOOST_TEST(rest.at("/accounts").as_array().size() == 1);
    BOOST_TEST(rest.at("/accounts/0/balance").as_int64() == 140);
    BOOST_TEST(rest.at("/next").is_null());
  };
  std::int64_t position = 0;
  {
    server at(dir());
    for (const char* const name : {"cid", "ann", "bob"}) open(at, name, 100);
    const reply moved = at.post("/transfers", R"({"from":"ann","to":"cid","amount":40})", "t");
    position = moved.at("/position").as_int64();
    check(at, position);
    BOOST_TEST(at.stop() == 0);
  }
  server at(dir());
  check(at, position);
}

BOOST_FIXTURE_TEST_CASE(what_is_for_operators_is_there, bank) {
  server at(dir());
  BOOST_TEST(at.get("/stats").at("/next_position").as_int64() == 0);
  open(at, "ann", 100);
  BOOST_TEST(at.post("/accounts/ann/withdraw", R"({"amount":101})", "w").status == 422);
  const reply stats = at.get("/stats");
  BOOST_TEST(stats.at("/next_position").as_int64() == 2);
  BOOST_TEST(stats.at("/commands/accepted").as_int64() == 2);
  BOOST_TEST(stats.at("/commands/rejected").as_int64() == 1);
  BOOST_TEST(stats.at("/log/syncs").as_int64() >= 2);
  BOOST_TEST(!stats.at("/log/recent").as_array().empty());
  BOOST_TEST(at.get("/health").at("/status").as_string() == "ok");
  const reply metrics = at.get("/metrics");
  BOOST_TEST(metrics.headers.at("content-type").starts_with("text/plain; version=0.0.4"));
  for (const char* const line :
       {"account_server_commands_total{outcome=\"accepted\"} 2\n", "nori_store_events_total 2\n",
        "account_server_responses_total{code=\"422\"} 1\n", "account_server_connections "}) {
    BOOST_TEST((metrics.body.find(line) != std::string::npos), line);
  }
  const reply page = at.get("/");
  BOOST_TEST(page.headers.at("content-type").starts_with("text/html"));
  BOOST_TEST(page.headers.at("content-security-policy").starts_with("default-src 'none'"));
  BOOST_TEST(at.get("/openapi.json").at("/openapi").as_string() == "3.0.3");
}

BOOST_FIXTURE_TEST_CASE(other_paths_are_404_and_other_methods_405, bank) {
  server at(dir());
  for (const char* const path :
       {"/account", "/accounts/ann/history/x", "/..", "//", "/events/x", "/%2e%2e/etc/passwd"}) {
    BOOST_TEST(at.get(path).status == 404, path);
  }
  const auto allowed = [&](const std::string& method, const std::string& path) {
    call what;
    what.method = method;
    what.path = path;
    const reply got = at.ask(what);
    BOOST_TEST(got.status == 405, method << ' ' << path);
    return got.headers.at("allow");
  };
  BOOST_TEST(allowed("GET", "/transfers") == "POST");
  BOOST_TEST(allowed("DELETE", "/accounts/ann") == "GET");
  BOOST_TEST(allowed("POST", "/events") == "GET");
  BOOST_TEST(allowed("PUT", "/") == "GET");
  BOOST_TEST(allowed("OPTIONS", "/balances") == "GET");
  wire head = at.connect();
  head.send("HEAD /health HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\n\r\n");
  BOOST_TEST(head.read_head().status == 405);
  BOOST_TEST(head.read_reply().status == 200);  // no body lies before it
}

BOOST_AUTO_TEST_SUITE_END()
