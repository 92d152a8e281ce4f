// export and import: JSON lines, and logs of the crate nori-wal.

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/uuid/string_generator.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "foreign_log.hpp"
#include "source.hpp"
#include "verbs/verbs.hpp"

namespace nori::cli {

namespace {

using boost::json::object;
using boost::json::value;

std::string bytes_in(const object& line, const std::string& name) {
  if (const value* const plain = line.if_contains(name)) return std::string(plain->as_string());
  if (const value* const packed = line.if_contains(name + "_base64")) {
    return from_base64(std::string(packed->as_string()));
  }
  return {};
}

std::uint64_t number_in(const object& line, const char* name, std::uint64_t otherwise) {
  const value* const found = line.if_contains(name);
  return found == nullptr ? otherwise : found->to_number<std::uint64_t>();
}

uuid id_in(const object& line, const char* name) {
  const value* const found = line.if_contains(name);
  if (found == nullptr) return {};
  return boost::uuids::string_generator()(std::string(found->as_string()));
}

event event_of(const object& line) {
  event made(bytes_in(line, "type"), bytes_in(line, "data"));
  made.metadata = bytes_in(line, "metadata");
  made.version = static_cast<std::uint32_t>(number_in(line, "version", 1));
  made.id = id_in(line, "id");
  made.correlation_id = id_in(line, "correlation_id");
  made.causation_id = id_in(line, "causation_id");
  if (const value* const tags = line.if_contains("tags")) {
    for (const value& tag : tags->as_array()) made.tags.emplace_back(tag.as_string());
  }
  if (const value* const tags = line.if_contains("tags_base64")) {
    for (const value& tag : tags->as_array()) {
      made.tags.push_back(from_base64(std::string(tag.as_string())));
    }
  }
  return made;
}

record record_of(const object& line) {
  record made(bytes_in(line, "key"), bytes_in(line, "value"));
  if (const value* const removed = line.if_contains("tombstone")) {
    made.tombstone = removed->as_bool();
  }
  if (const value* const how = line.if_contains("compression")) {
    const std::string name(how->as_string());
    made.compress = name == "lz4"    ? compression::lz4
                    : name == "zstd" ? compression::zstd
                                     : compression::none;
  }
  if (line.if_contains("time_to_live_ms") != nullptr) {
    made.time_to_live =
        std::chrono::milliseconds(static_cast<std::int64_t>(number_in(line, "time_to_live_ms", 0)));
  }
  if (line.if_contains("term") != nullptr) {
    made.version = record_version{number_in(line, "term", 0), number_in(line, "index", 0)};
  }
  return made;
}

/// Takes lines into a log or an event store, whichever the first one is of.
class importer {
 public:
  explicit importer(std::string dir) : dir_(std::move(dir)) {}

  asio::awaitable<void> take(const object* line);
  asio::awaitable<void> take(const record* what, bool batch_continues);
  asio::awaitable<void> finish();
  /// What was taken is durable; a batch that has not ended is not taken.
  asio::awaitable<void> stop_here();
  [[nodiscard]] bool in_batch() const noexcept { return !batch_.empty(); }

  std::uint64_t taken = 0;
  std::uint64_t repeated = 0;

 private:
  asio::awaitable<void> check_no_events();
  asio::awaitable<void> open_log();
  asio::awaitable<void> open_store();
  asio::awaitable<void> append_batch();
  asio::awaitable<void> append_event(std::string stream, const event* what,
                                     std::optional<std::uint64_t> revision);

