// Random histories of appends, rotations and completions hold the committer to what its header
// promises. A history has no bytes, only offsets.

#include "engine/group_commit.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine_test.hpp"

using namespace nori::engine;
using namespace nori::engine::test;
using nori::format::block_bytes;
using nori::format::segment_header_bytes;

namespace {

constexpr stream_offset never = ~stream_offset{0};

class history {
 public:
  explicit history(random_source& random)
      : random_(random),
        settings_(random_settings(random)),
        start_(8 * random.below(4096)),
        commit_(settings_, start_),
        extents_{{1, 0, block_floor(start_), start_}} {}

  void run(std::size_t events) {
    for (std::size_t i = 0; i != events; ++i) {
      happen();
      drive();
    }
    limit_ = never;
    settle();
    check_all_wanted_is_done();
    commit_.want_sync(head());
    flush_wanted_ = head();
    wish();
    settle();
    must(commit_.durable() == head(), "a sync of everything makes everything durable");
  }

  [[nodiscard]] std::size_t writes() const { return writes_.size(); }
  [[nodiscard]] std::size_t syncs() const { return syncs_; }

 private:
  struct issued_write {
    step what;
    std::uint64_t segment_id;
    bool done = false;
    bool durable = false;      ///< the device has it
    bool before_sync = false;  ///< the sync in flight covers it
  };

  static group_commit::settings random_settings(random_source& random) {
    group_commit::settings chosen;
    chosen.synchronous = random.below(2) == 0;
    chosen.aligned = random.below(4) != 0;
    chosen.piece_bytes = block_bytes * (1 + random.below(8));
    chosen.durable_write_bytes_max = 1 + random.below(64 * 1024);
    return chosen;
  }

  [[nodiscard]] stream_offset head() const { return extents_.back().end; }
  [[nodiscard]] const extent& current() const { return extents_[current_]; }
  [[nodiscard]] bool sealed() const { return current_ + 1 != extents_.size(); }

  void happen() {
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        extents_.back().end += 8 * (4 + random_.below(random_.below(4) == 0 ? 5000 : 50));
        return;
      case 4: {
        if (random_.below(4) != 0) return;
        const stream_offset base = block_ceil(head());
        extents_.push_back({extents_.back().segment_id + 1, base, base,
                            base + segment_header_bytes + 8 * (4 + random_.below(100))});
        return;
      }
      case 5:
        flush_wanted_ = std::max(flush_wanted_, head());
        commit_.want_flush(head());
        return;
      case 6:
        flush_wanted_ = std::max(flush_wanted_, head());
        wish();
        commit_.want_sync(head());
        return;
      case 7:
        limit_ = random_.below(2) == 0
                     ? never
                     : block_ceil(commit_.submitted()) + block_bytes * random_.below(10);
        return;
      default:
        complete_something();
    }
  }

  void wish() {
    sync_wanted_ = std::max(sync_wanted_, head());
    wishes_.push_back(head());
    aim();
  }

  // What was wished for when the last sync had begun or ended: what is wished for later waits.
  void aim() {
    if (due_ <= (sync_in_flight_ ? sync_covers_ : commit_.durable())) due_ = sync_wanted_;
  }

  /// The first of the wishes that is not durable, and not about to be by the sync in flight.
  [[nodiscard]] stream_offset oldest_wish() const {
    const stream_offset seen_to = sync_in_flight_ ? sync_covers_ : commit_.durable();
    for (const stream_offset each : wishes_) {
      if (each > seen_to) return each;
    }
    return never;
  }

  void drive() {
    for (;;) {
      check_marks();
      const step what = commit_.next(current(), sealed(), limit_);
      if (what.kind == step_kind::write) {
        check_write(what);
        writes_.push_back({what, current().segment_id});
        continue;
      }
      if (what.kind == step_kind::sync) {
        check_sync(what);
        ++syncs_;
        sync_in_flight_ = true;
        sync_covers_ = what.to;
        aim();
        for (issued_write& w : writes_) w.before_sync = w.done;
        continue;
      }
      must(commit_.next(current(), sealed(), limit_).kind == step_kind::wait, "wait is final");
      must(sync_in_flight_ || due_ <= commit_.durable() ||
               std::min(due_, current().end) > commit_.written() ||
               current().end <= commit_.durable(),
           "a wish is not put off by later ones");
      if (sealed() && commit_.idle() && commit_.durable() == current().end) {
        commit_.enter_segment(extents_[++current_].begin);
        limit_ = never;
        continue;
      }
      if (commit_.idle() && limit_ == never) {
        must(!wants_something(), "at rest nothing that is wanted is left undone");
      }
      return;
    }
  }

