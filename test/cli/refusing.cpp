// Every verb on directories that are not what it wants: a status that scripts can use, words that
// say what to do next, and nothing changed.

#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <set>

#include "cli_test.hpp"

namespace nori::cli_test {

namespace {

// Each verb on the directory "it", with what else it needs.
const std::vector<std::string> reading_verbs{
    "info it",           "cat it",           "tail it",   "streams it",
    "show it account-1", "find it --text x", "verify it", "export it"};
const std::vector<std::string> copying_verbs{"backup it to", "restore it to", "repair it to"};
const std::vector<std::string> changing_verbs{"prune it --until 3", "reindex it"};

std::vector<std::string> every_verb() {
  std::vector<std::string> all = reading_verbs;
  all.insert(all.end(), copying_verbs.begin(), copying_verbs.end());
  all.insert(all.end(), changing_verbs.begin(), changing_verbs.end());
  return all;
}

// The files of a directory and what is in them.
std::map<std::string, std::string> contents(const std::filesystem::path& dir) {
  std::map<std::string, std::string> found;
  if (!std::filesystem::is_directory(dir)) return found;
  for (const auto& each : std::filesystem::recursive_directory_iterator(dir)) {
    if (each.is_regular_file()) found[each.path().string()] = bytes_of_file(each.path());
  }
  return found;
}

std::filesystem::path segment(const bench_of_an_operator& with, int id) {
  return with.at("it") / ("0000000000000000000" + std::to_string(id) + ".segment");
}

void make_store(bench_of_an_operator& with) {
  event_store store = with.open_store("it");
  with.fill(store);
  with.fill_more(store, 200);
  with.close(store);
}

struct place_of_trouble {
  std::string name;
  std::function<void(bench_of_an_operator&)> make;
  int status;
  std::string said;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(refusing)

BOOST_AUTO_TEST_CASE(each_verb_says_what_is_wrong_and_changes_nothing) {
  const place_of_trouble places[] = {
      {"nothing there", [](auto&) {}, 5, "config.dir"},
      {"a file", [](auto& with) { write_file(with.at("it"), "hello"); }, 5, "config.dir"},
      {"empty", [](auto& with) { std::filesystem::create_directory(with.at("it")); }, 5,
       "it holds no log"},
      {"foreign",
       [](auto& with) {
         std::filesystem::create_directory(with.at("it"));
         write_file(with.at("it") / "photo.jpg", "hello");
       },
       5, "it holds no log"},
      {"foreign with a file of our name",
       [](auto& with) {
         std::filesystem::create_directory(with.at("it"));
         write_file(with.at("it") / "log", "Nov 25 13:28:14 started\n");
       },
       3, "there is no *.segment in it"},
      {"all segments gone",
       [](auto& with) {
         make_store(with);
         for (int id = 1; std::filesystem::remove(segment(with, id)); ++id) {
         }
       },
       3, "go back to a backup"},
      {"a segment gone",
       [](auto& with) {
         make_store(with);
         std::filesystem::remove(segment(with, 2));
       },
       3, "nori repair it NEW-DIR"},
      {"a segment truncated",
       [](auto& with) {
         make_store(with);
         std::filesystem::resize_file(segment(with, 2), 20000);
       },
       3, "nori repair it NEW-DIR"},
      {"both headers damaged",
       [](auto& with) {
         make_store(with);
         flip_bit(segment(with, 1), 20);
         flip_bit(segment(with, 1), 4096 + 20);
       },
       3, "nori repair it NEW-DIR"},
  };
  for (const place_of_trouble& place : places) {
    bench_of_an_operator with;
    place.make(with);
    const auto before = contents(with.at("it"));
    for (const std::string& verb : every_verb()) {
      if (verb.starts_with("repair") && place.said == "nori repair it NEW-DIR") continue;
      const called done = with.nori(verb);
      BOOST_TEST_CONTEXT(place.name << ", " << verb << ": " << done.error) {
        // What there is nothing to keep of is, to repair, not there.
        const bool nothing_to_keep = verb.starts_with("repair") && place.status == 3;
        BOOST_TEST(done.status == (nothing_to_keep ? 5 : place.status));
        BOOST_TEST(done.error.starts_with("nori: "));
        BOOST_TEST(has(done.error, nothing_to_keep ? "nothing to keep" : place.said));
        BOOST_TEST(!std::filesystem::exists(with.at("to")));
        BOOST_TEST((contents(with.at("it")) == before));
      }
      const called json = with.nori(verb + " --json");
      BOOST_TEST(json.status == done.status, place.name << ", " << verb);
      // info and verify have found something out: that is their answer.
      if (json.error.empty()) {
        BOOST_TEST(!json.object().at("sound").as_bool());
      } else {
        const auto error = boost::json::parse(json.error).as_object();
        BOOST_TEST(error.at("status").as_int64() == done.status);
        BOOST_TEST(error.contains("advice"), place.name << ", " << verb);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_log_without_records_is_no_trouble) {
  bench_of_an_operator with;
  wal log = with.open_log("it");
  with.close(log);
  for (const std::string verb :
       {"info it", "cat it", "tail it", "streams it", "verify it", "export it", "backup it copy",
        "restore copy back", "prune it --until 1:8192", "reindex it"}) {
    const called done = with.nori(verb);
    BOOST_TEST(done.status == 0, verb << ": " << done.error);
  }
  BOOST_TEST(with.nori("show it account-1").status == 5);
  BOOST_TEST(with.nori("repair it to").status == 2);
}

BOOST_AUTO_TEST_CASE(what_may_not_be_written_is_read_and_not_changed) {
  if (::geteuid() == 0) {
    std::cout
        << "SKIP what_may_not_be_written_is_read_and_not_changed: root may write everything\n";
    return;
  }
  bench_of_an_operator with;
  make_store(with);
  using std::filesystem::perms;
  for (const auto& each : std::filesystem::directory_iterator(with.at("it"))) {
    std::filesystem::permissions(each.path(), perms::owner_read);
  }
  std::filesystem::permissions(with.at("it"), perms::owner_read | perms::owner_exec);
  const auto before = contents(with.at("it"));
  for (const std::string& verb : reading_verbs) {
    const called done = with.nori(verb);
    BOOST_TEST(done.status == 0, verb << ": " << done.error);
  }
  BOOST_TEST(with.nori("backup it copy").status == 0);
  for (const std::string& verb : changing_verbs) {
    const called done = with.nori(verb);
    BOOST_TEST(done.status == 1, verb);
    BOOST_TEST(has(done.error, "run as the user that the service runs as"), verb);
  }
  BOOST_TEST((contents(with.at("it")) == before));
  std::filesystem::permissions(with.at("it"), perms::none);
  for (const std::string& verb : every_verb()) {
    const called done = with.nori(verb);
    BOOST_TEST(done.status == 1, verb << ": " << done.error);
    BOOST_TEST(has(done.error, "run as the user that the service runs as"), verb);
  }
  std::filesystem::permissions(with.at("it"), perms::owner_all);
}

// Each status that the help names is one that a call ends with, and there are no others.
BOOST_AUTO_TEST_CASE(the_help_and_the_page_name_every_status_and_the_page_shows_every_verb) {
  bench_of_an_operator with;
  make_store(with);
  event_store running = with.open_store("in_use");
  with.fill(running);
  std::set<int> seen;
  for (const std::string words :
       {"info it", "import it none/such/file", "info", "prune in_use --until 0 --force",
        "show it nobody", "export it --type x --since nonsense"}) {
    seen.insert(with.nori(words).status);
  }
  write_file(with.at("lines"), "nonsense\n");
  seen.insert(with.nori("import new lines").status);
  flip_bit(segment(with, 1), 30000);
  seen.insert(with.nori("verify it").status);
  with.close(running);
  const std::string help = with.nori("--help").out;
  const std::string page = bytes_of_file(NORI_README);
  for (int status = 0; status <= 5; ++status) {
    BOOST_TEST(seen.contains(status), status);
    BOOST_TEST(has(page, "\n| " + std::to_string(status) + " | "), status);
  }
  BOOST_TEST(seen.size() == 6U);
  BOOST_TEST(
      has(help, "0 done, 1 refused by the system or the data, 2 wrong command line, 3 damaged"));
  BOOST_TEST(has(help, "4 in use by another process, 5 not there"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::cli_test
