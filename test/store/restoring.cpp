// An event store that was copied, and restored to an earlier time.

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <nori/copy.hpp>
#include <nori/store/event_store.hpp>

#include "store/store_test.hpp"

namespace nori::store_test {

BOOST_AUTO_TEST_SUITE(restoring)

// A backup keeps what was deleted since; restored to before that, it has heads of streams that
// it has no events of.
BOOST_AUTO_TEST_CASE(a_restored_store_knows_no_revisions_of_events_that_it_never_had) {
  scratch_directory scratch;
  asio::io_context io;
  const auto options = [&](const std::string& name) {
    store_config how(scratch.path() / name);
    how.log.segment_bytes_max = segment_bytes_lowest;
    how.log.buffer_bytes_max = segment_bytes_lowest;
    how.log.fsync = fsync_policy::always();
    return how;
  };
  const auto append = [&](event_store& to, std::string stream, std::size_t bytes) {
    const event what("happened", std::string(bytes, 'e'));
    const std::span<const event> one(&what, 1);
    const append_result done = run(io, to.append(stream, expected_revision::any(), one));
    BOOST_REQUIRE(!done.has_error());
    return *done;
  };
  std::optional<event_store::opened> live;
  live.emplace(run(io, event_store::open(options("live"))));
  for (int i = 0; i < 5; ++i) append(live->store, "early", 100);
  const std::uint64_t until_global = live->store.next_global_position();
  append(live->store, "late", 100);
  append(live->store, "late", 100);
  for (int i = 0; i < 200; ++i) append(live->store, "early", 1000);
  // The first backup, and then the service deletes what is old.
  position until;
  {
    read_events how;
    how.from = until_global;
    how.limit = 1;
    event_reader events = live->store.read_all(how);
    until = run(io, events.next())->at;
  }
  const auto backup = [&] {
    config reading(scratch.path() / "live");
    reading.access = access::read_only;
    const wal::opened from = run(io, wal::open(reading));
    run(io, copy_log(from.log, scratch.path() / "backup"));
    for (const auto& each : std::filesystem::directory_iterator(scratch.path() / "live")) {
      if (each.path().filename() == "retired-heads.index") {
        std::filesystem::copy_file(each.path(), scratch.path() / "backup" / "retired-heads.index",
                                   std::filesystem::copy_options::overwrite_existing);
      }
    }
  };
  backup();
  const auto gone = run(io, live->store.delete_before(150));
  BOOST_REQUIRE(gone.segments != 0);
  backup();
  run(io, live->store.close());
  live.reset();
  // nori restore backup restored --until ...
  {
    config reading(scratch.path() / "backup");
    reading.access = access::read_only;
    const wal::opened from = run(io, wal::open(reading));
    copy_options how;
    how.until = until;
    run(io, copy_log(from.log, scratch.path() / "restored", how));
    std::filesystem::copy_file(scratch.path() / "backup" / "retired-heads.index",
                               scratch.path() / "restored" / "retired-heads.index");
  }
  auto restored = run(io, event_store::open(options("restored")));
  BOOST_TEST(restored.store.next_global_position() == until_global);
  const auto head = run(io, restored.store.head("late"));
  BOOST_TEST(!head, "the restored store says that \"late\" has revision " << head.value_or(0));
  run(io, restored.store.close());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
