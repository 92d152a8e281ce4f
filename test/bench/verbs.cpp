#include <boost/json/parse.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "bench/program.hpp"
#include "support/scratch_directory.hpp"

// The tool itself: what it takes, writes and refuses. No figure is judged.

namespace {

namespace json = boost::json;
using namespace nori::test;

using words = std::vector<std::string>;

words with(words first, const words& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

// Short and small, so that preparing it takes no longer than measuring.
words quick(const std::string& verb, const scratch_directory& dir) {
  return {verb,       "--dir", dir.path(),        "--seconds", "0.2",
          "--rounds", "1",     "--segment-bytes", "1MiB"};
}

program_run expect_success(const words& arguments) {
  program_run done = run_bench(arguments);
  BOOST_REQUIRE_MESSAGE(done.status == 0, arguments.front() << ": " << done.err);
  return done;
}

json::object document_of(const words& arguments) {
  return json::parse(expect_success(with(arguments, {"--json", "-"})).out).as_object();
}

void expect_figures(const json::object& found) {
  for (const char* const name : {"records_per_s", "p50_us", "p99_us", "p999_us", "p9999_us"}) {
    const json::value* value = found.if_contains(name);
    BOOST_REQUIRE_MESSAGE(value != nullptr && value->is_number(), name);
    BOOST_TEST(value->to_number<double>() > 0, name);
  }
}

// Ours, raw, and a file that grows, as the issue names them.
void expect_sides(const json::object& found) {
  expect_figures(found);
  BOOST_TEST(found.at("ratio_to_raw").to_number<double>() > 0);
  expect_figures(found.at("raw").as_object());
  expect_figures(found.at("growing").as_object());
  BOOST_TEST(found.at("growing").at("ratio_to_raw").to_number<double>() > 0);
  BOOST_TEST(!found.at("survives").as_string().empty());
}

// Those whose modules were built: each has to be compared with.
words built_peers() {
  words found;
  for (const char* const each : {"rocksdb", "sqlite", "lmdb"}) {
    const std::filesystem::path program = NORI_BENCH_PROGRAM;
    const std::string module = "nori-bench-" + std::string(each) + ".so";
    if (std::filesystem::exists(program.parent_path() / module)) found.emplace_back(each);
  }
  return found;
}

bool has_peer(const json::object& found, const std::string& name) {
  return std::any_of(found.begin(), found.end(), [&](const auto& each) {
    return std::string_view(each.key()).starts_with(name);
  });
}

void expect_page(const std::string& path) {
  const std::string page = text_of_file(path);
  BOOST_TEST(why_malformed(page) == "");
  BOOST_TEST(page.find("<svg") != std::string::npos);
  // Of its own: nothing is fetched from elsewhere.
  for (const char* const fetches : {"http:", "https:", "src=", "href=", "url(", "@import"}) {
    BOOST_TEST(page.find(fetches) == std::string::npos, fetches);
  }
}

BOOST_AUTO_TEST_CASE(the_check_of_pages_refuses_what_is_malformed) {
  const std::string begin = "<!DOCTYPE html>\n<html>";
  BOOST_TEST(why_malformed(begin + "<p class=\"x\">a &lt; b<br/></p></html>\n") == "");
  for (const char* const bad : {"<p></html>", "<p></b></p></html>", "a & b</html>", "a < b</html>",
                                "<p class=x></p></html>", "</html><p></p>", "<p>"}) {
    BOOST_TEST(why_malformed(begin + bad) != "", bad);
  }
}

BOOST_AUTO_TEST_CASE(each_verb_explains_itself) {
  const program_run help = expect_success({"--help"});
  for (const char* const verb :
       {"append", "read", "recover", "store", "embed", "policies", "compare", "report"}) {
    BOOST_TEST(help.out.find(verb) != std::string::npos, verb);
    const program_run own = expect_success({verb, "--help"});
    BOOST_TEST(own.out.find(std::string("nori-bench ") + verb) != std::string::npos, verb);
  }
}

BOOST_AUTO_TEST_CASE(a_wrong_command_line_is_refused_by_name) {
  const words refused[] = {
      {},
      {"apend"},
      {"append", "--writer", "1"},
      {"append", "--writers"},
      {"append", "--writers", "none"},
      {"append", "--rate", "0"},
      {"embed", "--rate", "1k"},
      {"embed", "--connections", "0"},
      {"append", "--size", "2MiB"},
      {"append", "--policy", "sometimes"},
      {"append", "--dir", "/nowhere/at/all"},
      {"append", "--html", "/nowhere/at/all.html"},
      {"append", "--record", "/dev/null"},
      {"policies", "--writers", ""},
      {"policies", "--sizes", "100,,x"},
      {"recover", "--sizes", "1"},
      {"recover", "--seconds", "1"},
      {"report", "--results", "/nowhere/at/all"},
      {"report", "--from", "/nowhere/at/all.json", "--html", "/dev/null"},
      {"report", "--from", "x.json"},
  };
  for (const words& each : refused) {
    const program_run done = run_bench(each);
    const std::string shown = each.empty() ? "nothing" : each.front() + " " + each.back();
    BOOST_TEST(done.status == 2, shown << ": " << done.status);
    BOOST_TEST(!done.err.empty(), shown);
    if (each.size() > 1) BOOST_TEST(done.err.find(each[1]) != std::string::npos, done.err);
  }
}

BOOST_AUTO_TEST_CASE(files_are_written_where_nobody_reads_the_text) {
  const scratch_directory dir;
  const std::string found = dir.path() / "found.json";
  for (const char* const nobody : {" | true", " >/dev/full"}) {
    BOOST_TEST_CONTEXT(nobody) {
      std::string command = "exec 2>/dev/null; " NORI_BENCH_PROGRAM;
      for (const std::string& each : with(quick("append", dir), {"--json", found})) {
        command += " '" + each + "'";
      }
      BOOST_TEST((std::system((command + nobody).c_str()) != 0) == (nobody[1] == '>'));
      BOOST_TEST(json::parse(text_of_file(found)).as_object().contains("records_per_s"));
      std::remove(found.c_str());
    }
  }
}

BOOST_AUTO_TEST_CASE(append_gives_figures_of_all_sides_under_each_policy) {
  const scratch_directory dir;
  for (const char* const policy : {"always", "batch:5ms", "os"}) {
    BOOST_TEST_CONTEXT(policy)
    expect_sides(document_of(with(quick("append", dir), {"--policy", policy, "--writers", "4"})));
  }
}

BOOST_AUTO_TEST_CASE(under_a_rate_no_side_does_more_than_is_due) {
  const scratch_directory dir;
  for (const char* const policy : {"always", "batch:5ms", "os"}) {
    BOOST_TEST_CONTEXT(policy) {
      const json::object found =
          document_of(with(quick("append", dir), {"--policy", policy, "--writers", "4", "--rate",
                                                  "1k", "--seconds", "1"}));
      expect_sides(found);
      // Some of what was late when the measurement began is done in it.
      for (const json::object* side :
           {&found, &found.at("raw").as_object(), &found.at("growing").as_object()}) {
        BOOST_TEST(side->at("records_per_s").to_number<double>() < 2000);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(read_and_store_run) {
  const scratch_directory dir;
  const json::object read = document_of(with(quick("read", dir), {"--records", "2k", "--peers"}));
  expect_figures(read);
  // Those that this program was built with.
  const json::object compared = document_of(with(quick("compare", dir), {"--policy", "os"}));
  BOOST_TEST(read.contains("peers") == compared.contains("peers"));
  if (const json::value* const peers = read.if_contains("peers")) {
    for (const auto& [key, figures] : peers->as_object()) {
      BOOST_TEST(figures.at("records_per_s").to_number<double>() > 0, key);
    }
  }
  const json::object store =
      document_of(with(quick("store", dir), {"--work", "append,scan", "--events", "2k", "--streams",
                                             "100", "--tags", "100", "--writers", "4"}));
  expect_figures(store.at("append").as_object());
  expect_figures(store.at("scan").as_object());
}

BOOST_AUTO_TEST_CASE(embed_gives_figures_with_and_without_a_log_and_of_a_subscription) {
  const scratch_directory dir;
  for (const char* const policy : {"always", "os"}) {
    BOOST_TEST_CONTEXT(policy) {
      const json::object found = document_of(
          with(quick("embed", dir), {"--policy", policy, "--writers", "4", "--connections", "2"}));
      expect_figures(found.at("alone").as_object());
      expect_figures(found.at("beside").as_object());
      // What is given before its append has completed took no time.
      BOOST_TEST(found.at("delivery").at("records_per_s").to_number<double>() > 0);
      BOOST_TEST(found.at("appends_per_s").to_number<double>() > 0);
      BOOST_TEST(found.at("p99_ratio").to_number<double>() > 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(recover_opens_what_was_closed_and_what_was_killed) {
  const scratch_directory dir;
  const std::string html = dir.path() / "recover.html";
  const json::object found =
      document_of({"recover", "--dir", dir.path(), "--rounds", "1", "--segment-bytes", "1MiB",
                   "--sizes", "256KiB,3MiB", "--html", html});
  BOOST_REQUIRE(found.at("openings").as_array().size() == 2);
  for (const json::value& each : found.at("openings").as_array()) {
    for (const char* const name : {"log_bytes", "after_close_ms", "after_kill_ms", "raw_ms",
                                   "always_records_per_s", "os_records_per_s"}) {
      BOOST_TEST(each.at(name).to_number<double>() > 0, name);
    }
  }
  expect_page(html);
}

BOOST_AUTO_TEST_CASE(policies_sweeps_and_draws) {
  const scratch_directory dir;
  const std::string html = dir.path() / "sweep.html";
  const json::object found = document_of(with(
      quick("policies", dir), {"--sizes", "100,1000", "--writers", "1,3", "--policies", "always,os",
                               "--log-sizes", "256KiB,2MiB", "--seconds", "1", "--html", html}));
  BOOST_TEST(found.at("cells").as_array().size() == 8);
  for (const json::value& each : found.at("cells").as_array()) expect_sides(each.as_object());
  BOOST_TEST(found.at("openings").as_array().size() == 2);
  expect_page(html);
  const std::string page = text_of_file(html);
  for (const char* const part :
       {"Throughput by writers", "Latency", "Cost by record size", "Growth by log size",
        "Appending by the log", "Ratio to raw", "survives"}) {
    BOOST_TEST(page.find(part) != std::string::npos, part);
  }
}

BOOST_AUTO_TEST_CASE(compare_gives_figures_of_each_peer_and_says_how_it_is_set_up) {
  const scratch_directory dir;
  for (const char* const policy : {"always", "os"}) {
    BOOST_TEST_CONTEXT(policy) {
      const std::string html = dir.path() / "compare.html";
      const json::object found =
          document_of(with(quick("compare", dir), {"--policy", policy, "--writers", "2",
                                                   "--seconds", "1", "--html", html}));
      expect_sides(found);
      expect_page(html);
      const json::value* const peers = found.if_contains("peers");
      for (const std::string& built : built_peers()) {
        BOOST_TEST((peers != nullptr && has_peer(peers->as_object(), built)), built);
      }
      if (peers == nullptr) {
        BOOST_TEST_MESSAGE("SKIP peers: nori-bench was built without any");
        continue;
      }
      for (const auto& [key, peer] : peers->as_object()) {
        BOOST_TEST_CONTEXT(std::string(key)) {
          expect_figures(peer.as_object());
          BOOST_TEST(peer.at("ratio_to_raw").to_number<double>() > 0);
          BOOST_TEST(!peer.at("loop").as_string().empty());
          BOOST_TEST(!peer.at("survives").as_string().empty());
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(without_the_modules_of_peers_all_else_is_compared) {
  const scratch_directory dir;
  const std::filesystem::path alone = std::filesystem::path(dir.path()) / "nori-bench";
  std::filesystem::copy_file(NORI_BENCH_PROGRAM, alone);
  const program_run run = run_bench(with(quick("compare", dir), {"--policy", "os"}), alone);
  BOOST_TEST(run.status == 0, run.err);
  for (const char* const peer :
       {"RocksDB (librocksdb-dev)", "SQLite (libsqlite3-dev)", "LMDB (liblmdb-dev)"}) {
    BOOST_TEST(run.out.find("Not compared: " + std::string(peer)) != std::string::npos, run.out);
  }
  const program_run refused =
      run_bench(with(quick("compare", dir), {"--postgresql", "host=/nowhere"}), alone);
  BOOST_TEST(refused.status != 0);
  BOOST_TEST(refused.err.find("--postgresql: PostgreSQL (libpq-dev)") != std::string::npos,
             refused.err);
}

BOOST_AUTO_TEST_CASE(recorded_runs_are_reported_and_drawn) {
  const scratch_directory dir;
  const std::string results = dir.path() / "results";
  for (int i = 0; i < 2; ++i) {
    expect_success(with(quick("append", dir), {"--record", results}));
  }
  const std::string lines = text_of_file(results + "/append.jsonl");
  BOOST_TEST(std::count(lines.begin(), lines.end(), '\n') == 2);
  const json::value first = json::parse(lines.substr(0, lines.find('\n')));
  for (const char* const name : {"at", "commit", "verb", "machine", "points"}) {
    BOOST_TEST(first.as_object().contains(name), name);
  }
  const std::string html = dir.path() / "history.html";
  const program_run shown = expect_success({"report", "--results", results, "--html", html});
  BOOST_TEST(shown.out.find("2 runs") != std::string::npos);
  expect_page(html);
}

BOOST_AUTO_TEST_CASE(runs_that_were_given_other_options_are_not_compared) {
  const scratch_directory dir;
  const std::string results = dir.path() / "results";
  const words usual = {"append",   "--dir", dir.path(), "--seconds", "0.2",
                       "--rounds", "1",     "--record", results};
  const words others[] = {{},
                          {"--threads", "2"},
                          {"--backend", "threads"},
                          {"--segment-bytes", "1MiB"},
                          {"--buffer-bytes", "1MiB"}};
  for (const words& each : others) expect_success(with(usual, each));
  std::vector<std::string> names;
  std::istringstream lines(text_of_file(results + "/append.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    names.emplace_back(json::parse(line).at("points").at(0).at("name").as_string());
  }
  std::sort(names.begin(), names.end());
  BOOST_TEST(names.size() == std::size(others));
  BOOST_TEST((std::unique(names.begin(), names.end()) == names.end()));
}

BOOST_AUTO_TEST_CASE(a_machine_is_the_same_with_another_kernel_and_not_with_other_cores) {
  const scratch_directory dir;
  const std::string html = dir.path() / "history.html";
  const auto add = [&](const std::string& kernel, int cores) {
    std::ofstream(dir.path() / "append.jsonl", std::ios::app)
        << R"({"at":"2026","verb":"append","machine":{"cpu":"c","kernel":")" << kernel
        << R"(","cores":)" << cores << R"(},"points":[{"name":"n","ratio_to_raw":1}]})" << "\n";
  };
  add("6.1", 2);
  add("6.2", 2);
  add("6.2", 64);
  const program_run shown = expect_success({"report", "--results", dir.path(), "--html", html});
  const std::string page = text_of_file(html);
  for (const char* const machine : {"c, 2 cores", "c, 64 cores"}) {
    BOOST_TEST(shown.out.find(machine) != std::string::npos, machine);
    const std::string heading = std::string("<h2>") + machine;
    const std::size_t at = page.find(heading);
    BOOST_REQUIRE(at != std::string::npos);
    BOOST_TEST(page.find(heading, at + 1) == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_report_of_damaged_lines_names_the_file_and_the_line) {
  const scratch_directory dir;
  expect_success(with(quick("append", dir), {"--record", dir.path()}));
  BOOST_TEST(std::system(
                 ("echo '{\"at\": 1}' >> " + (dir.path() / "append.jsonl").string()).c_str()) == 0);
  const program_run done = run_bench({"report", "--results", dir.path()});
  BOOST_TEST(done.status == 1);
  BOOST_TEST(done.err.find("append.jsonl:2") != std::string::npos, done.err);
  // One that was cut off takes no other with it.
  std::ofstream(dir.path() / "append.jsonl") << R"({"at": "2026-11-)";
  expect_success(with(quick("append", dir), {"--record", dir.path()}));
  const std::string lines = text_of_file(dir.path() / "append.jsonl");
  BOOST_TEST(std::count(lines.begin(), lines.end(), '\n') == 2);
}

BOOST_AUTO_TEST_CASE(no_page_is_made_from_what_has_no_plots) {
  const scratch_directory dir;
  const std::string document = dir.path() / "found.json";
  const std::string html = dir.path() / "page.html";
  expect_success(with(quick("read", dir), {"--records", "2k", "--json", document}));
  const auto expect_refusal = [&](const char* why) {
    const program_run done = run_bench({"report", "--from", document, "--html", html});
    BOOST_TEST(done.status == 1);
    BOOST_TEST(done.err.find(why) != std::string::npos, done.err);
    BOOST_TEST(!std::filesystem::exists(html));
  };
  expect_refusal("nothing of read is drawn");
  std::ofstream(document) << R"({"verb": "append", "options": {"policy": "os"}})";
  expect_refusal("not what nori-bench writes");
}

BOOST_AUTO_TEST_CASE(a_page_is_made_from_documents) {
  const scratch_directory dir;
  const std::string document = dir.path() / "append.json";
  const std::string html = dir.path() / "page.html";
  expect_success(with(quick("append", dir), {"--json", document}));
  expect_success({"report", "--from", document, "--html", html});
  expect_page(html);
}

}  // namespace
