#include <nori/store/snapshots.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nori/error.hpp>

#include "store/snapshot_files.hpp"
#include "store/snapshot_format.hpp"
#include "support/counting_meter.hpp"
#include "support/faulty_storage.hpp"
#include "support/random_source.hpp"
#include "support/run.hpp"
#include "support/scratch_directory.hpp"

namespace nori {

namespace {

using reason = ignored_snapshot::reason;
using test::run;

snapshot made(std::string stream, std::uint64_t revision, std::string data = "state",
              std::uint32_t schema = 1) {
  snapshot result;
  result.stream = std::move(stream);
  result.revision = revision;
  result.global_position = revision * 3 + 1;
  result.event_id.data[3] = 7;
  result.schema_version = schema;
  result.data = std::move(data);
  return result;
}

struct fixture {
  fixture() {
    options.dir = scratch.path() / "snapshots";
    options.meter = meter;
  }

  void open() {
    close();
    const storage::open_options place{options.dir, backend::threads, false};
    files = run(
        io, store::snapshot_files::open(options, faults.storage_in(options.dir, backend::threads)));
  }
  void close() {
    files.reset();
    io.restart();
    io.run_until(std::chrono::steady_clock::now() + test::patience);
  }
  void save(snapshot what) { run(io, files->save(std::move(what))); }
  found_snapshot load(std::string stream, std::uint32_t schema = 1,
                      std::uint64_t at_most = UINT64_MAX) {
    return run(io, files->load(std::move(stream), schema, at_most));
  }
  std::optional<std::uint64_t> latest(const std::string& stream) {
    const found_snapshot found = load(stream);
    return found.latest ? std::optional(found.latest->revision) : std::nullopt;
  }
  [[nodiscard]] std::filesystem::path path_of(std::string_view stream, std::size_t slot) const {
    return options.dir / store::snapshot_file_name(stream, slot);
  }
  [[nodiscard]] std::size_t file_count() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(options.dir), {}));
  }

  test::scratch_directory scratch;
  asio::io_context io;
  test::faults faults;
  std::shared_ptr<test::counting_meter> meter = std::make_shared<test::counting_meter>();
  snapshot_config options;
  std::shared_ptr<store::snapshot_files> files;

  ~fixture() { close(); }
};

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

template <typename Call>
boost::system::error_code code_of(Call call) {
  try {
    call();
  } catch (const boost::system::system_error& error) {
    return error.code();
  }
  return {};
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(snapshots, fixture)

BOOST_AUTO_TEST_CASE(a_snapshot_comes_back_as_it_was_also_after_reopening) {
  open();
  BOOST_TEST(!load("account-1").latest);
  test::random_source random;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{4096 - 72 - 9},
                                  std::size_t{4096}, std::size_t{1'000'000}}) {
    const std::string data = random.text(bytes);
    save(made("account-1", 10 + bytes, data));
    for (int pass = 0; pass < 2; ++pass) {
      const found_snapshot found = load("account-1");
      BOOST_REQUIRE(found.latest);
      BOOST_TEST(found.ignored.empty());
      BOOST_TEST(found.latest->stream == "account-1");
      BOOST_TEST(found.latest->revision == 10 + bytes);
      BOOST_TEST(found.latest->global_position == (10 + bytes) * 3 + 1);
      BOOST_TEST(found.latest->event_id.data[3] == 7);
      BOOST_TEST((found.latest->data == data));
      BOOST_TEST((found.latest->recorded_at > event_time()));
      open();
    }
  }
}

BOOST_AUTO_TEST_CASE(the_newest_are_kept_and_the_number_of_files_is_bounded) {
  options.keep = 3;
  open();
  for (std::uint64_t revision = 0; revision < 20; ++revision) {
    save(made("s", revision));
    BOOST_TEST(latest("s").value() == revision);
  }
  BOOST_TEST(file_count() == 4u);  // and the lock
  BOOST_TEST(load("s", 1, 18).latest->revision == 18u);
  BOOST_TEST(load("s", 1, 17).latest->revision == 17u);
  BOOST_TEST(!load("s", 1, 16).latest);
  BOOST_TEST((load("s", 1, 16).ignored.at(0).why == reason::too_new));
  // The same revision again replaces itself.
  save(made("s", 18, "again"));
  BOOST_TEST(load("s", 1, 18).latest->data == "again");
  BOOST_TEST(load("s", 1, 17).latest->revision == 17u);

  save(made("t", 5));
  run(io, files->remove("s"));
  BOOST_TEST(!latest("s"));
  BOOST_TEST(latest("t").value() == 5u);
  BOOST_TEST(file_count() == 2u);
  run(io, files->remove("s"));
}

