// Every operation of a log's life fails, once or for ever, with every errno that it can have:
// whoever waits is told, nothing acknowledged is lost, and once the fault is gone the log opens and
// goes on.

#include <boost/system/system_error.hpp>

#include <cerrno>
#include <span>
#include <vector>

#include "suites/simulate/log_world.hpp"

namespace nori::simulate {

namespace {

using boost::system::system_error;
using testing::disk_event;
using testing::disk_fault;
using testing::disk_operation;

std::vector<int> errors_of(disk_operation what) {
  switch (what) {
    case disk_operation::write:
    case disk_operation::durable_write:
      return {EIO, ENOSPC, EDQUOT, EFBIG, EROFS};
    case disk_operation::sync:
    case disk_operation::sync_directory:
      return {EIO, ENOSPC, EDQUOT};
    case disk_operation::open:
      return {EMFILE, ENFILE, ENOMEM, EIO, EACCES, ENOSPC, EROFS};
    case disk_operation::allocate:
      return {ENOSPC, EDQUOT, EFBIG, EIO, ENOMEM};
    case disk_operation::rename:
    case disk_operation::remove:
      return {EIO, ENOSPC, EROFS, ENOMEM};
    case disk_operation::map_ring:
      return {ENOMEM, ENOSPC, EDQUOT, EIO};
    case disk_operation::lock:
      return {ENOLCK, EIO, EMFILE};
    default:
      return {EIO, ENOMEM};
  }
}

fsync_policy policy_of(std::uint64_t seed) {
  if (seed % 3 == 0) return fsync_policy::always();
  if (seed % 3 == 1) return fsync_policy::batch(std::chrono::milliseconds(5));
  return fsync_policy::os();
}

// Time that a log may take to do or to refuse something.
constexpr std::chrono::seconds patience(20);

// Waits for everything; where a fault keeps the log waiting (no descriptors), it goes away.
void settle(log_world& world) {
  if (world.settle(patience)) return;
  world.disk.clear_faults();
  must(world.settle(patience), "a log goes on waiting after the fault is gone");
}

/// Opens, appends over a few segments, syncs, deletes, closes and opens again, and doesn't mind
/// being refused.
void story(log_world& world) {
  const auto tell = [&](auto what) {
    try {
      what();
    } catch (const system_error&) {  // NOLINT: said is enough
    }
  };
  int number = 0;
  for (int life = 0; life != 2; ++life) {
    tell([&] { world.open(); });
    if (!world.is_open()) return;
    for (int i = 0; i != 24; ++i) {
      values batch(1 + world.random.below(3));
      for (std::string& each : batch) {
        each = std::to_string(++number) + ' ' + world.random.text(world.random.below(9000));
      }
      world.append(std::move(batch));
      if (i % 4 == 3) settle(world);
      if (i == 9) world.sync();
      if (i == 15 || i == 22) world.delete_old();
    }
    settle(world);
    world.disk.advance(std::chrono::milliseconds(150));
    tell([&] { world.close(); });
    if (world.is_open()) return;
  }
}

}  // namespace

void kth_operation(std::uint64_t seed, figures& counted) {
  std::vector<disk_operation> all;
  {
    log_world sound(seed, policy_of(seed));
    sound.disk.on_operation([&](const disk_event& each) { all.push_back(each.what); });
    story(sound);
  }
  coin choose(~seed);
  for (std::size_t k = 0; k != all.size(); ++k) {
    const std::vector<int> errors = errors_of(all[k]);
    disk_fault fault;
    fault.error = errors[choose.below(errors.size())];
    fault.for_ever = choose.one_in(2);
    fault.kth = 0;
    // Counted among its own kind, so that "for ever" means that kind.
    for (std::size_t i = 0; i <= k; ++i) {
      const bool also = all[k] == disk_operation::write && all[i] == disk_operation::durable_write;
      fault.kth += all[i] == all[k] || also ? 1 : 0;
    }
    fault.what = all[k];

    log_world world(seed, policy_of(seed));
    world.disk.after_failed_sync(choose.one_in(4) ? testing::failed_sync::read_only
                                                  : testing::failed_sync::lies);
    world.disk.fail(fault);
    ++counted["faults"];
    const auto text = [&] {
      return "operation " + std::to_string(k + 1) + " (kind " +
             std::to_string(static_cast<int>(fault.what)) + ", number " +
             std::to_string(fault.kth) + ") fails with " + std::to_string(fault.error) +
             (fault.for_ever ? " for ever: " : " once: ");
    };
    try {
      story(world);
      const bool failed = !world.is_open() || world.log().failure();
      const bool killed = choose.one_in(2);
      if (failed || !killed) world.model.written = world.model.durable;
      if (killed) {
        world.disk.kill();
      } else {
        world.disk.cut_power();
      }
      world.disk.clear_faults();
      world.disk.remount();
      world.drop();
      world.open();
      world.append({"afterwards"});
      must(world.settle(patience), "after the fault an append does not end");
      must(world.model.written == world.model.batches.size(),
           "after the fault nothing is appended");
      world.close();
      world.open();
    } catch (const violation& broken) {
      throw violation(text() + broken.what());
    } catch (const system_error& thrown) {
      throw violation(text() + "the log can't be used afterwards: " + thrown.what());
    }
  }
}

}  // namespace nori::simulate
