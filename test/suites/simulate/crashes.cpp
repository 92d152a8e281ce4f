// The whole log over a disk whose power fails: before every operation, whatever subset of what was
// pending arrives, everything promised is recovered, and nothing else comes with it.

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cerrno>
#include <unordered_set>
#include <vector>

#include "suites/simulate/log_world.hpp"
#include "suites/simulate/subsets.hpp"

namespace nori::simulate {

namespace {

using testing::disk_event;
using testing::disk_fault;
using testing::disk_operation;
using testing::power_cut;
using testing::simulated_disk;

fsync_policy policy_of(std::uint64_t seed) {
  switch (seed % 3) {
    case 0:
      return fsync_policy::always();
    case 1:
      return fsync_policy::batch(std::chrono::milliseconds(5));
    default:
      return fsync_policy::os();
  }
}

/// A log that lives several lives, and everything that could have become of it.
class crashing_log {
 public:
  crashing_log(std::uint64_t seed, figures& counted)
      : world_(seed, policy_of(seed)), choose_(~seed), counted_(counted) {
    // With room for several segments more of the log is in the staging file alone.
    if (choose_.one_in(3)) world_.buffer_bytes = 4 * segment_bytes_lowest;
  }

  void live();

 private:
  void one_life();
  void step();
  void check_crashes();
  void check(simulated_disk& crashed, std::size_t promised, bool also_while_recovering);
  void check_kill();
  /// Before each of its operations.
  void cut_power_while_recovering(simulated_disk& crashed, std::size_t promised);
  values some_records();
  /// The log's, on another disk.
  [[nodiscard]] config settings(const simulated_disk& on) const {
    config made = world_.settings();
    made.storage = on.storage();
    return made;
  }

