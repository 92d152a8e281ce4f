#ifndef NORI_STORAGE_POSIX_FILE_HPP
#define NORI_STORAGE_POSIX_FILE_HPP

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "storage/storage.hpp"
#include "storage/workers.hpp"

namespace nori::storage {

/// An open descriptor, closed when dropped.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~unique_fd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept {
    if (const int before = std::exchange(fd_, fd); before >= 0) ::close(before);
  }

 private:
  int fd_ = -1;
};

struct opened_file {
  unique_fd fd;
  bool direct = false;
};

/// A file of the uring and the threads storage.
class posix_file final : public file {
 public:
  posix_file(opened_file opened, std::string name, std::shared_ptr<workers> closing)
      : direct_(opened.direct),
        name_(std::move(name)),
        closing_(std::move(closing)),
        descriptor_(std::make_unique<descriptor>(std::move(opened.fd))) {}

  // Closing the last descriptor of a removed file frees its blocks, which takes milliseconds.
  ~posix_file() override {
    descriptor* const closes_itself = descriptor_.release();
    if (!closing_->submit(*closes_itself)) closes_itself->run();
  }

  [[nodiscard]] bool direct() const noexcept override { return direct_; }
  [[nodiscard]] int fd() const noexcept { return descriptor_->fd.get(); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// What `of` is, of these two storages.
  [[nodiscard]] static posix_file& from(file& of) noexcept { return static_cast<posix_file&>(of); }

 private:
  // Allocated with the file, so that closing can't fail.
  struct descriptor final : job {
    explicit descriptor(unique_fd of) noexcept : fd(std::move(of)) {}
    void run() noexcept override { delete this; }
    void drop() noexcept override { delete this; }
    unique_fd fd;
  };

  bool direct_;
  std::string name_;
  std::shared_ptr<workers> closing_;
  std::unique_ptr<descriptor> descriptor_;
};

}  // namespace nori::storage

#endif
