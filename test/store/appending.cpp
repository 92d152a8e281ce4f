#include <iostream>

#include <nori/error.hpp>

#include "store/store_test.hpp"
#include "support/allocations.hpp"

namespace nori::store_test {
namespace {

uuid id_of(std::uint8_t number) {
  uuid id{};
  id.data[15] = number;
  id.data[0] = 1;
  return id;
}

event with_id(std::uint8_t number) {
  event made("happened", "data");
  made.id = id_of(number);
  return made;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(appending)

BOOST_AUTO_TEST_CASE(revisions_and_global_positions_are_dense_from_0) {
  for (const fsync_policy& policy : {fsync_policy::always(), fsync_policy::os()}) {
    store_in_scratch store(policy);
    store.open();
    const append_result first = store.append("a", expected_revision::no_stream(), "t", "1");
    const append_result second = store.append("b", expected_revision::any(), "t", "2");
    const append_result third = store.append("a", expected_revision::exact(0), "t", "3");
    BOOST_TEST(first->first_global_position == 0u);
    BOOST_TEST(second->first_global_position == 1u);
    BOOST_TEST(third->first_global_position == 2u);
    BOOST_TEST(third->first_revision == 1u);
    BOOST_TEST(store.read_all().size() == 3u);
    const auto a = store.read_stream("a");
    BOOST_REQUIRE(a.size() == 2u);
    BOOST_TEST(a[1].data == "3");
    BOOST_TEST(a[1].revision == 1u);
    BOOST_TEST(a[1].global == 2u);
    store.close_and_open();
    BOOST_TEST(store.read_all().size() == 3u);
    BOOST_TEST(store.append("a", expected_revision::exact(1), "t", "4")->first_global_position ==
               3u);
    BOOST_TEST(store.reopen().next_global_position == 4u);
    BOOST_TEST(store.head("a").value() == 2u);
  }
}

BOOST_AUTO_TEST_CASE(a_conflict_says_what_was_found) {
  store_in_scratch store;
  store.open();
  BOOST_TEST(!store.append("a", expected_revision::stream_exists(), "t", "").has_value());
  BOOST_TEST(store.append("a", expected_revision::any(), "t", "").has_value());
  const append_result refused = store.append("a", expected_revision::no_stream(), "t", "");
  BOOST_REQUIRE(refused.has_error());
  BOOST_TEST((refused.error().what == conflict::kind::wrong_revision));
  BOOST_TEST(refused.error().revision.value() == 0u);
  BOOST_TEST(refused.error().message() == "stream \"a\": expected no stream, found revision 0");
  const append_result ahead = store.append("a", expected_revision::exact(7), "t", "");
  BOOST_TEST(ahead.error().message() == "stream \"a\": expected revision 7, found revision 0");
  BOOST_TEST(store.read_all().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_repeated_append_gives_the_first_ones_result) {
  for (const expected_revision& expected :
       {expected_revision::no_stream(), expected_revision::any()}) {
    store_in_scratch store;
    store.open();
    store.append("other", expected_revision::any(), "t", "");
    const append_result first = store.append("a", expected, {with_id(1), with_id(2)});
    store.append("a", expected_revision::any(), "t", "later");
    for (int round = 0; round < 3; ++round) {
      const append_result again = store.append("a", expected, {with_id(1), with_id(2)});
      BOOST_REQUIRE(again.has_value());
      BOOST_TEST(again->repeated);
      BOOST_TEST(again->first_global_position == first->first_global_position);
      BOOST_TEST(again->last_global_position == first->last_global_position);
      BOOST_TEST(again->first_revision == 0u);
      BOOST_TEST(again->last_revision == 1u);
      const append_result partly = store.append("a", expected, {with_id(1), with_id(3)});
      BOOST_REQUIRE(partly.has_error());
      BOOST_TEST((partly.error().what == conflict::kind::partly_repeated));
      if (round == 0) store.close_and_open();
      if (round == 1) store.reopen();
    }
    BOOST_TEST(store.read_all().size() == 4u);
  }
  store_in_scratch store;
  store.open();
  store.append("a", expected_revision::no_stream(), {with_id(1)});
  const append_result other = store.append("a", expected_revision::no_stream(), {with_id(9)});
  BOOST_TEST((other.error().what == conflict::kind::wrong_revision));
}

// Whoever repeats what was in doubt must not depend on whether a segment began meanwhile.
BOOST_AUTO_TEST_CASE(a_repeat_is_recognised_after_reopening_also_behind_the_start_of_a_segment) {
  for (const expected_revision& expected :
       {expected_revision::any(), expected_revision::stream_exists()}) {
    store_in_scratch store;
    store.options.log.segment_bytes_max = segment_bytes_lowest;
    store.options.log.buffer_bytes_max = buffer_bytes_lowest;
    store.open();
    store.append("a", expected_revision::no_stream(), "t", "");
    const append_result first = store.append("a", expected, {with_id(1), with_id(2)});
    // More than fits into the segment, and less than two.
    static_assert(40 * 2000 > segment_bytes_lowest && 40 * 2000 < 3 * segment_bytes_lowest / 2);
    for (int i = 0; i != 40; ++i) {
      store.append("b", expected_revision::any(), "t", std::string(2000, 'x'));
    }
    store.close_and_open();
    const append_result again = store.append("a", expected, {with_id(1), with_id(2)});
    BOOST_REQUIRE(again.has_value());
    BOOST_TEST(again->repeated);
    BOOST_TEST(again->first_global_position == first->first_global_position);
  }
}

// Done, in doubt, and repeated: that a required stream has gone on since does not undo it.
BOOST_AUTO_TEST_CASE(a_repeat_is_recognised_whatever_its_required_streams_have_become) {
  for (const bool required_first : {false, true}) {
    for (const expected_revision& expected :
         {expected_revision::no_stream(), expected_revision::any()}) {
      store_in_scratch store;
      store.open();
      store.append("course", expected_revision::any(), "opened", "");
      const std::array<event_view, 1> joined{event_view{.type = "joined", .id = id_of(1)}};
      append_request request;
      if (required_first) request.require("course", expected_revision::exact(0));
      request.to("student", expected, joined);
      if (!required_first) request.require("course", expected_revision::exact(0));
      const append_result first = store.append(request);
      BOOST_REQUIRE(first.has_value());
      store.append("course", expected_revision::any(), "changed", "");
      const append_result again = store.append(request);
      BOOST_TEST_INFO("required_first " << required_first);
      BOOST_REQUIRE(again.has_value());
      BOOST_TEST(again->repeated);
      BOOST_TEST(again->first_global_position == first->first_global_position);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_repeat_is_recognised_where_its_first_part_has_no_ids) {
  store_in_scratch store;
  store.open();
  const std::array<event_view, 1> one{event_view{.type = "t", .id = id_of(1)}};
  append_request request;
  request.require("a", expected_revision::no_stream()).to("b", expected_revision::no_stream(), one);
  BOOST_REQUIRE(store.append(request).has_value());
  store.append("a", expected_revision::any(), "t", "");
  const append_result again = store.append(request);
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST(again->repeated);
}

// Also where the older ones are read only after some were added.
BOOST_AUTO_TEST_CASE(the_newest_ids_are_remembered_after_reopening) {
  store_in_scratch store;
  store.options.repeat_window_events = 4;
  store.open();
  for (std::uint8_t number = 1; number <= 4; ++number) {
    store.append("old", expected_revision::any(), {with_id(number)});
  }
  store.close_and_open();
  // That a revision is expected needs no ids; that any will do has the older ones read.
  store.append("new", expected_revision::no_stream(), {with_id(10)});
  store.append("new", expected_revision::any(), {with_id(11)});
  const append_result again = store.append("new", expected_revision::any(), {with_id(10)});
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST(again->repeated);
  BOOST_TEST(store.read_stream("new").size() == 2u);
}

BOOST_AUTO_TEST_CASE(several_streams_are_appended_to_at_once_or_not_at_all) {
  store_in_scratch store;
  store.open();
  store.append("audit", expected_revision::any(), "t", "");
  const std::array<event_view, 1> out{event_view{.type = "sent", .data = "100"}};
  const std::array<event_view, 2> in{event_view{.type = "received", .data = "60"},
                                     event_view{.type = "received", .data = "40"}};
  append_request transfer;
  transfer.to("alice", expected_revision::no_stream(), out)
      .to("bob", expected_revision::any(), in)
      .require("audit", expected_revision::exact(0));
  const append_result done = store.append(transfer);
  BOOST_REQUIRE(done.has_value());
  BOOST_TEST(done->first_global_position == 1u);
  BOOST_TEST(done->last_global_position == 3u);
  BOOST_REQUIRE(done->last_revisions.size() == 2u);
  BOOST_TEST(done->last_revisions[1] == 1u);
  store.append("audit", expected_revision::any(), "t", "");
  append_request late;
  late.to("bob", expected_revision::exact(1), out).require("audit", expected_revision::exact(0));
  const append_result refused = store.append(late);
  BOOST_REQUIRE(refused.has_error());
  BOOST_TEST(refused.error().stream == "audit");
  BOOST_TEST(store.head("bob").value() == 1u);
}

BOOST_AUTO_TEST_CASE(a_condition_fails_where_a_matching_event_lies_behind) {
  store_in_scratch store;
  store.open();
  const std::array<std::string_view, 2> tags{"course:1", "student:7"};
  const std::array<event_view, 1> joined{event_view{.type = "joined", .tags = tags}};
  const std::array<event_view, 1> other{event_view{.type = "other"}};
  const query course = query::with_tags({"course:1"});
  append_request first;
  first.to("c1", expected_revision::any(), joined)
      .fail_if_match(course)
      .fail_if_exists(query::of_types({"closed"}));
  BOOST_TEST(store.append(first).has_value());
  append_request second;
  second.to("c1", expected_revision::any(), joined).fail_if_match(course);
  const append_result refused = store.append(second);
  BOOST_REQUIRE(refused.has_error());
  BOOST_TEST((refused.error().what == conflict::kind::matching_event));
  BOOST_TEST(refused.error().global_position.value() == 0u);
  append_request third;
  third.to("c1", expected_revision::any(), other).fail_if_match(course, 0);
  BOOST_TEST(store.append(third).has_value());
  append_request fourth;
  fourth.to("c1", expected_revision::any(), other)
      .fail_if_exists(query({query_item({"joined"}, {"student:7"}), query_item({"x"}, {})}));
  const append_result exists = store.append(fourth);
  BOOST_REQUIRE(exists.has_error());
  BOOST_TEST((exists.error().what == conflict::kind::existing_event));
}

BOOST_AUTO_TEST_CASE(what_is_not_allowed_is_refused_by_name_and_nothing_is_appended) {
  store_in_scratch store;
  store.open();
  const auto refused = [&](std::string_view stream, event what) {
    try {
      store.append(stream, expected_revision::any(), {std::move(what)});
    } catch (const boost::system::system_error& error) {
      BOOST_TEST((error.code() == errc::invalid_event));
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  BOOST_TEST(refused("", event("t", "")).find("stream name") == 0u);
  BOOST_TEST(refused(std::string(513, 'x'), event("t", "")).find("stream name of 513") == 0u);
  BOOST_TEST(refused("a\n", event("t", "")).find("stream name holds") == 0u);
  BOOST_TEST(refused("a", event("", "")).find("event type") == 0u);
  event tagged("t", "");
  tagged.tags = {"x", "x"};
  BOOST_TEST(refused("a", tagged).find("a tag is given twice") == 0u);
  tagged.tags = {""};
  BOOST_TEST(refused("a", tagged).find("tag of 0 bytes") == 0u);
  event annotated("t", "");
  annotated.metadata = std::string(metadata_bytes_max + 1, 'm');
  BOOST_TEST(refused("a", annotated).find("metadata") == 0u);
  BOOST_CHECK_THROW(store.append("a", expected_revision::any(), std::vector<event>{}),
                    boost::system::system_error);
  BOOST_CHECK_THROW(
      store.append("a", expected_revision::any(), "t", std::string(std::size_t{1} << 20, 'd')),
      boost::system::system_error);
  BOOST_TEST(store.read_all().empty());
  BOOST_TEST(store->next_global_position() == 0u);
}

// What is refused for its size is not encoded first.
BOOST_AUTO_TEST_CASE(an_append_that_is_too_large_takes_no_memory) {
  if (!nori::test::allocated_bytes()) {
    std::cout << "SKIP an_append_that_is_too_large_takes_no_memory: a sanitizer has its own "
                 "operator new\n";
    return;
  }
  store_in_scratch store;
  store.options.log.segment_bytes_max = std::size_t{1} << 20;
  store.open();
  store.append("a", expected_revision::any(), "t", "");
  const std::string text(metadata_bytes_max, 'm');
  const std::array<std::string_view, 1> tags{std::string_view(text).substr(0, tag_bytes_max)};
  const std::vector<event_view> annotated(500, event_view{.type = "t", .metadata = text});
  const std::vector<event_view> tagged(5000, event_view{.type = "t", .tags = tags});
  for (const auto& events : {annotated, tagged}) {
    const std::span<const event_view> all(events);
    const std::uint64_t before = nori::test::allocated_bytes().value();
    BOOST_CHECK_EXCEPTION(run(store.io, store->append("a", expected_revision::any(), all)),
                          boost::system::system_error,
                          [](const auto& error) { return error.code() == errc::batch_too_large; });
    BOOST_TEST(nori::test::allocated_bytes().value() - before < std::size_t{64} << 10);
  }
  BOOST_TEST(store->next_global_position() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
