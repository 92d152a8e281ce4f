// backup, restore, repair, export, import, prune, reindex: what makes or changes logs.

#include <boost/uuid/string_generator.hpp>

#include <lz4.h>
#include <zstd.h>

#include <array>
#include <atomic>
#include <thread>

#include "cli_test.hpp"

namespace nori::cli_test {

namespace {

// A log of the crate nori-wal, byte by byte from its description.
class foreign_writer {
 public:
  foreign_writer& varint(std::uint64_t value) {
    while (value >= 128) {
      bytes_ += static_cast<char>(value % 128 + 128);
      value /= 128;
    }
    bytes_ += static_cast<char>(value);
    return *this;
  }
  foreign_writer& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  /// The checksum of what was put since the last one. Bit by bit, apart from every other in the
  /// tree.
  foreign_writer& crc() {
    std::uint32_t sum = 0xffffffffU;
    for (; summed_ < bytes_.size(); ++summed_) {
      sum ^= static_cast<unsigned char>(bytes_[summed_]);
      for (int bit = 0; bit < 8; ++bit) sum = (sum & 1) != 0 ? (sum >> 1) ^ 0x82f63b78U : sum >> 1;
    }
    sum = ~sum;
    for (int i = 0; i < 4; ++i) bytes_ += static_cast<char>(sum >> (8 * i) & 0xff);
    summed_ = bytes_.size();
    return *this;
  }
  foreign_writer& plain(std::string_view key, std::string_view value) {
    return varint(key.size())
        .varint(value.size())
        .raw(std::string_view("\0", 1))
        .raw(key)
        .raw(value)
        .crc();
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::size_t summed_ = 0;
};

std::string varint_of(std::uint64_t value) {
  foreign_writer made;
  return made.varint(value).bytes();
}

std::string in_lz4(const std::string& value) {
  std::string packed(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(value.size()))),
                     '\0');
  const int got = LZ4_compress_default(value.data(), packed.data(), static_cast<int>(value.size()),
                                       static_cast<int>(packed.size()));
  packed.resize(static_cast<std::size_t>(got));
  return varint_of(value.size()) + packed;
}

std::string in_zstd(const std::string& value) {
  std::string packed(ZSTD_compressBound(value.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), value.data(), value.size(), 3));
  return packed;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(keeping)

BOOST_AUTO_TEST_CASE(a_backup_under_load_is_a_prefix_that_verifies_and_the_next_takes_what_is_new) {
  bench_of_an_operator with;
  for (const auto policy : {fsync_policy::always(), fsync_policy::os()}) {
    const std::string name = policy == fsync_policy::os() ? "os" : "always";
    std::atomic<bool> enough = false;
    std::atomic<int> appended = 0;
    // A service on a thread of its own, as fast as it can.
    std::thread service([&] {
      asio::io_context context;
      config how = with.log_config(name);
      how.fsync = policy;
      wal::opened opened = run(context, wal::open(how));
      const std::string value(500, 'v');
      while (!enough) {
        const std::string key = "key-" + std::to_string(appended);
        record_view what;
        what.key = key;
        what.value = value;
        run(context, opened.log.append(what));
        ++appended;
      }
      run(context, opened.log.close());
    });
    std::int64_t before = 0;
    for (int round = 0; round < 4; ++round) {
      const int seen = appended;
      while (appended < seen + 300) std::this_thread::yield();
      const int acknowledged = appended;
      const called done = with.nori("backup " + name + " copy-" + name + " --json");
      BOOST_TEST_REQUIRE(done.status == 0, done.error);
      const auto result = done.object();
      const std::int64_t records = result.at("records").as_int64();
      BOOST_TEST(records >= acknowledged);
      if (round != 0) BOOST_TEST(result.at("segments_kept").as_int64() >= before - 1);
      before = result.at("segments_kept").as_int64() + result.at("segments_written").as_int64();
    }
    enough = true;
    service.join();
    BOOST_TEST(with.nori("verify copy-" + name).status == 0);
    const called restored = with.nori("restore copy-" + name + " back-" + name);
    BOOST_TEST(restored.status == 0, restored.error);
    const std::string all = with.nori("cat " + name + " --json").out;
    const std::string prefix = with.nori("cat back-" + name + " --json").out;
    BOOST_TEST(!prefix.empty());
    BOOST_TEST(all.starts_with(prefix));
  }
}

BOOST_AUTO_TEST_CASE(a_store_is_restored_to_a_position_or_a_time_with_its_checkpoints) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  run(with.io, store.save_checkpoint("mailer", 3));
  BOOST_TEST(with.nori("backup events copy").status == 0);
  with.close(store);
  const auto count_in = [&](const std::string& dir) {
    return with.nori("cat " + dir + " --json").lines().size();
  };
  BOOST_TEST(with.nori("restore copy all").status == 0);
  BOOST_TEST(count_in("all") == 5U);
  BOOST_TEST(with.nori("restore copy two --until 2").status == 0);
  BOOST_TEST(count_in("two") == 2U);
  BOOST_TEST(with.nori("restore copy four --before 2026-01-31T00:00:04Z").status == 0);
  BOOST_TEST(count_in("four") == 4U);
  event_store again = with.open_store("all");
  BOOST_TEST((run(with.io, again.load_checkpoint("mailer")) == std::optional<std::uint64_t>(3)));
  with.append(again, "account-1", "closed", "{}");
  with.close(again);
  // The mailer has handled all that there is, and nothing of what will come.
  event_store cut = with.open_store("two");
  BOOST_TEST((run(with.io, cut.load_checkpoint("mailer")) == std::optional<std::uint64_t>(1)));
  with.close(cut);
  const called onto = with.nori("restore copy all");
  BOOST_TEST(onto.status == 2);
  BOOST_TEST(has(onto.error, "not empty"));
  BOOST_TEST(with.nori("restore copy early --before 2020-01-01").status == 5);
}

