#ifndef NORI_BENCH_RAW_READ_LOOP_HPP
#define NORI_BENCH_RAW_READ_LOOP_HPP

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/measure.hpp"
#include "common/options.hpp"

namespace nori::bench::raw {

/// Writes `records` frames to a new file.
void write_frames(const std::filesystem::path& path, const std::string& body,
                  std::size_t frame_bytes, std::uint64_t records);

/// Reads the file from start to end, 256 KiB at a time, and checks the CRC of every frame.
/// @returns how many there are. Stops when the turn is over.
std::uint64_t read_frames(const std::filesystem::path& path, turn& now);

}  // namespace nori::bench::raw

#endif