  [[nodiscard]] bool wants_something() const {
    const bool unwritten = commit_.submitted() < current().end;
    if (settings_.synchronous) return unwritten;
    const bool piece = block_floor(commit_.submitted()) + settings_.piece_bytes <= current().end;
    return sealed() || piece || flush_wanted_ > commit_.submitted() ||
           sync_wanted_ > commit_.durable();
  }

  void check_write(const step& what) {
    const bool first_in_segment =
        writes_.empty() || writes_.back().segment_id != current().segment_id;
    const stream_offset expected = !first_in_segment ? writes_.back().what.to
                                   : current_ == 0   ? start_
                                                     : current().begin;
    must(what.from == expected && what.from < what.to && what.to <= current().end,
         "writes follow each other without a gap");
    must(padded(what.to) <= limit_, "a write ends before the limit");
    std::size_t in_flight = 0;
    for (const issued_write& w : writes_) {
      if (w.segment_id != current().segment_id) must(w.durable, "invariant 1");
      if (w.done) continue;
      ++in_flight;
      must(w.what.slot != what.slot, "a slot names one write");
      must(padded(w.what.to) <= (settings_.aligned ? block_floor(what.from) : what.from),
           "invariant 2");
    }
    must(in_flight < group_commit::writes_in_flight_max, "writes in flight are bounded");
    const bool whole = what.to == current().end;
    if (settings_.synchronous) {
      must(what.durable && whole && in_flight == 0,
           "a synchronous write is alone and ends where a batch does");
    } else {
      must(whole || what.to % block_bytes == 0, "pieces end with a block");
      must(!what.durable || what.to - what.from <= settings_.durable_write_bytes_max,
           "large writes are synced afterwards");
    }
  }

  void check_sync(const step& what) const {
    must(!settings_.synchronous && !sync_in_flight_,
         "one sync at a time, and none where each write is one");
    const stream_offset wanted = std::min(oldest_wish(), current().end);
    must(what.from < what.to && what.to == commit_.written() && what.to >= wanted,
         "a sync waits until what it is for is written");
    must(sealed() || oldest_wish() != never, "a sync is for something");
  }

  void check_marks() {
    must(commit_.durable() <= commit_.written() && commit_.written() <= commit_.submitted() &&
             commit_.submitted() <= head(),
         "the marks are in order");
    std::size_t in_flight = 0;
    for (const issued_write& w : writes_) {
      if (!w.done) ++in_flight;
      if (w.what.from < commit_.written()) {
        must(w.done && w.what.to <= commit_.written(), "invariant 3");
      }
      if (w.what.from < commit_.durable()) must(w.durable, "invariant 4");
    }
    must(commit_.idle() == (in_flight == 0 && !sync_in_flight_),
         "idle says that nothing is in flight");
  }

  void complete_something() {
    std::vector<issued_write*> in_flight;
    for (issued_write& w : writes_) {
      if (!w.done) in_flight.push_back(&w);
    }
    const std::size_t chosen = random_.below(in_flight.size() + (sync_in_flight_ ? 1 : 0) + 1);
    if (chosen < in_flight.size()) {
      issued_write& w = *in_flight[chosen];
      w.done = true;
      w.durable = w.what.durable;
      commit_.write_done(w.what.slot);
    } else if (sync_in_flight_) {
      for (issued_write& w : writes_) w.durable = w.durable || w.before_sync;
      sync_in_flight_ = false;
      commit_.sync_done();
    }
    aim();
    check_marks();
  }

  void settle() {
    drive();
    while (!commit_.idle()) {
      complete_something();
      drive();
    }
  }

  void check_all_wanted_is_done() const {
    must(!sealed(), "every sealed segment is left behind");
    must(commit_.written() >= flush_wanted_ && commit_.durable() >= sync_wanted_,
         "everything wanted comes to pass");
    if (settings_.synchronous) must(commit_.durable() == head(), "all is wanted durable");
  }