BOOST_AUTO_TEST_CASE(another_schema_is_not_used) {
  open();
  save(made("s", 5, "old", 1));
  BOOST_TEST(!load("s", 2).latest);
  BOOST_TEST((load("s", 2).ignored.at(0).why == reason::other_schema));
  BOOST_TEST(load("s", 1).latest->data == "old");
  BOOST_TEST(meter->count("nori_snapshots_ignored_total/other_schema") == 2u);
}

BOOST_AUTO_TEST_CASE(a_stream_with_the_same_hash_is_told_apart) {
  open();
  save(made("a", 5));
  std::filesystem::copy_file(path_of("a", 0), path_of("b", 0));
  const found_snapshot found = load("b");
  BOOST_TEST(!found.latest);
  BOOST_TEST((found.ignored.at(0).why == reason::other_stream));
  save(made("b", 1));
  BOOST_TEST(latest("b").value() == 1u);
}

BOOST_AUTO_TEST_CASE(any_altered_byte_and_any_cut_leads_to_the_snapshot_before) {
  open();
  save(made("stream", 1, "the first"));
  save(made("stream", 2, "the second"));
  std::size_t slot = 0;
  if (bytes_of(path_of("stream", 0)).find("second") == std::string::npos) slot = 1;
  const std::string good = bytes_of(path_of("stream", slot));
  BOOST_REQUIRE_EQUAL(good.size(), 72u + 6 + 10);
  const auto expect_first = [&] {
    const found_snapshot found = load("stream");
    BOOST_REQUIRE(found.latest);
    BOOST_REQUIRE_EQUAL(found.latest->data, "the first");
    BOOST_REQUIRE_EQUAL(found.ignored.size(), 1u);
    BOOST_REQUIRE((found.ignored[0].why == reason::damaged));
    BOOST_REQUIRE(!found.ignored[0].text.empty());
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      write_file(path_of("stream", slot), bad);
      expect_first();
    }
  }
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    write_file(path_of("stream", slot), good.substr(0, bytes));
    expect_first();
  }
  write_file(path_of("stream", slot), good + '\0');
  expect_first();
  write_file(path_of("stream", slot), std::string(100'000, '\0'));
  expect_first();
  // A save takes the place of what is damaged, and leaves the good one.
  save(made("stream", 3, "the third"));
  BOOST_TEST(load("stream", 1, 2).latest->data == "the first");
  BOOST_TEST(latest("stream").value() == 3u);
}

BOOST_AUTO_TEST_CASE(what_is_no_file_or_too_large_is_passed_over) {
  options.bytes_max = 4096;
  open();
  std::filesystem::create_directory(path_of("s", 0));
  std::filesystem::create_symlink("/dev/zero", path_of("s", 1));
  BOOST_TEST(load("s").ignored.size() == 2u);
  write_file(path_of("t", 0), std::string(4097, 'x'));
  BOOST_TEST((load("t").ignored.at(0).why == reason::too_large));
  const auto too_large = code_of([&] { save(made("t", 1, std::string(4096, 'x'))); });
  BOOST_TEST((too_large == errc::invalid_event));
  BOOST_TEST((code_of([&] { save(made("", 1)); }) == errc::invalid_event));
  BOOST_TEST((code_of([&] { save(made("a\n", 1)); }) == errc::invalid_event));
}

BOOST_AUTO_TEST_CASE(whatever_fails_while_saving_the_previous_one_is_kept) {
  using test::operation;
  options.keep = 1;
  open();
  save(made("s", 1, "before"));
  for (const operation what : {operation::open, operation::write, operation::sync,
                               operation::truncate, operation::rename, operation::remove}) {
    // A rename goes by the name of the file that it makes.
    faults.fail(what, ENOSPC, what == operation::rename ? "" : "saving-");
    const bool failed = code_of([&] { save(made("s", 2, "after")); }).failed();
    faults.clear();
    BOOST_TEST(failed, "operation " << static_cast<int>(what));
    BOOST_TEST(load("s").latest->data == "before");
    BOOST_TEST(file_count() == 2u);
  }
  save(made("s", 2, "after"));
  BOOST_TEST(load("s").latest->data == "after");
}

BOOST_AUTO_TEST_CASE(what_a_crash_left_behind_is_written_over) {
  open();
  write_file(options.dir / "saving-0", std::string(50'000, 'x'));
  save(made("s", 1));
  BOOST_TEST(latest("s").value() == 1u);
  BOOST_TEST(file_count() == 2u);
}

BOOST_AUTO_TEST_CASE(saves_at_the_same_time_take_turns_within_a_stream) {
  options.keep = 2;
  open();
  std::vector<test::task<void>> tasks;
  for (std::uint64_t i = 0; i < 40; ++i) {
    tasks.emplace_back(io.get_executor(), files->save(made(i % 2 == 0 ? "even" : "odd", i)));
  }
  test::run_until(io, [&] {
    return std::all_of(tasks.begin(), tasks.end(), [](const auto& each) { return each.done(); });
  });
  for (auto& each : tasks) each.get();
  BOOST_TEST(latest("even").value() == 38u);
  BOOST_TEST(latest("odd").value() == 39u);
  BOOST_TEST(file_count() == 5u);
}

BOOST_AUTO_TEST_CASE(a_directory_has_one_opener) {
  open();
  BOOST_TEST((code_of([&] { (void)run(io, snapshot_store::open(options)); }) == errc::locked));
  close();
  snapshot_store again = run(io, snapshot_store::open(options));
  run(io, again.save(made("s", 4)));
  BOOST_TEST(run(io, again.load("s", 1)).latest->revision == 4u);
  run(io, again.remove("s"));
  BOOST_TEST(!run(io, again.load("s", 1)).latest);
  for (const std::size_t keep : {std::size_t{0}, std::size_t{9}}) {
    options.keep = keep;
    const auto refused = code_of([&] { (void)run(io, snapshot_store::open(options)); });
    BOOST_TEST((refused == errc::invalid_config));
  }
  again = snapshot_store();
}

BOOST_AUTO_TEST_CASE(opening_lists_nothing) {
  open();
  save(made("s", 1));
  (void)latest("s");
  BOOST_TEST(faults.count(test::operation::list) == 0u);
}

// SNAPSHOT.md is what these bytes are.
BOOST_AUTO_TEST_CASE(the_format_does_not_change) {
  snapshot what = made("ab", 0x0102030405060708, "xyz", 9);
  what.global_position = 17;
  what.recorded_at = event_time(std::chrono::nanoseconds(0x1122334455667788));
  what.event_id = {};
  what.event_id.data[0] = 0xee;
  std::vector<std::byte> bytes(static_cast<std::size_t>(store::snapshot_bytes(what)));
  store::store_snapshot(bytes.data(), what);
  std::string hex;
  for (const std::byte b : bytes) {
    hex += "0123456789abcdef"[std::to_integer<unsigned>(b) >> 4];
    hex += "0123456789abcdef"[std::to_integer<unsigned>(b) & 15];
  }
  BOOST_TEST(hex.substr(0, 16) == "6e6f7269736e6170");
  BOOST_TEST(hex.substr(24) ==
             "01000000"
             "09000000"
             "02000000"
             "0807060504030201"
             "1100000000000000"
             "ee000000000000000000000000000000"
             "8877665544332211"
             "0300000000000000"
             "6162"
             "78797a");
  BOOST_TEST(store::snapshot_file_name("ab", 3).size() == 38u);
  BOOST_TEST(store::snapshot_file_name("ab", 3) != store::snapshot_file_name("ac", 3));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori
