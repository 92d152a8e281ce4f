// backup, restore, repair: a log into another directory.

#include <boost/json/array.hpp>

#include <algorithm>
#include <filesystem>

#include <nori/copy.hpp>
#include <nori/inspect.hpp>

#include "files.hpp"
#include "set_back.hpp"
#include "source.hpp"
#include "verbs/verbs.hpp"

namespace nori::cli {

namespace fs = std::filesystem;

namespace {

// A service that deletes old segments may do so while they are being copied: then it is begun
// again.
constexpr int copy_attempts = 5;

struct copied {
  copied_log log;
  std::size_t files_beside = 0;
  std::vector<set_back_reader> set_back;
};

asio::awaitable<copied> copy_once(const arguments* with, copy_options how) {
  config reading(with->dir);
  reading.access = access::read_only;
  const wal::opened from = co_await wal::open(reading);
  copied done;
  const fs::path target = with->target;
  done.log = co_await copy_log(from.log, target, how);
  // After the log: what they say of events that are not in it is not believed, and the revisions
  // of deleted events must be there for whatever was deleted.
  for (const std::string& name : kept_beside(with->dir)) {
    copy_durably(fs::path(with->dir) / name, fs::path(with->target) / name);
    ++done.files_beside;
  }
  co_return done;
}

asio::awaitable<copied> copy_patiently(const arguments* with, copy_options how) {
  for (int left = copy_attempts;; --left) {
    try {
      co_return co_await copy_once(with, how);
    } catch (const boost::system::system_error& error) {
      if (error.code() != errc::position_not_found || left == 0) throw;
    }
  }
}

// Opens what was written, as a service would but without writing, and says how many records it has.
asio::awaitable<std::uint64_t> open_again(std::string dir) {
  config how(dir);
  how.access = access::read_only;
  const wal::opened opened = co_await wal::open(how);
  co_return opened.recovered.valid_records;
}

void print_copy(const arguments& with, output& to, const copied& done, std::uint64_t records,
                const std::string& what) {
  if (with.json) {
    boost::json::object made;
    made["to"] = with.target;
    made["records"] = records;
    made["end"] = position_text(done.log.end);
    made["segments_written"] = done.log.segments;
    made["segments_kept"] = done.log.segments_kept;
    made["bytes_written"] = done.log.bytes;
    made["files_beside"] = done.files_beside;
    if (!done.set_back.empty()) made["set_back"] = json_of(done.set_back);
    to.json(made);
    return;
  }
  to.line(to.tinted(tint::good, what) + ": " + counted(records, "record") + ", up to " +
          position_text(done.log.end) + ", verified");
  to.line(counted(done.log.segments, "segment") + " written (" + bytes_text(done.log.bytes) +
          "), " + count_text(done.log.segments_kept) + " had been there; " +
          counted(done.files_beside, "file") + " of checkpoints and the like");
  print_set_back(done.set_back, to);
}

std::function<void(std::uint64_t, std::uint64_t)> shown_on(progress_line* line) {
  return [line](std::uint64_t finished, std::uint64_t total) { (*line)(finished, total); };
}

}  // namespace

asio::awaitable<int> backup(const arguments& with, output& to) {
  copied done;
  {
    progress_line progress(with, "backing up");
    copy_options how;
    how.progress = shown_on(&progress);
    done = co_await copy_patiently(&with, how);
  }
  const std::uint64_t records = co_await open_again(with.target);
  print_copy(with, to, done, records, "backed up");
  co_return status_done;
}

asio::awaitable<int> restore(const arguments& with, output& to) {
  check_new(with.target, "for the restored log");
  copy_options how;
  if (with.until || with.before_time) {
    source in = co_await open_for_reading(with.dir);
    if (with.until) how.until = co_await position_of(&in, *with.until);
    if (with.before_time) {
      how.until = std::min(how.until, co_await position_behind(&in, *with.before_time));
    }
  }
  copied done;
  {
    progress_line progress(with, "restoring");
    how.progress = shown_on(&progress);
    done = co_await copy_patiently(&with, how);
  }
  const std::uint64_t records = co_await open_again(with.target);
  done.set_back = co_await set_back_readers(with.target);
  print_copy(with, to, done, records, "restored");
  co_return status_done;
}

namespace {

/// The global positions that a log has, where it is an event store.
struct kept_events {
  std::uint64_t first = 0;
  std::uint64_t next = 0;
};

asio::awaitable<std::optional<kept_events>> events_in(std::string dir) {
  const source in = co_await open_for_reading(dir);
  if (!in.has_events()) co_return std::nullopt;
  co_return kept_events{in.store->first_global_position(), in.store->next_global_position()};
}

std::uint64_t readable_records(const log_report& report) {
  std::uint64_t sum = 0;
  for (const segment_report& each : report.segments) sum += each.records.value_or(0);
  return sum;
}

// What salvage says, but for segments that were prepared and never begun: nothing was in them.
std::vector<std::string> reasons_for(const log_report& of, const std::vector<std::string>& all) {
  constexpr std::string_view dropped = ".segment: dropped with what follows it";
  std::vector<std::string> made;
  for (const std::string& each : all) {
    const bool begun =
        std::any_of(of.segments.begin(), of.segments.end(),
                    [&](const segment_report& one) { return each.starts_with(one.file); });
    if (begun || !each.ends_with(dropped)) made.push_back(each);
  }
  return made;
}

// Every file as it is, so that nothing is mended in place. Gives the names of the directories in
// it, which are no part of a log.
std::vector<std::string> copy_whole(const arguments& with) {
  std::vector<std::string> left;
  make_directory(with.target);
  for (const auto& each : fs::directory_iterator(with.dir)) {
    const std::string name = each.path().filename().string();
    // Indexes are made again; locks and what was half made mean nothing elsewhere.
    const bool wanted = each.is_regular_file() && name != "lock" && !name.ends_with(".tmp") &&
                        !name.starts_with("spare-") && !name.starts_with("salvaged-") &&
                        (!name.ends_with(".index") || name == "retired-heads.index");
    if (wanted) copy_durably(each.path(), fs::path(with.target) / name);
    if (each.is_directory()) left.push_back(name);
  }
  return left;
}

}  // namespace

asio::awaitable<int> repair(const arguments& with, output& to) {
  check_new(with.target, "for the repaired log");
  log_report before;
  {
    progress_line progress(with, "verifying");
    inspect_options how;
    how.every_byte = true;
    how.progress = shown_on(&progress);
    const fs::path dir = with.dir;
    before = co_await inspect_log(dir, how);
  }
  if (before.sound()) {
    throw stop(status_usage, "nothing is damaged: there is nothing to repair",
               "to copy it: nori backup " + with.dir + " " + with.target);
  }
  if (!has_segments(with.dir)) {
    throw stop(status_not_there, with.dir + " has no *.segment: there is nothing to keep",
               "is it the directory that the service gives as config.dir?\n"
               "if it is, go back to a backup: nori restore BACKUP " +
                   with.target);
  }
  const std::vector<std::string> left = copy_whole(with);
  config how(with.target);
  how.recovery = recovery_mode::salvage;
  how.fsync = fsync_policy::always();
  wal::opened opened = co_await wal::open(how);
  const position end = opened.log.current_position();
  co_await opened.log.close();
  const recovery_info& found = opened.recovered;
  const std::optional<kept_events> events = co_await events_in(with.target);
  const std::vector<set_back_reader> set_back = co_await set_back_readers(with.target);

  const std::uint64_t readable = readable_records(before);
  const std::uint64_t behind = readable - std::min(readable, found.valid_records);
  const auto begun = [](const segment_report& of) {
    return of.created ? " (begun " + time_text(*of.created) + ")" : std::string();
  };
  std::vector<std::string> lost;
  for (const segment_report& each : before.segments) {
    if (each.state == segment_state::missing) {
      lost.push_back(each.file + ": all of it, the file is missing");
    } else if (each.id > end.segment_id) {
      lost.push_back(each.file + begun(each) + ": all of it" +
                     (each.records ? ", " + counted(*each.records, "readable record") : "") +
                     (each.state == segment_state::damaged ? ", damaged: " + each.detail : ""));
    } else if (each.id == end.segment_id && each.state == segment_state::damaged) {
      lost.push_back(each.file + begun(each) + ": from offset " + std::to_string(end.offset) +
                     " on");
    }
  }
  const std::vector<std::string> why = reasons_for(before, found.salvage_report);
  if (with.json) {
    boost::json::object made;
    made["to"] = with.target;
    made["records_kept"] = found.valid_records;
    made["end"] = position_text(end);
    made["readable_records_dropped"] = behind;
    if (events) {
      made["first_global_position"] = events->first;
      made["next_global_position"] = events->next;
    }
    made["set_back"] = json_of(set_back);
    made["left"] = boost::json::array(left.begin(), left.end());
    boost::json::array losses(lost.begin(), lost.end());
    made["lost"] = std::move(losses);
    boost::json::array report(why.begin(), why.end());
    made["why"] = std::move(report);
    boost::json::array files(found.salvaged_files.begin(), found.salvaged_files.end());
    made["set_aside"] = std::move(files);
    to.json(made);
    co_return status_done;
  }
  to.line(to.tinted(tint::good, "kept") + "  " + counted(found.valid_records, "record") +
          ", up to " + position_text(end) + ", in " + with.target);
  if (events) {
    to.line("      events " + std::to_string(events->first) + " to " +
            std::to_string(events->next - 1));
  }
  for (const std::string& each : lost) to.line(to.tinted(tint::bad, "lost") + "  " + each);
  if (events) {
    to.line(to.tinted(tint::bad, "lost") + "  every event from global position " +
            std::to_string(events->next) + " on");
  }
  for (const std::string& each : why) to.line("why   " + each);
  if (behind != 0) {
    to.line("      " + counted(behind, "record") +
            " behind the damage can still be read, and had to go: a log has no holes");
  }
  print_set_back(set_back, to);
  for (const std::string& each : left) {
    to.line("left  the directory " + printable(each) +
            ", which is no part of the log; snapshots may "
            "be used with what is kept: those of lost events are passed over");
  }
  to.line(with.dir + " is as it was; what was cut off is in " +
          (found.salvaged_files.empty() ? "it" : with.target + "/salvaged-*"));
  co_return status_done;
}

}  // namespace nori::cli
