// What is derived from the log may be lost, damaged, stale or cut off: no answer changes.

#include <algorithm>

#include <nori/error.hpp>

#include "store/store_test.hpp"
#include "support/files.hpp"

namespace nori::store_test {
namespace {

namespace fs = std::filesystem;

using nori::test::bytes_of_file;
using nori::test::overwrite;
using nori::test::write_file;

std::vector<fs::path> index_files_of(const store_in_scratch& store) {
  std::vector<fs::path> all;
  for (const auto& each : fs::directory_iterator(store.options.log.dir)) {
    if (each.path().filename().string().ends_with(".index")) all.push_back(each.path());
  }
  std::sort(all.begin(), all.end());
  return all;
}

void fill(store_in_scratch& store, std::size_t appends, random_source& random) {
  for (std::size_t i = 0; i < appends; ++i) {
    event made(numbered("type-", random.below(3)), random.text(random.below(1200)));
    made.tags = {numbered("tag-", random.below(30))};
    store.append(numbered("s", random.below(40)), expected_revision::any(), {made});
  }
}

/// Everything that is answered by way of an index.
struct answers {
  std::vector<std::vector<found>> streams;
  std::vector<std::optional<std::uint64_t>> heads;
  std::vector<found> backwards;
  std::vector<found> tagged;
  std::vector<std::string> names;
  std::optional<std::uint64_t> at_time;

