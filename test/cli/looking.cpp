// info, cat, tail, find, streams, show, verify: on logs that are sound, live and closed.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_test.hpp"

namespace nori::cli_test {

BOOST_AUTO_TEST_SUITE(looking)

BOOST_AUTO_TEST_CASE(help_names_every_verb_and_a_wrong_call_says_where_help_is) {
  const bench_of_an_operator with;
  const called help = with.nori("--help");
  BOOST_TEST(help.status == 0);
  for (const std::string verb :
       {"info", "cat", "tail", "streams", "show", "find", "verify", "backup", "restore", "repair",
        "prune", "reindex", "export", "import", "top", "bench"}) {
    BOOST_TEST(has(help.out, "\n  " + verb + " "));
    const called one = with.nori(verb + " --help");
    BOOST_TEST(one.status == 0);
    BOOST_TEST(has(one.out, "For example:\n  "));
    // These two do without a directory.
    if (verb != "top" && verb != "bench") BOOST_TEST(with.nori(verb).status == 2);
  }
  BOOST_TEST(with.nori("").status == 2);
  const called wrong = with.nori("cat . --since yesterday");
  BOOST_TEST(wrong.status == 2);
  BOOST_TEST(has(wrong.error, "\"yesterday\" is no time"));
  BOOST_TEST(has(wrong.error, "nori cat --help says more"));
}

BOOST_AUTO_TEST_CASE(info_tells_of_a_log_in_use_and_closed) {
  bench_of_an_operator with;
  wal log = with.open_log("log");
  with.append_many(log, 200);
  for (const bool open : {true, false}) {
    if (!open) with.close(log);
    const called text = with.nori("info log");
    BOOST_TEST(text.status == 0);
    BOOST_TEST(has(text.out, "200 records in "));
    BOOST_TEST(has(text.out, "sound as far as info looks"));
    BOOST_TEST(has(text.out, "closed properly") == !open);
    BOOST_TEST(!has(text.out, "\x1b"));
    const auto json = with.nori("info log --json").object();
    BOOST_TEST(json.at("records").as_int64() == 200);
    BOOST_TEST(json.at("sound").as_bool());
    BOOST_TEST(json.at("segments").as_array().size() >= 3U);
    BOOST_TEST(json.at("recovery").at("clean_close").as_bool() == !open);
  }
}

BOOST_AUTO_TEST_CASE(info_tells_of_a_store) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  const called text = with.nori("info events");
  BOOST_TEST(text.status == 0);
  BOOST_TEST(has(text.out, "an event store"));
  BOOST_TEST(has(text.out, "5 in 3 streams, global positions 0 to 4"));
  BOOST_TEST(has(text.out, "recorded   2026-01-31T00:00:01.000Z to 2026-01-31T00:00:05.000Z"));
  const auto json = with.nori("info events --json").object();
  BOOST_TEST(json.at("store").at("types").at("opened").as_int64() == 3);
  with.close(store);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_told_from_what_may_not_be_read) {
  bench_of_an_operator with;
  const called absent = with.nori("info nothing");
  BOOST_TEST(absent.status == 5);
  BOOST_TEST(has(absent.error, "config.dir"));
  std::filesystem::create_directory(with.at("empty"));
  std::filesystem::permissions(with.at("empty"), std::filesystem::perms::owner_all);
  const called empty = with.nori("verify empty");
  BOOST_TEST(empty.status == 5);
  BOOST_TEST(has(empty.error, "holds no log"));
  // Nothing was made there.
  BOOST_TEST(std::filesystem::is_empty(with.at("empty")));
  const auto json = boost::json::parse(with.nori("info nothing --json").error).as_object();
  BOOST_TEST(json.at("status").as_int64() == 5);
  BOOST_TEST(json.at("advice").as_string().size() > 0U);
}

