#include "engine/zeroing.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>

using nori::engine::zeroing;

namespace {

constexpr std::uint64_t kib = 1024;

// What a device and a file system take for a synchronous write.
struct disk {
  std::chrono::microseconds prepared;
  std::chrono::microseconds unprepared;

  // Zeros keep up where they are written.
  void write(zeroing& to, std::uint64_t bytes) const {
    const bool is_prepared = to.pays();
    to.write_completed(bytes, is_prepared, is_prepared ? prepared : unprepared);
  }
};

constexpr disk metadata_is_dear{std::chrono::microseconds(900), std::chrono::microseconds(2200)};
constexpr disk bandwidth_is_dear{std::chrono::microseconds(1400), std::chrono::microseconds(1200)};

unsigned writes_with_zeros(zeroing& decides, const disk& on, std::uint64_t bytes, unsigned writes) {
  unsigned with = 0;
  for (unsigned i = 0; i != writes; ++i) {
    with += decides.pays() ? 1 : 0;
    on.write(decides, bytes);
  }
  return with;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(zeroing_decides)

BOOST_AUTO_TEST_CASE(small_writes_always_find_zeros) {
  zeroing decides;
  BOOST_TEST(writes_with_zeros(decides, bandwidth_is_dear, 9 * kib, 20'000) == 20'000u);
  BOOST_TEST(writes_with_zeros(decides, bandwidth_is_dear, 80 * kib, 20'000) == 20'000u);
}

BOOST_AUTO_TEST_CASE(large_writes_get_what_was_measured_to_take_less_time) {
  zeroing dear;
  writes_with_zeros(dear, metadata_is_dear, 540 * kib, 200);
  BOOST_TEST(writes_with_zeros(dear, metadata_is_dear, 540 * kib, 3000) == 3000u);
  zeroing cheap;
  writes_with_zeros(cheap, bandwidth_is_dear, 540 * kib, 200);
  BOOST_TEST(writes_with_zeros(cheap, bandwidth_is_dear, 540 * kib, 3000) == 0u);
}

BOOST_AUTO_TEST_CASE(a_few_slow_writes_change_no_decision) {
  zeroing decides;
  for (unsigned i = 0; i != 200; ++i) {
    const bool stalls = i % 5 == 0;
    const bool prepared = decides.pays();
    const auto took = prepared ? metadata_is_dear.prepared : metadata_is_dear.unprepared;
    decides.write_completed(540 * kib, prepared,
                            stalls && prepared ? std::chrono::milliseconds(80) : took);
  }
  BOOST_TEST(decides.pays());
}

BOOST_AUTO_TEST_CASE(what_zeros_hold_up_counts) {
  // Without zeros each write takes a little longer; with them each eighth waits for a piece.
  zeroing decides;
  for (unsigned i = 0; i != 400; ++i) {
    const bool prepared = decides.pays();
    const auto took = std::chrono::microseconds(!prepared ? 1200 : i % 8 == 0 ? 3600 : 900);
    decides.write_completed(140 * kib, prepared, took);
  }
  BOOST_TEST(!decides.pays());
}

BOOST_AUTO_TEST_CASE(a_decision_is_looked_at_again) {
  zeroing decides;
  writes_with_zeros(decides, bandwidth_is_dear, 540 * kib, 1000);
  BOOST_TEST(!decides.pays());
  writes_with_zeros(decides, metadata_is_dear, 540 * kib, 6000);
  BOOST_TEST(decides.pays());
}

BOOST_AUTO_TEST_CASE(smaller_writes_end_a_decision_against_zeros) {
  zeroing decides;
  writes_with_zeros(decides, bandwidth_is_dear, 540 * kib, 1000);
  BOOST_TEST(!decides.pays());
  writes_with_zeros(decides, bandwidth_is_dear, 4 * kib, 50);
  BOOST_TEST(decides.pays());
}

BOOST_AUTO_TEST_CASE(what_can_not_be_measured_is_not_chosen) {
  // A file that is used again has all its blocks.
  zeroing reused;
  for (unsigned i = 0; i != 1000; ++i) {
    reused.write_completed(540 * kib, true, std::chrono::microseconds(900));
  }
  BOOST_TEST(reused.pays());
  // Zeros that are never there in time.
  zeroing late;
  for (unsigned i = 0; i != 1000; ++i) {
    late.write_completed(540 * kib, false, std::chrono::microseconds(1200));
  }
  BOOST_TEST(!late.pays());
}

BOOST_AUTO_TEST_CASE(zeros_come_in_pieces_that_keep_up_with_the_writes) {
  for (const std::uint64_t bytes : {std::uint64_t{4 * kib}, 40 * kib, 140 * kib, 540 * kib}) {
    zeroing decides;
    for (unsigned i = 0; i != 100; ++i) metadata_is_dear.write(decides, bytes);
    BOOST_TEST(decides.piece_bytes() % 4096 == 0u);
    BOOST_TEST(decides.piece_bytes() + 4096 >= bytes);
    BOOST_TEST(decides.piece_bytes() <= kib * kib);
    BOOST_TEST(decides.lead_bytes() >= 4 * decides.piece_bytes());
  }
}

BOOST_AUTO_TEST_SUITE_END()
