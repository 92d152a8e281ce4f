#include "common/measure.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "common/allocations.hpp"
#include "common/machine.hpp"
#include "common/quantities.hpp"

namespace nori::bench {

namespace {

// A turn ends rather than filling the disk.
constexpr std::uint64_t free_bytes_min = std::uint64_t{1} << 30;

// A turn goes on for up to this long where nothing at all was completed: one slow sync is a result.
constexpr std::chrono::seconds patience{30};

// The first part of a turn is not counted.
constexpr double warm_up_share = 0.2;

std::atomic<bool> was_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

thread_local histogram* mine = nullptr;

clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

void watch_for_interrupts() {
  struct sigaction action{};
  action.sa_handler = [](int) { was_interrupted = true; };
  // A second one ends the program at once.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  // What was measured goes to files, too: a closed pipe is an error of one write.
  action.sa_handler = SIG_IGN;
  action.sa_flags = 0;
  ::sigaction(SIGPIPE, &action, nullptr);
}

void throw_if_interrupted() {
  if (was_interrupted) throw interrupted();
}

turn::turn(double seconds, std::size_t tallies, std::size_t threads)
    : seconds_(seconds),
      tallies_(std::make_unique<tally[]>(tallies)),
      tally_count_(tallies),
      histograms_(threads) {}

void turn::use_histogram(std::size_t i) noexcept { mine = &histograms_[i]; }

// Not inlined: a coroutine may be resumed on another thread than the one whose `mine` was looked
// up.
[[gnu::noinline]] void turn::note_latency(clock::duration took) noexcept {
  // What was under way when the turn ended has ended since: left out, the slowest would be missing
  // that an end happens to meet.
  if (now() == phase::warm_up) return;
  mine->add(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()));
}

void turn::fail(std::exception_ptr why) noexcept {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(why);
  failed_ = true;
  phase_ = phase::over;
}

std::uint64_t turn::records() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < tally_count_; ++i) {
    sum += tallies_[i].records.load(std::memory_order_relaxed);
  }
  return sum;
}

void turn::sleep_until(clock::time_point end, const std::filesystem::path& dir) {
  constexpr auto slice = std::chrono::milliseconds(50);
  while (!failed_ && !ended_early_ && !was_interrupted) {
    const auto now = clock::now();
    if (now >= end) return;
    std::this_thread::sleep_until(std::min(end, now + slice));
    ended_early_ = free_bytes(dir) < free_bytes_min;
  }
}

void turn::keep_time(const std::filesystem::path& dir) {
  const double warm_up = seconds_ * warm_up_share;
  sleep_until(clock::now() + duration_of(warm_up), dir);

  begin_measuring();
  sleep_until(begin_ + duration_of(seconds_ - warm_up), dir);
  while (records() == records_before_ && clock::now() < begin_ + patience && !failed_ &&
         !ended_early_ && !was_interrupted) {
    sleep_until(clock::now() + std::chrono::milliseconds(5), dir);
  }
  end_measuring();
}

void turn::begin_measuring() {
  records_before_ = records();
  allocations_before_ = allocations();
  cpu_before_ = cpu_seconds();
  begin_ = clock::now();
  phase before = phase::warm_up;
  phase_.compare_exchange_strong(before, phase::measured);
}

void turn::end_measuring() {
  const auto end = clock::now();
  result_.records = records() - records_before_;
  result_.cpu_seconds = cpu_seconds() - cpu_before_;
  result_.allocations = allocations() - allocations_before_;
  result_.seconds = std::chrono::duration<double>(end - begin_).count();
  result_.resident = resident_bytes();
  phase_ = phase::over;
}

turn_result turn::result(std::uint64_t records_per_call) {
  throw_if_interrupted();
  {
    const std::lock_guard lock(mutex_);
    if (error_) std::rethrow_exception(error_);
  }
  if (ended_early_ && result_.seconds < seconds_ / 4) {
    throw std::runtime_error("the disk is nearly full: less than " +
                             bytes_text(static_cast<double>(free_bytes_min)) +
                             " free; measure for fewer --seconds or in another --dir");
  }
  if (result_.records == 0) throw std::runtime_error("nothing was completed in a whole turn");
  result_.calls = std::max<std::uint64_t>(1, result_.records / records_per_call);
  for (const histogram& each : histograms_) result_.latency.add(each);
  return std::move(result_);
}

void name_thread(const char* name) noexcept { ::pthread_setname_np(::pthread_self(), name); }

