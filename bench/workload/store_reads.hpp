#ifndef NORI_BENCH_WORKLOAD_STORE_READS_HPP
#define NORI_BENCH_WORKLOAD_STORE_READS_HPP

#include <cstdint>

#include "common/measure.hpp"
#include "workload/store_filling.hpp"

namespace nori::bench {

/// What is read from a filled store, again and again.
enum class store_read : std::uint8_t {
  everything,  ///< all events, in order
  one_stream,  ///< a stream chosen at random, whole
  one_tag,     ///< the events with a tag chosen at random
};

/// One turn of `readers` coroutines. A record is an event that was given, a call a whole read (of
/// everything: a batch of it). @throws std::runtime_error where a read gives too few or too many.
[[nodiscard]] turn_result read_store(const store_shape& shape, const std::filesystem::path& dir,
                                     store_read what, std::uint64_t readers, double seconds);

}  // namespace nori::bench

#endif
