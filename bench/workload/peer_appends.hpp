#ifndef NORI_BENCH_WORKLOAD_PEER_APPENDS_HPP
#define NORI_BENCH_WORKLOAD_PEER_APPENDS_HPP

#include <filesystem>

#include "common/measure.hpp"
#include "peers/peer.hpp"
#include "workload/log_appends.hpp"

namespace nori::bench {

/// A peer has a thread for each writer, up to this many: that is how it is made to share a sync.
inline constexpr std::uint64_t peer_writers_max = 256;

/// One turn of the same load on a peer in `dir`, which does not exist yet.
[[nodiscard]] turn_result append_to_peer(const append_load& load, const peer_kind& kind,
                                         const std::filesystem::path& dir, double seconds);

}  // namespace nori::bench

#endif