  const std::string dir_;
  std::optional<wal> log_;
  std::optional<event_store> store_;
  std::vector<record> batch_;
  // What the store's clock shows: events keep the time at which they were recorded.
  std::shared_ptr<event_time> now_ = std::make_shared<event_time>();
};

// A record that is no event would make an event store of no use.
asio::awaitable<void> importer::check_no_events() {
  try {
    const source in = co_await open_for_reading(dir_);
    if (!in.has_events()) co_return;
  } catch (const boost::system::system_error& error) {
    if (error.code() != boost::system::errc::no_such_file_or_directory) throw;
    co_return;
  }
  throw stop(status_failed, dir_ + " is an event store, and these are records");
}

asio::awaitable<void> importer::open_log() {
  co_await check_no_events();
  config how(dir_);
  how.fsync = fsync_policy::os();
  wal::opened opened = co_await wal::open(how);
  log_.emplace(std::move(opened.log));
}

asio::awaitable<void> importer::open_store() {
  store_config how(dir_);
  how.log.fsync = fsync_policy::os();
  how.clock = [now = now_] { return *now; };
  event_store::opened opened = co_await event_store::open(how);
  store_.emplace(std::move(opened.store));
}

asio::awaitable<void> importer::append_batch() {
  const std::vector<record_view> views(batch_.begin(), batch_.end());
  if (views.size() == 1) {
    co_await log_->append(views.front());
  } else if (!views.empty()) {
    co_await log_->append_batch(views);
  }
  taken += views.size();
  batch_.clear();
}

asio::awaitable<void> importer::take(const record* what, bool batch_continues) {
  if (store_) throw stop(status_failed, "records and events don't go into the same log");
  if (!log_) co_await open_log();
  batch_.push_back(*what);
  if (!batch_continues) co_await append_batch();
}

asio::awaitable<void> importer::append_event(std::string stream, const event* what,
                                             std::optional<std::uint64_t> revision) {
  const std::span<const event> one(what, 1);
  auto expected = expected_revision::any();
  if (revision) {
    expected =
        *revision == 0 ? expected_revision::no_stream() : expected_revision::exact(*revision - 1);
  }
  append_result done = co_await store_->append(stream, expected, one);
  // What an export begins with may be in the middle of a stream.
  const bool begins = done.has_error() && done.error().what == conflict::kind::wrong_revision &&
                      !done.error().revision;
  if (begins) done = co_await store_->append(stream, expected_revision::any(), one);
  if (done.has_error()) throw stop(status_failed, done.error().message());
  ++taken;
  repeated += done->repeated;
}

asio::awaitable<void> importer::take(const object* line) {
  const bool is_event = line->contains("type") || line->contains("type_base64");
  if (!is_event) {
    const record what = record_of(*line);
    const value* const more = line->if_contains("batch_continues");
    co_await take(&what, more != nullptr && more->as_bool());
    co_return;
  }
  if (log_) throw stop(status_failed, "records and events don't go into the same log");
  if (!store_) co_await open_store();
  const event what = event_of(*line);
  std::optional<std::uint64_t> revision;
  if (line->contains("revision")) revision = number_in(*line, "revision", 0);
  *now_ = std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  if (const value* const when = line->if_contains("recorded_at")) {
    const auto parsed = parse_time(std::string(when->as_string()), *now_);
    if (!parsed) throw stop(status_failed, "recorded_at is no time");
    *now_ = *parsed;
  }
  const std::string stream = bytes_in(*line, "stream");
  co_await append_event(stream, &what, revision);
}

asio::awaitable<void> importer::finish() {
  if (log_) {
    co_await append_batch();
    co_await log_->close();
  }
  if (store_) co_await store_->close();
}

asio::awaitable<void> importer::stop_here() {
  batch_.clear();
  try {
    co_await finish();
  } catch (const boost::system::system_error&) {  // NOLINT: what was refused says more
  }
}

// How many bytes standard input will have nobody knows: then `total` is 0, and no progress is
// shown.
asio::awaitable<void> import_lines(std::istream* from, importer* into, std::uint64_t total,
                                   progress_line* progress) {
  std::string line;
  std::uint64_t done = 0;
  std::uint64_t number = 0;
  std::uint64_t whole = 0;  // the last line that ends a batch
  while (std::getline(*from, line)) {
    ++number;
    done += line.size() + 1;
    (*progress)(std::min(done, total), total);
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      if (!into->in_batch()) whole = number;
      continue;
    }
    std::string refused;
    int status = status_failed;
    try {
      const value parsed = boost::json::parse(line);
      const object* const what = &parsed.as_object();
      co_await into->take(what);
    } catch (const stop& error) {
      refused = error.what();
      status = error.status();
    } catch (const boost::system::system_error& error) {
      // The directory can't be opened: the line is not to blame.
      if (number == 1 && error.code() != errc::invalid_event &&
          error.code().category() == boost::system::system_category()) {
        throw;
      }
      if (error.code() == errc::locked || error.code() == errc::no_space) throw;
      refused = error.what();
    } catch (const std::exception& error) {
      refused = error.what();
    }
    if (refused.empty()) {
      if (!into->in_batch()) whole = number;
      continue;
    }
    co_await into->stop_here();
    const std::string again = std::to_string(whole + 1);
    throw stop(status, "line " + std::to_string(number) + ": " + refused,
               whole + 1 == number
                   ? "the lines before it are imported; mend it, and import again from there on"
                   : "the lines before line " + again + ", where its batch begins, are imported; " +
                         "mend it, and import again from line " + again + " on");
  }
}

asio::awaitable<std::uint64_t> import_foreign(const arguments* with, importer* into,
                                              progress_line* progress) {
  const std::vector<std::filesystem::path> files = foreign_files(with->target);
  if (files.empty()) {
    throw stop(status_not_there, with->target + " has no files NNNNNN.wal",
               "name the directory of the nori-wal log, or one of its files");
  }
  std::uint64_t dropped = 0;
  std::uint64_t total = 0;
  for (const std::filesystem::path& path : files) total += std::filesystem::file_size(path);
  std::uint64_t done = 0;
  for (const std::filesystem::path& path : files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw stop(status_not_there, "can't read " + path.string());
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    foreign_records records(bytes);
    record what;
    auto step = records.next(what);
    for (; step == foreign_records::step::got; step = records.next(what)) {
      co_await into->take(&what, false);
      (*progress)(done + records.offset(), total);
    }
    done += bytes.size();
    if (step == foreign_records::step::end) continue;
    if (path != files.back()) {
      co_await into->finish();
      throw stop(status_damaged,
                 path.string() + " offset " + std::to_string(records.offset()) +
                     ": damaged, and other files follow it; " + counted(into->taken, "record") +
                     " before it were imported",
                 "mend or remove that file, and import the files behind it one by one");
    }
    // The last write of a process that was killed.
    dropped = bytes.find_last_not_of('\0') + 1 - records.offset();
  }
  co_return dropped;
}

}  // namespace