BOOST_AUTO_TEST_CASE(a_log_without_a_record_is_fine) {
  bench_of_an_operator with;
  wal log = with.open_log("log");
  with.close(log);
  for (const std::string verb : {"info", "cat", "tail", "verify", "export"}) {
    const called done = with.nori(verb + " log");
    BOOST_TEST(done.status == 0, verb << ": " << done.error);
  }
}

BOOST_AUTO_TEST_CASE(cat_prints_records_for_people_and_for_programs) {
  bench_of_an_operator with;
  wal log = with.open_log("log");
  with.append(log, "order-1", "paid");
  with.append(log, "bytes", std::string_view("\x00\xff\n", 3));
  record gone = record::remove("cart-2");
  run(with.io, log.append(gone));
  record session = record::put_with_ttl("session", "open", std::chrono::minutes(30));
  session.version = record_version{3, 4};
  run(with.io, log.append(session));
  BOOST_TEST(with.nori("cat log").out ==
             "1:8192  order-1  paid\n"
             "1:8240  bytes  \\x00\\xff\\x0a\n"
             "1:8288  cart-2  (removed)\n"
             "1:8336  session  open\n");
  const auto lines = with.nori("cat log --json").lines();
  BOOST_REQUIRE(lines.size() == 4U);
  BOOST_TEST(lines[0].at("value").as_string() == "paid");
  BOOST_TEST(lines[1].at("value_base64").as_string() == "AP8K");
  BOOST_TEST(lines[2].at("tombstone").as_bool());
  BOOST_TEST(lines[3].at("time_to_live_ms").as_int64() == 1'800'000);
  BOOST_TEST(lines[3].at("index").as_int64() == 4);
  BOOST_TEST(with.nori("cat log --from 1:8240 --limit 1 --json").lines().size() == 1U);
  BOOST_TEST(with.nori("cat log --until 1:8240").out == "1:8192  order-1  paid\n");
  BOOST_TEST(with.nori("cat log --prefix cart").out == "1:8288  cart-2  (removed)\n");
  BOOST_TEST(with.nori("cat log --from 1:8250").status == 5);
  const called typed = with.nori("cat log --type opened");
  BOOST_TEST(typed.status == 2);
  BOOST_TEST(has(typed.error, "plain log"));
  with.close(log);
}

BOOST_AUTO_TEST_CASE(cat_and_find_select_events) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  BOOST_TEST(
      with.nori("cat events --limit 2").out ==
      "0  2026-01-31T00:00:01.000Z  account-1@0  opened  {\"owner\":\"Ann\",\"balance\":0}\n"
      "1  2026-01-31T00:00:02.000Z  account-2@0  opened  {\"owner\":\"Bob\",\"balance\":0}\n");
  const auto positions = [&](const std::string& words) {
    std::string all;
    for (const auto& line : with.nori(words + " --json").lines()) {
      all += std::to_string(line.at("global_position").as_int64()) + " ";
    }
    return all;
  };
  BOOST_TEST(positions("cat events") == "0 1 2 3 4 ");
  BOOST_TEST(positions("cat events --backwards") == "4 3 2 1 0 ");
  BOOST_TEST(positions("cat events --from 2 --until 4") == "2 3 ");
  BOOST_TEST(positions("cat events --from 2 --backwards") == "4 3 2 ");
  BOOST_TEST(positions("cat events --until 0") == "");
  BOOST_TEST(positions("find events --type opened") == "0 1 4 ");
  BOOST_TEST(positions("find events --type opened --type withdrawn --tag branch:7") == "0 3 ");
  BOOST_TEST(positions("find events --prefix account-1") == "0 2 3 ");
  BOOST_TEST(positions("find events --text Bob") == "1 ");
  BOOST_TEST(positions("find events --since 2026-01-31T00:00:03Z") == "2 3 4 ");
  BOOST_TEST(
      positions("find events --since '2026-01-31 00:00:02' --before 2026-01-31T00:00:04.5") ==
      "1 2 3 ");
  BOOST_TEST(positions("tail events -n 2") == "3 4 ");
  BOOST_TEST(positions("tail events -n 1 --type opened") == "4 ");
  BOOST_TEST(positions("tail events --type opened") == "0 1 4 ");
  const called none = with.nori("find events --text nobody");
  BOOST_TEST(none.status == 5);
  BOOST_TEST(has(none.error, "nothing matches"));
  BOOST_TEST(with.nori("find events").status == 2);
  with.close(store);
}