  friend bool operator==(const answers&, const answers&) = default;
};

answers ask(store_in_scratch& store) {
  answers all;
  for (int i = 0; i < 42; ++i) {
    all.streams.push_back(store.read_stream(numbered("s", static_cast<std::uint64_t>(i))));
    all.heads.push_back(store.head(numbered("s", static_cast<std::uint64_t>(i))));
  }
  read_events backwards;
  backwards.order = direction::backwards;
  all.backwards = store.read_all(backwards);
  read_events tagged;
  tagged.filter.matching = query({query_item({"type-1", "type-2"}, {"tag-7"})});
  all.tagged = store.read_all(tagged);
  for (const stream_head& each : run(store.io, store->streams("s")))
    all.names.push_back(each.stream);
  all.at_time = run(store.io, store->position_at(all.backwards[all.backwards.size() / 2].at));
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(a_lost_damaged_stale_or_truncated_index_changes_no_answer) {
  random_source random;
  store_in_scratch store;
  store.open();
  fill(store, 200, random);
  store.settle_indexes();
  const auto early = index_files_of(store);
  std::vector<std::string> stale;
  for (const fs::path& each : early) stale.push_back(bytes_of_file(each));
  fill(store, 300, random);
  store.settle_indexes();
  const answers wanted = ask(store);
  store.close();
  for (std::size_t round = scaled(60); round != 0; --round) {
    const auto files = index_files_of(store);
    BOOST_REQUIRE(files.size() > 3u);
    for (std::size_t i = 1 + random.below(3); i != 0; --i) {
      const fs::path& victim = files[random.below(files.size())];
      std::string bytes = bytes_of_file(victim);
      switch (random.below(6)) {
        case 0:
          fs::remove(victim);
          break;
        case 1:
          write_file(victim, bytes.substr(0, random.below(bytes.size() + 1)));
          break;
        case 2:
          write_file(victim, bytes.substr(0, random.below(bytes.size() / 4096 + 1) * 4096));
          break;
        case 3:
          write_file(victim, stale[random.below(stale.size())]);
          break;
        case 4:
          write_file(victim, std::string(bytes.size(), '\0'));
          break;
        default:
          for (int bits = 0; bits < 3 && !bytes.empty(); ++bits) {
            bytes[random.below(bytes.size())] ^= static_cast<char>(1 << random.below(8));
          }
          write_file(victim, bytes);
      }
    }
    store.open();
    BOOST_REQUIRE((ask(store) == wanted));
    if (random.below(2) == 0) {
      store.settle_indexes();
      BOOST_REQUIRE((ask(store) == wanted));
    }
    if (random.below(2) == 0) {
      store.close();
    } else {
      store.crash();
    }
  }
}

BOOST_AUTO_TEST_CASE(an_index_that_is_damaged_while_it_is_open_is_made_again) {
  random_source random;
  store_in_scratch store;
  store.open();
  fill(store, 400, random);
  store.settle_indexes();
  const answers wanted = ask(store);
  store.close_and_open();
  for (const fs::path& each : index_files_of(store)) {
    overwrite(each, 0, std::string(fs::file_size(each) - 4096, '\0'));
  }
  BOOST_REQUIRE((ask(store) == wanted));
}

BOOST_AUTO_TEST_CASE(without_the_heads_of_deleted_streams_the_store_does_not_open) {
  random_source random;
  store_in_scratch store;
  store.open();
  store.append("gone", expected_revision::any(), {event("t", ""), event("t", "")});
  fill(store, 300, random);
  store.settle_indexes();
  run(store.io, store->delete_before(250));
  BOOST_REQUIRE(store->first_global_position() > 2u);
  BOOST_TEST(store.read_stream("gone").empty());
  BOOST_TEST(store.head("gone").value() == 1u);
  store.close_and_open();
  BOOST_TEST(store.append("gone", expected_revision::any(), "t", "")->first_revision == 2u);
  store.close();
  const fs::path heads = store.options.log.dir / "retired-heads.index";
  const std::string bytes = bytes_of_file(heads);
  fs::remove(heads);
  BOOST_CHECK_EXCEPTION(store.open(), boost::system::system_error,
                        [](const auto& error) { return error.code() == errc::corruption; });
  write_file(heads, bytes);
  store.open();
  BOOST_TEST(store.head("gone").value() == 2u);
}

// Who goes on from a checkpoint would miss the event that has the position of a lost one by now.
BOOST_AUTO_TEST_CASE(a_checkpoint_of_events_that_salvage_took_is_not_believed_later) {
  store_in_scratch store(fsync_policy::always());
  store.open();
  for (int i = 0; i < 20; ++i) {
    store.append("a", expected_revision::any(), "t", std::string(2000, 'x'));
  }
  run(store.io, store->save_checkpoint("early", 3));
  run(store.io, store->save_checkpoint("late", 19));
  derived view;
  view.through = 19;
  view.bytes = "20 events";
  run(store.io, store->save_derived("view", std::move(view)));
  store.close();
  overwrite(store.options.log.dir / "00000000000000000001.segment", 8192 + 10 * 2100,
            std::string(64, '\x55'));
  store.options.log.recovery = recovery_mode::salvage;
  const store_recovery_info info = store.open();
  BOOST_REQUIRE(info.events > 3u);
  BOOST_REQUIRE(info.events < 20u);
  while (store->next_global_position() < 30) {
    store.append("a", expected_revision::any(), "other", "");
  }
  BOOST_TEST(run(store.io, store->load_checkpoint("early")).value() == 3u);
  BOOST_TEST(run(store.io, store->load_checkpoint("late")).value() == info.events - 1);
  BOOST_TEST(!run(store.io, store->load_derived("view")).has_value());
}

// Damage must not make a checkpoint one of a later event, which salvage could have taken.
BOOST_AUTO_TEST_CASE(a_damaged_checkpoint_is_absent_wherever_it_seems_to_point) {
  for (std::uint64_t bit = 0; bit != 64; ++bit) {
    store_in_scratch store(fsync_policy::always());
    store.open();
    for (int i = 0; i < 5; ++i) store.append("a", expected_revision::any(), "t", "");
    run(store.io, store->save_checkpoint("reader", 2));
    store.close();
    nori::test::flip_bit(store.options.log.dir / "checkpoint-reader", 32 + bit / 8,
                         static_cast<unsigned>(bit % 8));
    store.open();
    BOOST_TEST(!run(store.io, store->load_checkpoint("reader")).has_value(), "bit " << bit);
  }
}

// A list that is being read lives on when its index moves from memory to a file.
BOOST_AUTO_TEST_CASE(reading_goes_on_through_rotation) {
  random_source random;
  store_in_scratch store;
  store.open();
  for (int i = 0; i < 400; ++i) store.append("s", expected_revision::any(), "t", "early");
  read_events how;
  how.order = direction::backwards;
  event_reader stream = store->read_stream("s", how);
  read_events few;
  few.filter.matching = query::of_types({"t"});
  event_reader typed = store->read_all(few);
  BOOST_REQUIRE(run(store.io, stream.next()).has_value());
  BOOST_REQUIRE(run(store.io, typed.next()).has_value());
  fill(store, 300, random);
  store.settle_indexes();
  BOOST_TEST(run(store.io, read_rest(&stream)).size() == 399u);
  BOOST_TEST(run(store.io, read_rest(&typed)).size() == 399u);
}

BOOST_AUTO_TEST_CASE(records_that_no_store_wrote_are_refused) {
  store_in_scratch store;
  {
    wal::opened opened = run(store.io, wal::open(store.options.log));
    wal log = std::move(opened.log);
    record_view record;
    record.key = "a key";
    record.value = "a value";
    run(store.io, log.append(record));
    run(store.io, log.close());
  }
  BOOST_CHECK_EXCEPTION(store.open(), boost::system::system_error,
                        [](const auto& error) { return error.code() == errc::not_an_event; });
}

BOOST_AUTO_TEST_CASE(a_read_only_store_answers_and_changes_nothing) {
  random_source random;
  store_in_scratch store;
  store.open();
  fill(store, 300, random);
  store.settle_indexes();
  const answers wanted = ask(store);
  store.close();
  // Made again in memory, and never written: that is no reason for an append to wait.
  for (const fs::path& each : index_files_of(store)) fs::remove(each);
  BOOST_TEST_REQUIRE(store.segment_files() >= 4u);
  const std::size_t files = store.index_files();
  store.options.log.access = access::read_only;
  store.open();
  BOOST_REQUIRE((ask(store) == wanted));
  BOOST_CHECK_EXCEPTION(store.append("s1", expected_revision::any(), "t", ""),
                        boost::system::system_error,
                        [](const auto& error) { return error.code() == errc::read_only; });
  store.close();
  BOOST_TEST(store.index_files() == files);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
