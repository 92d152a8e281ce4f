// More than the disk takes: ten times as many appends arrive as it can write, and it stands still
// for a while. Whoever appends waits, or is turned away where he did not want to wait; nobody is
// told that something failed; the memory stays where it was; and when the load is gone, the log is
// as fast as before. At the end the file system is shut down, and what was promised is there.

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "checking.hpp"
#include "disks.hpp"
#include "load.hpp"
#include "slow_disk.hpp"
#include "suite.hpp"

namespace nori::suites {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t device_bytes_per_second = std::uint64_t{1} << 20;
constexpr std::size_t waiting_max = 500;
// Buffers, what 500 appends and their records take, and what an allocator keeps.
constexpr std::uint64_t growth_max = std::uint64_t{24} << 20;
constexpr seconds drained_within(60);

struct measured {
  std::uint64_t rounds = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t turned_away = 0;
  std::uint64_t growth = 0;
  std::uint64_t before_us = 0;  ///< of the slowest round: the latency in the middle
  std::uint64_t after_us = 0;
};

void require_bounded(const load& of, std::uint64_t before, measured& to) {
  const std::uint64_t most = std::max(of.resident_most(), before);
  to.growth = std::max(to.growth, most - before);
  if (most - before > growth_max) {
    throw broken("memory grew by " + std::to_string((most - before) >> 20) + " MiB");
  }
}

// One log on a new file system, from its opening to what a power cut leaves.
class overloaded_log {
 public:
  overloaded_log(const suite_options& options, std::uint64_t seed)
      : at_(options.scratch + "/disk"), random_(seed) {
    const std::string image = options.scratch + "/image";
    what_ = random_.below(2) == 0 ? file_system::ext4 : file_system::xfs;
    make_image(what_, image);
    device_ = std::make_unique<loop_device>(image);
    disk_ = std::make_unique<mounted_disk>(what_, *device_, at_);
    load_ = workload::any(random_);
    load_.store = false;
  }

  void ten_times(milliseconds time, measured& to) {
    const slowed_device slow(device_->path(), device_bytes_per_second);
    running_.emplace(load_, dir());
    running_->saturate(64, milliseconds(500));
    running_->take_median_latency();
    const std::uint64_t most = running_->saturate(64, std::min<milliseconds>(time / 4, seconds(5)));
    running_->drain(drained_within);
    calm(most, to.before_us);
    const std::uint64_t before = resident_bytes();
    running_->forget_resident();
    running_->arrive(10 * most, waiting_max, time);
    require_bounded(*running_, before, to);
    running_->drain(drained_within);
    calm(most, to.after_us);
    end(to);
  }

  void frozen(milliseconds time, measured& to) {
    running_.emplace(load_, dir());
    const std::uint64_t most =
        std::min<std::uint64_t>(running_->saturate(64, milliseconds(500)), 20'000);
    running_->drain(drained_within);
    calm(most, to.before_us);
    const std::uint64_t before = resident_bytes();
    running_->forget_resident();
    {
      frozen_file_system still(at_, time);
      running_->arrive(most, waiting_max, time + drained_within, [&] { return still.thawed(); });
    }
    require_bounded(*running_, before, to);
    running_->drain(drained_within);
    calm(most, to.after_us);
    end(to);
  }

  // Whoever finds others waiting waits, too: a queue without bound, which has to be noticed.
  bool control(std::string& by) {
    const slowed_device slow(device_->path(), device_bytes_per_second);
    running_.emplace(load_, dir());
    const std::uint64_t before = resident_bytes();
    bool caught = false;
    measured ignored;
    const auto grown = [&] { return resident_bytes() > before + growth_max + (growth_max >> 2); };
    running_->arrive(100'000, SIZE_MAX, seconds(20), grown);
    try {
      require_bounded(*running_, before, ignored);
    } catch (const broken& error) {
      by = error.what();
      caught = true;
    }
    disk_->shut_down();
    running_->abandon();
    running_.reset();
    return caught;
  }

  [[nodiscard]] std::string where() const {
    return std::string(name_of(what_)) + ", " + load_.text() + ": ";
  }

 private:
  [[nodiscard]] std::string dir() const { return at_ + "/log"; }

  // A tenth of what the disk takes.
  void calm(std::uint64_t most, std::uint64_t& slowest) {
    running_->take_median_latency();
    running_->arrive(std::max<std::uint64_t>(most / 10, 20), waiting_max, milliseconds(500));
    running_->drain(drained_within);
    slowest =
        std::max(slowest, static_cast<std::uint64_t>(running_->take_median_latency().count()));
  }

  void end(measured& to) {
    account told = running_->told();
    disk_->shut_down();
    to.turned_away += running_->turned_away();
    running_->abandon();
    running_.reset();
    disk_->unmount();
    disk_ = std::make_unique<mounted_disk>(what_, *device_, at_);
    static_cast<void>(check(load_, dir(), told, fault::power_cut));
    ++to.rounds;
    to.acknowledged += told.acknowledged();
  }

  file_system what_ = file_system::ext4;
  std::string at_;
  random_numbers random_;
  workload load_;
  std::unique_ptr<loop_device> device_;
  std::unique_ptr<mounted_disk> disk_;
  std::optional<load> running_;
};

}  // namespace

int overload(const suite_options& options) {
  const auto begun = std::chrono::steady_clock::now();
  random_numbers random(options.seed);
  measured ten;
  measured still;
  // In a minute all policies get their turn. Who has longer gets one turn of minutes: what grows
  // slowly shows, and so does whoever takes a disk that stands still for a minute for a failed one.
  const bool at_length = options.seconds >= seconds(180);
  const milliseconds part = milliseconds(options.seconds) / 8;
  const milliseconds too_much = at_length ? milliseconds(options.seconds) * 2 / 3 : part;
  const milliseconds stall = at_length ? seconds(60) : part;
  std::string where;
  try {
    do {
      {
        overloaded_log log(options, random());
        where = "ten times too much, " + log.where();
        log.ten_times(too_much, ten);
      }
      report_progress(options, begun);
      overloaded_log log(options, random());
      where = "a frozen disk, " + log.where();
      log.frozen(stall, still);
      report_progress(options, begun);
    } while (std::chrono::steady_clock::now() - begun < options.seconds * 3 / 4);
  } catch (const broken& error) {
    throw broken(where + error.what());
  }
  std::string by;
  bool caught = false;
  {
    overloaded_log log(options, random());
    caught = log.control(by);
  }
  report_figure("overloads", ten.rounds);
  report_figure("freezes", still.rounds);
  report_figure("overloaded_ms", static_cast<std::uint64_t>(too_much.count()));
  report_figure("frozen_ms", static_cast<std::uint64_t>(stall.count()));
  report_figure("acknowledged", ten.acknowledged + still.acknowledged);
  report_figure("turned_away", ten.turned_away + still.turned_away);
  report_figure("lost", 0);
  report_figure("memory_growth_bytes", std::max(ten.growth, still.growth));
  report_figure("latency_before_overload_us", ten.before_us);
  report_figure("latency_after_overload_us", ten.after_us);
  report_figure("latency_before_freeze_us", still.before_us);
  report_figure("latency_after_freeze_us", still.after_us);
  report_control("queue_without_bound", caught, "memory_growth");
  return caught ? 0 : 1;
}

}  // namespace nori::suites
