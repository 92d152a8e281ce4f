#include "workload/log_openings.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <vector>

#include "common/child.hpp"
#include "common/copies.hpp"
#include "common/machine.hpp"
#include "common/scratch.hpp"
#include "raw/read_loop.hpp"
#include "workload/context.hpp"
#include "workload/log_appends.hpp"

namespace nori::bench {

namespace {

constexpr std::uint64_t records_between_yields = 4096;
constexpr double full_share = 0.9;
constexpr double append_seconds = 0.5;

position end_of(const log_options& log, std::uint64_t bytes) {
  if (bytes <= log.segment_bytes) return {1, bytes * 9 / 10};
  return {(bytes + log.segment_bytes - 1) / log.segment_bytes,
          static_cast<std::uint64_t>(full_share * static_cast<double>(log.segment_bytes))};
}

// Refers to nothing that dies before it ends.
asio::awaitable<void> append_until(wal& log, std::string_view value, position end) {
  const record_view what{.value = value};
  for (std::uint64_t i = 1;; ++i) {
    const position at = co_await log.append(what);
    if (end <= at) co_return;
    if (i % records_between_yields == 0) {
      throw_if_interrupted();
      co_await asio::post(asio::use_awaitable);
    }
  }
}

void fill_in_child(const log_options& log, const std::filesystem::path& dir, position end,
                   bool kill) {
  static_cast<void>(in_child([&](const auto& tell) {
    context on(1, [](std::size_t) {});
    open_log opened(on, config_of(log, fsync_policy::os(), dir));
    const std::string value = make_value(log.size);
    on.run(append_until(*opened, value, end));
    if (!kill) opened.close();
    tell(json::object{{"filled", true}});
    if (kill) kill_this_process();
  }));
}

struct opening {
  double ms;
  std::uint64_t resident;
};

opening open_in_child(const log_options& log, const std::filesystem::path& dir) {
  const json::value told = in_child([&](const auto& tell) {
    context on(1, [](std::size_t) {});
    const auto begin = clock::now();
    open_log opened(on, config_of(log, fsync_policy::os(), dir));
    const std::chrono::duration<double, std::milli> took = clock::now() - begin;
    const std::uint64_t resident = resident_bytes_max();
    opened.close();
    tell(json::object{{"ms", took.count()}, {"resident", resident}});
  });
  return {told.at("ms").to_number<double>(), told.at("resident").to_number<std::uint64_t>()};
}

double append_to(const log_options& log, const std::filesystem::path& dir, fsync_policy policy,
                 std::uint64_t writers) {
  append_load load;
  load.log = log;
  load.policy = policy;
  load.writers = writers;
  const json::value told = in_child([&](const auto& tell) {
    const turn_result done = append_to_log(load, dir, append_seconds);
    tell(json::object{{"per_s", static_cast<double>(done.records) / done.seconds}});
  });
  settle(dir);
  return told.at("per_s").to_number<double>();
}

}  // namespace

log_openings measure_openings(const log_options& log, std::uint64_t bytes, std::size_t frame_bytes,
                              std::uint64_t rounds, const std::filesystem::path& scratch,
                              progress& shown) {
  const scratch_directory mine(scratch);
  const position end = end_of(log, bytes);
  log_openings made;
  made.log_bytes = (end.segment_id - 1) * log.segment_bytes + end.offset;
  made.newest_segment_bytes = end.offset;
  const auto closed = mine.path() / "closed";
  const auto killed = mine.path() / "killed";
  const auto fresh = mine.path() / "fresh";
  shown.begin("filling");
  fill_in_child(log, closed, end, false);
  fill_in_child(log, killed, end, true);
  const scratch_directory raw_dir(mine.path());
  const auto raw_file = raw_dir.path() / "raw";
  raw::write_frames(raw_file, make_value(log.size), frame_bytes,
                    std::max<std::uint64_t>(1, end.offset / frame_bytes));

  std::vector<double> after_close;
  std::vector<double> after_kill;
  std::vector<double> raw;
  std::vector<double> to_raw;
  std::vector<double> always;
  std::vector<double> os;
  // Filling takes about as long as all rounds.
  shown.end(static_cast<double>(bytes) / 2);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    shown.begin("round " + std::to_string(round + 1));
    const opening first = open_in_child(log, closed);
    after_close.push_back(first.ms);
    made.resident = first.resident;
    copy_log(killed, fresh);
    settle(fresh);
    after_kill.push_back(open_in_child(log, fresh).ms);
    always.push_back(append_to(log, fresh, fsync_policy::always(), log_openings::always_writers));
    os.push_back(append_to(log, fresh, fsync_policy::os(), 1));
    std::filesystem::remove_all(fresh);
    const turn_result pass =
        take_pass([&](turn& now) { static_cast<void>(raw::read_frames(raw_file, now)); });
    raw.push_back(pass.seconds * 1e3);
    to_raw.push_back(after_kill.back() / raw.back());
    shown.end(static_cast<double>(bytes) / 2 / static_cast<double>(rounds));
  }
  made.after_close_ms = spread_of(std::move(after_close));
  made.after_kill_ms = spread_of(std::move(after_kill));
  made.raw_ms = spread_of(std::move(raw));
  made.kill_to_raw = spread_of(std::move(to_raw));
  made.always_per_s = spread_of(std::move(always));
  made.os_per_s = spread_of(std::move(os));
  return made;
}

double room_for_openings(const log_options& log, std::uint64_t bytes) noexcept {
  return 2.0 * static_cast<double>(bytes) + 8.0 * static_cast<double>(log.segment_bytes);
}

json::object to_json(const log_openings& of) {
  json::object made;
  made["log_bytes"] = of.log_bytes;
  made["newest_segment_bytes"] = of.newest_segment_bytes;
  const auto add = [&](const std::string& name, const spread& value) {
    made[name] = value.median;
    made[name + "_spread"] = to_json(value);
  };
  add("after_close_ms", of.after_close_ms);
  add("after_kill_ms", of.after_kill_ms);
  add("raw_ms", of.raw_ms);
  add("after_kill_ratio_to_raw", of.kill_to_raw);
  add("always_records_per_s", of.always_per_s);
  add("os_records_per_s", of.os_per_s);
  made["resident_bytes"] = of.resident;
  return made;
}

}  // namespace nori::bench