BOOST_AUTO_TEST_CASE(tail_of_a_log_crosses_segments) {
  bench_of_an_operator with;
  wal log = with.open_log("log");
  with.append_many(log, 200);
  const auto all = with.nori("cat log --json").lines();
  BOOST_REQUIRE(all.size() == 200U);
  for (const std::size_t count : {0U, 1U, 10U, 150U, 300U}) {
    const auto some = with.nori("tail log --json -n " + std::to_string(count)).lines();
    BOOST_TEST(some.size() == std::min<std::size_t>(count, 200));
    if (!some.empty()) BOOST_TEST(some.back() == all.back());
  }
  with.close(log);
}

BOOST_AUTO_TEST_CASE(tail_follows_what_another_process_appends) {
  bench_of_an_operator with;
  wal log = with.open_log("log");
  event_store store = with.open_store("events");
  with.append(log, "first", "1");
  with.append(store, "s", "first", "1");
  for (const std::string dir : {"log", "events"}) {
    const auto pipe = with.at(dir + ".pipe");
    BOOST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const std::string command = "cd '" + with.scratch.path().string() +
                                "' && exec timeout 50 '" NORI_CLI "' tail -f " + dir +
                                " --json >'" + pipe.string() + "'";
    std::FILE* const follower = ::popen(command.c_str(), "w");
    std::ifstream lines(pipe);
    std::string line;
    BOOST_REQUIRE(std::getline(lines, line));
    BOOST_TEST(has(line, "first"));
    // Enough to begin other segments, in the middle of which it looks.
    if (dir == "log") {
      with.append_many(log, 100);
    } else {
      with.fill_more(store, 100);
    }
    int got = 0;
    while (got < 100 && std::getline(lines, line)) ++got;
    BOOST_TEST(got == 100);
    lines.close();
    // It ends as soon as nobody reads.
    if (dir == "log") {
      with.append(log, "last", "1");
    } else {
      with.append(store, "s", "last", "1");
    }
    BOOST_TEST(WTERMSIG(::pclose(follower)) == SIGPIPE);
  }
  with.close(log);
  with.close(store);
}

BOOST_AUTO_TEST_CASE(streams_and_show_read_a_store_by_stream) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  BOOST_TEST(with.nori("streams events").out ==
             "stream     events  last revision\n"
             "account-1       3              2\n"
             "account-2       1              0\n"
             "account-3       1              0\n");
  BOOST_TEST(with.nori("streams events account-3 --names").out == "account-3\n");
  BOOST_TEST(with.nori("streams events nothing").status == 5);
  BOOST_TEST(with.nori("show events account-1 --from 1 --limit 1").out ==
             "@1  deposited  2026-01-31T00:00:03.000Z  global position 2\n"
             "    tags  branch:7\n"
             "    {\"amount\":100,\"balance\":100}\n");
  const auto state = [&](const std::string& words) {
    return boost::json::serialize(
        with.nori("show events account-1 --json " + words).object().at("state"));
  };
  BOOST_TEST(state("--fold merge") == R"({"owner":"Ann","balance":70,"amount":30})");
  BOOST_TEST(state("--fold merge --until 3") == R"({"owner":"Ann","balance":100,"amount":100})");
  BOOST_TEST(state("--fold merge --before 2026-01-31T00:00:01") ==
             R"({"owner":"Ann","balance":0})");
  BOOST_TEST(state("--fold count") == R"({"opened":1,"deposited":1,"withdrawn":1})");
  BOOST_TEST(state("--fold sum") == R"({"balance":170,"amount":130})");
  BOOST_TEST(state("--fold latest") ==
             R"({"opened":{"owner":"Ann","balance":0},"deposited":{"amount":100,"balance":100},)"
             R"("withdrawn":{"amount":30,"balance":70}})");
  const called absent = with.nori("show events account-9");
  BOOST_TEST(absent.status == 5);
  BOOST_TEST(has(absent.error, "there is account-1"));
  with.close(store);
  wal log = with.open_log("log");
  with.append(log, "a", "b");
  BOOST_TEST(with.nori("streams log").status == 1);
  with.close(log);
}

