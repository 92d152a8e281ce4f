// A file system that is shut down while a writer writes: what it had not written is gone, as in a
// power cut, at a cost of some 20 milliseconds.
//
// It shows that the log and the store ask for the right things of a real file system: data, sizes
// and directory entries. The device below, a file in memory, keeps whatever it was given, so
// flushes that are missing do not show here: those of the file system are its own affair.

#include <atomic>
#include <filesystem>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "account.hpp"
#include "checking.hpp"
#include "disks.hpp"
#include "suite.hpp"
#include "workload.hpp"
#include "writer_process.hpp"

namespace nori::suites {
namespace {

using clock = std::chrono::steady_clock;

// More would not be the kernel's doing alone: it lies of blocks that were never written, and there
// in one of ten shutdowns or so.
constexpr std::uint64_t false_instants_one_in = 200;
// File systems that their own checker finds damaged after replaying their journal: no program can
// make up for that.
constexpr std::uint64_t damaged_one_in = 1000;
using std::chrono::microseconds;

struct counted {
  std::uint64_t cycles = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t while_opening = 0;  ///< cycles in which the writer was not even open
  /// Cycles that lost what was told between the shutdown and the kill, and nothing older.
  std::uint64_t false_instants = 0;
  /// File systems that were damaged themselves, so that nothing can be said of the log.
  std::uint64_t damaged = 0;
};

/// A file system on which one directory after the other lives through many shutdowns.
class shut_down_disk {
 public:
  shut_down_disk(file_system what, std::string at, std::uint64_t seed)
      : what_(what), at_(std::move(at)), random_(seed) {
    make();
  }

