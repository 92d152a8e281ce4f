// Faults in what was acknowledged: flipped bits, zeroed, overwritten and misplaced blocks, files
// that are missing, cut short, foreign or in each other's place. Either the log was closed, so that
// everything in it is vouched for; or it was killed while its buffer was full, and what was synced
// before the last append is. Opening or reading says what is wrong, or all of that is there.

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include <nori/error.hpp>

#include "format/segment_header.hpp"
#include "suites/simulate/log_world.hpp"

namespace nori::simulate {

namespace {

using boost::system::system_error;
using testing::simulated_disk;

constexpr std::uint64_t block_bytes = 4096;
constexpr std::uint64_t sector_bytes = 512;
constexpr std::size_t steps_max = 100'000;

config with(const simulated_disk& disk, config settings) {
  settings.storage = disk.storage();
  return settings;
}

/// A closed log of a few segments on a disk, what is in it, and another one to be mixed up with it.
class closed_log {
 public:
  closed_log(std::uint64_t seed, figures& counted)
      : world_(seed, fsync_policy::always()),
        other_(seed + (std::uint64_t{1} << 40), world_.policy),
        random_(~seed),
        counted_(counted) {
    fill(world_);
    fill(other_);
    simulated_disk copied = world_.disk.after_kill(random_());
    sound_ = recover(copied, probe_, with(copied, world_.settings()));
    must(sound_.info.clean_close, "a closed log was not found closed");
    counted_["false_alarms"] += 0;
    counted_["silent"] += 0;
    for (const std::string& name : world_.disk.files("log")) {
      if (format::parse_segment_file_name(name)) segments_.push_back(name);
    }
  }

  void try_fault();

 private:
  struct fault {
    std::string text;
    bool names_must_tell = false;  ///< opening has to refuse it, however little it reads
    /// The first damaged byte.
    std::uint64_t segment_id = 0;
    std::uint64_t offset = 0;
    bool changed = true;
    bool hits_end = false;  ///< also what lies behind the last record, which vouches for it
  };
  fault do_damage(simulated_disk& on);
  void check_open(simulated_disk& damaged, const fault& what, verification how);
  void check_salvage(simulated_disk& damaged, const fault& what);
  static void fill(log_world& world);
  std::string some_segment() { return segments_[random_.below(segments_.size())]; }

