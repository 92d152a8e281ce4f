// An index whose sectors the device can't read any more is as good as lost: it is made again.

#include <boost/test/unit_test.hpp>

#include <nori/store/event_store.hpp>

#include "simulation/store_on_disk.hpp"

namespace nori::simulate {

namespace {

class store_with_an_index : public store_on_disk {
 public:
  store_with_an_index() {
    open();
    for (int i = 0; i != 20; ++i) append("early", expected_revision::any(), event("t", ""));
    fill_segments();
    close();
  }

  void break_the_index() {
    testing::disk_fault fault;
    fault.what = testing::disk_operation::read;
    fault.name = "00000000000000000001-0000008192.index";
    fault.for_ever = true;
    BOOST_REQUIRE(disk.holds("store/" + fault.name));
    disk.fail(fault);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(unreadable_index, store_with_an_index)

BOOST_AUTO_TEST_CASE(an_unreadable_index_does_not_keep_the_store_from_opening) {
  break_the_index();
  BOOST_REQUIRE_NO_THROW(open());
  BOOST_TEST(run((*this)->head("early")).value() == 19u);
  disk.clear_faults();
  BOOST_TEST(run((*this)->head("early")).value() == 19u);
}

BOOST_AUTO_TEST_CASE(an_index_that_becomes_unreadable_is_made_again) {
  open();
  break_the_index();
  BOOST_TEST(run((*this)->head("early")).value() == 19u);
  BOOST_TEST(append("early", expected_revision::exact(19), event("t", "")).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
