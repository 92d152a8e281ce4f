// A file system that shuts itself down, as XFS does where its journal can't be written.

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <iostream>

#include "storage/storage_test.hpp"
#include "support/child_process.hpp"

namespace nori::storage::test {
namespace {

using nori::test::child_process;
using nori::test::child_program;
using nori::test::tell_parent;

constexpr int told_success = 1;
constexpr int skipped = 77;

bool succeeds(const std::string& command) {
  return std::system(("exec >/dev/null 2>&1 </dev/null; " + command).c_str()) == 0;
}

// An XFS in a namespace of this process's own: it goes with the process, and the loop device, too.
bool mount_xfs(const std::string& at) {
  const std::string image = at + "/image";
  const std::string disk = at + "/disk";
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", at.c_str(), "tmpfs", 0, "mode=0700") == 0 &&
         succeeds("truncate -s 320M '" + image + "' && mkfs.xfs -q '" + image + "' && mkdir '" +
                  disk + "' && mount -o loop '" + image + "' '" + disk + "'");
}

void shut_down(const std::string& mounted_at) {
  constexpr unsigned long shutdown_request = 0x8004587d;  // XFS_IOC_GOINGDOWN
  const std::uint32_t without_flushing = 2;
  const int fd = ::open(mounted_at.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int result = ::ioctl(fd, shutdown_request, &without_flushing);
  ::close(fd);
  if (result != 0) throw std::runtime_error("shutting a file system down");
}

const child_program syncs_entries("syncs_entries_of_a_lost_file_system", [](const auto& arguments) {
  const std::string& at = arguments.at(0);
  if (!mount_xfs(at)) {
    tell_parent("an XFS can't be made or mounted here");
    return skipped;
  }
  const std::string dir = at + "/disk/dir";
  world in;
  std::shared_ptr<storage> on;
  in.run([&]() -> asio::awaitable<void> {
    on = co_await open_in(dir, in.strand, nori::backend::threads);
    static_cast<void>(co_await on->open("new.tmp", open_mode::create));
    co_await on->sync_directory();
    co_await on->rename("new.tmp", "new");
  });
  shut_down(at + "/disk");
  int status = told_success;
  try {
    in.run([&]() -> asio::awaitable<void> { co_await on->sync_directory(); });
  } catch (const boost::system::system_error& error) {
    tell_parent(error.what());
    status = 0;
  }
  return status;
});

}  // namespace

BOOST_AUTO_TEST_SUITE(shut_down_file_systems)

// fsync of the directory succeeds there: the rename was dropped, so nothing is left to be written.
BOOST_AUTO_TEST_CASE(entries_that_xfs_has_dropped_are_not_taken_for_synced) {
  const scratch_directory scratch;
  child_process child("syncs_entries_of_a_lost_file_system", {scratch.path().string()});
  const std::string told = child.read_rest();
  const int status = child.wait();
  if (status == skipped) {
    std::cout << "SKIP: " << told << std::endl;
    return;
  }
  BOOST_TEST(status == 0, told);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::storage::test
