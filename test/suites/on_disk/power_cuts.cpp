// Guests of a kernel of their own, whose power is cut while a writer writes in them.
//
// A guest is killed, or it is frozen and its disk copied: the copy is what killing it at that
// moment would have left, and the guest goes on to the next one. Then the disk is mounted, which
// replays the file system's journal, and compared with what the writer had told: its
// acknowledgements leave the guest by its console, so what is known of them here no cut can take
// back.
//
// What this shows: everything that a kernel keeps in memory is lost - its page cache, its dirty
// metadata, the requests that it had not yet given to its disk - under a real ext4 and XFS and a
// real io_uring. What it does not show: the disk is a file of the machine's, which keeps every
// write from the moment the guest's driver makes it, so it is a disk without a volatile cache of
// its own. A flush that is missing between two writes that were both submitted is not noticed.

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include "account.hpp"
#include "checking.hpp"
#include "disks.hpp"
#include "guest.hpp"
#include "suite.hpp"
#include "workload.hpp"

namespace nori::suites {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct counted_cuts {
  std::uint64_t killed = 0;
  std::uint64_t copied = 0;
  std::uint64_t acknowledged = 0;
};

/// A disk that goes from guest to guest.
class guest_disk {
 public:
  guest_disk(file_system what, const std::string& scratch, std::uint64_t seed)
      : what_(what),
        scratch_(scratch),
        at_(scratch + "/" + name_of(what)),
        image_(at_ + ".image"),
        random_(seed) {
    make_image(what, image_);
  }

  /// Boots a guest and cuts its power over and over, until `until` or for a while.
  void one_guest(clock::time_point until, counted_cuts& count) {
    if (!told_ || lives_ == lives_max_ || is_full()) begin_directory();
    ++lives_;
    live(false, until, count);
  }

  /// Whether a writer that tells what is only written as durable is found out.
  bool control(std::string& by) {
    for (int attempt = 0; attempt < 5; ++attempt) {
      begin_directory();
      load_.policy = fsync_policy::kind::os;
      counted_cuts ignored;
      try {
        live(true, clock::time_point::max(), ignored);
      } catch (const broken& error) {
        by = error.what();
        told_.reset();
        if (by.starts_with("lost")) return true;
      }
    }
    return false;
  }

 private:
  [[nodiscard]] std::string dir() const { return at_ + "/" + name_; }

  // Some 20 MiB, of which an image takes several. Who writes on is stopped within a fifth of a
  // second, so no disk fills up, and one that does is a failure.
  [[nodiscard]] bool is_full() const { return told_->acknowledged() > groups_max; }
  static constexpr std::uint64_t groups_max = 20'000;

  void begin_directory() {
    // A new disk now and then; otherwise older directories stay on it.
    if (++directories_ % 4 == 0) make_image(what_, image_);
    name_ = std::to_string(directories_);
    load_ = workload::any(random_);
    told_.emplace(load_.lanes());
    lives_ = 0;
    lives_max_ = 1 + random_.below(4);
  }

  void live(bool lies, clock::time_point until, counted_cuts& count) {
    writing how;
    how.what = load_;
    how.dir = dir();
    how.lies = lies;
    for (const account::lane& each : told_->lanes()) how.from.push_back(each.durable);
    std::vector<std::string> command = command_of(how);
    command.front() = std::filesystem::read_symlink("/proc/self/exe").string();
    told_->begin_writer();
    const std::uint64_t before = told_->acknowledged();
    {
      guest running(what_, image_, at_, command, scratch_);
      wait_until_open(running);
      const std::uint64_t copies = 3 + random_.below(12);
      for (std::uint64_t i = 0; i < copies && !is_full() && clock::now() < until; ++i) {
        listen_to(running, clock::now() + milliseconds(random_.below(200)));
        running.freeze();
        take_rest(running);
        const std::string copy = at_ + ".copy";
        const int status = run_command("cp --sparse=always '" + image_ + "' '" + copy + "'");
        if (status != 0) throw std::runtime_error("copying an image failed");
        ++count.copied;
        account of_copy = *told_;
        check_image(copy, of_copy, lies);
        // Not before: how much it writes would depend on how long that took.
        running.thaw();
      }
      listen_to(running, clock::now() + milliseconds(random_.below(200)));
      running.kill(*told_);
    }
    ++count.killed;
    count.acknowledged += told_->acknowledged() - before;
    told_->found(check_image(image_, *told_, lies));
  }

  void wait_until_open(guest& running) {
    const auto deadline = clock::now() + std::chrono::seconds(120);
    while (!told_->opened) {
      listen_to(running, clock::now() + milliseconds(20));
      if (clock::now() > deadline) throw std::runtime_error("the guest does not start");
    }
  }

  void listen_to(guest& running, clock::time_point until) {
    const bool runs = running.listen(*told_, until);
    if (told_->failure) throw broken(where() + "in the guest: " + *told_->failure);
    if (!runs) throw broken(where() + "the writer or its guest ended by itself");
  }
  // All that was told before the guest was frozen.
  void take_rest(guest& running) {
    std::uint64_t before = 0;
    do {
      before = told_->acknowledged();
      listen_to(running, clock::now());
    } while (told_->acknowledged() != before);
  }

  std::vector<std::uint64_t> check_image(const std::string& image, account& told, bool lies) {
    try {
      const loop_device device(image);
      mounted_disk disk(what_, device, at_);
      const auto found = check(load_, dir(), told, fault::power_cut);
      disk.unmount();
      return found;
    } catch (const broken& error) {
      if (lies) throw;
      throw broken(where() + error.what());
    }
  }

  [[nodiscard]] std::string where() const {
    return std::string(name_of(what_)) + ", " + load_.text() + ", life " + std::to_string(lives_) +
           ": ";
  }

  file_system what_;
  std::string scratch_;
  std::string at_;
  std::string image_;
  random_numbers random_;
  std::uint64_t directories_ = 0;
  std::string name_;
  workload load_;
  std::optional<account> told_;
  std::uint64_t lives_ = 0;
  std::uint64_t lives_max_ = 0;
};

}  // namespace

int power_cuts(const suite_options& options) {
  constexpr file_system all[] = {file_system::ext4, file_system::xfs};
  const auto begun = clock::now();
  const auto until = begun + options.seconds;
  counted_cuts counts[2];
  bool caught = false;
  std::string by;
  std::exception_ptr failures[2];
  std::atomic<int> running = 2;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      try {
        guest_disk disk(all[i], options.scratch, mixed(options.seed * 2 + i));
        // One of them is enough: guests are slow to boot.
        if (options.seed % 2 == i) caught = disk.control(by);
        while (clock::now() < until) disk.one_guest(until, counts[i]);
      } catch (...) {
        failures[i] = std::current_exception();
      }
      --running;
    });
  }
  while (running != 0) {
    std::this_thread::sleep_for(milliseconds(500));
    report_progress(options, begun);
  }
  for (std::thread& each : threads) each.join();
  for (const std::exception_ptr& each : failures) {
    if (each) std::rethrow_exception(each);
  }
  const std::uint64_t killed = counts[0].killed + counts[1].killed;
  const std::uint64_t copied = counts[0].copied + counts[1].copied;
  report_figure("cuts", killed + copied);
  report_figure("cuts_of_killed_guests", killed);
  report_figure("cuts_of_frozen_guests", copied);
  report_figure("acknowledged", counts[0].acknowledged + counts[1].acknowledged);
  report_figure("lost", 0);
  report_control("written_told_as_durable", caught, "power_cuts");
  return caught ? 0 : 1;
}

}  // namespace nori::suites
