#include "arguments.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <chrono>
#include <iostream>
#include <string_view>

#include "completion.hpp"
#include "folds.hpp"
#include "status.hpp"

namespace nori::cli {

namespace {

constexpr std::string_view overview =
    "Looks into, checks, copies and mends a nori log or event store: the directory that a service\n"
    "gives as config.dir. info, cat, tail, streams, show, find, verify, backup and export work "
    "while\n"
    "the service runs; prune and reindex want it stopped; repair and restore write a new "
    "directory;\n"
    "top watches a service by its metrics, and bench measures a disk.";

constexpr std::string_view lessons =
    "To begin with:\n"
    "  nori info DIR                      what is in there, and is it sound?\n"
    "  nori tail -f DIR                   what is happening right now\n"
    "  nori show DIR STREAM               the history of one thing\n"
    "  nori verify DIR                    is every byte as it was written?\n"
    "  nori backup DIR COPY               consistent, while the service runs; again: what is new\n"
    "  nori top URL                       how fast the service appends, and who lags behind\n"
    "\n"
    "When it is damaged: nori verify DIR says where, nori repair DIR NEW-DIR keeps what lies "
    "before\n"
    "that, nori restore COPY NEW-DIR goes back to a backup. None of them changes DIR.\n"
    "\n"
    "Times are UTC: 2026-01-31, 2026-01-31T12:30:15, @1769862615, or ago: 90s, 15m, 2h, 3d.\n"
    "Places are global positions of events, or SEGMENT:OFFSET in a plain log, as cat shows them.\n"
    "\n"
    "Ends with 0 done, 1 refused by the system or the data, 2 wrong command line, 3 damaged,\n"
    "4 in use by another process, 5 not there (log, stream, place, match or service).\n";

/// Adds verbs that read into one place, with the option that they share.
class command_line {
 public:
  explicit command_line(arguments& to) : to_(to) {
    app_.name("nori");
    app_.description(std::string(overview));
    app_.footer(std::string(lessons));
    app_.set_version_flag("--version", "nori " NORI_VERSION);
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(30);
    add_looking();
    add_copying();
    add_changing();
    add_measuring();
    CLI::App* const completion = app_.add_subcommand(
        "completion", "Print what makes TAB complete: eval \"$(nori completion bash)\"");
    completion->add_option("SHELL", to_.target, "bash")->required()->check(CLI::IsMember({"bash"}));
  }

  CLI::App& app() { return app_; }

  [[nodiscard]] std::vector<verb_words> words() const {
    std::vector<verb_words> all;
    for (const CLI::App* verb : app_.get_subcommands([](const CLI::App*) { return true; })) {
      verb_words words{verb->get_name(), verb->get_description(), {}};
      for (const CLI::Option* option : verb->get_options()) {
        for (const std::string& name : option->get_lnames()) words.options.push_back("--" + name);
      }
      all.push_back(std::move(words));
    }
    return all;
  }

 private:
  CLI::App* add(const std::string& name, const std::string& help, const std::string& examples) {
    CLI::App* const verb = add_without_log(name, help, examples);
    verb->add_option("DIR", to_.dir, "Directory of the log")->required();
    return verb;
  }

  CLI::App* add_without_log(const std::string& name, const std::string& help,
                            const std::string& examples) {
    CLI::App* const verb = app_.add_subcommand(name, help);
    verb->footer("For example:\n" + examples + "\n");
    verb->add_flag("--json", to_.json, "JSON: one document, or one in each line");
    verb->add_option("--colour,--color", to_.colours, "auto (on a terminal), always or never")
        ->transform(CLI::CheckedTransformer(std::map<std::string, arguments::colour>{
                                                {"auto", arguments::colour::automatic},
                                                {"always", arguments::colour::always},
                                                {"never", arguments::colour::never}})
                        .description(""))
        ->type_name("WHEN");
    return verb;
  }

  void add_time(CLI::App* verb, const std::string& name, std::optional<event_time>& into,
                const std::string& help) {
    verb->add_option_function<std::string>(
            name,
            [&into, name](const std::string& text) {
              into = parse_time(text, now());
              if (!into) {
                throw CLI::ValidationError(
                    name, "\"" + text + "\" is no time: 2026-01-31T12:30:15, @1769862615 or 15m");
              }
            },
            help)
        ->type_name("TIME");
  }

