#include "raw/append_contestant.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "common/scratch.hpp"

namespace nori::bench::raw {

namespace {
// A raw write holds as much as a group commit, but not more than this.
constexpr std::uint64_t write_bytes_max = std::uint64_t{16} << 20;

std::uint64_t records_in_write(const append_job& job, std::uint64_t group) {
  return std::clamp<std::uint64_t>(write_bytes_max / job.frame_bytes, 1, group);
}

std::string records_text(std::uint64_t records) {
  return std::to_string(records) + (records == 1 ? " record each" : " records each");
}

// Each turn has a directory of its own, and leaves nothing for the next to flush.
std::function<turn_result(double)> turns_of(append_job job, const std::filesystem::path& scratch,
                                            std::function<void(const append_job&, turn&)> loop) {
  return [job = std::move(job), scratch, loop = std::move(loop)](double seconds) {
    const scratch_directory mine(scratch);
    append_job turn_job = job;
    turn_job.dir = mine.path();
    turn_result result = take_turn(seconds, mine.path(), job.records_per_call,
                                   [&](turn& now) { loop(turn_job, now); });
    settle(mine.path());
    return result;
  };
}

}  // namespace

append_contestant make_append_contestant(append_job job, std::uint64_t group, const machine& here,
                                         const std::filesystem::path& scratch, double seconds) {
  job.direct = here.direct_io;
  job.dir = scratch;
  std::string loop;
  std::uint64_t records_per_write = 0;
  std::optional<durable_write> how;
  if (job.policy == fsync_policy::always()) {
    job.records_per_write = records_in_write(job, group);
    records_per_write = job.records_per_write;
    how = fastest_durable_write(job, here.io_uring, seconds);
    loop = std::string(text_of(*how, job.direct)) + ", " + records_text(records_per_write) +
           ", into a file of zeros, one at a time.";
  } else {
    loop = "framing into a shared mapping; 256 KiB " +
           std::string(job.direct ? "O_DIRECT" : "buffered") +
           " writes from it into a file of zeros" + (here.io_uring ? ", four in flight" : "") +
           (job.policy.which() == fsync_policy::kind::batch ? "; fdatasync in every window." : ".");
  }
  auto take = turns_of(job, scratch, [how](const append_job& turn_job, turn& now) {
    if (how) {
      write_durably(turn_job, *how, now);
    } else {
      write_staged(turn_job, now);
    }
  });
  return {contestant("raw", std::move(take)), std::move(loop), records_per_write};
}

append_contestant make_growing_contestant(append_job job, std::uint64_t group,
                                          const std::filesystem::path& scratch) {
  std::string loop = "buffered writes to a file that grows, ";
  std::uint64_t records_per_write = 0;
  if (job.policy == fsync_policy::always()) {
    job.records_per_write = records_per_write = records_in_write(job, group);
    loop += records_text(records_per_write) + ", and fdatasync after each: what most logs do.";
  } else {
    loop += records_text(job.records_per_call);
    if (job.policy.which() == fsync_policy::kind::batch) loop += ", and fdatasync in every window";
    loop += ": what most logs do.";
  }
  auto take = turns_of(job, scratch, write_growing);
  return {contestant("growing file", std::move(take)), std::move(loop), records_per_write};
}

}  // namespace nori::bench::raw
