#include "raw/read_loop.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "common/consumer.hpp"
#include "raw/files.hpp"
#include "raw/frames.hpp"

namespace nori::bench::raw {

namespace {
constexpr std::size_t read_bytes = std::size_t{256} << 10;
constexpr std::size_t write_bytes = std::size_t{1} << 20;
constexpr unsigned records_between_checks = 64;
}  // namespace

void write_frames(const std::filesystem::path& path, const std::string& body,
                  std::size_t frame_bytes, std::uint64_t records) {
  const descriptor file = make_zero_file(path, 0, false);
  framer frames(body, frame_bytes);
  const std::uint64_t at_once = std::max<std::uint64_t>(1, write_bytes / frame_bytes);
  const blocks buffer(at_once * frame_bytes);
  for (std::uint64_t done = 0; done < records;) {
    throw_if_interrupted();
    const std::uint64_t some = std::min(at_once, records - done);
    for (std::uint64_t i = 0; i < some; ++i) frames.lay(buffer.data() + i * frame_bytes);
    write_all(file.get(), buffer.data(), some * frame_bytes, done * frame_bytes);
    done += some;
  }
  if (::fsync(file.get()) != 0) throw_errno(errno, "sync the raw file");
}

std::uint64_t read_frames(const std::filesystem::path& path, turn& now) {
  const descriptor file = open_for_reading(path);
  // Room for a frame that is cut off, in front of what is read next.
  blocks buffer(2 * (size_max + block_bytes) + read_bytes);
  std::uint64_t offset = 0;
  std::uint64_t records = 0;
  std::size_t kept = 0;
  consumer reads;
  while (now.now() != phase::over) {
    const ssize_t got =
        ::pread(file.get(), buffer.data() + kept, read_bytes, static_cast<off_t>(offset));
    if (got < 0) throw_errno(errno, "raw read");
    if (got == 0) break;
    offset += static_cast<std::uint64_t>(got);
    const std::size_t end = kept + static_cast<std::size_t>(got);
    std::size_t at = 0;
    unsigned unreported = 0;
    for (;;) {
      const bool timed = records % records_between_checks == 0;
      const auto started = timed ? clock::now() : clock::time_point();
      const std::size_t frame = check_frame(buffer.data() + at, end - at);
      if (frame == 0) break;
      if (timed) now.note_latency(clock::now() - started);
      reads.look_at({reinterpret_cast<const char*>(buffer.data() + at) + frame_header_bytes,
                     frame - frame_header_bytes});
      at += frame;
      ++records;
      ++unreported;
    }
    now.tally_of(0).add(unreported);
    kept = end - at;
    std::memmove(buffer.data(), buffer.data() + at, kept);
  }
  if (kept != 0 && now.now() != phase::over) {
    throw std::runtime_error("the raw file is damaged: cut off");
  }
  return records;
}

}  // namespace nori::bench::raw
