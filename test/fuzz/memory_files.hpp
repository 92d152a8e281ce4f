#ifndef NORI_TEST_FUZZ_MEMORY_FILES_HPP
#define NORI_TEST_FUZZ_MEMORY_FILES_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "storage/storage.hpp"

namespace nori::fuzz {

namespace asio = boost::asio;

/// A storage with one file, whatever its name, that lies in memory and can only be read. Counts
/// what is read, so that a loop over hostile bytes shows.
class memory_file final : public storage::storage {
 public:
  memory_file(asio::io_context& io, std::span<const std::byte> bytes) : io_(io), bytes_(bytes) {}

  [[nodiscard]] std::size_t reads() const noexcept { return reads_; }

  [[nodiscard]] nori::backend which() const noexcept override { return nori::backend::threads; }
  void start(nori::storage::io_request& first) noexcept override {
    nori::storage::io_request* next = nullptr;
    for (nori::storage::io_request* each = &first; each != nullptr; each = next) {
      next = each->next;
      each->next = nullptr;
      each->result = perform(*each);
      asio::post(io_, [each] { each->complete(*each); });
    }
  }
  [[nodiscard]] std::size_t read_cached(const nori::storage::file_ptr&, std::uint64_t offset,
                                        void* to, std::size_t bytes) noexcept override {
    return read(offset, to, bytes);
  }

  [[nodiscard]] asio::awaitable<nori::storage::file_ptr> open(std::string,
                                                              nori::storage::open_mode) override {
    co_return std::make_shared<opened>();
  }
  [[nodiscard]] asio::awaitable<std::uint64_t> size(nori::storage::file_ptr) override {
    co_return bytes_.size();
  }
  [[nodiscard]] asio::awaitable<void> allocate(nori::storage::file_ptr, std::uint64_t,
                                               std::uint64_t) override {
    return refuse();
  }
  [[nodiscard]] asio::awaitable<void> truncate(nori::storage::file_ptr, std::uint64_t) override {
    return refuse();
  }
  [[nodiscard]] asio::awaitable<void> rename(std::string, std::string) override { return refuse(); }
  [[nodiscard]] asio::awaitable<void> remove(std::string) override { return refuse(); }
  [[nodiscard]] asio::awaitable<void> sync_directory() override { return refuse(); }
  [[nodiscard]] asio::awaitable<std::vector<nori::storage::directory_entry>> list() override {
    co_return std::vector<nori::storage::directory_entry>();
  }
  [[nodiscard]] asio::awaitable<std::unique_ptr<nori::storage::ring_memory>> map_ring(
      std::string, std::size_t) override {
    co_return nullptr;
  }
  [[nodiscard]] asio::awaitable<bool> lock(std::string) override { co_return true; }
  [[nodiscard]] asio::awaitable<void> unlock() override { co_return; }
  void shutdown() noexcept override {}

 private:
  class opened final : public nori::storage::file {
   public:
    [[nodiscard]] bool direct() const noexcept override { return false; }
  };

  static asio::awaitable<void> refuse() {
    require(false, "a reader only reads");
    co_return;
  }
  std::size_t read(std::uint64_t offset, void* to, std::size_t bytes) noexcept {
    ++reads_;
    if (offset >= bytes_.size()) return 0;
    const std::size_t some = std::min<std::size_t>(bytes, bytes_.size() - offset);
    std::memcpy(to, bytes_.data() + offset, some);
    return some;
  }
  std::int64_t perform(nori::storage::io_request& what) noexcept {
    if (what.kind != nori::storage::io_kind::read) return -EROFS;
    std::size_t got = 0;
    for (std::size_t i = 0; i < what.piece_count; ++i) {
      const iovec& piece = what.pieces[i];
      const std::size_t some = read(what.offset + got, piece.iov_base, piece.iov_len);
      got += some;
      if (some < piece.iov_len) break;
    }
    return static_cast<std::int64_t>(got);
  }

  asio::io_context& io_;
  std::span<const std::byte> bytes_;
  std::size_t reads_ = 0;
};

}  // namespace nori::fuzz

#endif
