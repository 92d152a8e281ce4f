// Deletion goes on beside everything else, and nobody takes it for an error of theirs.

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include <nori/error.hpp>
#include <nori/store/event_store.hpp>

#include "simulation/store_on_disk.hpp"
#include "support/allocations.hpp"
#include "support/code_of.hpp"

namespace nori::simulate {

using testing::disk_event;
using testing::disk_operation;

namespace {

// Reads with an allocation failing, the kth; whether there was one.
asio::awaitable<bool> starve(event_reader* reader, std::uint64_t kth) {
  test::let_memory_run_out(kth, test::once);
  try {
    static_cast<void>(co_await reader->next());
  } catch (const std::bad_alloc&) {
    // Told.
  }
  test::give_memory();
  co_return test::allocations_failed() != 0;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(deleting, store_on_disk)

// It finds the id of what it may repeat in a segment that is no longer there.
BOOST_AUTO_TEST_CASE(an_append_that_compares_with_what_is_being_deleted_looks_again) {
  event first("t", "");
  first.id.data[0] = 1;
  open();
  append("a", expected_revision::no_stream(), first);
  fill_segments();
  // The files are gone, and the store goes by them until the directory is synced.
  bool gone = false;
  disk.on_operation([&](const disk_event& each) {
    if (gone || !each.name.starts_with("spare-")) return;
    gone = true;
    disk.hold(disk_operation::sync_directory);
  });
  auto deletion = start((*this)->delete_before((*this)->next_global_position()));
  BOOST_REQUIRE(settle([&] { return gone; }));
  run_ready();
  BOOST_REQUIRE(!deletion.done());
  auto again = start((*this)->append("a", expected_revision::no_stream(), {&first, 1}));
  run_ready();
  BOOST_TEST(!again.done());
  disk.release();
  BOOST_REQUIRE(settle([&] { return deletion.done() && again.done(); }));
  BOOST_TEST(deletion.get().segments > 0u);
  const append_result outcome = again.get();
  BOOST_REQUIRE(outcome.has_error());
  BOOST_TEST((outcome.error().what == conflict::kind::wrong_revision));
  BOOST_TEST(outcome.error().revision.value() == 0u);
}

// Readers that had begun, and whose memory ran out, one allocation further on each.
BOOST_AUTO_TEST_CASE(a_reader_that_comes_too_late_is_told_of_deletion_and_not_of_damage) {
  if (!test::memory_can_run_out()) {
    BOOST_TEST_MESSAGE("SKIP readers that come too late: operator new is a sanitizer's");
    return;
  }
  open();
  fill_segments();
  std::vector<event_reader> late;
  for (bool starved = true; starved;) {
    event_reader& added = late.emplace_back((*this)->read_all());
    starved = run(starve(&added, late.size()));
  }
  BOOST_TEST(late.size() > 2u);
  run((*this)->delete_before((*this)->next_global_position()));
  for (event_reader& each : late) {
    std::string text;
    const auto ended = test::code_of([&] { run(each.next()); }, &text);
    BOOST_TEST((!ended || ended == errc::position_not_found), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
