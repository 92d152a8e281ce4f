// top: against servers that answer well and badly, against a store, and in a terminal.

#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cmath>
#include <fstream>

#include <nori/store/metrics.hpp>
#include <nori/store/prometheus.hpp>

#include "cli_test.hpp"
#include "metrics_server.hpp"
#include "terminal.hpp"

namespace nori::cli_test {

namespace {

// A page after `appended` records, with what else the text says. A sync took 1 to 2.5 ms until the
// first 1000, and 10 to 25 ms since.
std::string page_after(int appended, const std::string& more = {}) {
  const std::string records = std::to_string(appended);
  const std::string fast = std::to_string(std::min(appended, 1000));
  return "# HELP nori_wal_records_total Records appended.\n"
         "# TYPE nori_wal_records_total counter\n"
         "nori_wal_records_total " +
         records +
         "\n"
         "nori_wal_bytes_total " +
         std::to_string(100 * appended) +
         "\n"
         "nori_wal_syncs_total " +
         records +
         "\n"
         "nori_wal_sync_seconds_bucket{le=\"0.001\"} 0\n"
         "nori_wal_sync_seconds_bucket{le=\"0.0025\"} " +
         fast +
         "\n"
         "nori_wal_sync_seconds_bucket{le=\"0.01\"} " +
         fast +
         "\n"
         "nori_wal_sync_seconds_bucket{le=\"0.025\"} " +
         records +
         "\n"
         "nori_wal_sync_seconds_bucket{le=\"+Inf\"} " +
         records +
         "\n"
         "nori_wal_sync_seconds_sum 1\n"
         "nori_wal_sync_seconds_count " +
         records +
         "\n"
         "nori_wal_queue_records 64\n"
         "nori_wal_queue_bytes 2048\n"
         "nori_wal_segments 3\n"
         "other_library_metric{broken 1 2 3\n" +
         more;
}

std::string readers(int mailer, int balances) {
  return "nori_store_subscription_lag_events{name=\"mailer\"} " + std::to_string(mailer) +
         "\n"
         "nori_group_unacknowledged_events{name=\"mailer\"} 7\n"
         "nori_projection_lag_events{name=\"bal\\\\an\\\"ces\"} " +
         std::to_string(balances) + "\n";
}

// The pages one after the other, the last one for ever.
metrics_server::answers pages(std::vector<std::string> all) {
  return [all = std::move(all)](int number) -> std::optional<std::string> {
    return metrics_server::ok(
        all[std::min<std::size_t>(static_cast<std::size_t>(number), all.size() - 1)]);
  };
}

double number_at(const boost::json::object& in, const char* name) {
  return in.at(name).to_number<double>();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(watching)

BOOST_AUTO_TEST_CASE(once_compares_two_looks) {
  const bench_of_an_operator with;
  const metrics_server service(
      pages({page_after(1000, readers(500, 0)), page_after(3000, readers(300, 20))}));
  const called done =
      with.nori("top " + service.url() + " --once --json --interval 0.05 --timeout 50");
  BOOST_TEST_REQUIRE(done.status == 0, done.error);
  const auto found = done.object();
  const double seconds = number_at(found, "seconds");
  BOOST_TEST(seconds > 0);
  const auto counted = [&](const char* name) {
    return std::lround(number_at(found, name) * seconds);
  };
  BOOST_TEST(counted("appends_per_second") == 2000);
  BOOST_TEST(counted("bytes_per_second") == 200'000);
  BOOST_TEST(counted("syncs_per_second") == 2000);
  // Between the looks alone: the fast ones were before.
  const auto& sync = found.at("sync_seconds").as_object();
  BOOST_TEST(number_at(sync, "count") == 2000);
  BOOST_TEST(number_at(sync, "p50") == 0.0175, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(number_at(sync, "p99") == 0.01 + 0.99 * 0.015, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(number_at(found, "queue_records") == 64);
  BOOST_TEST(number_at(found, "queue_bytes") == 2048);
  BOOST_TEST(!found.at("restarted").as_bool());
  const auto& behind = found.at("readers").as_array();
  BOOST_REQUIRE(behind.size() == 2U);
  BOOST_TEST(behind[0].at("name").as_string() == "mailer");
  BOOST_TEST(behind[0].at("what").as_string() == "group");
  BOOST_TEST(behind[0].at("events_behind").to_number<double>() == 300);
  BOOST_TEST(behind[0].at("unacknowledged").to_number<double>() == 7);
  BOOST_TEST(std::lround(behind[0].at("change_per_second").to_number<double>() * seconds) == -200);
  BOOST_TEST(behind[1].at("name").as_string() == "bal\\an\"ces");
  BOOST_TEST(behind[1].at("what").as_string() == "projection");
}

BOOST_AUTO_TEST_CASE(a_service_that_was_restarted_counts_from_its_beginning) {
  const bench_of_an_operator with;
  const metrics_server service(pages({page_after(5000), page_after(10)}));
  const auto found =
      with.nori("top " + service.port() + " --once --json --interval 0.05 --timeout 50").object();
  BOOST_TEST(found.at("restarted").as_bool());
  BOOST_TEST(std::lround(number_at(found, "appends_per_second") * number_at(found, "seconds")) ==
             10);
  BOOST_TEST(number_at(found.at("sync_seconds").as_object(), "count") == 10);
}

BOOST_AUTO_TEST_CASE(text_of_one_answer) {
  const bench_of_an_operator with;
  // Nothing happens in between, so that every figure is exact.
  const metrics_server service(pages(
      {page_after(5000, readers(1234567, 0) + "nori_store_next_global_position 9\n"
                                              "nori_wal_failures_total{operation=\"sync\"} 2\n"
                                              "nori_wal_recovered_records 17\n"
                                              "nori_wal_truncated_bytes 512\n")}));
  const called done = with.nori("top " + service.url() + " --once --interval 0.05 --timeout 50");
  BOOST_TEST(done.status == 0, done.error);
  BOOST_TEST(done.out ==
             "appends    0/s   0 bytes/s\n"
             "events     0/s   conflicts 0/s   an append takes none meanwhile\n"
             "sync       none meanwhile   0/s\n"
             "group      nothing was written   0/s\n"
             "queue      64 records not durable yet   2.0 KiB in the buffer\n"
             "log        3 segments   next event 9   opened with 17 records, 512 bytes of an "
             "unfinished write cut off\n"
             "FAILED     sync 2   see the disk and the service's log; a log whose write or sync "
             "failed takes nothing until it is reopened\n"
             "\n"
             "reader                  events behind  change  catches up\n"
             "mailer      group           1 234 567     0/s  stays  7 not acknowledged\n"
             "bal\\an\"ces  projection              0     0/s  up to date\n");
}

BOOST_AUTO_TEST_CASE(what_can_not_be_used_is_said_and_ends_with_a_status) {
  struct refusal {
    std::string name;
    std::optional<std::string> answer;
    std::string said;
  };
  const std::string huge(20 << 20, 'x');
  const refusal refusals[] = {
      {"500", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
       "the answer is 500 Internal Server Error"},
      {"404", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "name the path"},
      {"redirect", "HTTP/1.1 302 Found\r\nLocation: /m\r\nContent-Length: 0\r\n\r\n",
       "it says to look at /m"},
      {"malformed value", metrics_server::ok("a 1\nnori_wal_records_total many\n"),
       "line 2 is no metric: \"nori_wal_records_total many\""},
      {"malformed label", metrics_server::ok("nori_x{name=\"a} 1\n"), "line 1 is no metric"},
      {"malformed bucket", metrics_server::ok("nori_wal_sync_seconds_bucket{le=\"x\"} 1\n"),
       "has a bucket up to \"x\""},
      {"another page", metrics_server::ok("<html>hello</html>"),
       "nothing in it is a metric of nori"},
      {"huge", metrics_server::ok(huge), "the answer is larger than 16.0 MiB"},
      {"endless", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + huge,
       "the answer is larger than 16.0 MiB"},
      {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "no proper HTTP"},
      {"cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnori", "no proper HTTP"},
      {"silent", std::nullopt, "no answer within 300 ms"},
  };
  const bench_of_an_operator with;
  for (const refusal& each : refusals) {
    const metrics_server service([&](int) { return each.answer; });
    const std::string patience = each.answer ? " --timeout 50" : " --timeout 0.3";
    const called done = with.nori("top " + service.url() + " --once" + patience);
    BOOST_TEST_CONTEXT(each.name << ": " << done.error) {
      BOOST_TEST(done.status == 1);
      BOOST_TEST(has(done.error, each.said));
      BOOST_TEST(done.out.empty());
    }
  }
  std::string port;
  {
    const metrics_server gone([](int) { return std::nullopt; });
    port = gone.port();
  }
  const called refused = with.nori("top " + port + " --once");
  BOOST_TEST(refused.status == 5);
  BOOST_TEST(has(refused.error, "http://127.0.0.1:" + port + "/metrics: Connection refused"));
  BOOST_TEST(has(refused.error, "is the service running"));
  for (const std::string wrong :
       {"https://host/metrics", "http://", "host:port", "a:1:2", "'a b'"}) {
    const called done = with.nori("top " + wrong + " --once");
    BOOST_TEST(done.status == 2, wrong);
    BOOST_TEST(has(done.error, "http://HOST:PORT/PATH"), wrong);
  }
}

BOOST_AUTO_TEST_CASE(it_goes_on_until_it_is_ended_whatever_the_service_does) {
  const bench_of_an_operator with;
  std::atomic<int> asked = 0;
  const metrics_server service([&](int number) -> std::optional<std::string> {
    asked = number;
    if (number % 3 == 0) return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    return metrics_server::ok(page_after(100 * number));
  });
  const auto pipe = with.at("pipe");
  BOOST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const std::string command = "exec timeout 50 '" NORI_CLI "' top " + service.url() +
                              " --json --interval 0.02 >'" + pipe.string() + "'";
  std::FILE* const watcher = ::popen(command.c_str(), "w");
  std::ifstream lines(pipe);
  int errors = 0;
  int answers = 0;
  for (std::string line; (errors < 3 || answers < 5) && std::getline(lines, line);) {
    const auto found = boost::json::parse(line).as_object();
    if (found.contains("error")) {
      ++errors;
      BOOST_TEST(has(line, "503"));
    } else {
      ++answers;
      // Also over looks that failed in between.
      BOOST_TEST(std::lround(number_at(found, "appends_per_second") * number_at(found, "seconds")) %
                     100 ==
                 0);
      BOOST_TEST(number_at(found, "appends_per_second") > 0);
    }
  }
  BOOST_TEST(errors >= 3);
  BOOST_TEST(answers >= 5);
  lines.close();
  BOOST_TEST(WTERMSIG(::pclose(watcher)) == SIGPIPE);
}

BOOST_AUTO_TEST_CASE(the_metrics_of_a_store_are_those_that_it_knows) {
  bench_of_an_operator with;
  const auto metrics = std::make_shared<prometheus_exporter>();
  asio::io_context io;
  store_config how(with.at("events"));
  how.log.fsync = fsync_policy::always();
  how.log.meter = metrics;
  event_store::opened opened = run(io, event_store::open(how));
  event_store& store = opened.store;
  const auto append = [&](int count) {
    for (int i = 0; i < count; ++i) with.append_in(io, store, "s", "added", "{}");
  };
  append(5);
  metrics->set(metrics::projection_lag, 3, "balances");
  {
    // Between the two looks forty events come, on the server's thread, which has the store alone.
    const metrics_server service([&](int number) -> std::optional<std::string> {
      if (number == 1) append(40);
      return metrics_server::ok(metrics->text());
    });
    const called done =
        with.nori("top " + service.url() + " --once --json --interval 0.05 --timeout 50");
    BOOST_TEST_REQUIRE(done.status == 0, done.error);
    const auto found = done.object();
    const double seconds = number_at(found, "seconds");
    BOOST_TEST(std::lround(number_at(found, "events_per_second") * seconds) == 40);
    BOOST_TEST(std::lround(number_at(found, "appends_per_second") * seconds) == 40);
    BOOST_TEST(number_at(found, "bytes_per_second") * seconds > 40 * 32);
    BOOST_TEST(number_at(found, "records_per_write") >= 1);
    BOOST_TEST(number_at(found.at("sync_seconds").as_object(), "count") >= 1);
    BOOST_TEST(number_at(found.at("append_seconds").as_object(), "count") == 40);
    BOOST_TEST(number_at(found.at("append_seconds").as_object(), "p99") > 0);
    BOOST_TEST(number_at(found, "next_global_position") == 45);
    BOOST_TEST(number_at(found, "segments") == 1);
    BOOST_TEST(found.at("queue_records").is_number());
    BOOST_TEST(found.at("readers").at(0).at("name").as_string() == "balances");
    BOOST_TEST(found.at("failures").as_object().empty());
  }
  run(io, store.close());
}

BOOST_AUTO_TEST_CASE(in_a_terminal_it_takes_the_screen_and_gives_it_back) {
  if (!has_tmux()) return;
  const bench_of_an_operator with;
  std::atomic<bool> answers = true;
  const metrics_server service([&](int number) -> std::optional<std::string> {
    if (!answers) return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    return metrics_server::ok(page_after(1000 * number, readers(500, 0)));
  });
  const terminal screen(with);
  screen.type("echo before; stty -g >modes-before");
  BOOST_TEST(has(screen.screen_with("before"), "before"));
  const std::string start = std::string(NORI_CLI) + " top " + service.url() +
                            " --interval 0.1 --color never; echo ended-$?";
  screen.type(start);
  const std::string shown = screen.screen_with("mailer");
  BOOST_TEST(has(shown, "nori top  " + service.url()));
  BOOST_TEST(has(shown, "64 records not durable yet"));
  BOOST_TEST(!has(shown, "before"));
  BOOST_TEST(has(screen.screen_with("p99 24."), "p50 17.5 ms"));
  answers = false;
  const std::string failing = screen.screen_with("trying again");
  BOOST_TEST(has(failing, "503 Service Unavailable"));
  BOOST_TEST(has(failing, "64 records not durable yet"));
  answers = true;
  // Fewer lines: the last ones are not there, and nothing scrolls.
  screen.resize(30, 4);
  const std::string small = screen.screen_without("mailer");
  BOOST_TEST(has(small, "nori top"));
  BOOST_TEST(!has(small, "mailer"));
  screen.resize(100, 40);
  BOOST_TEST(has(screen.screen_with("mailer"), "mailer"));
  screen.press("q");
  const std::string after = screen.screen_with("ended-0");
  BOOST_TEST(has(after, "ended-0"));
  BOOST_TEST(has(after, "before"));
  BOOST_TEST(!has(after, "mailer"));
  screen.type("clear");
  screen.type(start);
  BOOST_TEST(has(screen.screen_with("mailer"), "mailer"));
  screen.interrupt();
  BOOST_TEST(has(screen.screen_with("ended-0"), "ended-0"));
  // Asked to end by somebody else, it gives the screen back, too.
  screen.type("clear; sh -c \"echo \\$\\$ >pid; exec " + std::string(NORI_CLI) + " top " +
              service.url() + " --interval 0.1 --color never\"; echo ended-$?");
  BOOST_TEST(has(screen.screen_with("mailer"), "mailer"));
  BOOST_REQUIRE(::kill(std::stoi(bytes_of_file(with.at("pid"))), SIGTERM) == 0);
  BOOST_TEST(has(screen.screen_with("ended-143"), "ended-143"));
  screen.type("stty -g >modes-after; echo compared");
  BOOST_TEST(has(screen.screen_with("\ncompared"), "compared"));
  BOOST_TEST(bytes_of_file(with.at("modes-before")) == bytes_of_file(with.at("modes-after")));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::cli_test
