// Who may open a log, and what reading without writing sees and leaves.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "support/child_process.hpp"
#include "support/mounted_tmpfs.hpp"
#include "wal/wal_test.hpp"

namespace nori::wal_test {
namespace {

using test::child_process;
using test::child_program;
using test::tell_parent;

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status{};
  BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

// arguments: directory, access, user id. Opens as that user; says how many records there are.
const child_program opens_as_user("opens_as_user", [](const std::vector<std::string>& arguments) {
  const auto user = static_cast<uid_t>(std::stoul(arguments.at(2)));
  if (::setresuid(user, user, user) != 0) return 1;
  asio::io_context io;
  config options(arguments.at(0));
  if (arguments.at(1) == "read_only") options.access = access::read_only;
  std::optional<wal::opened> opened;
  const auto code = code_of([&] { opened.emplace(run(io, wal::open(options))); });
  tell_parent(code ? code.message() : std::to_string(opened->recovered.valid_records));
  return 0;
});

}  // namespace

BOOST_AUTO_TEST_SUITE(who_may)

BOOST_AUTO_TEST_CASE(files_are_for_their_owner_alone_whatever_the_umask) {
  for (const mode_t mask : {0000, 0022, 0077}) {
    const mode_t before = ::umask(mask);
    for (const flavour& each : policies()) {
      log_in_scratch log(each.fsync);
      log.open();
      log.append("k", "v");
      BOOST_TEST(mode_of(log.options.dir) == 0700u);
      for (const auto& file : std::filesystem::directory_iterator(log.options.dir)) {
        BOOST_TEST(mode_of(file.path()) == 0600u, file.path());
      }
    }
    ::umask(before);
  }
}

BOOST_AUTO_TEST_CASE(a_directory_that_others_may_write_to_is_refused) {
  log_in_scratch log;
  log.open();
  log.append("k", "v");
  log.close();
  for (const unsigned mode : {0777U, 0770U, 0702U, 01777U}) {
    ::chmod(log.options.dir.c_str(), mode);
    BOOST_TEST(code_of([&] { log.open(); }) == errc::insecure_directory);
  }
  ::chmod(log.options.dir.c_str(), 0700);
  BOOST_TEST(log.open().valid_records == 1u);
}

BOOST_AUTO_TEST_CASE(symbolic_links_are_not_followed) {
  for (const std::string name : {"log", "00000000000000000001.segment", "staging", "lock"}) {
    log_in_scratch log(fsync_policy::os());
    log.open();
    fill(log, 5, 10);
    log.crash();
    const auto elsewhere = log.scratch.path() / "elsewhere";
    if (!std::filesystem::exists(log.options.dir / name)) continue;
    std::filesystem::rename(log.options.dir / name, elsewhere);
    std::filesystem::create_symlink(elsewhere, log.options.dir / name);
    const std::string before = bytes_of_file(elsewhere);
    const auto code = code_of([&] {
      log.open();
      log.append("k", "v");
    });
    log.crash();
    BOOST_TEST(bytes_of_file(elsewhere) == before, name);
    BOOST_TEST((name == "staging" || code), name);
  }
}

BOOST_AUTO_TEST_CASE(reading_only_sees_everything_of_a_crashed_log_and_changes_nothing) {
  for (const flavour& each : flavours()) {
    for (const std::uint64_t segment : {small_segment, std::uint64_t{1} << 20}) {
      log_in_scratch log(each.fsync);
      log.options.backend = each.backend;
      log.options.segment_bytes_max = segment;
      log.open();
      const auto written = fill(log, 100, 900);
      log.crash();
      const snapshot before = snapshot_of(log.options.dir);
      log.options.access = access::read_only;
      const recovery_info recovered = log.open();
      BOOST_TEST(recovered.valid_records == 100u);
      BOOST_TEST(recovered.last_valid_position.value() == written.back().at);
      BOOST_TEST((log.read_all() == written));
      BOOST_TEST((log.read_all(written[50].at).size() == 50u));
      BOOST_TEST(code_of([&] { log.append("k", "v"); }) == errc::read_only);
      BOOST_TEST(log->try_append({}).error() == errc::read_only);
      BOOST_TEST(code_of([&] { run(log.io, log->delete_segments_before({9, 0})); }) ==
                 errc::read_only);
      // As often as one likes, and all at once.
      asio::io_context io;
      wal::opened second = run(io, wal::open(log.options));
      BOOST_TEST(second.recovered.valid_records == 100u);
      log.close();
      run(io, second.log.close());
      BOOST_TEST((snapshot_of(log.options.dir) == before));
      log.options.access = access::read_write;
      log.open();
      BOOST_TEST((log.read_all() == written));
    }
  }
}

BOOST_AUTO_TEST_CASE(reading_only_beside_a_writer_sees_a_prefix) {
  for (const flavour& each : policies()) {
    log_in_scratch log(each.fsync);
    log.options.segment_bytes_max = small_segment;
    log.open();
    std::vector<found> written;
    for (std::size_t round = 0; round < 40; ++round) {
      const std::string value(round * 40, 'v');
      written.push_back({log.append("k", value), "k", value});
      asio::io_context io;
      config options = log.options;
      options.access = access::read_only;
      wal::opened other = run(io, wal::open(options));
      reader reading = other.log.read_from({});
      BOOST_TEST((run(io, read_rest(&reading)) == written));
    }
  }
}

BOOST_AUTO_TEST_CASE(reading_only_where_there_is_no_log_creates_none) {
  log_in_scratch log;
  log.options.access = access::read_only;
  BOOST_TEST(code_of([&] { log.open(); }) == boost::system::errc::no_such_file_or_directory);
  BOOST_TEST(!std::filesystem::exists(log.options.dir));
  std::filesystem::create_directory(log.options.dir);
  ::chmod(log.options.dir.c_str(), 0700);
  BOOST_TEST(code_of([&] { log.open(); }) == boost::system::errc::no_such_file_or_directory);
  BOOST_TEST(std::filesystem::is_empty(log.options.dir));
}

BOOST_AUTO_TEST_CASE(a_directory_without_a_parent_is_refused) {
  log_in_scratch log;
  log.options.dir = log.scratch.path() / "missing" / "log";
  BOOST_TEST(code_of([&] { log.open(); }) == boost::system::errc::no_such_file_or_directory);
}

BOOST_AUTO_TEST_CASE(who_may_only_read_can_read_and_not_write) {
  if (::geteuid() != 0) {
    std::cout << "SKIP who_may_only_read_can_read_and_not_write: needs another user id\n";
    return;
  }
  constexpr uid_t nobody = 65534;
  log_in_scratch log(fsync_policy::os());
  log.open();
  fill(log, 10, 100);
  log.crash();
  // Another user, who may list the directory and read its files.
  ::chmod(log.scratch.path().c_str(), 0755);
  ::chmod(log.options.dir.c_str(), 0755);
  for (const auto& each : std::filesystem::directory_iterator(log.options.dir)) {
    ::chmod(each.path().c_str(), 0644);
  }
  const snapshot before = snapshot_of(log.options.dir);
  const std::string dir = log.options.dir.string();
  child_process reads("opens_as_user", {dir, "read_only", std::to_string(nobody)});
  BOOST_TEST(reads.read_rest() == "10");
  child_process writes("opens_as_user", {dir, "read_write", std::to_string(nobody)});
  BOOST_TEST(writes.read_rest() == std::strerror(EACCES));
  BOOST_TEST((snapshot_of(log.options.dir) == before));
}

BOOST_AUTO_TEST_CASE(a_read_only_file_system_can_be_read) {
  const scratch_directory scratch;
  const test::mounted_tmpfs disk(scratch.path() / "disk", "size=8m,mode=0700");
  if (!disk.there()) {
    std::cout << "SKIP a_read_only_file_system_can_be_read: mounting a tmpfs: " << disk.why()
              << '\n';
    return;
  }
  log_in_scratch log(fsync_policy::os());
  log.options.dir = scratch.path() / "disk" / "log";
  log.open();
  const auto written = fill(log, 10, 100);
  log.crash();
  // A thread of the log's may still be closing its files.
  const auto deadline = std::chrono::steady_clock::now() + test::patience;
  while (!disk.make_read_only() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  BOOST_TEST(code_of([&] { log.open(); }).value() == EROFS);
  log.crash();
  log.options.access = access::read_only;
  BOOST_TEST(log.open().valid_records == 10u);
  BOOST_TEST((log.read_all() == written));
  log.close();
}

// Another process reads while the writer deletes, and uses the files again.
BOOST_AUTO_TEST_CASE(a_reader_in_another_process_is_told_of_deletion_and_not_of_damage) {
  log_in_scratch log;
  log.options.segment_bytes_max = small_segment;
  log.open();
  for (int i = 0; i < 150; ++i)
    log.append("key", std::string(1000, static_cast<char>('a' + i % 26)));
  BOOST_REQUIRE(log->current_position().segment_id >= 3);
  config how(log.options.dir);
  how.access = access::read_only;
  wal::opened beside = run(log.io, wal::open(how));
  read_options small;
  small.read_bytes = 4096;
  reader reading = beside.log.read_from(position{}, small);
  for (int i = 0; i < 3; ++i) BOOST_REQUIRE(run(log.io, reading.next()));
  run(log.io, log->delete_segments_before(log->current_position()));
  for (int i = 0; i < 200; ++i) log.append("new", std::string(1000, 'n'));
  std::size_t got = 3;
  const auto code = code_of([&] {
    while (run(log.io, reading.next())) ++got;
  });
  BOOST_TEST(code != make_error_code(errc::corruption));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