  log_world world_;
  log_world other_;
  coin random_;
  figures& counted_;
  asio::io_context probe_;
  found_log sound_;
  std::vector<std::string> segments_;
};

void closed_log::fill(log_world& world) {
  world.open();
  for (std::size_t lives = 1 + world.random.below(2); lives != 0; --lives) {
    for (std::size_t i = 20 + world.random.below(60); i != 0; --i) {
      values batch(1 + world.random.below(3));
      for (std::string& each : batch) {
        each = world.random.text(world.random.below(world.random.one_in(4) ? 9000 : 400));
      }
      world.append(std::move(batch));
      world.run_some(world.random.below(20));
    }
    world.run_ready();
    if (lives != 1) {
      world.disk.cut_power();
      world.drop();
      world.open();
    }
  }
  world.close();
}

closed_log::fault closed_log::do_damage(simulated_disk& on) {
  fault made;
  const std::string name = some_segment();
  const std::filesystem::path file = std::filesystem::path("log") / name;
  const std::string bytes = on.bytes_of(file);
  made.segment_id = *format::parse_segment_file_name(name);
  made.offset = random_.below(bytes.size());
  const auto damaged_to = [&](std::uint64_t to) {
    if (made.segment_id == sound_.end.segment_id && to > sound_.end.offset) made.hits_end = true;
  };
  const auto fill = [&](std::uint64_t unit, bool garbage) {
    made.offset = made.offset / unit * unit;
    damaged_to(made.offset + unit);
    const std::size_t count = std::min<std::size_t>(unit, bytes.size() - made.offset);
    on.overwrite(file, made.offset, garbage ? random_.text(count) : std::string(count, '\0'));
    made.changed = on.bytes_of(file) != bytes;
  };
  switch (random_.below(10)) {
    case 0:
    case 1:
      damaged_to(made.offset + 1);
      on.flip_bit(file, made.offset, static_cast<unsigned>(random_.below(8)));
      made.text = "a flipped bit";
      break;
    case 2:
      fill(sector_bytes, false);
      made.text = "a zeroed sector";
      break;
    case 3:
      fill(sector_bytes, true);
      made.text = "a sector of garbage";
      break;
    case 4:
      fill(block_bytes, false);
      made.text = "a zeroed block";
      break;
    case 5: {
      // Two blocks in each other's place, as a misdirected write leaves them.
      const std::uint64_t a = made.offset / block_bytes * block_bytes;
      const std::uint64_t b = random_.below(bytes.size()) / block_bytes * block_bytes;
      const std::string first = bytes.substr(a, block_bytes);
      const std::string second = bytes.substr(b, block_bytes);
      made.text = "two blocks in each other's place";
      if (first.size() != second.size() || first == second) {
        made.changed = false;
        break;
      }
      damaged_to(std::max(a, b) + block_bytes);
      on.overwrite(file, a, second);
      on.overwrite(file, b, first);
      made.offset = std::min(a, b);
      break;
    }
    case 6:
      on.remove(file);
      made.text = "a missing segment";
      made.names_must_tell = true;
      made.offset = 0;
      break;
    case 7: {
      const std::string another = some_segment();
      made.text = "two segments in each other's place";
      made.names_must_tell = true;
      if (another == name) {
        made.changed = false;
        break;
      }
      const std::filesystem::path to = std::filesystem::path("log") / another;
      on.rename(file, "log/away");
      on.rename(to, file);
      on.rename("log/away", to);
      made.segment_id = std::min(made.segment_id, *format::parse_segment_file_name(another));
      made.offset = 0;
      break;
    }
    case 8: {
      const std::uint64_t end = made.offset / block_bytes * block_bytes;
      damaged_to(bytes.size());
      on.truncate(file, end);
      made.text = "a segment that was cut short";
      made.offset = end;
      // Where that took a record along, and another segment says so.
      made.names_must_tell = name != segments_.back() &&
                             std::any_of(sound_.at.begin(), sound_.at.end(), [&](position at) {
                               return at.segment_id == made.segment_id && at.offset >= end;
                             });
      break;
    }
    default: {
      const std::string foreign = other_.disk.holds(file) ? name : format::segment_file_name(1);
      on.put(file, other_.disk.bytes_of(std::filesystem::path("log") / foreign));
      made.text = "a segment of another log";
      made.names_must_tell = true;
      made.offset = 0;
    }
  }
  return made;
}

void closed_log::check_open(simulated_disk& damaged, const fault& what, verification how) {
  config settings = with(damaged, world_.settings());
  settings.verify = how;
  bool opened = false;
  try {
    const found_log found = recover(damaged, probe_, settings, &opened);
    must(!what.names_must_tell || !what.changed,
         "a segment that is not what it should be was accepted");
    // Everything up to what was hit is there, and nothing else is.
    must(found.records.size() <= sound_.records.size() &&
             std::equal(found.records.begin(), found.records.end(), sound_.records.begin()),
         "something was made up");
    if (found.records.size() == sound_.records.size()) {
      ++counted_["harmless"];
      return;
    }
    // Only where the closing mark is gone as well nothing vouches for the last records.
    must(what.hits_end, "acknowledged records were cut off silently");
    ++counted_["ambiguous"];
  } catch (const system_error& refused) {
    must(refused.code() == errc::corruption, "damage is reported as something else");
    must(what.changed, "a false alarm");
    must(!opened || !what.names_must_tell,
         "opening accepted a segment that is not what it should be");
    ++counted_["refused"];
  }
}

void closed_log::check_salvage(simulated_disk& damaged, const fault& what) {
  config settings = with(damaged, world_.settings());
  settings.recovery = recovery_mode::salvage;
  const found_log found = recover(damaged, probe_, settings);
  must(found.records.size() <= sound_.records.size() &&
           std::equal(found.records.begin(), found.records.end(), sound_.records.begin()),
       "salvage made something up");
  if (found.records.size() == sound_.records.size()) return;
  // Nothing before the damage is dropped, except what shares its batch.
  std::size_t whole = 0;
  for (std::size_t i = 0; i + 1 < sound_.at.size(); ++i) {
    const position& next = sound_.at[i + 1];
    const bool before = next.segment_id < what.segment_id ||
                        (next.segment_id == what.segment_id && next.offset <= what.offset);
    if (before && sound_.ends_batch[i]) whole = i + 1;
  }
  must(found.records.size() >= whole, "salvage dropped what was sound");
  must(!found.info.corruption_detected || !found.info.salvage_report.empty(),
       "salvage does not say what it did");
  for (const std::string& name : found.info.salvaged_files) {
    const auto names = damaged.files("log");
    must(std::count(names.begin(), names.end(), name) == 1, "a salvaged file is not there");
  }
  ++counted_["salvaged"];
  config strict = settings;
  strict.recovery = recovery_mode::strict;
  const found_log again = recover(damaged, probe_, strict);
  must(again.records == found.records, "after salvage the log is something else");
}

void closed_log::try_fault() {
  simulated_disk damaged = world_.disk.after_kill(random_());
  const fault what = do_damage(damaged);
  ++counted_["faults"];
  try {
    simulated_disk copied = damaged.after_kill(random_());
    check_open(copied, what,
               random_.one_in(2) ? verification::everything : verification::active_segment);
    if (random_.one_in(4)) check_salvage(damaged, what);
  } catch (const violation& broken) {
    throw violation(what.text + " in segment " + std::to_string(what.segment_id) + " at " +
                    std::to_string(what.offset) + ": " + broken.what());
  } catch (const system_error& failed) {
    throw violation(what.text + " in segment " + std::to_string(what.segment_id) + " at " +
                    std::to_string(what.offset) + ": " + failed.what());
  }
}

/// A log under os or batch whose writers outpace the disk, killed behind a sync.
class killed_log {
 public:
  killed_log(std::uint64_t seed, figures& counted)
      : world_(seed, seed % 4 == 1 ? fsync_policy::os()
                                   : fsync_policy::batch(std::chrono::milliseconds(5))),
        random_(~seed),
        counted_(counted) {
    world_.open();
    for (std::size_t syncs = 1 + world_.random.below(4); syncs != 0; --syncs) {
      const std::size_t before = world_.model.durable;
      while (world_.model.written == before) step();
      world_.sync();
      for (std::size_t steps = 0; world_.model.durable == before; ++steps) {
        must(steps != steps_max, "a sync never ends while others append");
        step();
      }
    }
    durable_ = world_.model.durable;
    // What is laid from here on says how far the sync went.
    for (const std::size_t before = world_.model.written; world_.model.written == before;) step();
    for (std::size_t more = world_.random.below(300); more != 0; --more) step();
    killed_.emplace(world_.disk.after_kill(random_()));
    simulated_disk copied = killed_->after_kill(random_());
    sound_ = recover(copied, probe_, with(copied, world_.settings()));
    durable_records_ = world_.model.records_of(durable_);
    must(sound_.records.size() >= durable_records_, "a kill lost something");
  }

