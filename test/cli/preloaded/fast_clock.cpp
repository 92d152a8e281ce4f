// Loaded into a program before everything else, it makes the monotonic clock pass a hundred
// thousand times as fast: to the program, what takes ten microseconds takes a second.

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern "C" int clock_gettime(clockid_t which, timespec* to) noexcept {
  constexpr long long factor = 100'000;
  constexpr long long second_ns = 1'000'000'000;
  const long result = ::syscall(SYS_clock_gettime, which, to);
  if (result != 0 || which != CLOCK_MONOTONIC) return static_cast<int>(result);
  // From some moment on: the clock's own beginning was a long time ago.
  static const long long begin_ns = to->tv_sec * second_ns + to->tv_nsec;
  const long long passed_ns = to->tv_sec * second_ns + to->tv_nsec - begin_ns;
  const long long shown_ns = begin_ns + factor * passed_ns;
  to->tv_sec = shown_ns / second_ns;
  to->tv_nsec = shown_ns % second_ns;
  return 0;
}