  void cycle(counted& count) {
    if (!told_ || lives_ == lives_max_ || told_->acknowledged() > 20'000) begin_directory();
    ++lives_;
    one_life(count, false);
  }

  /// Whether a writer that tells what is only written as durable is found out.
  bool control(std::string& by) {
    for (int attempt = 0; attempt < 50; ++attempt) {
      begin_directory();
      load_.policy = fsync_policy::kind::os;
      counted ignored;
      try {
        one_life(ignored, true);
      } catch (const broken& error) {
        by = error.what();
        told_.reset();
        if (by.starts_with("lost")) return true;
      }
    }
    return false;
  }

 private:
  void make() {
    const std::string image = at_ + ".image";
    make_image(what_, image);
    device_ = std::make_unique<loop_device>(image);
    mount();
  }

  void mount() { disk_ = std::make_unique<mounted_disk>(what_, *device_, at_); }

  void begin_directory() {
    // An older one stays, so that the file system is no empty one.
    if (directories_ >= 2) {
      const std::string old = at_ + "/" + std::to_string(directories_ - 2);
      std::filesystem::remove_all(old);
      std::filesystem::remove_all(snapshots_beside(old));
    }
    dir_ = at_ + "/" + std::to_string(++directories_);
    load_ = workload::any(random_);
    told_.emplace(load_.lanes());
    lives_ = 0;
    lives_max_ = 1 + random_.below(30);
  }

  void one_life(counted& count, bool lies) {
    writing how;
    how.what = load_;
    how.dir = dir_;
    how.lies = lies;
    for (const account::lane& each : told_->lanes()) how.from.push_back(each.durable);
    told_->begin_writer();
    const std::uint64_t before = told_->acknowledged();
    account until_shutdown = *told_;
    {
      writer_process writer(command_of(how));
      const bool runs = lies ? wait_for_acknowledgements(writer, 20) : live_a_while(writer);
      if (told_->failure) throw broken(where() + "it failed on a good disk: " + *told_->failure);
      if (!runs) throw broken(where() + "the writer ended by itself, " + writer.how_it_ended());
      writer.listen(*told_, clock::now());
      until_shutdown = *told_;
      disk_->shut_down();
      // What it tells from here on counts, too.
      if (random_.below(2) == 0) {
        writer.listen(*told_, clock::now() + microseconds(random_.below(3000)));
      }
      writer.kill(*told_);
    }
    ++count.cycles;
    if (!told_->opened) ++count.while_opening;
    count.acknowledged += told_->acknowledged() - before;
    disk_->unmount();
    mount();
    try {
      told_->found(check(load_, dir_, *told_, fault::power_cut));
    } catch (const broken& error) {
      if (lies) throw;
      // A sync that is under way when a file system shuts down may be told as done by the kernel
      // itself: RELIABILITY.md has the figures. That is for one instant, and rare.
      try {
        const auto there = check(load_, dir_, until_shutdown, fault::power_cut);
        told_ = until_shutdown;
        told_->found(there);
        ++count.false_instants;
      } catch (const broken&) {
        disk_->unmount();
        if (!is_damaged(what_, device_->path())) throw broken(where() + error.what());
        std::cerr << where() << error.what() << ": the file system is damaged\n";
        ++count.damaged;
        device_.reset();
        make();
        told_.reset();
      }
    }
  }

  [[nodiscard]] std::string where() const {
    return std::string(name_of(what_)) + ", " + load_.text() + ", life " + std::to_string(lives_) +
           ": ";
  }

  bool wait_for_acknowledgements(writer_process& writer, std::uint64_t more) {
    const std::uint64_t enough = told_->acknowledged() + more;
    const auto deadline = clock::now() + patience;
    bool runs = true;
    while (runs && told_->acknowledged() < enough && clock::now() < deadline) {
      runs = writer.listen(*told_, clock::now() + microseconds(500));
    }
    return runs;
  }

  // Until it is opening, until soon after it is open, or until it has written a lot.
  bool live_a_while(writer_process& writer) {
    if (random_.below(5) == 0) {
      return writer.listen(*told_, clock::now() + microseconds(random_.below(12'000)));
    }
    const auto deadline = clock::now() + patience;
    bool runs = true;
    while (runs && !told_->opened && clock::now() < deadline) {
      runs = writer.listen(*told_, clock::now() + microseconds(200));
    }
    if (!runs) return false;
    if (random_.below(2) == 0) return wait_for_acknowledgements(writer, random_.below(300));
    return writer.listen(*told_, clock::now() + microseconds(random_.below(15'000)));
  }

  static constexpr std::chrono::seconds patience{30};
  file_system what_;
  std::string at_;
  random_numbers random_;
  std::unique_ptr<loop_device> device_;
  std::unique_ptr<mounted_disk> disk_;
  std::uint64_t directories_ = 0;
  std::string dir_;
  workload load_;
  std::optional<account> told_;
  std::uint64_t lives_ = 0;
  std::uint64_t lives_max_ = 0;
};

}  // namespace

int file_system_shutdowns(const suite_options& options) {
  // Two of each: a cycle waits for the kernel more than it works.
  constexpr std::size_t disks = 4;
  constexpr file_system all[] = {file_system::ext4, file_system::xfs};
  const auto begun = clock::now();
  const auto until = begun + options.seconds;
  counted counts[disks];
  bool caught[2] = {};
  std::exception_ptr failures[disks];
  std::atomic<std::size_t> running = disks;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < disks; ++i) {
    threads.emplace_back([&, i] {
      try {
        shut_down_disk disk(all[i % 2], options.scratch + "/disk-" + std::to_string(i),
                            mixed(options.seed * disks + i));
        std::string by;
        if (i < 2) caught[i] = disk.control(by);
        while (clock::now() < until) disk.cycle(counts[i]);
      } catch (...) {
        failures[i] = std::current_exception();
      }
      --running;
    });
  }
  while (running != 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    report_progress(options, begun);
  }
  for (std::thread& each : threads) each.join();
  for (const std::exception_ptr& each : failures) {
    if (each) std::rethrow_exception(each);
  }
  counted sum[2];
  for (std::size_t i = 0; i < disks; ++i) {
    sum[i % 2].cycles += counts[i].cycles;
    sum[i % 2].acknowledged += counts[i].acknowledged;
    sum[i % 2].while_opening += counts[i].while_opening;
    sum[i % 2].false_instants += counts[i].false_instants;
    sum[i % 2].damaged += counts[i].damaged;
  }
  const std::uint64_t cycles = sum[0].cycles + sum[1].cycles;
  const std::uint64_t false_instants = sum[0].false_instants + sum[1].false_instants;
  if (false_instants > 1 + cycles / false_instants_one_in) {
    throw broken(std::to_string(false_instants) + " of " + std::to_string(cycles) +
                 " shutdowns lost what was told in their instant");
  }
  const std::uint64_t damaged = sum[0].damaged + sum[1].damaged;
  if (damaged > 1 + cycles / damaged_one_in) {
    throw broken(std::to_string(damaged) + " of " + std::to_string(cycles) +
                 " shutdowns damaged the file system itself");
  }
  report_figure("shutdowns", cycles);
  report_figure("shutdowns_ext4", sum[0].cycles);
  report_figure("shutdowns_xfs", sum[1].cycles);
  report_figure("shutdowns_while_opening", sum[0].while_opening + sum[1].while_opening);
  report_figure("acknowledged", sum[0].acknowledged + sum[1].acknowledged);
  report_figure("false_instants", false_instants);
  report_figure("damaged_file_systems", damaged);
  report_figure("lost", 0);
  report_control("written_told_as_durable_ext4", caught[0], "file_system_shutdowns");
  report_control("written_told_as_durable_xfs", caught[1], "file_system_shutdowns");
  return caught[0] && caught[1] ? 0 : 1;
}

}  // namespace nori::suites
