// What the storages on real files promise about the system they run on.

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include <nori/error.hpp>

#include "storage/storage_test.hpp"

namespace data = boost::unit_test::data;
namespace fs = std::filesystem;

namespace nori::storage::test {
namespace {

// The code that a coroutine ends with; success when it does not throw.
template <typename Coroutine>
boost::system::error_code code_of(world& in, Coroutine coroutine) {
  try {
    in.run(std::move(coroutine));
  } catch (const boost::system::system_error& error) {
    BOOST_TEST_MESSAGE(error.what());
    return error.code();
  }
  return {};
}

boost::system::error_code system_code(int error) {
  return {error, boost::system::system_category()};
}

boost::system::error_code code_of_opening(const fs::path& dir, nori::backend backend,
                                          bool read_only = false) {
  world in;
  return code_of(
      in, [&]() -> asio::awaitable<void> { co_await open_in(dir, in.strand, backend, read_only); });
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

// Mounted on a directory of its own for as long as this lives.
class small_file_system {
 public:
  explicit small_file_system(const char* options, unsigned long flags = 0)
      : mounted_(::mount("nori-test", scratch.path().c_str(), "tmpfs", flags, options) == 0) {
    if (!mounted_) std::cout << "SKIP: can't mount a tmpfs: " << std::strerror(errno) << std::endl;
  }
  ~small_file_system() {
    if (mounted_) ::umount2(scratch.path().c_str(), MNT_DETACH);
  }
  small_file_system(const small_file_system&) = delete;
  small_file_system& operator=(const small_file_system&) = delete;
  explicit operator bool() const noexcept { return mounted_; }

  scratch_directory scratch;

 private:
  bool mounted_;
};

//  Children: this program again, running one disabled test case. What goes on between fork and exec
//  is safe whatever threads there are.

constexpr const char* child_dir_variable = "NORI_TEST_CHILD_DIR";

const char* child_dir() { return std::getenv(child_dir_variable); }

// Makes a system call fail with `error` in this process and in what it executes.
int refuse_system_call(unsigned number, int error) {
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 ? 0 : errno;
}

constexpr int child_could_not_start = 99;

// The wait status of this program's test case storage_children/`name`.
template <typename Before>
int run_child(const std::string& name, const fs::path& dir, Before before) {
  const std::string selected = "--run_test=storage_children/" + name;
  ::setenv(child_dir_variable, dir.c_str(), 1);
  const pid_t child = ::fork();
  if (child == 0) {
    if (before() != 0) ::_exit(child_could_not_start);
    ::execl("/proc/self/exe", "test_storage", selected.c_str(), "--report_level=no",
            "--log_level=error", nullptr);
    ::_exit(child_could_not_start);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::unsetenv(child_dir_variable);
  return status;
}

bool succeeded(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
bool could_not_start(int status) {
  if (!WIFEXITED(status) || WEXITSTATUS(status) != child_could_not_start) return false;
  std::cout << "SKIP: can't filter system calls here" << std::endl;
  return true;
}

const auto nothing_before = [] { return 0; };

}  // namespace

BOOST_AUTO_TEST_SUITE(posix)

BOOST_DATA_TEST_CASE(a_file_is_0600_and_the_directory_0700_whatever_the_umask,
                     data::make(real_subjects()), tried) {
  for (const mode_t mask : {mode_t{0}, mode_t{0777}, mode_t{022}}) {
    const scratch_directory scratch;
    const fs::path dir = scratch.path() / "log";
    const mode_t before = ::umask(mask);
    {
      world in;
      in.run([&]() -> asio::awaitable<void> {
        const auto on = co_await tried.open(dir, in.strand);
        co_await on->open("file", open_mode::create);
        co_await on->map_ring("staging", 65536);
        co_await on->lock("lock");
      });
    }
    ::umask(before);
    struct stat found{};
    BOOST_TEST_REQUIRE(::stat(dir.c_str(), &found) == 0);
    BOOST_TEST((found.st_mode & 07777) == 0700U);
    for (const char* name : {"file", "staging", "lock"}) {
      BOOST_TEST_REQUIRE(::stat((dir / name).c_str(), &found) == 0);
      BOOST_TEST((found.st_mode & 07777) == 0600U);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_directory_that_others_may_write_to_is_refused) {
  const scratch_directory scratch;
  for (unsigned mode = 0; mode <= 01777; ++mode) {
    // As the owner, who needs these, also when not root.
    if ((mode & 0700) != 0700) continue;
    BOOST_TEST_REQUIRE(::chmod(scratch.path().c_str(), mode) == 0);
    const bool insecure = (mode & 022) != 0;
    const auto code = code_of_opening(scratch.path(), nori::backend::threads);
    BOOST_TEST((code == errc::insecure_directory) == insecure, "mode " << std::oct << mode);
    BOOST_TEST(!code == !insecure, "mode " << std::oct << mode);
  }
  ::chmod(scratch.path().c_str(), 0700);
  if (::geteuid() != 0) {
    std::cout << "SKIP: a directory of another user needs root" << std::endl;
    return;
  }
  BOOST_TEST_REQUIRE(::chown(scratch.path().c_str(), 65534, 65534) == 0);
  BOOST_TEST((code_of_opening(scratch.path(), nori::backend::threads) == errc::insecure_directory));
  BOOST_TEST(!code_of_opening(scratch.path(), nori::backend::threads, true));
}

BOOST_DATA_TEST_CASE(nothing_but_a_regular_file_is_opened, data::make(real_subjects()), tried) {
  opened_world in(tried);
  const fs::path dir = in.scratch.path();
  in.open("file", open_mode::create);
  fs::create_symlink("file", dir / "link");
  fs::create_symlink("missing", dir / "dangling");
  fs::create_symlink("/etc/passwd", dir / "out");
  fs::create_directory(dir / "directory");
  BOOST_TEST_REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);

  for (const char* name : {"link", "dangling", "out", "directory", "fifo"}) {
    for (const open_mode mode :
         {open_mode::read, open_mode::read_direct, open_mode::write, open_mode::create}) {
      const auto code =
          code_of(in, [&]() -> asio::awaitable<void> { co_await in.on->open(name, mode); });
      BOOST_TEST(code.failed(), name);
    }
    BOOST_TEST(code_of(in, [&]() -> asio::awaitable<void> {
                 co_await in.on->map_ring(name, 65536);
               }).failed());
    BOOST_TEST(
        code_of(in, [&]() -> asio::awaitable<void> { co_await in.on->lock(name); }).failed());
  }
  BOOST_TEST(!fs::exists(dir / "missing"));

  std::vector<directory_entry> entries;
  in.run([&]() -> asio::awaitable<void> { entries = co_await in.on->list(); });
  BOOST_TEST(entries.size() == 6U);
  for (const auto& each : entries) BOOST_TEST(each.regular == (each.name == "file"), each.name);
}

BOOST_DATA_TEST_CASE(nothing_is_changed_when_opened_for_reading, data::make(real_subjects()),
                     tried) {
  const nori::backend backend =
      tried.name == "uring" ? nori::backend::uring : nori::backend::threads;
  const scratch_directory scratch;
  BOOST_TEST((code_of_opening(scratch.path() / "missing", backend, true) == system_code(ENOENT)));
  BOOST_TEST(!fs::exists(scratch.path() / "missing"));

  std::ofstream(scratch.path() / "file") << "text";
  world in;
  std::shared_ptr<storage> on;
  file_ptr file;
  in.run([&]() -> asio::awaitable<void> {
    on = co_await open_in(scratch.path(), in.strand, backend, true);
    file = co_await on->open("file", open_mode::read);
  });
  const auto is_refused = [&](auto coroutine) {
    const auto code = code_of(in, std::move(coroutine));
    return code == errc::read_only;
  };
  BOOST_TEST(
      is_refused([&]() -> asio::awaitable<void> { co_await on->open("file", open_mode::write); }));
  BOOST_TEST(
      is_refused([&]() -> asio::awaitable<void> { co_await on->open("new", open_mode::create); }));
  BOOST_TEST(is_refused([&]() -> asio::awaitable<void> { co_await on->allocate(file, 0, 4096); }));
  BOOST_TEST(is_refused([&]() -> asio::awaitable<void> { co_await on->truncate(file, 0); }));
  BOOST_TEST(is_refused([&]() -> asio::awaitable<void> { co_await on->rename("file", "other"); }));
  BOOST_TEST(is_refused([&]() -> asio::awaitable<void> { co_await on->remove("file"); }));
  BOOST_TEST(is_refused([&]() -> asio::awaitable<void> { co_await on->map_ring("ring", 65536); }));
  BOOST_TEST(is_refused([&]() -> asio::awaitable<void> { co_await on->lock("lock"); }));

  std::array<char, 16> found{};
  std::size_t got = 0;
  std::vector<directory_entry> entries;
  in.run([&]() -> asio::awaitable<void> {
    got = co_await read_at(*on, file, 0, found.data(), found.size(), "file");
    entries = co_await on->list();
    co_await on->map_ring("", 65536);
  });
  BOOST_TEST(std::string_view(found.data(), got) == "text");
  BOOST_TEST(entries.size() == 1U);
}

BOOST_DATA_TEST_CASE(a_read_only_file_system_can_be_read, data::make(real_subjects()), tried) {
  const nori::backend backend =
      tried.name == "uring" ? nori::backend::uring : nori::backend::threads;
  const small_file_system mounted("size=1m,mode=0700");
  if (!mounted) return;
  const fs::path dir = mounted.scratch.path();
  std::ofstream(dir / "file") << "text";
  BOOST_TEST_REQUIRE(::mount(nullptr, dir.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, "size=1m") ==
                     0);

  world in;
  for (const open_mode mode : {open_mode::read, open_mode::read_direct}) {
    aligned_memory found(block_bytes);
    std::size_t got = 0;
    in.run([&]() -> asio::awaitable<void> {
      const auto on = co_await open_in(dir, in.strand, backend, true);
      const file_ptr file = co_await on->open("file", mode);
      got = co_await read_at(*on, file, 0, found.data(), found.size(), "file");
    });
    BOOST_TEST(got == 4U);
  }
  BOOST_TEST((code_of_opening(dir / "new", backend) == system_code(EROFS)));
  BOOST_TEST((code_of(in, [&]() -> asio::awaitable<void> {
                const auto on = co_await open_in(dir, in.strand, backend);
                co_await on->open("new", open_mode::create);
              }) == system_code(EROFS)));
}

BOOST_DATA_TEST_CASE(a_full_file_system_is_an_error_and_leaves_the_file_usable,
                     data::make(real_subjects()), tried) {
  const small_file_system mounted("size=1m,mode=0700");
  if (!mounted) return;
  const fs::path dir = mounted.scratch.path();
  world in;
  std::shared_ptr<storage> on;
  file_ptr file;
  aligned_memory memory(block_bytes, std::byte{5});
  in.run([&]() -> asio::awaitable<void> {
    on = co_await tried.open(dir, in.strand);
    file = co_await on->open("file", open_mode::create);
    co_await write_at(*on, file, 0, memory.data(), memory.size(), true, "file");
  });
  const auto size = [&] {
    std::uint64_t bytes = 0;
    in.run([&]() -> asio::awaitable<void> { bytes = co_await on->size(file); });
    return bytes;
  };
  BOOST_TEST((code_of(in, [&]() -> asio::awaitable<void> {
                co_await on->allocate(file, 0, 2 << 20);
              }) == system_code(ENOSPC)));
  BOOST_TEST(size() == block_bytes);
  // Not as a signal from the first store into it.
  BOOST_TEST((code_of(in, [&]() -> asio::awaitable<void> {
                co_await on->map_ring("staging", 2 << 20);
              }) == system_code(ENOSPC)));
  in.run([&]() -> asio::awaitable<void> {
    co_await on->remove("staging");
    co_await on->allocate(file, 0, 512 << 10);
    co_await write_at(*on, file, 256 << 10, memory.data(), memory.size(), true, "file");
  });
  BOOST_TEST(size() == 512U << 10);
  aligned_memory much(2 << 20);
  BOOST_TEST((code_of(in, [&]() -> asio::awaitable<void> {
                co_await write_at(*on, file, 0, much.data(), much.size(), false, "file");
              }) == system_code(ENOSPC)));
}

BOOST_DATA_TEST_CASE(the_file_size_limit_is_an_error_and_no_signal, data::make(real_subjects()),
                     tried) {
  opened_world in(tried);
  const file_ptr file = in.open("file", open_mode::create);
  rlimit before{};
  BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit low{1 << 20, before.rlim_max};
  BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &low) == 0);
  const auto allocating =
      code_of(in, [&]() -> asio::awaitable<void> { co_await in.on->allocate(file, 0, 2 << 20); });
  const auto mapping =
      code_of(in, [&]() -> asio::awaitable<void> { co_await in.on->map_ring("staging", 2 << 20); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  BOOST_TEST((allocating == system_code(EFBIG)));
  BOOST_TEST((mapping == system_code(EFBIG)));
}

BOOST_DATA_TEST_CASE(no_descriptor_is_left_open, data::make(real_subjects()), tried) {
  const auto round = [&] {
    opened_world in(tried);
    aligned_memory memory(block_bytes);
    in.run([&]() -> asio::awaitable<void> {
      const file_ptr file = co_await in.on->open("file", open_mode::create);
      co_await write_at(*in.on, file, 0, memory.data(), memory.size(), true, "file");
      co_await in.on->map_ring("staging", 65536);
      co_await in.on->map_ring("", 65536);
      co_await in.on->lock("lock");
      co_await in.on->list();
    });
    code_of(in, [&]() -> asio::awaitable<void> { co_await in.on->lock(".."); });
    // Outlives the storage and its context.
    return in.open("file", open_mode::read_direct);
  };
  static_cast<void>(round());
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 5; ++i) static_cast<void>(round());
  BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(ring_memory_survives_a_killed_process) {
  const scratch_directory scratch;
  const int status = run_child("fill_ring_and_die", scratch.path(), nothing_before);
  BOOST_TEST_REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  std::ifstream in(scratch.path() / "staging", std::ios::binary);
  const std::string found((std::istreambuf_iterator<char>(in)), {});
  BOOST_TEST(found.size() == 65536U);
  BOOST_TEST(static_cast<std::size_t>(std::count(found.begin(), found.end(), 'x')) == found.size());
}

BOOST_DATA_TEST_CASE(the_lock_goes_with_a_killed_process, data::make(real_subjects()), tried) {
  opened_world in(tried);
  const int status = run_child("fill_ring_and_die", in.scratch.path(), nothing_before);
  BOOST_TEST_REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  bool got = false;
  in.run([&]() -> asio::awaitable<void> { got = co_await in.on->lock("lock"); });
  BOOST_TEST(got);
  const int other = run_child("find_locked", in.scratch.path(), nothing_before);
  BOOST_TEST(succeeded(other));
}

BOOST_AUTO_TEST_CASE(where_io_uring_is_refused_automatic_takes_threads) {
  for (const unsigned call : {SYS_io_uring_setup, SYS_io_uring_enter}) {
    for (const int error : {EPERM, ENOSYS, ENOMEM}) {
      const scratch_directory scratch;
      const int status = run_child("do_without_uring", scratch.path(),
                                   [&] { return refuse_system_call(call, error); });
      if (could_not_start(status)) return;
      BOOST_TEST(succeeded(status), "call " << call << " error " << error);
    }
  }
}

BOOST_AUTO_TEST_CASE(where_openat2_is_refused_symbolic_links_still_are) {
  for (const int error : {EPERM, ENOSYS}) {
    const scratch_directory scratch;
    const int status = run_child("do_without_openat2", scratch.path(),
                                 [&] { return refuse_system_call(SYS_openat2, error); });
    if (could_not_start(status)) return;
    BOOST_TEST(succeeded(status), "error " << error);
  }
}

BOOST_AUTO_TEST_CASE(where_fallocate_is_refused_zeros_are_written) {
  const scratch_directory scratch;
  const int status = run_child("do_without_fallocate", scratch.path(),
                               [&] { return refuse_system_call(SYS_fallocate, EOPNOTSUPP); });
  if (could_not_start(status)) return;
  BOOST_TEST(succeeded(status));
}

BOOST_AUTO_TEST_CASE(a_ring_that_the_kernel_refuses_for_a_while_loses_nothing) {
  if (std::system("strace -f -o /dev/null true >/dev/null 2>&1") != 0) {
    std::cout << "SKIP: strace is missing, or may not trace" << std::endl;
    return;
  }
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  for (const char* error : {"EINTR", "EAGAIN", "EBUSY"}) {
    const scratch_directory scratch;
    // Leaks can't be looked for under a tracer.
    const std::string command =
        std::string(child_dir_variable) + "='" + scratch.path().string() +
        "' ASAN_OPTIONS=detect_leaks=0 strace -f -o /dev/null -e trace=io_uring_enter" +
        " -e inject=io_uring_enter:error=" + error + ":when=3+3 '" + self +
        "' --run_test=storage_children/use_a_refusing_ring --report_level=no";
    BOOST_TEST(std::system(command.c_str()) == 0, error);
  }
}

BOOST_AUTO_TEST_SUITE_END()

// Run by the tests above, each in a process of its own.
BOOST_AUTO_TEST_SUITE(storage_children, *boost::unit_test::disabled())

BOOST_AUTO_TEST_CASE(fill_ring_and_die) {
  BOOST_TEST_REQUIRE(child_dir() != nullptr);
  world in;
  in.run([&]() -> asio::awaitable<void> {
    const auto on = co_await open_in(child_dir(), in.strand, nori::backend::automatic);
    co_await on->lock("lock");
    const auto ring = co_await on->map_ring("staging", 65536);
    std::fill_n(ring->data() + 65000, 65536, std::byte{'x'});
    ::raise(SIGKILL);
  });
}

BOOST_AUTO_TEST_CASE(find_locked) {
  BOOST_TEST_REQUIRE(child_dir() != nullptr);
  world in;
  bool got = true;
  in.run([&]() -> asio::awaitable<void> {
    const auto on = co_await open_in(child_dir(), in.strand, nori::backend::automatic);
    got = co_await on->lock("lock");
  });
  BOOST_TEST(!got);
}

BOOST_AUTO_TEST_CASE(do_without_uring) {
  BOOST_TEST_REQUIRE(child_dir() != nullptr);
  BOOST_TEST((code_of_opening(child_dir(), nori::backend::uring) == errc::backend_unavailable));
  world in;
  in.run([&]() -> asio::awaitable<void> {
    const auto on = co_await open_in(child_dir(), in.strand, nori::backend::automatic);
    BOOST_TEST((on->which() == nori::backend::threads));
    aligned_memory memory(block_bytes);
    const file_ptr file = co_await on->open("file", open_mode::create);
    co_await write_at(*on, file, 0, memory.data(), memory.size(), true, "file");
  });
}

BOOST_AUTO_TEST_CASE(do_without_openat2) {
  BOOST_TEST_REQUIRE(child_dir() != nullptr);
  fs::create_symlink("file", fs::path(child_dir()) / "link");
  world in;
  std::shared_ptr<storage> on;
  in.run([&]() -> asio::awaitable<void> {
    on = co_await open_in(child_dir(), in.strand, nori::backend::automatic);
    co_await on->open("file", open_mode::create);
    co_await on->open("file", open_mode::write);
  });
  const auto code =
      code_of(in, [&]() -> asio::awaitable<void> { co_await on->open("link", open_mode::read); });
  BOOST_TEST((code == system_code(ELOOP)));
}

BOOST_AUTO_TEST_CASE(do_without_fallocate) {
  BOOST_TEST_REQUIRE(child_dir() != nullptr);
  world in;
  std::shared_ptr<storage> on;
  file_ptr file;
  constexpr std::size_t kept = block_bytes + 100;
  aligned_memory memory(2 * block_bytes, std::byte{3});
  std::vector<std::byte> found((3 << 20) + 1);
  std::size_t got = 0;
  std::uint64_t size = 0;
  in.run([&]() -> asio::awaitable<void> {
    on = co_await open_in(child_dir(), in.strand, nori::backend::automatic);
    file = co_await on->open("file", open_mode::create);
    co_await write_at(*on, file, 0, memory.data(), memory.size(), false, "file");
    co_await on->truncate(file, kept);
    co_await on->allocate(file, 0, 3 << 20);
    co_await on->allocate(file, 0, block_bytes);
    size = co_await on->size(file);
    const file_ptr plain = co_await on->open("file", open_mode::read);
    got = co_await read_at(*on, plain, 0, found.data(), found.size(), "file");
  });
  BOOST_TEST(size == 3U << 20);
  BOOST_TEST(got == 3U << 20);
  BOOST_TEST(std::count(found.begin(), found.begin() + kept, std::byte{3}) ==
             static_cast<int>(kept));
  BOOST_TEST(std::count(found.begin() + kept, found.begin() + (3 << 20), std::byte{0}) ==
             static_cast<int>((3 << 20) - kept));
  struct stat written{};
  BOOST_TEST_REQUIRE(::stat((fs::path(child_dir()) / "file").c_str(), &written) == 0);
  // Not a hole, but for the rest of the block in which the file ended.
  BOOST_TEST(written.st_blocks * 512 >= (3 << 20) - static_cast<int>(block_bytes));
}

BOOST_AUTO_TEST_CASE(use_a_refusing_ring) {
  BOOST_TEST_REQUIRE(child_dir() != nullptr);
  world in;
  std::size_t right = 0;
  in.run([&]() -> asio::awaitable<void> {
    const auto on = co_await open_in(child_dir(), in.strand, nori::backend::uring);
    const file_ptr file = co_await on->open("file", open_mode::create);
    aligned_memory memory(block_bytes);
    aligned_memory found(block_bytes);
    for (int i = 0; i < 100; ++i) {
      std::fill(memory.begin(), memory.end(), static_cast<std::byte>(i));
      co_await write_at(*on, file, 0, memory.data(), memory.size(), i % 2 == 0, "file");
      co_await read_at(*on, file, 0, found.data(), found.size(), "file");
      if (std::equal(memory.begin(), memory.end(), found.begin())) ++right;
    }
  });
  BOOST_TEST(right == 100U);
}

BOOST_DATA_TEST_CASE(read_cached_gives_what_the_kernel_would_give_at_once,
                     data::make(real_subjects()), tried) {
  opened_world in(tried);
  std::vector<std::byte> found(4 * block_bytes);
  std::ofstream(in.scratch.path() / "file") << std::string(3 * block_bytes, 'x');
  const file_ptr file = in.open("file", open_mode::read);
  const int fd = ::open((in.scratch.path() / "file").c_str(), O_RDONLY | O_CLOEXEC);
  BOOST_TEST_REQUIRE(fd >= 0);
  const iovec piece{found.data(), found.size()};
  const ssize_t expected = ::preadv2(fd, &piece, 1, 0, RWF_NOWAIT);
  ::close(fd);
  const std::size_t got = in.on->read_cached(file, 0, found.data(), found.size());
  // Just written, so in the cache, unless the file system can't tell.
  BOOST_TEST(static_cast<ssize_t>(got) == std::max<ssize_t>(expected, 0));
  if (got == 0) std::cout << "SKIP: no RWF_NOWAIT on this file system" << std::endl;
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::storage::test