BOOST_AUTO_TEST_CASE(repair_keeps_the_prefix_elsewhere_and_says_what_is_lost) {
  bench_of_an_operator with;
  wal log = with.open_log("log");
  with.append_many(log, 200);
  with.close(log);
  const auto segment = [&](int id) {
    return with.at("log") / ("0000000000000000000" + std::to_string(id) + ".segment");
  };
  const std::string all = with.nori("cat log --json").out;
  BOOST_TEST(with.nori("repair log mended").status == 2);
  flip_bit(segment(2), 30000);
  const std::string damaged = bytes_of_file(segment(2));
  const called done = with.nori("repair log mended");
  BOOST_TEST(done.status == 0, done.error);
  BOOST_TEST(has(done.out, "kept  "));
  BOOST_TEST(!has(done.out, "kept  0"));
  BOOST_TEST(has(done.out, "lost  00000000000000000002.segment"));
  BOOST_TEST(has(done.out, "lost  00000000000000000003.segment"));
  BOOST_TEST(bytes_of_file(segment(2)) == damaged);
  BOOST_TEST(!std::filesystem::exists(with.at("log") / "lock.tmp"));
  BOOST_TEST(with.nori("verify mended").status == 0);
  const std::string kept = with.nori("cat mended --json").out;
  BOOST_TEST(!kept.empty());
  BOOST_TEST(all.starts_with(kept));
  // Nothing of the damaged one can be read where a service would stop, either.
  const called json = with.nori("repair log mended-too --json");
  BOOST_TEST(json.object().at("readable_records_dropped").as_int64() > 0);
  wal again = with.open_log("mended");
  with.append(again, "later", "1");
  with.close(again);
  BOOST_TEST(with.nori("verify mended").status == 0);
}

