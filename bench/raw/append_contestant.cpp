#include "raw/append_contestant.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/scratch.hpp"

namespace nori::bench::raw {

namespace {
// A raw write holds as much as a group commit, but not more than this.
constexpr std::uint64_t write_bytes_max = std::uint64_t{16} << 20;
}  // namespace

append_contestant make_append_contestant(append_job job, std::uint64_t group, const machine& here,
                                         const std::filesystem::path& scratch, double seconds) {
  job.direct = here.direct_io;
  job.dir = scratch;
  std::string loop;
  std::uint64_t records_per_write = 0;
  std::optional<durable_write> how;
  if (job.policy == fsync_policy::always()) {
    job.records_per_write = std::clamp<std::uint64_t>(write_bytes_max / job.frame_bytes, 1, group);
    records_per_write = job.records_per_write;
    how = fastest_durable_write(job, here.io_uring, seconds);
    loop = std::string(text_of(*how, job.direct)) + ", " + std::to_string(records_per_write) +
           (records_per_write == 1 ? " record each" : " records each") +
           ", into a file of zeros, one at a time.";
  } else {
    loop = "framing into a shared mapping; 256 KiB " +
           std::string(job.direct ? "O_DIRECT" : "buffered") +
           " writes from it into a file of zeros" + (here.io_uring ? ", four in flight" : "") +
           (job.policy.which() == fsync_policy::kind::batch ? "; fdatasync in every window." : ".");
  }
  auto take = [job, how, scratch](double turn_seconds) {
    const scratch_directory mine(scratch);
    append_job turn_job = job;
    turn_job.dir = mine.path();
    turn_result result = take_turn(turn_seconds, mine.path(), job.records_per_call, [&](turn& now) {
      if (how) {
        write_durably(turn_job, *how, now);
      } else {
        write_staged(turn_job, now);
      }
    });
    settle(mine.path());
    return result;
  };
  return {contestant("raw", std::move(take)), std::move(loop), records_per_write};
}

}  // namespace nori::bench::raw
