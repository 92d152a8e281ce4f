// What a reader gives while others append.

#include "store/store_test.hpp"

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
