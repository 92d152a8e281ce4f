#ifndef NORI_BENCH_COMMON_CHILD_HPP
#define NORI_BENCH_COMMON_CHILD_HPP

#include <boost/json/value.hpp>

#include <functional>

namespace nori::bench {

/// Runs `what` in a child process, which therefore begins with little memory of its own and can be
/// killed, and gives what it reported. To be called while no other thread runs.
///
/// `what` is given a function that hands the report over; it may then end its process as it likes.
/// @throws std::runtime_error with what `what` threw, or where it reported nothing.
[[nodiscard]] boost::json::value in_child(
    const std::function<void(const std::function<void(const boost::json::value&)>& report)>& what);

/// Ends the calling process as SIGKILL does: nothing is closed, nothing is flushed.
[[noreturn]] void kill_this_process() noexcept;

}  // namespace nori::bench

#endif
