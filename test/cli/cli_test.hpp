#ifndef NORI_TEST_CLI_CLI_TEST_HPP
#define NORI_TEST_CLI_CLI_TEST_HPP

#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <nori/nori.hpp>

#include "support/files.hpp"
#include "support/random_source.hpp"
#include "support/run.hpp"
#include "support/scratch_directory.hpp"

namespace nori::cli_test {

using test::bytes_of_file;
using test::flip_bit;
using test::run;
using test::scratch_directory;
using test::write_file;

/// What a call of the program gave.
struct called {
  int status = -1;
  std::string out;
  std::string error;

  /// Each line of the output, parsed.
  [[nodiscard]] std::vector<boost::json::value> lines() const {
    std::vector<boost::json::value> all;
    std::istringstream text(out);
    for (std::string line; std::getline(text, line);) all.push_back(boost::json::parse(line));
    return all;
  }
  [[nodiscard]] boost::json::object object() const { return lines().at(0).as_object(); }
};

/// A place for logs, and the built program to look at them with. In `words`, logs are named by
/// their names below the scratch directory.
class bench_of_an_operator {
 public:
  [[nodiscard]] std::filesystem::path at(const std::string& name) const {
    return scratch.path() / name;
  }

  /// Runs "nori WORDS" in the scratch directory, by the shell.
  [[nodiscard]] called nori(const std::string& words, const std::string& before = {}) const {
    const std::string command = "cd '" + scratch.path().string() + "' && " + before +
                                " '" NORI_CLI "' " + words + " >'.out' 2>'.error' </dev/null";
    const int status = std::system(command.c_str());
    called done;
    done.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    done.out = bytes_of_file(at(".out"));
    done.error = bytes_of_file(at(".error"));
    return done;
  }

  [[nodiscard]] config log_config(const std::string& name) const {
    config how(at(name));
    how.segment_bytes_max = segment_bytes_lowest;
    how.buffer_bytes_max = buffer_bytes_lowest;
    how.fsync = fsync_policy::os();
    return how;
  }

  [[nodiscard]] wal open_log(const std::string& name) {
    wal::opened opened = run(io, wal::open(log_config(name)));
    return std::move(opened.log);
  }
  [[nodiscard]] event_store open_store(const std::string& name) {
    store_config how(at(name));
    how.log = log_config(name);
    how.clock = [now = now_] { return *now; };
    event_store::opened opened = run(io, event_store::open(how));
    return std::move(opened.store);
  }

  void append(wal& log, std::string_view key, std::string_view value) {
    record_view what;
    what.key = key;
    what.value = value;
    run(io, log.append(what));
  }
  /// `count` records of some 900 bytes: about 70 of them make a segment.
  void append_many(wal& log, int count) {
    const std::string value(900, 'v');
    for (int i = 0; i < count; ++i) append(log, "key-" + std::to_string(i), value);
  }
  void append(event_store& store, const std::string& stream, const std::string& type,
              const std::string& data, const std::vector<std::string>& tags = {}) {
    append_in(io, store, stream, type, data, tags);
  }
  /// In a context that is not this one's.
  void append_in(asio::io_context& context, event_store& store, const std::string& stream,
                 const std::string& type, const std::string& data,
                 const std::vector<std::string>& tags = {}) {
    *now_ += std::chrono::seconds(1);
    event what(type, data);
    what.tags = tags;
    const std::vector<event> one{what};
    const std::span<const event> events(one);
    run(context, store.append(stream, expected_revision::any(), events)).value();
  }
  /// Three accounts with a few events each.
  void fill(event_store& store) {
    append(store, "account-1", "opened", R"({"owner":"Ann","balance":0})", {"branch:7"});
    append(store, "account-2", "opened", R"({"owner":"Bob","balance":0})", {"branch:8"});
    append(store, "account-1", "deposited", R"({"amount":100,"balance":100})", {"branch:7"});
    append(store, "account-1", "withdrawn", R"({"amount":30,"balance":70})", {"branch:7"});
    append(store, "account-3", "opened", R"({"owner":"Cid","balance":0})");
  }
  /// Enough for several segments.
  void fill_more(event_store& store, int count) {
    const std::string data = R"({"text":")" + std::string(900, 'x') + "\"}";
    for (int i = 0; i < count; ++i) append(store, "bulk-" + std::to_string(i % 10), "added", data);
  }

  template <typename Log>
  void close(Log& what) {
    run(io, what.close());
  }
  /// What the context still has to do, so that nobody works in a directory any more.
  void wind_down() {
    io.restart();
    io.run_until(std::chrono::steady_clock::now() + test::patience);
  }

  scratch_directory scratch;
  asio::io_context io;

 private:
  // A second passes from one event to the next.
  std::shared_ptr<event_time> now_ =
      std::make_shared<event_time>(std::chrono::sys_days(std::chrono::year(2026) / 1 / 31));
};

[[nodiscard]] inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace nori::cli_test

#endif
