#include "storage/directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include <nori/error.hpp>

#include "format/frame.hpp"
#include "storage/lock_holder.hpp"

namespace nori::storage {

namespace {

// Alignment of direct I/O: memory, offset and length.
constexpr std::size_t block_bytes = format::block_bytes;

struct alignas(block_bytes) block {
  std::array<std::byte, block_bytes> bytes{};
};

// A call that a signal may interrupt.
template <typename Call>
auto again(Call call) noexcept {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

bool is_plain_name(std::string_view name) noexcept {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

void check_name(std::string_view call, std::string_view name) {
  if (!is_plain_name(name)) throw_errno(EINVAL, call, name);
}

constexpr std::uint64_t round_up(std::uint64_t bytes) noexcept {
  return (bytes + block_bytes - 1) / block_bytes * block_bytes;
}

// Syncs the entries of a directory. 0, or an error.
int sync_entries(int fd) noexcept {
  if (::fsync(fd) != 0) return errno;
  // XFS that shut itself down (its journal could not be written) has dropped what had changed, and
  // says success: nothing is left to be synced. It refuses to tell attributes then.
  struct stat ignored{};
  return ::fstat(fd, &ignored) == 0 ? 0 : errno;
}

unique_fd open_directory(const std::filesystem::path& dir, bool read_only) {
  const std::string path = dir.empty() ? "." : dir.string();
  bool created = false;
  if (!read_only) {
    created = ::mkdir(path.c_str(), 0700) == 0;
    // EROFS and the like are told by what comes next, unless the directory is there.
    if (!created && errno == ENOENT) throw_errno(errno, "mkdir", path);
  }
  const int mkdir_error = errno;
  unique_fd opened(again([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!opened) {
    const bool refused = !created && !read_only && errno == ENOENT;
    throw_errno(refused ? mkdir_error : errno, refused ? "mkdir" : "open", path);
  }
  if (created) {
    // Whatever the umask says.
    if (::fchmod(opened.get(), 0700) != 0) throw_errno(errno, "chmod", path);
    // Otherwise a power cut may take the directory along, with all that was acknowledged in it.
    const unique_fd parent(::openat(opened.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const int error = parent ? sync_entries(parent.get()) : 0;
    if (error != 0 && error != EINVAL) throw_errno(error, "sync the parent of", path);
  }
  return opened;
}

void check_owner(int fd, bool read_only, const std::string& path) {
  struct stat found{};
  if (::fstat(fd, &found) != 0) throw_errno(errno, "stat", path);
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw_error(errc::insecure_directory, "group or others may write to " + path +
                                              ": run chmod go-w on it, or choose another");
  }
  // Who owns the directory may swap the files in it at any time.
  if (!read_only && found.st_uid != ::geteuid() && found.st_uid != 0) {
    throw_error(errc::insecure_directory, path + " belongs to user " +
                                              std::to_string(found.st_uid) +
                                              ": run chown on it, or run as that user");
  }
}

}  // namespace

void throw_errno(int error, std::string_view call, std::string_view name) {
  std::string what(call);
  what += ' ';
  what += name;
  throw boost::system::system_error(
      boost::system::error_code(error, boost::system::system_category()), what);
}

directory::directory(const std::filesystem::path& dir, bool read_only)
    : self_(open_directory(dir, read_only)), read_only_(read_only) {
  check_owner(self_.get(), read_only, dir.empty() ? "." : dir.string());
}

void directory::check_writable(std::string_view call, std::string_view name) const {
  if (read_only_) {
    std::string what(call);
    what += ' ';
    what += name;
    throw_error(errc::read_only, what + ": opened for reading only");
  }
}

unique_fd directory::try_open(const std::string& name, int flags) const noexcept {
  // Not blocking on what only looks like a file: a FIFO would wait for its other end.
  flags |= O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.mode = (flags & O_CREAT) != 0 ? 0600 : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: something was renamed meanwhile, the kernel could not be sure.
  for (int tries = 0; tries < 64; ++tries) {
    const long fd = ::syscall(SYS_openat2, self_.get(), name.c_str(), &how, sizeof how);
    if (fd >= 0) return unique_fd(static_cast<int>(fd));
    if (errno != EINTR && errno != EAGAIN) break;
  }
  // A name without "/" can't leave the directory; the last component is all there is to follow.
  if (errno == ENOSYS || errno == EPERM) {
    return unique_fd(
        again([&] { return ::openat(self_.get(), name.c_str(), flags, mode_t{0600}); }));
  }
  return {};
}

namespace {

// Clears O_NONBLOCK, with which a ring would give EAGAIN instead of waiting for the device.
void accept_regular(const unique_fd& fd, bool created, const std::string& name) {
  struct stat found{};
  if (::fstat(fd.get(), &found) != 0) throw_errno(errno, "stat", name);
  if (!S_ISREG(found.st_mode)) throw_errno(EINVAL, "open (not a regular file)", name);
  // Whatever the umask says.
  if (created && (found.st_mode & 0777) != 0600 && ::fchmod(fd.get(), 0600) != 0) {
    throw_errno(errno, "chmod", name);
  }
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    throw_errno(errno, "fcntl", name);
  }
}

}  // namespace

// Tries, because some file systems take the flag and then refuse the I/O.
bool directory::make_direct(int fd, bool writes, const std::string& name) {
  if (direct_io_ == answer::refused) return false;
  const int plain = ::fcntl(fd, F_GETFL);
  if (plain < 0) throw_errno(errno, "fcntl", name);
  if (::fcntl(fd, F_SETFL, plain | O_DIRECT) != 0) {
    direct_io_ = answer::refused;
    return false;
  }
  if (direct_io_ == answer::works) return true;

  block probe;
  bool works = false;
  bool refused = false;
  if (size_of(fd, name) != 0) {
    works = again([&] { return ::pread(fd, &probe, sizeof probe, 0); }) >= 0;
    refused = !works && errno == EINVAL;
  } else if (writes) {
    works = again([&] { return ::pwrite(fd, &probe, sizeof probe, 0); }) == sizeof probe;
    refused = !works && errno == EINVAL;
    truncate(fd, 0, name);
  }
  // Otherwise (an empty file, a full disk) the next file is asked.
  if (works) direct_io_ = answer::works;
  if (refused) direct_io_ = answer::refused;
  if (!works && ::fcntl(fd, F_SETFL, plain) != 0) throw_errno(errno, "fcntl", name);
  return works;
}

opened_file directory::open(const std::string& name, open_mode mode) {
  check_name("open", name);
  const bool writes = mode == open_mode::write || mode == open_mode::create;
  const bool creates = mode == open_mode::create;
  if (writes) check_writable("open", name);
  const int flags = (writes ? O_RDWR : O_RDONLY) | (creates ? O_CREAT | O_EXCL : 0);

  opened_file opened{try_open(name, flags), false};
  if (!opened.fd) throw_errno(errno, creates ? "create" : "open", name);
  accept_regular(opened.fd, creates, name);

  if (mode == open_mode::read) {
    // Advice: what becomes of it does not matter.
    static_cast<void>(::posix_fadvise(opened.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL));
    return opened;
  }
  opened.direct = make_direct(opened.fd.get(), writes, name);
  if (mode == open_mode::read_direct && !opened.direct) {
    // What was written stays in the cache until it is clean; what is clean goes.
    static_cast<void>(::posix_fadvise(opened.fd.get(), 0, 0, POSIX_FADV_DONTNEED));
  }
  return opened;
}

unique_fd directory::open_or_create(const std::string& name) const {
  check_name("open", name);
  check_writable("open", name);
  unique_fd fd = try_open(name, O_RDWR | O_CREAT | O_EXCL);
  const bool created = static_cast<bool>(fd);
  if (!created && errno == EEXIST) fd = try_open(name, O_RDWR);
  if (!fd) throw_errno(errno, "open", name);
  accept_regular(fd, created, name);
  return fd;
}

void directory::rename(const std::string& from, const std::string& to) const {
  check_name("rename", from);
  check_name("rename to", to);
  check_writable("rename", from);
  if (::renameat(self_.get(), from.c_str(), self_.get(), to.c_str()) != 0) {
    throw_errno(errno, "rename", from + " to " + to);
  }
}

void directory::remove(const std::string& name) const {
  check_name("remove", name);
  check_writable("remove", name);
  if (::unlinkat(self_.get(), name.c_str(), 0) != 0) throw_errno(errno, "remove", name);
}

void directory::sync() const {
  if (const int error = sync_entries(self_.get()); error != 0) {
    throw_errno(error, "sync", "the directory");
  }
}

std::vector<directory_entry> directory::list() const {
  // A descriptor of its own: its read position is not shared.
  const int fd = ::openat(self_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_errno(errno, "open", "the directory");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), &::closedir);
  if (!stream) {
    const int error = errno;
    ::close(fd);
    throw_errno(error, "list", "the directory");
  }
  std::vector<directory_entry> entries;
  while (true) {
    errno = 0;
    const dirent* const next = ::readdir(stream.get());
    if (next == nullptr) break;
    const std::string_view name = next->d_name;
    if (name == "." || name == "..") continue;
    struct stat found{};
    if (::fstatat(self_.get(), next->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // removed meanwhile
      throw_errno(errno, "stat", name);
    }
    entries.push_back(
        {std::string(name), static_cast<std::uint64_t>(found.st_size), S_ISREG(found.st_mode)});
  }
  if (errno != 0) throw_errno(errno, "list", "the directory");
  return entries;
}

namespace {

// A holder that was killed keeps the lock until its last write has landed: see io_backend::hold.
constexpr auto ended_holder_patience = std::chrono::seconds(10);
constexpr auto ended_holder_poll = std::chrono::milliseconds(1);

}  // namespace

bool directory::lock(const std::string& name) {
  const auto patience_ends = std::chrono::steady_clock::now() + ended_holder_patience;
  // Whoever removes the file lets a second opener lock a new one: what was locked must still be
  // what has the name.
  while (true) {
    unique_fd fd = open_or_create(name);
    if (again([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) throw_errno(errno, "lock", name);
      if (!lock_holder_has_ended(fd.get()) || std::chrono::steady_clock::now() > patience_ends) {
        return false;
      }
      std::this_thread::sleep_for(ended_holder_poll);
      continue;
    }
    struct stat locked{};
    struct stat named{};
    if (::fstat(fd.get(), &locked) != 0) throw_errno(errno, "stat", name);
    if (::fstatat(self_.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        named.st_dev == locked.st_dev && named.st_ino == locked.st_ino) {
      name_lock_holder(fd.get());
      lock_ = std::move(fd);
      return true;
    }
  }
}

void directory::unlock() noexcept {
  // Said aloud: a ring or a forked child may hold the description as well.
  if (lock_.get() >= 0) ::flock(lock_.get(), LOCK_UN);
  lock_.reset();
}

std::uint64_t size_of(int fd, std::string_view name) {
  struct stat found{};
  if (::fstat(fd, &found) != 0) throw_errno(errno, "stat", name);
  return static_cast<std::uint64_t>(found.st_size);
}

std::size_t read_cached(int fd, std::uint64_t offset, void* to, std::size_t bytes) noexcept {
  std::size_t got = 0;
  while (got < bytes) {
    const iovec piece{static_cast<std::byte*>(to) + got, bytes - got};
    const ssize_t done = again(
        [&] { return ::preadv2(fd, &piece, 1, static_cast<off_t>(offset + got), RWF_NOWAIT); });
    // EAGAIN, or EOPNOTSUPP of a file system that can't tell; zero at the end.
    if (done <= 0) break;
    got += static_cast<std::size_t>(done);
  }
  return got;
}

void truncate(int fd, std::uint64_t bytes, std::string_view name) {
  if (again([&] { return ::ftruncate(fd, static_cast<off_t>(bytes)); }) != 0) {
    throw_errno(errno, "truncate", name);
  }
}

void write_zeros(int fd, std::uint64_t offset, std::uint64_t bytes, std::string_view name) {
  while (bytes != 0) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, zeros_bytes));
    const ssize_t done =
        again([&] { return ::pwrite(fd, zeros(), piece, static_cast<off_t>(offset)); });
    if (done <= 0) throw_errno(done < 0 ? errno : EIO, "fill with zeros", name);
    // Direct writes go on at whole blocks; the rest of a block is written again.
    const auto whole = static_cast<std::uint64_t>(done) / block_bytes * block_bytes;
    if (whole == 0) throw_errno(EIO, "fill with zeros", name);
    offset += whole;
    bytes -= whole;
  }
}

void allocate(int fd, std::uint64_t offset, std::uint64_t bytes, std::string_view name) {
  if (bytes == 0) return;
  const std::uint64_t size = size_of(fd, name);
  const std::uint64_t end = offset + bytes;
  try {
    if (again([&] {
          return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes));
        }) == 0) {
      return;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) throw_errno(errno, "allocate", name);
    // What lies before the file's end may be data, and stays.
    if (end <= size) return;
    const std::uint64_t from = round_up(size);
    if (from > size) truncate(fd, std::min(from, end), name);
    if (end > from) {
      write_zeros(fd, from, round_up(end) - from, name);
      truncate(fd, end, name);
    }
  } catch (const boost::system::system_error&) {
    // Gives back the blocks that it got; when that fails too, they are merely wasted.
    static_cast<void>(::ftruncate(fd, static_cast<off_t>(size)));
    throw;
  }
}

}  // namespace nori::storage
