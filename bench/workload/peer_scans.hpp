#ifndef NORI_BENCH_WORKLOAD_PEER_SCANS_HPP
#define NORI_BENCH_WORKLOAD_PEER_SCANS_HPP

#include <cstdint>
#include <filesystem>

#include "common/measure.hpp"
#include "peers/peer.hpp"

namespace nori::bench {

/// Puts `records` records of `size` bytes into a peer in `dir`, which does not exist yet, and
/// closes it.
void fill_peer(const peer_kind& kind, const std::filesystem::path& dir, std::size_t size,
               std::uint64_t records);

/// Scans what fill_peer made from start to end, once: to fill the page cache, and to find out
/// whether everything is there.
/// @throws std::runtime_error where it does not give `records` records; so does scan_peer.
void scan_peer_once(const peer_kind& kind, const std::filesystem::path& dir, std::uint64_t records);

/// Scans it again and again for one turn, before which it is opened.
[[nodiscard]] turn_result scan_peer(const peer_kind& kind, const std::filesystem::path& dir,
                                    std::uint64_t records, double seconds);

}  // namespace nori::bench

#endif