  log_world world_;
  coin choose_;  ///< which crashes are looked at; not what the log does
  figures& counted_;
  asio::io_context probe_;
  std::unordered_set<std::uint64_t> seen_;
  std::uint64_t next_value_ = 0;
};

values crashing_log::some_records() {
  coin& random = world_.random;
  values made(1 + (random.one_in(3) ? random.below(4) : 0));
  for (std::string& each : made) {
    // No two are alike, so that what was cut off would be noticed.
    each = std::to_string(next_value_++) + ' ';
    const std::size_t bytes = random.below(random.one_in(5) ? 9000 : 300);
    each += random.one_in(6) ? std::string(bytes, '\0') : random.text(bytes);
  }
  return made;
}

void crashing_log::step() {
  coin& random = world_.random;
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      world_.append(some_records());
      break;
    case 4:
      for (std::size_t i = random.below(6); i != 0; --i) world_.append(some_records());
      if (random.one_in(10)) {
        // More than the buffer holds.
        for (std::size_t i = 0; i != 10; ++i) {
          world_.append({std::to_string(next_value_++) + ' ' + random.text(8000)});
        }
      }
      break;
    case 5:
      world_.sync();
      break;
    case 6:
      world_.run_ready();
      world_.disk.advance(std::chrono::milliseconds(random.below(8)));
      break;
    case 7:
      if (random.one_in(4)) world_.delete_old();
      if (random.one_in(3)) {
        // The log falls idle.
        world_.run_ready();
        world_.disk.advance(std::chrono::milliseconds(200));
      }
      break;
    default:
      world_.run_some(1 + random.below(12));
  }
}

void crashing_log::cut_power_while_recovering(simulated_disk& crashed, std::size_t promised) {
  crashed.on_operation([this, &crashed, promised](const disk_event&) {
    for (const power_cut& how : {power_cut::nothing_arrives(), power_cut::any()}) {
      simulated_disk again = crashed.after_power_cut(how, choose_());
      if (!seen_.insert(again.image_hash() ^ promised << 48).second) continue;
      ++counted_["crash_states"];
      ++counted_["crashes_of_recovery"];
      asio::io_context io;
      const std::size_t found = world_.model.prefix(recover(again, io, settings(again)).records);
      must(found >= promised, "a crash of recovery lost something");
    }
  });
}

void crashing_log::check(simulated_disk& crashed, std::size_t promised,
                         bool also_while_recovering) {
  if (also_while_recovering) cut_power_while_recovering(crashed, promised);
  const found_log first = recover(crashed, probe_, settings(crashed));
  crashed.on_operation(nullptr);
  const std::size_t found = world_.model.prefix(first.records);
  must(found >= promised, "something acknowledged is lost");
  must(first.ends_batch.empty() || first.ends_batch.back(), "half a batch was recovered");
  if (!also_while_recovering) return;
  const found_log second = recover(crashed, probe_, settings(crashed));
  must(second.records == first.records, "recovering again finds something else");
}

void crashing_log::check_crashes() {
  ++counted_["operations"];
  const std::size_t promised = world_.model.durable;
  // With what is in flight: none of it may ever come.
  simulated_disk now = world_.disk.after_kill(choose_());
  const testing::pending_changes pending = now.pending();
  const std::size_t all_up_to = choose_.one_in(64) ? 12 : 5;
  const auto look = [&](std::vector<bool> sectors, std::size_t entries) {
    ++counted_["crashes"];
    simulated_disk crashed =
        now.after_power_cut(power_cut::these(std::move(sectors), entries), choose_());
    if (!seen_.insert(crashed.image_hash() ^ promised << 48).second) return;
    ++counted_["crash_states"];
    check(crashed, promised, choose_.one_in(40));
  };
  for_each_subset(choose_, pending.sectors, all_up_to, 6, [&](const std::vector<bool>& arrived) {
    look(arrived, choose_.below(pending.entries + 1));
  });
  for (std::size_t entries = 0; entries <= pending.entries; ++entries) {
    look(std::vector<bool>(pending.sectors, true), entries);
    look(std::vector<bool>(pending.sectors, false), entries);
  }
  if (choose_.one_in(8) && world_.is_open() && !world_.log().failure()) check_kill();
}

void crashing_log::check_kill() {
  simulated_disk killed = world_.disk.after_kill(choose_());
  ++counted_["kills"];
  if (choose_.one_in(8)) cut_power_while_recovering(killed, world_.model.durable);
  const std::size_t found = world_.model.prefix(recover(killed, probe_, settings(killed)).records);
  killed.on_operation(nullptr);
  must(found >= world_.model.written, "a killed process lost something acknowledged");
}

void crashing_log::one_life() {
  coin& random = world_.random;
  world_.open();
  seen_.clear();
  if (random.one_in(4)) {
    disk_fault fault;
    fault.what = random.one_in(2) ? disk_operation::sync : disk_operation::durable_write;
    fault.name = ".segment";
    fault.kth = 1 + random.below(fault.what == disk_operation::sync ? 4 : 12);
    fault.error = random.one_in(2) ? EIO : ENOSPC;  // what ext4 and XFS say
    world_.disk.fail(fault);
  }
  for (std::size_t steps = 5 + random.below(60); steps != 0; --steps) {
    step();
    if (world_.log().failure()) break;
  }
  if (world_.log().failure() && random.one_in(2)) world_.run_ready();
  if (random.one_in(6) && !world_.log().failure()) {
    try {
      world_.close();
      world_.disk.clear_faults();
      return;
    } catch (const boost::system::system_error&) {  // NOLINT: the fault has come only now
    }
  }
  if (random.one_in(4)) {
    // A sync that failed may have taken what the page cache held.
    if (world_.log().failure()) world_.model.written = world_.model.durable;
    world_.disk.kill();
  } else {
    world_.model.written = world_.model.durable;
    world_.disk.cut_power();
  }
  ++counted_["lives"];
  world_.drop();
  world_.disk.clear_faults();
}

void crashing_log::live() {
  world_.disk.on_operation([this](const disk_event& what) {
    // Looking changes nothing; and operations that change nothing make no new crash.
    if (what.what == disk_operation::read || what.what == disk_operation::size ||
        what.what == disk_operation::list) {
      return;
    }
    check_crashes();
  });
  for (std::size_t lives = 1 + world_.random.below(3); lives != 0; --lives) one_life();
  world_.disk.on_operation(nullptr);
  world_.open();
}

}  // namespace

void crashes(std::uint64_t seed, figures& counted) { crashing_log(seed, counted).live(); }

}  // namespace nori::simulate