BOOST_AUTO_TEST_CASE(verify_reads_every_byte_and_finds_each_flipped_bit) {
  bench_of_an_operator with;
  wal log = with.open_log("log");
  with.append_many(log, 200);
  for (const bool open : {true, false}) {
    if (!open) with.close(log);
    const called sound = with.nori("verify log");
    BOOST_TEST(sound.status == 0);
    BOOST_TEST(has(sound.out, "\nsound: every record of "));
  }
  const auto file = with.at("log") / "00000000000000000002.segment";
  flip_bit(file, 30000);
  const called damaged = with.nori("verify log");
  BOOST_TEST(damaged.status == 3);
  BOOST_TEST(has(damaged.out, "damaged data at offset 2"));
  BOOST_TEST(has(damaged.error, "nori repair log NEW-DIR"));
  const auto json = with.nori("verify log --json");
  BOOST_TEST(json.status == 3);
  BOOST_TEST(!json.object().at("sound").as_bool());
  BOOST_TEST(json.object().at("segments").at(1).at("state").as_string() == "damaged");
  BOOST_TEST(json.object().at("segments").at(2).at("state").as_string() == "intact");
  flip_bit(file, 30000);
  std::filesystem::resize_file(file, 20000);
  BOOST_TEST(with.nori("verify log").status == 3);
  BOOST_TEST(has(with.nori("info log").out, "truncated: it has 20000 bytes"));
  std::filesystem::remove(file);
  BOOST_TEST(has(with.nori("verify log").out, "missing"));
  BOOST_TEST(with.nori("cat log").status == 3);
}

BOOST_AUTO_TEST_CASE(a_read_only_log_can_be_looked_at_and_not_changed) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  with.close(store);
  if (::geteuid() != 0) {
    std::filesystem::permissions(
        with.at("events"), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  }
  for (const std::string words :
       {"info events", "cat events", "verify events", "streams events", "backup events copy"}) {
    const called done = with.nori(words);
    BOOST_TEST(done.status == 0, words << ": " << done.error);
  }
  std::filesystem::permissions(with.at("events"), std::filesystem::perms::owner_all);
}

BOOST_AUTO_TEST_CASE(completion_is_bash_and_knows_verbs_options_and_streams) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  const std::string ask =
      "cat >.script <<'EOF'\n"
      "nori() { '" NORI_CLI
      "' \"$@\"; }\n"
      "eval \"$(nori completion bash)\"\n"
      "complete_words() { COMP_WORDS=(\"$@\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _nori; "
      "echo \"${COMPREPLY[*]}\"; }\n"
      "complete_words nori ver\n"
      "complete_words nori show events account\n"
      "complete_words nori show events account-1 --fo\n"
      "complete_words nori show events account-1 --fold m\n"
      "complete_words nori import --n\n"
      "complete_words nori to\n"
      "complete_words nori top --o\n"
      "complete_words nori bench --ra\n"
      "EOF\n"
      "bash .script; ";
  BOOST_TEST(with.nori("--version", ask + " true;").status == 0);
  const std::string command = "cd '" + with.scratch.path().string() + "' && bash .script >.out";
  BOOST_TEST(std::system(command.c_str()) == 0);
  BOOST_TEST(
      bytes_of_file(with.at(".out")) ==
      "verify\naccount-1 account-2 account-3\n--fold\nmerge\n--nori-wal\ntop\n--once\n--rate\n");
  with.close(store);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::cli_test
