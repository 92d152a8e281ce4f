// The program in a terminal, as a person sees it: colours, following, interrupting.

#include "terminal.hpp"
#include "cli_test.hpp"

namespace nori::cli_test {

BOOST_AUTO_TEST_SUITE(in_a_terminal)

BOOST_AUTO_TEST_CASE(there_are_colours_unless_they_are_not_wanted) {
  if (!has_tmux()) return;
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  const terminal screen(with);
  screen.type("NO_COLOR= '" NORI_CLI "' info events; echo done-$?");
  const std::string coloured = screen.screen_with("done-0");
  BOOST_TEST(has(coloured, "\x1b[32msound"));
  screen.type("clear; NO_COLOR=1 " NORI_CLI " info events; echo plain-$?");
  const std::string plain = screen.screen_with("plain-0");
  BOOST_TEST(has(plain, "sound"));
  BOOST_TEST(!has(plain, "\x1b[32m"));
  with.close(store);
}

BOOST_AUTO_TEST_CASE(following_shows_what_comes_until_it_is_interrupted) {
  if (!has_tmux()) return;
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  const terminal screen(with);
  screen.type(NORI_CLI " tail -f events -n 1 --color never");
  BOOST_TEST(has(screen.screen_with("account-3@0"), "account-3@0"));
  with.append(store, "account-4", "opened", "{}");
  BOOST_TEST(has(screen.screen_with("account-4@0"), "account-4@0"));
  screen.interrupt();
  screen.type("echo ended-$?");
  BOOST_TEST(has(screen.screen_with("ended-130"), "ended-130"));
  with.close(store);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::cli_test