turn_result take_turn(double seconds, const std::filesystem::path& dir,
                      std::uint64_t records_per_call, const std::function<void(turn&)>& loop) {
  turn now(seconds, 1, 1);
  std::thread runner([&] {
    name_thread("raw");
    now.use_histogram(0);
    try {
      loop(now);
    } catch (...) {
      now.fail(std::current_exception());
    }
  });
  now.keep_time(dir);
  runner.join();
  return now.result(records_per_call);
}

turn_result take_pass(const std::function<void(turn&)>& loop) {
  turn now(0, 1, 1);
  std::thread runner([&] {
    name_thread("raw");
    now.use_histogram(0);
    try {
      now.begin_measuring();
      loop(now);
      now.end_measuring();
    } catch (...) {
      now.fail(std::current_exception());
    }
  });
  runner.join();
  return now.result(1);
}

std::vector<std::vector<turn_result>> take_rounds(const std::vector<contestant>& contestants,
                                                  std::uint64_t rounds, double seconds,
                                                  progress& shown) {
  const double turn_seconds = seconds / static_cast<double>(rounds * contestants.size());
  std::vector<std::vector<turn_result>> results(rounds);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    results[round].resize(contestants.size());
    for (std::size_t i = 0; i < contestants.size(); ++i) {
      // Who goes first changes from round to round.
      const std::size_t which = (i + round) % contestants.size();
      shown.begin("round " + std::to_string(round + 1) + " of " + std::to_string(rounds) + ", " +
                  contestants[which].name);
      results[round][which] = contestants[which].take(turn_seconds);
      shown.end(turn_seconds);
    }
  }
  return results;
}

std::vector<std::vector<turn_result>> take_rounds(const std::vector<contestant>& contestants,
                                                  std::uint64_t rounds, double seconds) {
  progress shown(seconds);
  return take_rounds(contestants, rounds, seconds, shown);
}

spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

namespace {

double rate_of(const turn_result& turn) { return static_cast<double>(turn.records) / turn.seconds; }
double cpu_of(const turn_result& turn) {
  return turn.cpu_seconds * 1e9 / static_cast<double>(turn.records);
}
double over(double a, double b) { return b > 0 ? a / b : 0; }

template <typename Of>
spread over_rounds(const std::vector<std::vector<turn_result>>& rounds, Of of) {
  std::vector<double> values;
  for (const auto& round : rounds) values.push_back(of(round));
  return spread_of(std::move(values));
}

}  // namespace

figures figures_of(const std::vector<std::vector<turn_result>>& rounds, std::size_t contestant) {
  using round = std::vector<turn_result>;
  const auto quantile = [&](double q) {
    return over_rounds(rounds, [&](const round& r) { return r[contestant].latency.quantile(q); });
  };
  figures result;
  result.records_per_s =
      over_rounds(rounds, [&](const round& r) { return rate_of(r[contestant]); });
  result.p50_ns = quantile(0.5);
  result.p99_ns = quantile(0.99);
  result.p999_ns = quantile(0.999);
  result.p9999_ns = quantile(0.9999);
  result.highest_ns = over_rounds(
      rounds, [&](const round& r) { return static_cast<double>(r[contestant].latency.highest()); });
  result.cpu_ns_per_record =
      over_rounds(rounds, [&](const round& r) { return cpu_of(r[contestant]); });
  result.allocations_per_call = over_rounds(rounds, [&](const round& r) {
    return static_cast<double>(r[contestant].allocations) /
           static_cast<double>(r[contestant].calls);
  });
  result.resident = rounds.back()[contestant].resident;
  const auto all = std::make_unique<histogram>();
  for (const round& r : rounds) all->add(r[contestant].latency);
  result.latencies = all->total();
  for (std::size_t i = 0; i < curve_quantiles.size(); ++i) {
    result.curve_ns[i] = all->quantile(curve_quantiles[i]);
  }
  return result;
}

ratios ratios_of(const std::vector<std::vector<turn_result>>& rounds, std::size_t a,
                 std::size_t b) {
  using round = std::vector<turn_result>;
  ratios result;
  result.records_per_s =
      over_rounds(rounds, [&](const round& r) { return over(rate_of(r[a]), rate_of(r[b])); });
  result.p50 = over_rounds(rounds, [&](const round& r) {
    return over(r[a].latency.quantile(0.5), r[b].latency.quantile(0.5));
  });
  result.cpu =
      over_rounds(rounds, [&](const round& r) { return over(cpu_of(r[a]), cpu_of(r[b])); });
  return result;
}

}  // namespace nori::bench
