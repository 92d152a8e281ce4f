#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <string_view>
#include <vector>

#include "status.hpp"

namespace nori::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view retired_heads = "retired-heads.index";
constexpr std::size_t copied_at_once = std::size_t{1} << 20;

class descriptor {
 public:
  descriptor(const fs::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {
    if (fd_ < 0) fail("open", path);
  }
  ~descriptor() { ::close(fd_); }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  [[nodiscard]] int get() const noexcept { return fd_; }

  [[noreturn]] static void fail(const std::string& call, const fs::path& path) {
    throw boost::system::system_error(
        boost::system::error_code(errno, boost::system::system_category()),
        call + " " + path.string());
  }

 private:
  const int fd_;
};

void sync_directory_of(const fs::path& file) {
  const descriptor dir(file.parent_path().empty() ? fs::path(".") : file.parent_path(),
                       O_RDONLY | O_DIRECTORY);
  // XFS that shut itself down says success to the sync, and refuses to tell attributes.
  struct stat ignored{};
  if (::fsync(dir.get()) != 0 || ::fstat(dir.get(), &ignored) != 0) {
    descriptor::fail("sync", file.parent_path());
  }
}

template <typename Which>
std::vector<std::string> names_in(const fs::path& dir, Which which) {
  std::vector<std::string> names;
  for (const auto& each : fs::directory_iterator(dir)) {
    const std::string name = each.path().filename().string();
    if (each.is_regular_file() && which(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::vector<std::string> kept_beside(const fs::path& dir) {
  return names_in(dir, [](const std::string& name) {
    return name == retired_heads ||
           ((name.starts_with("checkpoint-") || name.starts_with("projection-")) &&
            !name.ends_with(".tmp"));
  });
}

std::vector<std::string> index_files(const fs::path& dir) {
  return names_in(dir, [](const std::string& name) {
    return name.ends_with(".index") && name != retired_heads;
  });
}

bool has_segments(const fs::path& dir) {
  std::error_code ignored;
  for (fs::directory_iterator at(dir, ignored), end; at != end; at.increment(ignored)) {
    if (at->path().extension() == ".segment") return true;
  }
  return false;
}

void copy_durably(const fs::path& from, const fs::path& to) {
  const fs::path tmp = to.string() + ".tmp";
  {
    const descriptor source(from, O_RDONLY | O_NOFOLLOW);
    const descriptor target(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    std::vector<char> piece(copied_at_once);
    for (;;) {
      const ssize_t got = ::read(source.get(), piece.data(), piece.size());
      if (got < 0) descriptor::fail("read", from);
      if (got == 0) break;
      for (ssize_t at = 0; at < got;) {
        const ssize_t put =
            ::write(target.get(), piece.data() + at, static_cast<std::size_t>(got - at));
        if (put < 0) descriptor::fail("write", tmp);
        at += put;
      }
    }
    if (::fsync(target.get()) != 0) descriptor::fail("sync", tmp);
  }
  if (::rename(tmp.c_str(), to.c_str()) != 0) descriptor::fail("rename", tmp);
  sync_directory_of(to);
}

void check_new(const std::string& dir, const std::string& what_for) {
  std::error_code error;
  const fs::file_status found = fs::status(dir, error);
  if (found.type() == fs::file_type::not_found) return;
  if (found.type() != fs::file_type::directory || !fs::is_empty(dir)) {
    throw stop(status_usage, dir + " is there already, and not empty",
               "name a directory that does not exist yet " + what_for);
  }
}

void make_directory(const fs::path& dir) {
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) descriptor::fail("mkdir", dir);
}

}  // namespace nori::cli
