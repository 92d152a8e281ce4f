#ifndef NORI_TEST_ENGINE_FAULTS_HPP
#define NORI_TEST_ENGINE_FAULTS_HPP

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "crash_log.hpp"
#include "engine_test.hpp"

// Faults in data that a log has written, and what recovery has to say about them.

namespace nori::engine::test {

using format::block_bytes;
using format::segment_header_bytes;

struct place {
  std::uint64_t segment_id;
  std::uint64_t offset;
};

/// Somewhere in what the log has written.
inline place random_place(random_source& random, const segment_images& truth) {
  const auto segment =
      std::next(truth.begin(), static_cast<std::ptrdiff_t>(random.below(truth.size())));
  return {segment->first, random.below(segment->second.size())};
}

inline std::string do_damage(random_source& random, const segment_images& truth,
                             segment_images& image) {
  const place at = random_place(random, truth);
  byte_vector& bytes = image.at(at.segment_id);
  const auto fill = [&](std::size_t unit, bool garbage) {
    const std::uint64_t begin = at.offset / unit * unit;
    for (std::uint64_t i = begin; i != begin + unit; ++i) {
      bytes[i] = garbage ? static_cast<std::byte>(random()) : std::byte{0};
    }
  };
  switch (random.below(6)) {
    case 0:
      bytes[at.offset] ^= static_cast<std::byte>(1u << random.below(8));
      return "a flipped bit";
    case 1:
      fill(sector_bytes, false);
      return "a zeroed sector";
    case 2:
      fill(sector_bytes, true);
      return "a sector of garbage";
    case 3:
      fill(block_bytes, false);
      return "a zeroed block";
    case 4:
      std::fill_n(bytes.begin(), segment_header_bytes, std::byte{0});
      return "a zeroed header";
    default: {
      const place other = random_place(random, truth);
      std::swap_ranges(
          bytes.begin() + static_cast<std::ptrdiff_t>(block_floor(at.offset)),
          bytes.begin() + static_cast<std::ptrdiff_t>(block_floor(at.offset) + block_bytes),
          image.at(other.segment_id).begin() +
              static_cast<std::ptrdiff_t>(block_floor(other.offset)));
      return "two blocks in each other's place";
    }
  }
}

/// What recovery has to say about an image, by what is known of the log.
struct expectation {
  bool harmless = true;  ///< every frame is where it belongs and can be reached
  bool provable = false;
  bool end_hit = false;        ///< the last frame is damaged
  bool takes_records = false;  ///< a record is or lies behind the first frame that is hit
  position first_bad{0, 0};
};

inline expectation expect(const crash_log& log, const std::vector<seen_frame>& frames,
                          const segment_images& image) {
  const segment_images& truth = log.truth();
  const auto intact = [&](const seen_frame& f) {
    return std::memcmp(truth.at(f.at.segment_id).data() + f.at.offset,
                       image.at(f.at.segment_id).data() + f.at.offset,
                       format::frame_bytes(f.header.length)) == 0;
  };
  std::set<std::uint64_t> headed;
  for (const auto& [id, bytes] : image) {
    const auto head = std::span(bytes).first(segment_header_bytes);
    if (format::check_segment_header(head).verdict == format::header_verdict::valid) {
      headed.insert(id);
    }
  }
  const auto bad = std::find_if(frames.begin(), frames.end(), [&](const seen_frame& f) {
    return !intact(f) || !headed.contains(f.at.segment_id);
  });
  if (bad == frames.end()) return {};
  const bool sealed = bad->at.segment_id != truth.rbegin()->first;
  const bool takes_records = std::any_of(bad, frames.end(), [](const seen_frame& f) {
    return f.header.kind == format::frame_kind::record;
  });
  expectation result{false, sealed, !intact(frames.back()), takes_records, bad->at};
  for (auto later = std::next(bad); later != frames.end(); ++later) {
    if (intact(*later) && log.known_durable(later->header.sequence) >= bad->header.sequence) {
      result.provable = true;
    }
  }
  return result;
}

struct fault_figures {
  std::uint64_t refused = 0;
  std::uint64_t harmless = 0;
  std::uint64_t ambiguous = 0;  ///< in the last frames, which nothing vouches for yet

  [[nodiscard]] std::uint64_t all() const { return refused + harmless + ambiguous; }
  fault_figures& operator+=(const fault_figures& more) {
    refused += more.refused;
    harmless += more.harmless;
    ambiguous += more.ambiguous;
    return *this;
  }
};

/// Makes a log of a few lives and does so many faults to it, one at a time. Throws violation where
/// one is silent or an alarm is false. `bug` is planted in recovery.
inline fault_figures check_faults(random_source& random, std::size_t faults,
                                  recovery_bug bug = recovery_bug::none) {
  fault_figures figures;
  crash_log log(random, random.below(2) == 0);
  for (std::size_t lives = 1 + random.below(3); lives != 0; --lives) {
    for (std::size_t steps = 1 + random.below(120); steps != 0; --steps) log.happen();
    if (lives != 1) log.crash_and_reopen();
  }
  const bool marked = log.fall_idle(random.below(4) != 0);
  if (log.truth().empty()) return figures;
  std::vector<seen_frame> frames;
  for (const auto& [id, bytes] : log.truth()) {
    list_frames(id, std::span(bytes).subspan(segment_header_bytes), segment_header_bytes, frames);
  }
  const recovered_log sound = recover(log.disk().device(), log.identity());
  must(sound.damage.empty(), "a sound log was refused");
  must(sound.chain.sequence == (frames.empty() ? 0 : frames.back().header.sequence),
       "the end of a sound log was not found");

  for (std::size_t n = 0; n != faults; ++n) {
    segment_images image = log.disk().device();
    const std::string what = do_damage(random, log.truth(), image);
    const expectation expected = expect(log, frames, image);
    const recovered_log found = recover(image, log.identity(), bug);
    if (!found.damage.empty()) {
      ++figures.refused;
      must(image != log.disk().device(), "a false alarm");
      continue;
    }
    if (expected.provable) {
      std::ostringstream text;
      text << what << " at " << expected.first_bad << " was cut off silently";
      throw violation(text.str());
    }
    if (expected.harmless) {
      must(found.chain.sequence == sound.chain.sequence, "a harmless fault moved the end");
      ++figures.harmless;
    } else {
      // Nothing vouches for what was hit. Then it is cut off, and everything before it stays.
      // A marker vouches for every record before it; not for the epoch that may be laid with it.
      must(!marked || expected.end_hit || !expected.takes_records,
           "a marker vouches for everything before it");
      must(found.end <= expected.first_bad, "something damaged was recovered");
      ++figures.ambiguous;
    }
  }
  return figures;
}

}  // namespace nori::engine::test

#endif