  void try_fault();

 private:
  void check(simulated_disk& damaged, bool changed);
  // There is always somebody who waits for room.
  void step() {
    while (world_.running() < 24) {
      values batch(1 + world_.random.below(3));
      for (std::string& each : batch) {
        each = world_.random.text(world_.random.below(world_.random.one_in(2) ? 9000 : 400));
      }
      world_.append(std::move(batch));
    }
    if (!world_.run_some(1)) world_.disk.advance(std::chrono::milliseconds(1));
  }

  log_world world_;
  coin random_;
  figures& counted_;
  asio::io_context probe_;
  std::optional<simulated_disk> killed_;
  found_log sound_;
  std::size_t durable_ = 0;
  std::size_t durable_records_ = 0;
};

void killed_log::try_fault() {
  const position at = sound_.at[random_.below(durable_records_)];
  const std::filesystem::path file =
      std::filesystem::path("log") / format::segment_file_name(at.segment_id);
  simulated_disk damaged = killed_->after_kill(random_());
  const std::string bytes = damaged.bytes_of(file);
  const std::uint64_t offset = at.offset + random_.below(40);
  if (random_.one_in(2)) {
    damaged.flip_bit(file, offset, static_cast<unsigned>(random_.below(8)));
  } else {
    damaged.overwrite(file, offset / sector_bytes * sector_bytes, std::string(sector_bytes, '\0'));
  }
  ++counted_["faults"];
  try {
    check(damaged, damaged.bytes_of(file) != bytes);
  } catch (const violation& broken) {
    throw violation("damage in segment " + std::to_string(at.segment_id) + " at " +
                    std::to_string(offset) + " of a killed log: " + broken.what());
  }
}

void killed_log::check(simulated_disk& damaged, bool changed) {
  try {
    const found_log found = recover(damaged, probe_, with(damaged, world_.settings()));
    must(found.records.size() <= sound_.records.size() &&
             std::equal(found.records.begin(), found.records.end(), sound_.records.begin()),
         "something was made up");
    must(found.records.size() >= durable_records_, "synced records were cut off silently");
    ++counted_["harmless"];
  } catch (const system_error& refused) {
    must(refused.code() == errc::corruption, "damage is reported as something else");
    must(changed, "a false alarm");
    ++counted_["refused"];
  }
}

}  // namespace

void damage(std::uint64_t seed, figures& counted) {
  if (seed % 2 == 1) {
    killed_log log(seed, counted);
    for (int i = 0; i != 100; ++i) log.try_fault();
    return;
  }
  closed_log log(seed, counted);
  for (int i = 0; i != 200; ++i) log.try_fault();
}

}  // namespace nori::simulate