asio::awaitable<int> export_log(const arguments& with, output& to) {
  arguments lines = with;
  lines.json = true;
  co_return co_await cat(lines, to);
}

asio::awaitable<int> import_log(const arguments& with, output& to) {
  importer into(with.dir);
  std::uint64_t dropped = 0;
  {
    progress_line progress(with, "importing");
    if (with.foreign) {
      dropped = co_await import_foreign(&with, &into, &progress);
    } else if (with.target.empty() || with.target == "-") {
      co_await import_lines(&std::cin, &into, 0, &progress);
    } else {
      std::ifstream file(with.target, std::ios::binary);
      if (!file) throw stop(status_not_there, "can't read " + with.target);
      std::error_code unknown;
      const std::uint64_t bytes = std::filesystem::file_size(with.target, unknown);
      co_await import_lines(&file, &into, unknown ? 0 : bytes, &progress);
    }
  }
  co_await into.finish();
  if (with.json) {
    object made;
    made["imported"] = into.taken - into.repeated;
    made["had_been_there"] = into.repeated;
    made["bytes_dropped"] = dropped;
    to.json(made);
    co_return status_done;
  }
  to.line(to.tinted(tint::good, "imported") + " " + count_text(into.taken - into.repeated) +
          " into " + with.dir +
          (into.repeated != 0 ? "; " + count_text(into.repeated) + " had been there" : ""));
  if (dropped != 0) {
    to.line(to.tinted(tint::warning, "dropped") + " " + counted(dropped, "byte") +
            " of an unfinished last write");
  }
  co_return status_done;
}

}  // namespace nori::cli
