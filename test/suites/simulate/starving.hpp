#ifndef NORI_TEST_SUITES_SIMULATE_STARVING_HPP
#define NORI_TEST_SUITES_SIMULATE_STARVING_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <nori/config.hpp>
#include <nori/error.hpp>
#include <nori/testing/simulated_disk.hpp>

#include "suites/simulate/suite.hpp"
#include "support/allocations.hpp"
#include "support/scratch_directory.hpp"
#include "testing/granted_memory.hpp"

namespace nori::simulate {

namespace asio = boost::asio;
using testing::granted_memory;

/// Where memory runs out: at which allocation, and how many fail.
struct shortage {
  std::uint64_t kth = 0;  ///< 0: it does not
  std::uint64_t failures = test::once;

  [[nodiscard]] std::string text() const;
};

/// Whether an operation ended because what it worked on did, or because it was told to.
[[nodiscard]] inline bool has_ended(const boost::system::error_code& with) {
  return with == errc::closed || with == asio::error::operation_aborted;
}

/// Somewhere to keep a log, a context, and coroutines that use it while memory runs out.
///
/// What the test itself needs is granted; what the library needs is not. Nothing may leave run():
/// an operation that ran out of memory says so to whoever awaits it.
class starving_world {
 public:
  /// `simulated`: a simulated disk; else files in memory, by that backend.
  starving_world(std::uint64_t seed, backend on);
  ~starving_world();
  starving_world(const starving_world&) = delete;
  starving_world& operator=(const starving_world&) = delete;

  /// Where to keep it, with small segments and buffers.
  [[nodiscard]] config settings(fsync_policy policy) const;

  /// Begins a coroutine; it must catch what the library throws.
  void begin(asio::awaitable<void> what);
  [[nodiscard]] std::size_t running() const noexcept { return running_; }
  /// Runs until none of them is left, or so much time has passed: on a simulated disk, time there.
  /// Returns whether none is.
  [[nodiscard]] bool settle(std::chrono::milliseconds patience);
  /// Runs what is ready, and lets time pass.
  void pass(std::chrono::milliseconds time);
  /// Begins one, and waits until it has ended: for a while, and then there is memory again. Throws
  /// violation where it doesn't end even so.
  void finish(asio::awaitable<void> what, const char* name);

  coin random;
  std::optional<testing::simulated_disk> disk;

 private:
  void begin(asio::awaitable<void> what, std::size_t* running);
  bool run_until(const std::function<bool()>& condition, std::chrono::milliseconds patience);

  backend backend_;
  std::optional<test::scratch_directory> directory_;
  std::size_t running_ = 0;
  std::size_t finishing_ = 0;

 public:
  asio::io_context io;
};

/// Ends the process where what is said of is not done after so long, or where it ends it itself;
/// says what was going on then.
class watchdog {
 public:
  explicit watchdog(std::chrono::seconds patience);
  ~watchdog();
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  void now_doing(const std::string& what);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Lives of a world, in each of which another allocation fails: so many, spread over all of them,
/// so that over many seeds each gets its turn. World has live(), in which memory may run out and
/// which doesn't mind, and recover(), which has it again and compares what is there.
template <typename World>
void starve(std::uint64_t seed, backend on, std::uint64_t lives_max, figures& counted) {
  if (!test::memory_can_run_out()) return;
  watchdog dog(std::chrono::seconds(120));
  coin choose(~seed);
  const auto live = [&](const shortage& how) {
    dog.now_doing("seed " + std::to_string(seed) + ", " + how.text());
    try {
      // What isn't run by the context, or says otherwise, is the test's own.
      const granted_memory granted;
      World world(seed, on);
      test::let_memory_run_out(how.kth, how.failures);
      world.live();
      const std::uint64_t asked = test::give_memory();
      counted["failed_allocations"] += test::allocations_failed();
      world.recover();
      return asked;
    } catch (const std::exception& broken) {
      static_cast<void>(test::give_memory());
      throw violation(how.text() + ": " + broken.what());
    }
  };
  const std::uint64_t all = live({});
  const std::uint64_t stride = std::max<std::uint64_t>(1, all / lives_max);
  for (std::uint64_t kth = 1 + choose.below(stride); kth <= all; kth += stride) {
    shortage how{kth, test::once};
    if (choose.one_in(3)) how.failures = 2 + choose.below(40);
    if (choose.one_in(3)) how.failures = test::for_ever;
    live(how);
    ++counted["shortages"];
  }
}

}  // namespace nori::simulate

#endif
