#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "bank_test.hpp"
#include "support/files.hpp"
#include "support/mounted_tmpfs.hpp"

// Starting and stopping, and what is to be right before it starts.

using namespace nori::server_test;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_SUITE(account_server_running)

BOOST_FIXTURE_TEST_CASE(a_full_disk_turns_commands_away_until_there_is_room, bank) {
  const fs::path small = scratch.path() / "small";
  const nori::test::mounted_tmpfs disk(small, "size=300k");
  if (!disk.there()) {
    std::cout << "SKIP a_full_disk_turns_commands_away_until_there_is_room: " << disk.why()
              << std::endl;
    return;
  }
  server at(small / "bank");
  open(at, "ann");
  int done = 0;
  const auto deposit = [&] {
    return at.post("/accounts/ann/deposit", R"({"amount":1})", "d" + std::to_string(done));
  };
  reply got = deposit();
  for (; got.status == 200 && done < 10'000; got = deposit()) ++done;
  BOOST_TEST_REQUIRE(got.status == 503);
  BOOST_TEST(got.error() == "no_space");
  BOOST_TEST(got.headers.contains("retry-after"));
  // Nothing was done, and everything else goes on.
  BOOST_TEST(balance_of(at, "ann") == done);
  BOOST_TEST(at.get("/health").status == 200);
  BOOST_TEST(at.log().find("no_space") != std::string::npos);

  BOOST_TEST_REQUIRE(disk.change("size=300m"));
  got = deposit();
  BOOST_TEST(got.status == 200);
  BOOST_TEST(!got.at("/repeated").as_bool());
  BOOST_TEST(balance_of(at, "ann") == done + 1);
  BOOST_TEST(at.stop() == 0);
}

BOOST_FIXTURE_TEST_CASE(a_stopped_server_has_answered_all_that_it_has_read, bank) {
  std::vector<std::string> answered;
  {
    server at(dir(), {"--threads", "2"});
    open(at, "ann");
    std::vector<wire> wires;
    for (int i = 0; i < 16; ++i) wires.push_back(at.connect());
    wire idle = at.connect();
    idle.send("GET /health HTTP/1.1\r\n\r\n");
    BOOST_TEST(idle.read_reply().status == 200);
    wire events = at.subscribe();
    // All have a command on its way when the signal comes.
    std::vector<std::thread> threads;
    std::vector<int> counts(wires.size());
    for (std::size_t i = 0; i < wires.size(); ++i) {
      threads.emplace_back([&, i] {
        try {
          for (;; ++counts[i]) {
            const std::string key = std::to_string(i) + '.' + std::to_string(counts[i]);
            wires[i].send(at.command("/accounts/ann/deposit", R"({"amount":1})", key).text());
            const reply got = wires[i].read_reply();
            if (got.status != 200) throw std::runtime_error(got.body);
            if (got.headers.contains("connection")) {
              ++counts[i];
              return;
            }
          }
        } catch (const hung_up&) {
          // It was idle between two requests: this one was not read.
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    at.signal(SIGTERM);
    for (std::thread& each : threads) each.join();
    idle.wait_for_end();
    bool said = false;
    try {
      for (;;) said = events.read_message().comment == "stopping" || said;
    } catch (const wire::ended&) {
    }
    BOOST_TEST(said);
    BOOST_TEST(at.wait() == 0);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      for (int n = 0; n < counts[i]; ++n) {
        answered.push_back(std::to_string(i) + '.' + std::to_string(n));
      }
    }
    BOOST_TEST((at.log().find("\"event\":\"stopped\"") != std::string::npos));
  }
  server at(dir());
  BOOST_TEST(answered.size() > 16);
  BOOST_TEST(balance_of(at, "ann") >= static_cast<std::int64_t>(answered.size()));
  for (std::size_t i = 0; i < answered.size(); i += 1 + answered.size() / 50) {
    const reply again = at.post("/accounts/ann/deposit", R"({"amount":1})", answered[i]);
    BOOST_TEST(again.at("/repeated").as_bool(), answered[i]);
  }
}

BOOST_FIXTURE_TEST_CASE(a_request_that_is_half_there_when_the_signal_comes_is_answered, bank) {
  server at(dir());
  open(at, "ann");
  const std::string text = at.command("/accounts/ann/deposit", R"({"amount":1})", "half").text();
  wire half = at.connect();
  half.send(text.substr(0, text.size() - 3));
  // It has been read when the server has answered somebody who came later.
  while (at.get("/stats").at("/connections/open").as_int64() < 2) {
  }
  wire events = at.subscribe();
  at.signal(SIGTERM);
  try {
    for (;;) (void)events.read_message();
  } catch (const wire::ended&) {
  }
  half.send(text.substr(text.size() - 3));
  const reply got = half.read_reply();
  BOOST_TEST(got.status == 200);
  BOOST_TEST(got.headers.at("connection") == "close");
  BOOST_TEST(at.wait() == 0);
  BOOST_CHECK_THROW((void)at.connect(), std::system_error);
}

BOOST_FIXTURE_TEST_CASE(a_second_signal_or_a_time_ends_it_at_once, bank) {
  for (const bool second : {true, false}) {
    server at(dir(), {"--drain-seconds", second ? "600" : "1", "--request-seconds", "900"});
    // A request that never comes to its end.
    wire half = at.connect();
    half.send("GET /health HTTP/1.1\r\n");
    while (at.get("/stats").at("/connections/open").as_int64() < 2) {
    }
    wire events = at.subscribe();
    at.signal(SIGTERM);
    try {
      for (;;) (void)events.read_message();
    } catch (const wire::ended&) {
    }
    if (second) at.signal(SIGTERM);
    BOOST_TEST(at.wait() == (second ? 3 : 4));
  }
  server at(dir());
  BOOST_TEST(at.stop() == 0);
}

BOOST_FIXTURE_TEST_CASE(a_token_is_made_for_its_owner_alone_and_kept, bank) {
  std::string token;
  {
    server at(dir());
    token = at.token();
    BOOST_TEST(token.size() == 64);
    struct stat about{};
    BOOST_TEST(::stat((dir() / "token").c_str(), &about) == 0);
    BOOST_TEST((about.st_mode & 0777) == 0600);
    BOOST_TEST(::stat(dir().c_str(), &about) == 0);
    BOOST_TEST((about.st_mode & 0777) == 0700);
  }
  {
    server at(dir());
    BOOST_TEST(at.token() == token);
  }
  for (const mode_t mode : {0640, 0604, 0660}) {
    ::chmod((dir() / "token").c_str(), mode);
    const ended_server refused = run_server({dir().string(), "--port", "0"});
    BOOST_TEST(refused.status == 1);
    BOOST_TEST((refused.text.find("can be read by others") != std::string::npos));
    BOOST_TEST((refused.text.find(token) == std::string::npos));
  }
  fs::remove(dir() / "token");
  nori::test::write_file(dir() / "token", std::string("short\n"));
  ::chmod((dir() / "token").c_str(), 0600);
  BOOST_TEST(run_server({dir().string(), "--port", "0"}).status == 1);
  fs::remove(dir() / "token");
  fs::create_symlink(dir() / "elsewhere", dir() / "token");
  BOOST_TEST(run_server({dir().string(), "--port", "0"}).status == 1);
}

BOOST_FIXTURE_TEST_CASE(what_is_not_safe_or_not_understood_is_refused, bank) {
  const auto refused = [&](const std::vector<std::string>& words, const std::string& text) {
    std::vector<std::string> all{dir().string(), "--port", "0"};
    all.insert(all.end(), words.begin(), words.end());
    const ended_server done = run_server(all);
    BOOST_TEST(done.status != 0, done.text);
    BOOST_TEST((done.text.find(text) != std::string::npos), done.text);
  };
  refused({"--listen", "0.0.0.0"}, "plain text");
  refused({"--listen", "::"}, "plain text");
  refused({"--listen", "localhost"}, "IP address");
  refused({"--tls-certificate", "x"}, "go together");
  refused({"--tls-certificate", "/nowhere", "--tls-key", "/nowhere"}, "/nowhere");
  refused({"--threads", "0"}, "--threads");
  refused({"--colour", "red"}, "colour");
  server first(dir());
  refused({}, "another process");
  BOOST_TEST(run_server({"--help"}).status == 0);
}

// strace makes the system's calls fail, as a disk would.
BOOST_FIXTURE_TEST_CASE(health_turns_red_when_the_log_has_failed, bank) {
  if (std::system("strace -o /dev/null true 2>/dev/null") != 0) {
    std::cout << "SKIP: strace is not there or may not trace\n";
    return;
  }
  {
    server at(dir());
    open(at, "ann", 100);
  }
  // The log's calls that make something durable fail from the first command on.
  server at(dir(), {"--backend", "threads"},
            {"strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync,pwritev2", "-e",
             "inject=fdatasync,pwritev2:error=EIO:when=3+"});
  int done = 0;
  reply got;
  for (; done < 100; ++done) {
    got = at.post("/accounts/ann/deposit", R"({"amount":1})", "d" + std::to_string(done));
    if (got.status != 200) break;
  }
  BOOST_TEST(got.status == 503);
  BOOST_TEST(got.headers.at("retry-after") == "1");
  BOOST_TEST((got.error() == "in_doubt" || got.error() == "log_failed"), got.body);
  BOOST_TEST(at.post("/accounts/ann/deposit", R"({"amount":1})", "x").error() == "log_failed");
  const reply health = at.get("/health");
  BOOST_TEST(health.status == 503);
  BOOST_TEST(health.at("/status").as_string() == "failed");
  BOOST_TEST(health.at("/log").as_string() != "ok");
  BOOST_TEST(at.get("/stats").at("/log/failed").as_bool());
  // What was there is still read. The one in doubt is there where its own write was under way, and
  // went well, when another call of the log failed.
  const auto balance = balance_of(at, "ann");
  const bool may_be_there = got.error() == "in_doubt";
  BOOST_TEST((balance == 100 + done || (may_be_there && balance == 101 + done)),
             balance << " after " << done << " deposits, the next is " << got.error());
}

BOOST_AUTO_TEST_SUITE_END()
