// Faults in acknowledged data: flipped bits, zeroed, overwritten and misplaced blocks. Recovery
// refuses wherever a later frame was written when the damaged one was known to be durable, and
// never makes anything up.

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "crash_log.hpp"
#include "engine_test.hpp"

using namespace nori;
using namespace nori::engine;
using namespace nori::engine::test;
using format::block_bytes;
using format::segment_header_bytes;

namespace {

struct place {
  std::uint64_t segment_id;
  std::uint64_t offset;
};

/// Somewhere in what the log has written.
place random_place(random_source& random, const segment_images& truth) {
  const auto segment =
      std::next(truth.begin(), static_cast<std::ptrdiff_t>(random.below(truth.size())));
  return {segment->first, random.below(segment->second.size())};
}

std::string do_damage(random_source& random, const segment_images& truth, segment_images& image) {
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
  bool end_hit = false;  ///< the last frame is damaged
  position first_bad{0, 0};
};

expectation expect(const crash_log& log, const std::vector<seen_frame>& frames,
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
  expectation result{false, sealed, !intact(frames.back()), bad->at};
  for (auto later = std::next(bad); later != frames.end(); ++later) {
    if (intact(*later) && log.known_durable(later->header.sequence) >= bad->header.sequence) {
      result.provable = true;
    }
  }
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(damage_to_acknowledged_data_is_never_taken_for_a_crash) {
  random_source random;
  const std::size_t logs = scaled(300);
  constexpr std::size_t faults_each = 100;
  std::size_t refused = 0;
  std::size_t harmless = 0;
  std::size_t ambiguous = 0;
  for (std::size_t i = 0; i != logs; ++i) {
    crash_log log(random, random.below(2) == 0);
    for (std::size_t lives = 1 + random.below(3); lives != 0; --lives) {
      for (std::size_t steps = 1 + random.below(120); steps != 0; --steps) log.happen();
      if (lives != 1) log.crash_and_reopen();
    }
    const bool marked = random.below(4) != 0;
    log.fall_idle(marked);
    if (log.truth().empty()) continue;
    std::vector<seen_frame> frames;
    for (const auto& [id, bytes] : log.truth()) {
      list_frames(id, std::span(bytes).subspan(segment_header_bytes), segment_header_bytes, frames);
    }
    const recovered_log sound = recover(log.disk().device(), log.identity());
    BOOST_REQUIRE_EQUAL(sound.damage, "");
    BOOST_REQUIRE_EQUAL(sound.chain.sequence, frames.empty() ? 0 : frames.back().header.sequence);

    for (std::size_t n = 0; n != faults_each; ++n) {
      segment_images image = log.disk().device();
      const std::string what = do_damage(random, log.truth(), image);
      const expectation expected = expect(log, frames, image);
      const recovered_log found = recover(image, log.identity());
      if (!found.damage.empty()) {
        ++refused;
        BOOST_REQUIRE_MESSAGE(image != log.disk().device(), "a false alarm");
        continue;
      }
      BOOST_REQUIRE_MESSAGE(!expected.provable,
                            what << " at " << expected.first_bad << " was cut off silently");
      if (expected.harmless) {
        BOOST_REQUIRE_EQUAL(found.chain.sequence, sound.chain.sequence);
        ++harmless;
      } else {
        // Nothing vouches for what was hit. Then it is cut off, and everything before it stays.
        BOOST_REQUIRE_MESSAGE(!marked || expected.end_hit,
                              what << ": a marker vouches for everything before it");
        BOOST_REQUIRE(found.end <= expected.first_bad);
        ++ambiguous;
      }
    }
  }
  BOOST_TEST_MESSAGE(refused + harmless + ambiguous
                     << " faults: " << refused << " refused, " << harmless << " harmless, "
                     << ambiguous << " in the last frames, which nothing vouches for yet");
  BOOST_TEST(refused > 10 * ambiguous);
}

BOOST_AUTO_TEST_SUITE_END()