BOOST_AUTO_TEST_CASE(repair_of_a_store_says_which_events_are_lost_and_whose_checkpoints_had_them) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill_more(store, 300);
  run(with.io, store.save_checkpoint("early", 10));
  run(with.io, store.save_checkpoint("late", 299));
  derived view(10, 1, "seen 11");
  run(with.io, store.save_derived("small", view));
  view = derived(280, 1, "seen 281");
  run(with.io, store.save_derived("large", view));
  with.close(store);
  snapshot_config where(with.at("events") / "snapshots");
  {
    snapshot_store snapshots = run(with.io, snapshot_store::open(where));
    snapshot of_the_end;
    of_the_end.stream = "bulk-9";
    of_the_end.revision = 29;
    of_the_end.global_position = 299;
    of_the_end.event_id = boost::uuids::string_generator()("cd167d22-6cf2-473e-a72a-3a60d398bf03");
    run(with.io, snapshots.save(of_the_end));
  }
  flip_bit(with.at("events") / "00000000000000000002.segment", 30000);
  const called json = with.nori("repair events counted --json");
  BOOST_TEST_REQUIRE(json.status == 0, json.error);
  const std::int64_t next = json.object().at("next_global_position").as_int64();
  BOOST_TEST(next > 60);
  BOOST_TEST(next < 280);
  BOOST_TEST(json.object().at("records_kept").as_int64() == next);
  BOOST_TEST(json.object().at("set_back").as_array().size() == 2U);
  const called done = with.nori("repair events mended");
  BOOST_TEST(done.status == 0, done.error);
  const std::string last = std::to_string(next - 1);
  BOOST_TEST(has(done.out, "      events 0 to " + last + "\n"));
  BOOST_TEST(
      has(done.out, "lost  every event from global position " + std::to_string(next) + " on\n"));
  BOOST_TEST(has(done.out, "set back  checkpoint late: from events that are gone to " + last +
                               ", the last that is kept\n"));
  BOOST_TEST(has(done.out, "set back  projection large: it had events that are gone"));
  BOOST_TEST(has(done.out, "left  the directory snapshots"));
  BOOST_TEST(!has(done.out, "early"));
  BOOST_TEST(!has(done.out, "small"));
  BOOST_TEST(with.nori("verify mended").status == 0);

  // A service goes on with it.
  event_store mended = with.open_store("mended");
  BOOST_TEST(mended.next_global_position() == static_cast<std::uint64_t>(next));
  const auto checkpoint = [&](const std::string& name) {
    return run(with.io, mended.load_checkpoint(name));
  };
  BOOST_TEST((checkpoint("early") == std::optional<std::uint64_t>(10)));
  BOOST_TEST((checkpoint("late") == std::optional<std::uint64_t>(next - 1)));
  BOOST_TEST((run(with.io, mended.load_derived("small"))->bytes == "seen 11"));
  // Grown past where they were, it still has nobody believe that they had been through it.
  with.fill_more(mended, 300);
  BOOST_TEST((checkpoint("late") == std::optional<std::uint64_t>(next - 1)));
  BOOST_TEST(!run(with.io, mended.load_derived("large")));
  with.close(mended);
  // The damaged one keeps what it had.
  BOOST_TEST(std::filesystem::exists(with.at("events") / "projection-large"));
}

BOOST_AUTO_TEST_CASE(what_export_writes_import_makes_again) {
  bench_of_an_operator with;
  wal log = with.open_log("log");
  with.append(log, "order-1", "paid");
  with.append(log, std::string_view("\xff\x00", 2), std::string_view("\x80", 1));
  const std::array<record_view, 2> pair = {
      {{.key = "a", .value = "1"}, {.key = "b", .value = "2"}}};
  run(with.io, log.append_batch(pair));
  record gone = record::remove("cart-2");
  run(with.io, log.append(gone));
  with.close(log);
  const auto without_places = [&](const std::string& dir) {
    std::string text;
    for (auto line : with.nori("cat " + dir + " --json").lines()) {
      line.as_object().erase("at");
      line.as_object().erase("sequence");
      text += boost::json::serialize(line) + "\n";
    }
    return text;
  };
  const called exported = with.nori("export log");
  write_file(with.at("dump"), exported.out);
  const called imported = with.nori("import new dump");
  BOOST_TEST(imported.status == 0, imported.error);
  BOOST_TEST(imported.out == "imported 5 into new\n");
  BOOST_TEST(without_places("new") == without_places("log"));

  event_store store = with.open_store("events");
  with.fill(store);
  with.close(store);
  const std::string events = with.nori("export events").out;
  write_file(with.at("dump"), events);
  BOOST_TEST(with.nori("import copy dump").status == 0);
  // Ids, times, revisions, tags: all of it, and a second time nothing more.
  const auto again = with.nori("import copy dump --json").object();
  BOOST_TEST(again.at("imported").as_int64() == 0);
  BOOST_TEST(again.at("had_been_there").as_int64() == 5);
  BOOST_TEST(without_places("copy") == without_places("events"));

  write_file(with.at("dump"), "{\"key\":\"a\",\"value\":\"1\"}\nnonsense\n");
  const called wrong = with.nori("import half dump");
  BOOST_TEST(wrong.status == 1);
  BOOST_TEST(has(wrong.error, "line 2: "));
}

