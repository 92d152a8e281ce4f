// What a store measures, through its meter.

#include <memory>
#include <string>

#include "store/store_test.hpp"
#include "support/counting_meter.hpp"

namespace nori::store_test {

BOOST_AUTO_TEST_SUITE(measuring)

BOOST_AUTO_TEST_CASE(appends_reads_and_index_pages_are_counted) {
  store_in_scratch store;
  const auto meter = std::make_shared<nori::test::counting_meter>();
  store.options.log.meter = meter;
  store.open();
  constexpr std::uint64_t events = 3000;
  for (std::uint64_t i = 0; i < events; ++i) {
    store.append(numbered("stream-", i % 40), expected_revision::any(),
                 i % 3 == 0 ? "opened" : "paid", std::string(100, 'x'));
  }
  BOOST_TEST(!store.append("stream-0", expected_revision::no_stream(), "opened", ""));
  BOOST_TEST(meter->count("nori_store_events_total/") == events);
  BOOST_TEST(meter->count("nori_store_appends_total/") == events);
  BOOST_TEST(meter->count("nori_store_events_by_type_total/opened") == events / 3);
  BOOST_TEST(meter->count("nori_store_conflicts_total/wrong_revision") == 1u);
  BOOST_TEST(meter->observed("nori_store_append_seconds/") == events);
  BOOST_TEST(meter->last("nori_store_next_global_position/") == double(events));

  store.settle_indexes();
  BOOST_TEST_REQUIRE(store.index_files() > 1u);
  const std::uint64_t before = meter->count("nori_store_events_read_total/");
  BOOST_TEST(store.read_all().size() == events);
  BOOST_TEST(meter->count("nori_store_events_read_total/") == before + events);
  const std::size_t some = store.read_stream("stream-7").size();
  BOOST_TEST(some == events / 40);
  BOOST_TEST(meter->count("nori_store_events_read_total/") == before + events + some);
  const std::uint64_t misses = meter->count("nori_store_index_pages_total/miss");
  BOOST_TEST(misses > 0u);
  BOOST_TEST(meter->last("nori_store_index_cache_bytes/") > 4096.0);
  const std::uint64_t hits = meter->count("nori_store_index_pages_total/hit");
  store.read_stream("stream-7");
  BOOST_TEST(meter->count("nori_store_index_pages_total/hit") > hits);
  BOOST_TEST(meter->count("nori_store_index_pages_total/miss") == misses);
  store.close();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