  [[nodiscard]] stream_offset padded(stream_offset to) const {
    return settings_.aligned ? block_ceil(to) : to;
  }

  // Cheaper than the macros where it holds.
  static void must(bool holds, const char* fact) {
    if (!holds) BOOST_FAIL(fact);
  }

  random_source& random_;
  const group_commit::settings settings_;
  const stream_offset start_;  ///< where recovery ended
  group_commit commit_;
  std::vector<extent> extents_;
  std::size_t current_ = 0;
  stream_offset limit_ = never;
  stream_offset flush_wanted_ = 0;
  stream_offset sync_wanted_ = 0;
  std::vector<stream_offset> wishes_;
  stream_offset due_ = 0;
  bool sync_in_flight_ = false;
  stream_offset sync_covers_ = 0;
  std::vector<issued_write> writes_;
  std::size_t syncs_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(group_commit_decides)

BOOST_AUTO_TEST_CASE(random_histories_keep_every_invariant_and_lose_no_wish) {
  random_source random;
  const std::size_t histories = scaled(50000);
  std::size_t writes = 0;
  std::size_t syncs = 0;
  for (std::size_t i = 0; i != histories; ++i) {
    history one(random);
    one.run(1 + random.below(200));
    writes += one.writes();
    syncs += one.syncs();
  }
  BOOST_TEST_MESSAGE(histories << " histories, " << writes << " writes, " << syncs << " syncs");
  BOOST_TEST(writes > histories);
  BOOST_TEST(syncs > histories / 10);
}

BOOST_AUTO_TEST_CASE(all_that_is_appended_during_a_synchronous_write_is_the_next) {
  extent segment{1, 0, 0, 100};
  group_commit commit({}, 0);
  const step first = commit.next(segment, false, never);
  BOOST_TEST(first.to == 100u);
  for (int i = 0; i != 10; ++i) {
    segment.end += 64;
    BOOST_TEST((commit.next(segment, false, never).kind == step_kind::wait));
  }
  commit.write_done(first.slot);
  BOOST_TEST(commit.durable() == 100u);
  const step second = commit.next(segment, false, never);
  BOOST_TEST(second.from == 100u);
  BOOST_TEST(second.to == segment.end);
}

BOOST_AUTO_TEST_CASE(whole_pieces_are_written_side_by_side_and_complete_in_any_order) {
  group_commit::settings unsynced;
  unsynced.synchronous = false;
  unsynced.piece_bytes = 2 * block_bytes;
  const extent segment{1, 0, 0, 9 * block_bytes};
  group_commit commit(unsynced, 0);
  std::vector<step> pieces;
  for (step s = commit.next(segment, false, never); s.kind == step_kind::write;
       s = commit.next(segment, false, never)) {
    pieces.push_back(s);
  }
  BOOST_REQUIRE_EQUAL(pieces.size(), group_commit::writes_in_flight_max);
  for (std::size_t i = pieces.size(); i-- > 1;) {
    commit.write_done(pieces[i].slot);
    BOOST_TEST(commit.written() == 0u);
  }
  commit.write_done(pieces[0].slot);
  BOOST_TEST(commit.written() == 8 * block_bytes);
  BOOST_TEST(commit.durable() == 0u);
  // Nobody asked for the rest: it waits for company.
  BOOST_TEST((commit.next(segment, false, never).kind == step_kind::wait));
}

BOOST_AUTO_TEST_CASE(a_sync_counts_what_was_written_when_it_started) {
  group_commit::settings unsynced;
  unsynced.synchronous = false;
  unsynced.piece_bytes = block_bytes;
  extent segment{1, 0, 0, block_bytes};
  group_commit commit(unsynced, 0);
  commit.write_done(commit.next(segment, false, never).slot);
  commit.want_sync(block_bytes);
  BOOST_TEST((commit.next(segment, false, never).kind == step_kind::sync));
  segment.end += block_bytes;
  commit.write_done(commit.next(segment, false, never).slot);
  BOOST_TEST(commit.written() == 2 * block_bytes);
  commit.sync_done();
  BOOST_TEST(commit.durable() == block_bytes);
}

BOOST_AUTO_TEST_SUITE_END()
