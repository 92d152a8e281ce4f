// Progress: for whoever waits at a terminal, and for nobody else.

#include <pty.h>

#include "cli_test.hpp"
#include "support/sanitized.hpp"

namespace nori::cli_test {

namespace {

// What "nori WORDS" writes to a terminal that is its standard error, under a clock that makes it
// take longer than a second; standard output goes to ".out". Not used under a sanitizer.
[[maybe_unused]] std::string shown_by(const bench_of_an_operator& with, const std::string& words) {
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    const std::string command = "cd '" + with.scratch.path().string() +
                                "' && LD_PRELOAD='" NORI_FAST_CLOCK "' exec '" NORI_CLI "' " +
                                words + " >.out </dev/null";
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  std::string shown;
  std::array<char, 4096> piece;
  // A terminal that nobody holds any more ends with an error.
  for (ssize_t got = 0; (got = ::read(terminal, piece.data(), piece.size())) > 0;) {
    shown.append(piece.data(), static_cast<std::size_t>(got));
  }
  ::close(terminal);
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0, words << ": " << shown);
  return shown;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(progress)

BOOST_AUTO_TEST_CASE(it_is_shown_with_the_time_left_on_a_terminal_only) {
#ifdef NORI_SANITIZED
  std::cout << "SKIP progress: a sanitizer wants to be loaded before the clock\n";
#else
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill_more(store, 600);
  with.close(store);
  wal log = with.open_log("log");
  with.append_many(log, 600);
  with.close(log);
  write_file(with.at("events.jsonl"), with.nori("export events").out);
  struct waiting {
    std::string words;
    std::string title;
  };
  const waiting waits[] = {
      {"verify log", "verifying"},
      {"backup log copy", "backing up"},
      {"restore copy back", "restoring"},
      {"export events", "reading"},
      {"cat log", "reading"},
      {"info events", "counting events"},
      {"import new events.jsonl", "importing"},
  };
  for (const waiting& each : waits) {
    const std::string shown = shown_by(with, each.words);
    BOOST_TEST_CONTEXT(each.words << ": " << shown) {
      BOOST_TEST(has(shown, each.title + " ["));
      BOOST_TEST(has(shown, " s left"));
      BOOST_TEST(has(shown, " of "));
      // At the end the line is empty again.
      BOOST_TEST(shown.ends_with("\r\x1b[K"));
    }
    BOOST_TEST(!has(bytes_of_file(with.at(".out")), "left"));
  }
  const std::string preload = "LD_PRELOAD='" NORI_FAST_CLOCK "'";
  BOOST_TEST(with.nori("verify log", preload).error.empty());
  BOOST_TEST(shown_by(with, "verify log --json").empty());
#endif
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::cli_test
