#ifndef NORI_BENCH_WORKLOAD_ECHO_HPP
#define NORI_BENCH_WORKLOAD_ECHO_HPP

#include <cstdint>
#include <filesystem>

#include "common/measure.hpp"
#include "workload/log_appends.hpp"

namespace nori::bench {

/// A TCP echo server on the io_context whose log takes appends at the same time.
struct echo_load {
  append_load appends;            ///< `rate` is not heeded: each writer appends as soon as it can
  std::uint64_t connections = 8;  ///< each sends its next message when the answer to one is there
};

/// One turn. A record and a call are a message that came back; their client has a thread and an
/// io_context of its own. Without a directory there is no log.
struct echo_result {
  turn_result echoes;
  double appends_per_s = 0;
};
[[nodiscard]] echo_result echo(const echo_load& load, const std::filesystem::path& scratch,
                               const std::filesystem::path* log_dir, double seconds);

}  // namespace nori::bench

#endif
