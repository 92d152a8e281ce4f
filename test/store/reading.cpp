// What a reader gives while others append and delete.

#include <nori/error.hpp>

#include "store/store_test.hpp"
#include "support/code_of.hpp"

namespace nori::store_test {

BOOST_AUTO_TEST_SUITE(reading)

BOOST_AUTO_TEST_CASE(a_reader_does_not_see_what_is_appended_after_it_was_made) {
  store_in_scratch store;
  store.open();
  store.append("a", expected_revision::any(), "t", "");
  read_events backwards;
  backwards.order = direction::backwards;
  std::vector<event_reader> readers;
  readers.push_back(store->read_all());
  readers.push_back(store->read_all(backwards));
  readers.push_back(store->read_stream("a"));
  readers.push_back(store->read_stream("a", backwards));
  store.append("a", expected_revision::any(), "t", "");
  for (event_reader& each : readers) {
    const std::vector<found> seen = run(store.io, read_rest(&each));
    BOOST_REQUIRE(seen.size() == 1u);
    BOOST_TEST(seen.front().global == 0u);
  }
}

// A read-only store does not hear of what another process does to its files.
BOOST_AUTO_TEST_CASE(who_only_reads_is_told_of_deletion_and_not_of_damage) {
  enum class what : std::uint8_t { all, one_stream, all_backwards };
  for (const what kind : {what::all, what::one_stream, what::all_backwards}) {
    store_in_scratch store(fsync_policy::always());
    // So large that a reader does not have one at once.
    store.options.log.segment_bytes_max = std::size_t{1} << 20;
    store.open();
    const auto fill_segments = [&] {
      const std::string data(4000, 'x');
      const std::vector<event_view> some(20, event_view{.type = "t", .data = data});
      for (std::uint64_t i = 0; i < 60; ++i) {
        run(store.io, store->append(numbered("s", i % 3), expected_revision::any(),
                                    std::span<const event_view>(some)));
      }
    };
    fill_segments();
    store.settle_indexes();
    store_config read_only = store.options;
    read_only.log.access = access::read_only;
    event_store::opened other = run(store.io, event_store::open(read_only));
    {
      read_events how;
      if (kind == what::all_backwards) how.order = direction::backwards;
      event_reader reader =
          kind == what::one_stream ? other.store.read_stream("s0", how) : other.store.read_all(how);
      BOOST_TEST(run(store.io, reader.next()).has_value());
      // Files of what is deleted are used again by what is appended.
      for (int round = 0; round < 2; ++round) {
        run(store.io, store->delete_before(store->next_global_position()));
        fill_segments();
      }
      std::string text;
      const auto ended = nori::test::code_of([&] { run(store.io, read_rest(&reader)); }, &text);
      BOOST_TEST((!ended || ended == errc::position_not_found),
                 "kind " << static_cast<int>(kind) << ": " << text);
    }
    run(store.io, other.store.close());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