BOOST_AUTO_TEST_CASE(records_are_not_imported_into_an_event_store) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill(store);
  with.close(store);
  const std::string before = with.nori("streams events").out;
  write_file(with.at("dump"), "{\"key\":\"a\",\"value\":\"1\"}\n");
  const called refused = with.nori("import events dump");
  BOOST_TEST(refused.status == 1);
  BOOST_TEST(has(refused.error, "is an event store, and these are records"), refused.error);
  BOOST_TEST(with.nori("streams events").out == before);
}

// Whoever imports again from the line that is named loses nothing of a batch and doubles nothing.
BOOST_AUTO_TEST_CASE(an_import_that_fails_within_a_batch_names_where_the_batch_begins) {
  bench_of_an_operator with;
  const std::string first = "{\"key\":\"first\",\"value\":\"1\"}\n";
  const std::string batch = "{\"key\":\"a\",\"value\":\"1\",\"batch_continues\":true}\n";
  write_file(with.at("dump"), first + batch + "nonsense\n");
  const called wrong = with.nori("import new dump");
  BOOST_TEST(wrong.status == 1);
  BOOST_TEST(has(wrong.error, "line 3: "), wrong.error);
  BOOST_TEST(has(wrong.error, "import again from line 2 on"), wrong.error);
  const auto lines = with.nori("cat new --json").lines();
  BOOST_TEST(lines.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_log_of_the_crate_nori_wal_is_imported) {
  bench_of_an_operator with;
  std::filesystem::create_directory(with.at("old"));
  const std::string text(3000, 'z');
  foreign_writer first;
  first.plain("order-1", "paid");
  // A tombstone.
  first.varint(6).varint(0).raw("\x01").raw("cart-2").crc();
  // A time to live.
  first.varint(7).varint(4).raw("\x02").varint(1'800'000).raw("session").raw("open").crc();
  // A version.
  first.varint(3).varint(1).raw("\x10").varint(7).varint(300).raw("raf").raw("t").crc();
  foreign_writer second;
  const std::string lz4 = in_lz4(text);
  second.varint(3).varint(lz4.size()).raw("\x04").raw("lz4").raw(lz4).crc();
  const std::string zstd = in_zstd(text);
  second.varint(4).varint(zstd.size()).raw("\x08").raw("zstd").raw(zstd).crc();
  // All that there is, at once: tombstone, ttl, zstd, version.
  second.varint(1)
      .varint(zstd.size())
      .raw("\x1b")
      .varint(5)
      .varint(1)
      .varint(2)
      .raw("k")
      .raw(zstd)
      .crc();
  second.plain("", "");
  second.plain("last", "one");
  write_file(with.at("old") / "000001.wal", first.bytes() + std::string(4096, '\0'));
  write_file(with.at("old") / "000002.wal", second.bytes() + std::string(100, '\0'));
  const called done = with.nori("import new old --nori-wal");
  BOOST_TEST(done.status == 0, done.error);
  BOOST_TEST(done.out == "imported 9 into new\n");
  const auto lines = with.nori("cat new --json").lines();
  BOOST_REQUIRE(lines.size() == 9U);
  BOOST_TEST(lines[0].at("value").as_string() == "paid");
  BOOST_TEST(lines[1].at("tombstone").as_bool());
  BOOST_TEST(lines[2].at("time_to_live_ms").as_int64() == 1'800'000);
  BOOST_TEST(lines[3].at("term").as_int64() == 7);
  BOOST_TEST(lines[3].at("index").as_int64() == 300);
  BOOST_TEST(lines[4].at("value").as_string() == text);
  BOOST_TEST(lines[4].at("compression").as_string() == "lz4");
  BOOST_TEST(lines[5].at("value").as_string() == text);
  BOOST_TEST(lines[6].at("value").as_string() == text);
  BOOST_TEST(lines[6].at("index").as_int64() == 2);
  BOOST_TEST(lines[8].at("key").as_string() == "last");

  // A write that was not finished ends the last file and damages another.
  for (std::size_t cut = 1; cut < 10; cut += 2) {
    const std::string torn = second.bytes().substr(0, second.bytes().size() - cut);
    write_file(with.at("old") / "000002.wal", torn);
    const std::string to = "torn-" + std::to_string(cut);
    const auto result = with.nori("import " + to + " old --nori-wal --json").object();
    BOOST_TEST(result.at("imported").as_int64() == 8);
    BOOST_TEST(result.at("bytes_dropped").as_int64() > 0);
  }
  std::string flipped = first.bytes();
  flipped[3] = static_cast<char>(flipped[3] ^ 1);
  write_file(with.at("old") / "000001.wal", flipped);
  const called damaged = with.nori("import damaged old --nori-wal");
  BOOST_TEST(damaged.status == 3);
  BOOST_TEST(has(damaged.error, "000001.wal offset 0: damaged"));
}

BOOST_AUTO_TEST_CASE(no_bytes_make_the_import_crash_or_invent_a_record) {
  bench_of_an_operator with;
  test::random_source random;
  foreign_writer writer;
  const std::string text(300, 'z');
  writer.plain("one", "1");
  const std::string lz4 = in_lz4(text);
  writer.varint(3).varint(lz4.size()).raw("\x04").raw("lz4").raw(lz4).crc();
  writer.plain("two", "2");
  for (std::size_t i = 0; i < test::scaled(40); ++i) {
    std::string bytes = writer.bytes();
    const std::size_t at = random.below(bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    write_file(with.at("000001.wal"), bytes);
    const std::string to = "to-" + std::to_string(i);
    const called done = with.nori("import " + to + " 000001.wal --nori-wal --json");
    BOOST_TEST(done.status == 0, done.error);
    BOOST_TEST(done.object().at("imported").as_int64() < 3);
  }
}

BOOST_AUTO_TEST_CASE(prune_honours_checkpoints_unless_forced) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill_more(store, 300);
  run(with.io, store.save_checkpoint("mailer", 100));
  BOOST_TEST(with.nori("prune events --until 50").status == 4);
  with.close(store);
  const auto before = with.nori("info events --json").object().at("segments").as_array().size();
  const called refused = with.nori("prune events --until 250");
  BOOST_TEST(refused.status == 1);
  BOOST_TEST(has(refused.error, "mailer (at 100)"));
  const auto dry = with.nori("prune events --until 100 --dry-run --json").object();
  BOOST_TEST(dry.at("segments").as_int64() >= 1);
  BOOST_TEST(with.nori("info events --json").object().at("segments").as_array().size() == before);
  const auto done = with.nori("prune events --until 100 --json").object();
  BOOST_TEST(done.at("segments") == dry.at("segments"));
  const auto first = with.nori("cat events --limit 1 --json").object().at("global_position");
  BOOST_TEST(first.as_int64() > 0);
  BOOST_TEST(first.as_int64() <= 100);
  BOOST_TEST(with.nori("prune events --until 250 --force").status == 0);
  BOOST_TEST(with.nori("cat events --from 0 --limit 1").status == 0);
  BOOST_TEST(with.nori("verify events").status == 0);
  // A backup of what is left brings along which revisions were used.
  BOOST_TEST(with.nori("backup events copy").status == 0);
  event_store copy = with.open_store("copy");
  BOOST_TEST((run(with.io, copy.head("bulk-3")) == std::optional<std::uint64_t>(29)));
  with.close(copy);
}

BOOST_AUTO_TEST_CASE(reindex_makes_every_index_again) {
  bench_of_an_operator with;
  event_store store = with.open_store("events");
  with.fill_more(store, 300);
  const called busy = with.nori("reindex events");
  BOOST_TEST(busy.status == 4);
  BOOST_TEST(has(busy.error, "stop the service"));
  with.close(store);
  const std::string found = with.nori("find events --prefix bulk-3 --json").out;
  for (const auto& each : std::filesystem::directory_iterator(with.at("events"))) {
    if (each.path().extension() == ".index") flip_bit(each.path(), 100);
  }
  const called done = with.nori("reindex events");
  BOOST_TEST(done.status == 0, done.error);
  BOOST_TEST(has(with.nori("info events").out, "index      complete"));
  BOOST_TEST(with.nori("find events --prefix bulk-3 --json").out == found);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::cli_test
