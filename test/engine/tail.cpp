// What the tail lays, rotates, cancels and measures, read back with the scanner that recovery uses.

#include "engine/tail.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine_test.hpp"

using namespace nori;
using namespace nori::engine;
using namespace nori::engine::test;
using format::block_bytes;
using format::frame_header_bytes;
using format::frame_kind;
using format::segment_header_bytes;

namespace {

constexpr std::uint64_t small_segment = 16 * 1024;

/// A log in memory whose writes happen at once and in full.
struct memory_log {
  explicit memory_log(std::uint64_t segment_bytes_max = small_segment)
      : ring(storage::map_memory(ring_bytes_least)),
        end(ring->data(), ring->bytes(), settings_with(segment_bytes_max), 0, 0, {}) {}

  void submit() {
    end.chain_anew();
    copy_out(end, submitted, end.head(), written);
    submitted = end.head();
    end.forget(submitted - std::min<std::uint64_t>(submitted, ring->bytes()));
  }
  [[nodiscard]] bool has_room_for(const std::vector<std::string>& batch) const {
    const std::uint64_t after = end.head() + end.demand_of(frame_bytes_of(batch)).bytes;
    return after - block_floor(submitted) <= ring->bytes();
  }

  std::unique_ptr<storage::ring_memory> ring;
  tail end;
  stream_offset submitted = 0;
  segment_images written;
};

std::vector<std::string> random_batch(random_source& random) {
  std::vector<std::string> batch(1 + (random.below(3) == 0 ? random.below(4) : 0));
  for (std::string& value : batch) {
    value = random.text(random.below(random.below(8) == 0 ? 1500 : 100));
  }
  return batch;
}

/// What makes a frame of exactly so many bytes.
std::string value_of_frame(std::uint64_t frame_bytes) {
  std::string value(frame_bytes - frame_header_bytes, 'f');
  while (frame_bytes_of({value}) > frame_bytes) value.pop_back();
  BOOST_REQUIRE_EQUAL(frame_bytes_of({value}), frame_bytes);
  return value;
}

std::string what_is(frame_kind kind) { return "kind " + std::to_string(static_cast<int>(kind)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(tail_lays)

// Batches, markers and epochs over many segments and many turns of the ring; batches that are not
// submitted yet are cancelled in any order.
BOOST_AUTO_TEST_CASE(what_was_laid_and_not_cancelled_is_read_back) {
  struct laid_batch {
    std::vector<position> at;
    std::vector<std::string> values;
    stream_offset begin;
    stream_offset end;
    bool cancelled = false;
  };
  random_source random;
  const std::size_t histories = scaled(200);
  std::size_t cancelled = 0;
  std::size_t across = 0;
  std::uint64_t segments = 0;
  for (std::size_t h = 0; h != histories; ++h) {
    memory_log log;
    std::vector<laid_batch> batches;
    std::size_t open_from = 0;
    std::size_t epochs = 0;
    std::size_t markers = 0;
    const std::size_t steps = 20 + random.below(200);
    for (std::size_t i = 0; i != steps; ++i) {
      const std::vector<std::string> values = random_batch(random);
      if (random.below(8) == 0 || !log.has_room_for(values)) {
        log.submit();
        open_from = batches.size();
        if (random.below(2) == 0 && log.end.begun() && !log.end.last_is_marker()) {
          log.end.append_marker(false, log.end.chain().sequence);
          log.submit();
          ++markers;
        }
        if (random.below(4) == 0 && log.end.begun()) {
          log.end.begin_epoch(static_cast<std::uint32_t>(++epochs));
        }
      }
      const auto demand = log.end.demand_of(frame_bytes_of(values));
      const stream_offset before = log.end.head();
      laid_batch batch{{lay(log.end, values, 0)}, values, 0, log.end.head()};
      BOOST_REQUIRE_EQUAL(log.end.head() - before, demand.bytes);
      batch.begin = log.end.stream_of(batch.at.front());
      for (std::size_t n = 1; n != values.size(); ++n) {
        const auto frame = format::frame_bytes(prepared(values[n - 1]).body_bytes);
        batch.at.push_back({batch.at.back().segment_id, batch.at.back().offset + frame});
      }
      batches.push_back(std::move(batch));
      while (random.below(3) == 0) {
        laid_batch& victim = batches[open_from + random.below(batches.size() - open_from)];
        if (victim.cancelled) continue;
        if (log.end.extents().back().base > victim.end) ++across;
        log.end.cancel(victim.begin, victim.end);
        victim.cancelled = true;
        ++cancelled;
      }
    }
    log.submit();

    const std::vector<seen_frame> frames = read_back(log.written);
    segments += log.written.size();
    BOOST_REQUIRE_EQUAL(frames.back().header.sequence, log.end.chain().sequence);
    BOOST_REQUIRE_EQUAL(frames.back().header.crc, log.end.chain().crc);
    std::size_t records = 0;
    auto frame = frames.begin();
    for (const laid_batch& batch : batches) {
      for (std::size_t n = 0; n != batch.values.size(); ++n, ++frame) {
        while (frame->header.kind == frame_kind::marker ||
               frame->header.kind == frame_kind::epoch) {
          markers -= frame->header.kind == frame_kind::marker ? 1 : 0;
          ++frame;
        }
        BOOST_REQUIRE_EQUAL(frame->at, batch.at[n]);
        if (batch.cancelled) {
          BOOST_REQUIRE(frame->header.kind == frame_kind::filler);
        } else {
          BOOST_REQUIRE(frame->header.kind == frame_kind::record);
          BOOST_REQUIRE_EQUAL(frame->value, batch.values[n]);
          BOOST_REQUIRE_EQUAL(frame->header.has(format::frame_flag::batch_continues),
                              n + 1 != batch.values.size());
          ++records;
        }
      }
    }
    BOOST_REQUIRE((frame == frames.end()));
    BOOST_REQUIRE_EQUAL(markers, 0u);
    BOOST_REQUIRE_EQUAL(log.end.chain().records, records);
  }
  BOOST_TEST_MESSAGE(histories << " histories, " << segments << " segments, " << cancelled
                               << " batches cancelled, " << across << " of them across a header");
  BOOST_TEST(across > 0u);
}

// Every subset of five batches, in every order of cancelling them, with a rotation in the middle.
BOOST_AUTO_TEST_CASE(cancelling_any_subset_in_any_order_leaves_exactly_the_others) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i != 5; ++i)
    values.push_back(std::string(3000, static_cast<char>('a' + i)));
  std::vector<std::size_t> order{0, 1, 2, 3, 4};
  do {
    for (std::size_t count = 0; count <= order.size(); ++count) {
      memory_log log;
      std::vector<stream_offset> begins;
      std::vector<stream_offset> ends;
      for (const std::string& value : values) {
        begins.push_back(log.end.stream_of(lay(log.end, {value}, 0)));
        ends.push_back(log.end.head());
      }
      BOOST_REQUIRE_EQUAL(log.end.extents().back().segment_id, 3u);
      std::vector<bool> gone(order.size());
      for (std::size_t i = 0; i != count; ++i) {
        log.end.cancel(begins[order[i]], ends[order[i]]);
        gone[order[i]] = true;
      }
      // The chain goes on from what was chained anew.
      lay(log.end, {"last"}, 0);
      log.submit();
      const std::vector<seen_frame> frames = read_back(log.written);
      BOOST_REQUIRE_EQUAL(frames.size(), values.size() + 1);
      for (std::size_t i = 0; i != values.size(); ++i) {
        BOOST_REQUIRE_EQUAL(what_is(frames[i].header.kind),
                            what_is(gone[i] ? frame_kind::filler : frame_kind::record));
        if (!gone[i]) BOOST_REQUIRE(frames[i].value == values[i]);
      }
      BOOST_REQUIRE_EQUAL(frames.back().value, "last");
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

// At every fill of a segment: the demand is what an append takes, and no frame ends behind the
// segment, not even those that mark a quiet end and a closed one.
BOOST_AUTO_TEST_CASE(demand_is_exact_and_markers_always_fit) {
  const std::string value(1000, 'v');
  for (const bool epoch : {false, true}) {
    bool stayed = false;
    bool rotated = false;
    for (std::uint64_t fill = 40; segment_header_bytes + fill <= small_segment - 64; fill += 8) {
      memory_log log;
      const std::uint64_t highest = log.end.frames_bytes_highest();
      lay(log.end, {value_of_frame(std::min(fill, highest))}, 0);
      log.submit();
      if (epoch) log.end.begin_epoch(7);
      const auto demand = log.end.demand_of(frame_bytes_of({value}));
      const stream_offset before = log.end.head();
      lay(log.end, {value}, 0);
      BOOST_REQUIRE_EQUAL(log.end.head() - before, demand.bytes);
      BOOST_REQUIRE_EQUAL(log.end.extents().back().segment_id == 2, demand.rotates);
      (demand.rotates ? rotated : stayed) = true;
      log.end.append_marker(false, log.end.chain().sequence);
      log.end.append_marker(true, log.end.chain().sequence);
      log.submit();
      for (const auto& [id, bytes] : log.written) BOOST_REQUIRE(bytes.size() <= small_segment);
      BOOST_REQUIRE_EQUAL(read_back(log.written).size(), 4u + (epoch && !demand.rotates ? 1 : 0));
    }
    BOOST_TEST((stayed && rotated));
  }
}

BOOST_AUTO_TEST_CASE(the_highest_batch_fits_behind_any_end) {
  for (const std::uint64_t segment_bytes : {small_segment, 4 * small_segment, 16 * small_segment}) {
    for (std::uint64_t fill = 40; fill != 40 + block_bytes; fill += 8) {
      for (const bool epoch : {false, true}) {
        memory_log log(segment_bytes);
        lay(log.end, {value_of_frame(fill)}, 0);
        log.submit();
        if (epoch) log.end.begin_epoch(7);
        const std::vector<std::string> batch{value_of_frame(log.end.frames_bytes_highest())};
        BOOST_REQUIRE(log.has_room_for(batch));
        lay(log.end, batch, 0);
        log.submit();
        for (const auto& [id, bytes] : log.written) BOOST_REQUIRE(bytes.size() <= segment_bytes);
        BOOST_REQUIRE(read_back(log.written).back().value == batch.back());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_epoch_begins_with_a_frame_or_with_a_segment) {
  memory_log log;
  log.end.begin_epoch(11);
  lay(log.end, {"first"}, 0);
  log.end.begin_epoch(12);
  lay(log.end, {"second"}, 0);
  lay(log.end, {"third"}, 0);
  log.end.begin_epoch(13);
  lay(log.end, {std::string(log.end.frames_bytes_highest() - 100, 'x')}, 0);
  log.submit();
  const std::vector<seen_frame> frames = read_back(log.written);
  BOOST_REQUIRE_EQUAL(frames.size(), 5u);
  const std::uint32_t epochs[] = {11, 12, 12, 12, 13};
  for (std::size_t i = 0; i != frames.size(); ++i) {
    BOOST_TEST(frames[i].header.epoch == epochs[i]);
    BOOST_TEST((frames[i].header.kind == frame_kind::epoch) == (i == 1));
  }
  BOOST_TEST(format::check_segment_header(log.written[1]).header.epoch == 11u);
  BOOST_TEST(format::check_segment_header(log.written[2]).header.epoch == 13u);
}

// A marker in the old epoch could be the very frame that was cut off.
BOOST_AUTO_TEST_CASE(a_marker_begins_the_epoch_that_is_due) {
  memory_log log;
  lay(log.end, {"first"}, 0);
  for (const std::uint32_t epoch : {0u, 9u}) {
    if (epoch != 0) log.end.begin_epoch(epoch);
    const std::uint64_t bytes = log.end.marker_bytes();
    const stream_offset before = log.end.head();
    log.end.append_marker(epoch != 0, log.end.chain().sequence);
    BOOST_TEST(log.end.head() - before == bytes);
    BOOST_TEST(log.end.last_is_marker());
  }
  log.submit();
  const std::vector<seen_frame> frames = read_back(log.written);
  BOOST_REQUIRE_EQUAL(frames.size(), 4u);
  BOOST_TEST((frames[1].header.kind == frame_kind::marker && frames[1].header.flags == 0));
  BOOST_TEST((frames[2].header.kind == frame_kind::epoch && frames[2].header.epoch == 9u));
  BOOST_TEST((frames[3].header.kind == frame_kind::marker &&
              frames[3].header.has(format::frame_flag::closed)));
  // Each vouches for all that was durable when it was laid.
  BOOST_TEST(frames[1].header.durable_watermark() == 1u);
  BOOST_TEST(frames[3].header.durable_watermark() == 2u);
  log.end.begin_segment(2, 0);
  BOOST_TEST(log.end.chain().last_frame == 0u);
  BOOST_TEST(!log.end.last_is_marker());
}

BOOST_AUTO_TEST_CASE(positions_and_stream_offsets_are_inverse_until_forgotten) {
  memory_log log;
  std::vector<position> positions;
  std::vector<stream_offset> offsets;
  for (int i = 0; i != 12; ++i) {
    positions.push_back(lay(log.end, {std::string(3000, 'x')}, 0));
    offsets.push_back(log.end.stream_of(positions.back()));
  }
  BOOST_TEST(log.end.extents().size() > 5u);
  for (std::size_t i = 0; i != positions.size(); ++i) {
    BOOST_TEST(log.end.position_of(offsets[i]) == positions[i]);
    BOOST_TEST(log.end.extent_at(offsets[i]).segment_id == positions[i].segment_id);
    BOOST_TEST(offsets[i] % block_bytes == positions[i].offset % block_bytes);
  }
  const auto extents = log.end.extents();
  for (std::size_t i = 1; i != extents.size(); ++i) {
    for (stream_offset at = extents[i].begin; at < extents[i].end; at += 8) {
      BOOST_TEST_REQUIRE(log.end.stream_of(log.end.position_of(at)) == at);
    }
    // What lies between two segments is the end of the first.
    for (stream_offset at = extents[i - 1].end; i > 1 && at < extents[i].begin; at += 8) {
      const position end{extents[i - 1].segment_id, extents[i - 1].end - extents[i - 1].base};
      BOOST_TEST_REQUIRE(log.end.position_of(at) == end);
    }
  }
  const position head = log.end.position_of(log.end.head());
  BOOST_TEST(log.end.stream_of(head) == log.end.head());
  BOOST_TEST((log.end.stream_of({head.segment_id + 1, 0}) > log.end.head()));

  log.end.forget(extents[3].end - 1);
  BOOST_TEST(log.end.extents().front().segment_id == extents[3].segment_id);
  BOOST_TEST((log.end.stream_of(positions.front()) == 0u));
  BOOST_TEST(log.end.stream_of(positions.back()) == offsets.back());
  log.end.forget(log.end.head());
  BOOST_TEST(log.end.extents().size() == 1u);
  BOOST_TEST(log.end.position_of(log.end.head()) == head);
}

BOOST_AUTO_TEST_CASE(adopted_segments_are_the_ones_that_were_laid) {
  memory_log log;
  for (int i = 0; i != 6; ++i) lay(log.end, {std::string(2500, 'x')}, 0);
  log.submit();
  memory_log other;
  for (const auto& [id, bytes] : log.written) other.end.adopt(id, bytes, log.end.chain());
  other.submit();
  BOOST_TEST((other.written == log.written));
  BOOST_TEST(other.end.chain().crc == log.end.chain().crc);
  BOOST_TEST(!other.end.begun());
  BOOST_TEST(other.end.position_of(other.end.head()) == log.end.position_of(log.end.head()));
}

// Wherever a write may end, the frame that it cuts is known as long as that is in the ring.
BOOST_AUTO_TEST_CASE(the_frame_that_a_write_cuts_is_known) {
  random_source random;
  std::size_t cut = 0;
  for (std::size_t round = scaled(100); round != 0; --round) {
    memory_log log(4 * small_segment);
    std::vector<stream_offset> boundaries;
    for (int i = 0; i < 300; ++i) {
      const std::vector<std::string> batch{
          random.text(random.below(random.below(6) == 0 ? 12'000 : 300))};
      log.submit();
      const std::uint64_t last = log.end.extents().back().segment_id;
      lay(log.end, batch, 0);
      const extent& active = log.end.extents().back();
      if (active.segment_id != last) boundaries.push_back(active.begin);
      if (active.segment_id != last) boundaries.push_back(active.begin + segment_header_bytes);
      boundaries.push_back(log.end.head());
      BOOST_TEST_REQUIRE(log.end.cut_by(log.end.head()) == log.end.head());
      for (stream_offset to = block_floor(log.end.head());
           to > active.begin && to + log.ring->bytes() / 2 > log.end.head(); to -= block_bytes) {
        const auto behind = std::upper_bound(boundaries.begin(), boundaries.end(), to);
        BOOST_TEST_REQUIRE(log.end.cut_by(to) == *std::prev(behind));
        cut += log.end.cut_by(to) != to ? 1 : 0;
      }
    }
  }
  BOOST_TEST(cut > 0u);
}

BOOST_AUTO_TEST_CASE(what_lies_outside_of_the_stream_has_its_answers) {
  memory_log log;
  lay(log.end, {"one"}, 0);
  const extent& active = log.end.extents().back();
  const stream_offset head = log.end.head();
  // The head belongs to the last segment.
  BOOST_TEST(log.end.extent_at(head).segment_id == active.segment_id);
  // No write goes beyond the head, and none ends before a segment begins.
  BOOST_TEST(log.end.cut_by(head + block_bytes) == head + block_bytes);
  BOOST_TEST(log.end.cut_by(active.base) == active.base);

  // Opened behind something: what lies before its block is not in the stream.
  const position end{5, 3 * block_bytes + 64};
  tail opened(log.ring->data(), log.ring->bytes(), settings_with(small_segment), end.segment_id,
              end.offset, {7, 1, 2, 3, 3 * block_bytes});
  BOOST_TEST(opened.stream_of({5, block_bytes}) == 0u);
  BOOST_TEST(opened.stream_of(end) == opened.head());
  // The write of the block around the end cuts no frame that is known.
  BOOST_TEST(opened.cut_by(opened.head()) == opened.head());
}

BOOST_AUTO_TEST_CASE(a_segment_says_whether_its_file_had_another_before) {
  for (const bool reused : {false, true}) {
    memory_log log;
    log.end.begin_segment(1, 0, reused);
    log.submit();
    const auto head = format::check_segment_header(log.written.at(1));
    BOOST_REQUIRE(head.verdict == format::header_verdict::valid);
    BOOST_TEST((head.header.reused == 1) == reused);
  }
}

BOOST_AUTO_TEST_CASE(frames_are_adopted_into_the_segment_that_is_there) {
  memory_log from;
  lay(from.end, {"one"}, 0);
  from.submit();
  memory_log to;
  to.end.adopt(1, from.written.at(1), from.end.chain());
  const std::uint64_t half = from.written.at(1).size();
  lay(from.end, {"two", "three"}, 0);
  from.submit();
  const byte_vector& whole = from.written.at(1);
  to.end.adopt(1, std::span(whole).subspan(half), from.end.chain());
  to.submit();
  BOOST_TEST((to.written == from.written));
  BOOST_TEST(to.end.extents().size() == from.end.extents().size());
}

// A log that goes on with a segment whose limits are not those of now: the next record begins one.
BOOST_AUTO_TEST_CASE(a_segment_that_is_to_end_has_a_frame_for_its_successor_to_name) {
  for (const bool with_frame : {false, true}) {
    for (const bool new_epoch : {false, true}) {
      memory_log log;
      log.end.begin_epoch(9);
      log.end.begin_segment(1, 0);
      if (with_frame) lay(log.end, {"first"}, 0);
      log.submit();
      BOOST_TEST(!log.end.demand_of(100).rotates);
      if (new_epoch) log.end.begin_epoch(10);
      log.end.end_segment();
      const auto demand = log.end.demand_of(100);
      BOOST_TEST(demand.rotates);
      const stream_offset before = log.end.head();
      log.end.finish_segment();
      // The frame of the epoch, where there is no other.
      const bool laid = log.end.head() != before;
      BOOST_TEST(laid == (!with_frame && new_epoch));
      if (!with_frame && !new_epoch) continue;
      log.end.begin_segment(2, 0);
      BOOST_TEST(log.end.head() - before + 100 == demand.bytes);
      BOOST_TEST(!log.end.demand_of(100).rotates);
      lay(log.end, {"second"}, 0);
      log.submit();
      BOOST_TEST(read_back(log.written).back().value == "second");
    }
  }
  // A log without segments begins its first one in any case.
  memory_log none;
  none.end.begin_epoch(1);
  none.end.end_segment();
  none.end.finish_segment();
  BOOST_TEST(none.end.head() == 0u);
  BOOST_TEST(none.end.demand_of(100).rotates);
}

BOOST_AUTO_TEST_CASE(cancelling_counts_records_alone) {
  memory_log log;
  log.end.begin_epoch(9);
  log.end.begin_segment(1, 0);
  log.submit();
  log.end.begin_epoch(10);
  const stream_offset begin = log.end.head();
  lay(log.end, {"one"}, 0);  // behind the frame of the epoch
  const stream_offset middle = log.end.head();
  lay(log.end, {"two"}, 0);
  log.end.cancel(begin + frame_header_bytes, middle);
  // What is cancelled once more is a filler already.
  log.end.cancel(begin + frame_header_bytes, middle);
  BOOST_TEST(log.end.chain().records == 1u);
  log.submit();
  const std::vector<seen_frame> frames = read_back(log.written);
  BOOST_REQUIRE(frames.size() == 3u);
  BOOST_TEST((frames[0].header.kind == frame_kind::epoch));
  BOOST_TEST((frames[1].header.kind == frame_kind::filler));
  BOOST_TEST(frames[2].value == "two");
}

BOOST_AUTO_TEST_SUITE_END()
