// bench: with figures that a script makes up, and with those of nori-bench.

#include <array>

#include "cli_test.hpp"

namespace nori::cli_test {

namespace {

struct made_up {
  double per_second;
  double p50_us;
  double p99_us;
};
// Of always, batch:5ms and os; each alone and 64 at a time.
using figures = std::array<std::array<made_up, 2>, 3>;

constexpr figures usual = {{{{{2800, 338, 900}, {134'000, 420, 1500}}},
                            {{{5.8e6, 0.111, 2}, {6.1e6, 0.2, 9}}},
                            {{{5.6e6, 0.1, 2}, {6.2e6, 0.2, 9}}}}};

// As nori-bench policies --json - writes it, as far as it is read.
std::string document(const figures& of, const std::string& file_system = "ext4",
                     double durable_write_us = 300) {
  constexpr std::array<const char*, 3> names{"always", "batch:5ms", "os"};
  boost::json::array cells;
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      boost::json::object cell;
      cell["records_per_s"] = of[i][j].per_second;
      cell["p50_us"] = of[i][j].p50_us;
      cell["p99_us"] = of[i][j].p99_us;
      cell["raw"] = boost::json::object{{"p50_us", durable_write_us}};
      cell["growing"] = boost::json::object{{"p50_us", 2 * durable_write_us}};
      cell["options"] = boost::json::object{{"policy", names[i]}, {"writers", j == 0 ? 1 : 64}};
      cells.push_back(std::move(cell));
    }
  }
  boost::json::object made;
  made["verb"] = "policies";
  made["cells"] = std::move(cells);
  made["machine"] =
      boost::json::object{{"file_system", file_system}, {"device", "vda"}, {"direct_io", true}};
  made["warnings"] = boost::json::array{"others kept 1.5 cores busy meanwhile"};
  return boost::json::serialize(made);
}

// A nori-bench on the PATH that is a script.
void put_script(const bench_of_an_operator& with, const std::string& body) {
  std::filesystem::create_directories(with.at("bin"));
  const auto file = with.at("bin") / "nori-bench";
  write_file(file, "#!/bin/sh\nprintf '%s ' \"$@\" >words\n" + body);
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
}

const std::string with_script = "PATH=bin:$PATH";

called recommended(const bench_of_an_operator& with, const std::string& found,
                   const std::string& words = "bench .") {
  write_file(with.at("found"), found);
  put_script(with, "echo 'a table' >&2\nexec cat found\n");
  return with.nori(words, with_script);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recommending)

BOOST_AUTO_TEST_CASE(the_words_follow_from_the_figures) {
  const bench_of_an_operator with;
  const called done = recommended(with, document(usual), "bench . --seconds 3");
  BOOST_TEST(done.status == 0, done.error);
  BOOST_TEST(done.error.empty());
  BOOST_TEST(has(bytes_of_file(with.at("words")),
                 "policies --dir . --seconds 3.000000 --sizes 100 --writers 1,64 "));
  BOOST_TEST(
      done.out ==
      "disk       ext4 on vda; records of 100 bytes\n"
      "\n"
      "policy     alone: p50     p99  appends/s  64 at once: p50     p99  appends/s  a power cut "
      "takes\n"
      "always         338 us  900 us      2 800           420 us  1.5 ms    134 000  nothing "
      "acknowledged\n"
      "batch:5ms      111 ns    2 us  5 800 000           200 ns    9 us  6 100 000  the last 5 "
      "ms\n"
      "os             100 ns    2 us  5 600 000           200 ns    9 us  6 200 000  what was not "
      "flushed yet\n"
      "\n"
      "recommended  always    config.fsync = nori::fsync_policy::always()\n"
      "  always: alone, an append takes 338 us (900 us one time in a hundred); 64 at a time reach "
      "134 000/s; neither a killed process nor a power cut loses what was acknowledged\n"
      "  batch:5ms: alone, an append takes 111 ns (2 us one time in a hundred); 64 at a time reach "
      "6 100 000/s; a killed process loses nothing acknowledged, a power cut the last 5 ms: for "
      "those that may be lost that way\n"
      "  os: alone, an append takes 100 ns (2 us one time in a hundred); 64 at a time reach "
      "6 200 000/s; a killed process loses nothing acknowledged, a power cut what was not flushed "
      "yet: for records that can be made again\n"
      "warning: others kept 1.5 cores busy meanwhile\n");
}

BOOST_AUTO_TEST_CASE(the_safest_that_is_fast_enough_is_recommended) {
  struct question {
    std::string found;
    std::string words;
    std::string answer;  ///< empty: none
    std::string because;
  };
  figures slow = usual;
  slow[0] = {{{8, 120'000, 300'000}, {500, 130'000, 400'000}}};
  figures slowest = slow;
  slowest[1][1].per_second = 30'000;
  slowest[2][1].per_second = 30'000;
  const question questions[] = {
      {document(usual), "", "always", "134 000/s"},
      {document(usual), "--rate 67000", "always", "134 000/s"},
      {document(usual), "--rate 67001", "batch:5ms", "67 001/s should be at most half of that"},
      {document(slow), "", "batch:5ms", "always is too slow here: one append in a hundred takes"},
      {document(slow), "--rate 200", "always", "500/s"},
      {document(slowest), "--rate 20000", "", "append_batch"},
      {document(usual, "tmpfs"), "", "", "tmpfs lies in memory"},
      {document(usual, "ext4", 3), "", "", "no disk is that fast"},
  };
  const bench_of_an_operator with;
  for (const question& each : questions) {
    const called done = recommended(with, each.found, "bench . --json " + each.words);
    BOOST_TEST_CONTEXT(each.words << " " << each.because) {
      BOOST_TEST_REQUIRE(done.status == 0, done.error);
      const auto found = done.object();
      if (each.answer.empty()) {
        BOOST_TEST(found.at("recommended").is_null());
      } else {
        BOOST_TEST(found.at("recommended").as_string() == each.answer);
      }
      BOOST_TEST(has(boost::json::serialize(found.at("why")), each.because));
      BOOST_TEST(found.at("policies").as_array().size() == 3U);
      BOOST_TEST(found.at("warnings").as_array().size() == 1U);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_in_the_way_is_said) {
  const bench_of_an_operator with;
  const called without = with.nori("bench .", "PATH=nowhere");
  BOOST_TEST(without.status == 5);
  BOOST_TEST(has(without.error, "nori-bench is neither beside nori nor on the PATH"));
  put_script(with, "echo 'something first' >&2\necho 'nori-bench: no room' >&2\nexit 1\n");
  const called failed = with.nori("bench .", with_script);
  BOOST_TEST(failed.status == 1);
  BOOST_TEST(has(failed.error, "ended with 1: nori-bench: no room"));
  put_script(with, "kill -9 $$\n");
  BOOST_TEST(has(with.nori("bench .", with_script).error, "ended with -9"));
  for (const std::string nonsense : {"", "{}", "[1]", R"({"cells":[]})"}) {
    const called done = recommended(with, nonsense);
    BOOST_TEST(done.status == 1);
    BOOST_TEST(has(done.error, "have to be of the same version"));
  }
  BOOST_TEST(with.nori("bench nowhere", with_script).status == 5);
  BOOST_TEST(with.nori("bench . --rate none", with_script).status == 2);
}

BOOST_AUTO_TEST_CASE(nori_bench_is_understood) {
  const std::filesystem::path program = NORI_BENCH_PROGRAM;
  if (!std::filesystem::exists(program)) {
    std::cout << "SKIP nori_bench_is_understood: nori-bench is not built\n";
    return;
  }
  const bench_of_an_operator with;
  const called done = with.nori("bench . --seconds 1 --json",
                                "PATH='" + program.parent_path().string() + "':\"$PATH\"");
  BOOST_TEST_REQUIRE(done.status == 0, done.error);
  const auto found = done.object();
  BOOST_TEST(found.at("policies").as_array().size() == 3U);
  for (const auto& each : found.at("policies").as_array()) {
    for (const char* const load : {"alone", "together"}) {
      BOOST_TEST(each.at(load).at("appends_per_second").to_number<double>() > 0);
      BOOST_TEST(each.at(load).at("p50_us").to_number<double>() > 0);
    }
  }
  BOOST_TEST(!found.at("why").as_array().empty());
  // What it made on the disk is gone.
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(with.scratch.path()),
                           std::filesystem::directory_iterator()) == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::cli_test
