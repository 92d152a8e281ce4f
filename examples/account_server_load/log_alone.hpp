#ifndef ACCOUNT_SERVER_LOAD_LOG_ALONE_HPP
#define ACCOUNT_SERVER_LOAD_LOG_ALONE_HPP

#include <chrono>
#include <cstddef>
#include <filesystem>

#include "latencies.hpp"

namespace load {

/// What the event store gives without a server around it: as many writers, each of which appends
/// an event like those of a deposit to a stream of its own, one when the last one is durable.
[[nodiscard]] figures measure_log(const std::filesystem::path& dir, std::size_t writers,
                                  std::chrono::milliseconds how_long);

}  // namespace load

#endif