  void add_place(CLI::App* verb, const std::string& name, std::optional<place>& into,
                 const std::string& help) {
    verb->add_option_function<std::string>(
            name,
            [&into, name](const std::string& text) {
              into = parse_place(text);
              if (!into) {
                throw CLI::ValidationError(
                    name, "\"" + text + "\" is no place: a global position, or SEGMENT:OFFSET");
              }
            },
            help)
        ->type_name("PLACE");
  }

  void add_selection(CLI::App* verb) {
    add_place(verb, "--from", to_.from, "Begin with this one");
    add_place(verb, "--until", to_.until, "End before this one");
    add_time(verb, "--since", to_.since, "Recorded at this time or later");
    add_time(verb, "--before", to_.before_time, "Recorded at this time or earlier");
    verb->add_option("--type", to_.types, "Of this type; several: of any of them");
    verb->add_option("--tag", to_.tags, "With this tag; several: with all of them");
    verb->add_option("--prefix", to_.prefix, "Stream, or key, that begins so");
    verb->add_option("--text", to_.text, "With these bytes in data, metadata, key or value");
  }

  void add_looking() {
    add("info", "What is in there, segment by segment, and is it sound?",
        "  nori info /var/lib/bank/events\n"
        "  nori info /var/lib/bank/events --json | jq .store.events");
    CLI::App* const cat =
        add("cat", "Print records or events",
            "  nori cat DIR --since 15m\n"
            "  nori cat DIR --type withdrawn --tag branch:7 --json | jq -r .data");
    add_selection(cat);
    cat->add_option("-n,--limit", to_.limit, "At most so many");
    cat->add_flag("--backwards", to_.backwards, "The newest first");
    CLI::App* const tail = add("tail", "Print the newest records or events, and follow them",
                               "  nori tail DIR\n"
                               "  nori tail -f DIR --type transfer_failed");
    add_selection(tail);
    tail->add_option("-n,--limit", to_.limit, "So many (10)");
    tail->add_flag("-f,--follow", to_.follow, "Go on as more are appended, until interrupted");
    CLI::App* const streams = add("streams", "List the streams of an event store",
                                  "  nori streams DIR account-\n"
                                  "  nori streams DIR --limit 20");
    streams->add_option("PREFIX", to_.prefix, "Only those that begin so");
    streams->add_option("-n,--limit", to_.limit, "At most so many");
    streams->add_flag("--names", to_.names, "Nothing but the names");
    CLI::App* const show = add("show", "Print the events of a stream, or a state made of them",
                               "  nori show DIR account-7\n"
                               "  nori show DIR account-7 --backwards --limit 3\n"
                               "  nori show DIR account-7 --fold merge --before 2026-01-31");
    show->add_option("STREAM", to_.stream, "Its name")->required();
    add_place(show, "--from", to_.from, "Begin with this revision");
    add_place(show, "--until", to_.until, "As it was before the event of this global position");
    add_time(show, "--since", to_.since, "Recorded at this time or later");
    add_time(show, "--before", to_.before_time, "As it was at this time");
    show->add_option("--text", to_.text, "With these bytes in data or metadata");
    show->add_option("-n,--limit", to_.limit, "At most so many");
    show->add_flag("--backwards", to_.backwards, "The newest first");
    std::string help = "Make one JSON value of them:";
    std::vector<std::string> names;
    for (const fold& each : folds()) {
      names.emplace_back(each.name);
      help += "\n" + std::string(each.name) + ": " + std::string(each.help);
    }
    show->add_option("--fold", to_.fold, help)
        ->check(CLI::IsMember(names).description(""))
        ->type_name("NAME");
    CLI::App* const find =
        add("find", "Print what matches, wherever it is; by index where one helps",
            "  nori find DIR --tag customer:12 --since 3d\n"
            "  nori find DIR --text 4711 || echo none");
    add_selection(find);
    find->add_option("-n,--limit", to_.limit, "At most so many");
    find->add_flag("--backwards", to_.backwards, "The newest first");
    add("verify", "Read every byte, and say of each segment whether it is intact",
        "  nori verify DIR || page-somebody");
  }

