#include "auth.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace account_server {

namespace {

constexpr std::size_t token_bytes_min = 16;
constexpr std::size_t token_bytes_max = 256;

class descriptor {
 public:
  explicit descriptor(int fd) : fd_(fd) {}
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  throw std::system_error(errno, std::generic_category(), file.string() + ": " + what);
}

std::string random_token() {
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw std::runtime_error("there is no randomness for a token");
  }
  std::string token;
  for (const unsigned char each : bytes) {
    token += "0123456789abcdef"[each >> 4];
    token += "0123456789abcdef"[each & 15];
  }
  return token;
}

// False where the file is there already.
bool create(const std::filesystem::path& file) {
  const descriptor made(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (made.get() < 0) {
    if (errno == EEXIST) return false;
    fail(file, "can't be created");
  }
  const std::string line = random_token() + '\n';
  if (::write(made.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      ::fsync(made.get()) != 0) {
    fail(file, "can't be written");
  }
  return true;
}

}  // namespace

std::string load_token(const std::filesystem::path& file) {
  (void)create(file);
  const descriptor in(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (in.get() < 0) fail(file, "can't be opened");
  struct stat about{};
  if (::fstat(in.get(), &about) != 0) fail(file, "can't be looked at");
  if (!S_ISREG(about.st_mode)) throw std::runtime_error(file.string() + " is not a file");
  if (about.st_uid != ::geteuid()) {
    throw std::runtime_error(file.string() + " belongs to another user");
  }
  if ((about.st_mode & 077) != 0) {
    throw std::runtime_error(file.string() + " can be read by others: chmod 600 it, or remove it " +
                             "and have a new token made");
  }
  std::array<char, token_bytes_max + 2> bytes{};
  const ssize_t count = ::read(in.get(), bytes.data(), bytes.size());
  if (count < 0) fail(file, "can't be read");
  std::string token(bytes.data(), static_cast<std::size_t>(count));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  const bool printable =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (token.size() < token_bytes_min || token.size() > token_bytes_max || !printable) {
    throw std::runtime_error(file.string() + " is to hold a token of 16 to 256 characters");
  }
  return token;
}

bool is_authorized(const request& asked, std::string_view token) {
  constexpr std::string_view scheme = "Bearer ";
  if (asked.count(http::field::authorization) != 1) return false;
  const auto field = asked[http::field::authorization];
  const std::string_view given(field.data(), field.size());
  // The length of the token is no secret; which of its characters are right must not be told by
  // how long looking at them takes.
  return beast::iequals(field.substr(0, scheme.size()), scheme) &&
         given.size() == scheme.size() + token.size() &&
         CRYPTO_memcmp(given.data() + scheme.size(), token.data(), token.size()) == 0;
}

}  // namespace account_server