  void add_copying() {
    CLI::App* const backup =
        add("backup", "Copy the log, also while it is in use; verified; again: only what is new",
            "  nori backup /var/lib/bank/events /backup/events");
    backup->add_option("TO", to_.target, "New directory, or one with an earlier backup")
        ->required();
    CLI::App* const restore =
        add("restore", "Make a log of a backup, as it was at some point",
            "  nori restore /backup/events NEW-DIR\n"
            "  nori restore /backup/events NEW-DIR --before 2026-01-31T03:00");
    restore->add_option("TO", to_.target, "New directory")->required();
    add_place(restore, "--until", to_.until, "End before this record or event");
    add_time(restore, "--before", to_.before_time, "End with what was recorded by then");
    CLI::App* const repair = add(
        "repair", "Keep what can be kept of a damaged log, in a new directory, and say what not",
        "  nori repair DIR NEW-DIR");
    repair->add_option("TO", to_.target, "New directory; DIR stays as it is")->required();
    CLI::App* const exporting = add("export", "Write everything as JSON lines, for import",
                                    "  nori export DIR | gzip > events.jsonl.gz");
    add_selection(exporting);
    CLI::App* const importing =
        add("import", "Append what export wrote, or what a nori-wal log has",
            "  gunzip < events.jsonl.gz | nori import NEW-DIR\n"
            "  nori import NEW-DIR OLD-DIR --nori-wal");
    importing->add_option("FROM", to_.target, "A file of JSON lines (else standard input)");
    importing->add_flag("--nori-wal", to_.foreign,
                        "FROM is a log of the Rust crate nori-wal: a directory of NNNNNN.wal");
  }

  void add_changing() {
    CLI::App* const prune = add("prune", "Delete old segments that nobody needs any more",
                                "  nori prune DIR --before 30d --dry-run\n"
                                "  nori prune DIR --until 1000000");
    add_place(prune, "--until", to_.until, "Keep this record or event and all behind it");
    add_time(prune, "--before", to_.before_time, "Delete what was recorded by then");
    prune->add_flag("--dry-run", to_.dry_run, "Only say what would go");
    prune->add_flag("--force", to_.force, "Also what a checkpoint or projection has not had yet");
    add("reindex", "Make the indexes of an event store again", "  nori reindex DIR");
  }

  void add_seconds(CLI::App* verb, const std::string& name, std::chrono::milliseconds& into,
                   const std::string& help) {
    verb->add_option_function<double>(
            name,
            [&into](double seconds) {
              into = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
            },
            help)
        ->check(CLI::Range(0.01, 86400.0).description(""))
        ->type_name("SECONDS");
  }

  void add_measuring() {
    CLI::App* const top = add_without_log(
        "top", "Watch a running service through its metrics: rates, latencies, queue, lag",
        "  nori top\n"
        "  nori top http://10.0.0.7:9100/metrics --interval 5\n"
        "  nori top --once --json | jq .sync_seconds.p99");
    top->add_option("URL", to_.target,
                    "Where the service shows its metrics (http://127.0.0.1:8080/metrics)");
    top->add_flag("--once", to_.once, "Two looks and one answer, then end");
    add_seconds(top, "--interval", to_.interval, "Between two looks (1)");
    add_seconds(top, "--timeout", to_.timeout, "How long to wait for an answer (5)");
    CLI::App* const bench = add_without_log(
        "bench", "Measure the disk with nori-bench, and say which fsync policy fits",
        "  nori bench /var/lib/bank\n"
        "  nori bench /var/lib/bank --rate 20000 --seconds 60");
    bench->add_option("DIR", to_.dir,
                      "Directory on the disk that matters; what is written there goes again (.)");
    bench->add_option("--seconds", to_.seconds, "Time for everything (12)")
        ->check(CLI::Range(1.0, 86400.0).description(""));
    bench->add_option("--rate", to_.rate, "Appends per second that the service needs")
        ->check(CLI::Range(1.0, 1e9).description(""));
  }

  static event_time now() {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  }

  arguments& to_;
  CLI::App app_;
};

}  // namespace

std::variant<arguments, int> read_arguments(int argc, char* argv[]) {
  arguments read;
  command_line line(read);
  CLI::App& app = line.app();
  if (argc <= 1) {
    std::cout << app.help();
    return status_usage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      app.exit(error);
      return status_done;
    }
    const auto parsed = app.get_subcommands();
    std::cerr << "nori: " << error.what() << "\n  nori "
              << (parsed.empty() ? "" : parsed.front()->get_name() + " ") << "--help says more\n";
    return status_usage;
  }
  read.verb = app.get_subcommands().front()->get_name();
  if (read.verb == "completion") {
    std::cout << bash_completion(line.words());
    return status_done;
  }
  return read;
}

}  // namespace nori::cli
