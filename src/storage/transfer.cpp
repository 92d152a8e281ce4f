#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <utility>

#include <boost/system/system_error.hpp>

#include "format/frame.hpp"
#include "storage/parked_handler.hpp"
#include "storage/storage.hpp"

namespace nori::storage {

namespace {

// One transfer, whole: goes on after a short one without the coroutine being resumed in between.
class transfer {
 public:
  transfer(storage& on, io_request& request, bool whole) noexcept
      : on_(on), request_(request), whole_(whole) {
    request_.next = nullptr;
    request_.owner = this;
    request_.complete = [](io_request& done) noexcept { self(done).completed(); };
    request_.abandon = [](io_request& dropped) noexcept {
      // Destroys the coroutine's frame, and this with it, sooner or later.
      self(dropped).waiter_.destroy();
    };
  }

  /// `result` holds what was transferred, or the error.
  [[nodiscard]] asio::awaitable<void> run() {
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
        [this](auto&& handler) {
          waiter_.store(std::move(handler), true);
          on_.start(request_);
        },
        asio::use_awaitable);
  }

  [[nodiscard]] std::int64_t result() const noexcept { return result_; }

 private:
  static transfer& self(const io_request& request) noexcept {
    return *static_cast<transfer*>(request.owner);
  }

  void completed() noexcept {
    if (whole_ ? goes_on() : (result_ = request_.result, false)) {
      on_.start(request_);
    } else {
      // Posted: a coroutine that ran from within `complete` could throw through it. Last: it may
      // run on another thread from here on.
      waiter_.post();
    }
  }

  // Of whole transfers, which have one piece.
  bool goes_on() noexcept {
    if (request_.result < 0) {
      result_ = request_.result;
      return false;
    }
    iovec& piece = request_.pieces[0];
    auto done = static_cast<std::size_t>(request_.result);
    const bool direct = request_.target->direct();
    if (done >= piece.iov_len || request_.kind == io_kind::sync) {
      result_ += static_cast<std::int64_t>(done);
      return false;
    }
    if (request_.kind == io_kind::read) {
      // A direct read that ends within a block has met the end of the file.
      if (done == 0 || (direct && done % format::block_bytes != 0)) {
        result_ += static_cast<std::int64_t>(done);
        return false;
      }
    } else {
      // A direct write goes on at a whole block.
      if (direct) done = done / format::block_bytes * format::block_bytes;
      if (done == 0) {
        result_ = -EIO;
        return false;
      }
    }
    result_ += static_cast<std::int64_t>(done);
    piece.iov_base = static_cast<std::byte*>(piece.iov_base) + done;
    piece.iov_len -= done;
    request_.offset += done;
    return true;
  }

  storage& on_;
  io_request& request_;
  bool whole_;
  parked_handler waiter_;
  std::int64_t result_ = 0;
};

// Many requests, one coroutine.
class transfers {
 public:
  transfers(storage& on, std::span<io_request> requests) noexcept
      : on_(on), requests_(requests), left_(requests.size()) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      io_request& request = requests[i];
      request.next = i + 1 < requests.size() ? &requests[i + 1] : nullptr;
      request.owner = this;
      request.complete = [](io_request& done) noexcept { self(done).ended(false); };
      request.abandon = [](io_request& dropped) noexcept { self(dropped).ended(true); };
    }
  }

  [[nodiscard]] asio::awaitable<void> run() {
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
        [this](auto&& handler) {
          waiter_.store(std::move(handler), true);
          on_.start(requests_.front());
        },
        asio::use_awaitable);
  }

 private:
  static transfers& self(const io_request& request) noexcept {
    return *static_cast<transfers*>(request.owner);
  }

  // The requests lie in the coroutine's frame or in what it owns, and the storage may hold the
  // others still: only the last one may resume or destroy it.
  void ended(bool abandoned) noexcept {
    if (abandoned) abandoned_ = true;
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (abandoned_) {
      waiter_.destroy();
    } else {
      waiter_.post();
    }
  }

  storage& on_;
  std::span<io_request> requests_;
  parked_handler waiter_;
  // Some may complete on the executor while others are abandoned on the thread of a shutdown.
  std::atomic<std::size_t> left_;
  std::atomic<bool> abandoned_{false};
};

void throw_if_failed(std::int64_t result, const char* call, const std::string& name,
                     std::uint64_t offset) {
  if (result >= 0) return;
  throw boost::system::system_error(
      boost::system::error_code(static_cast<int>(-result), boost::system::system_category()),
      std::string(call) + ' ' + name + " at " + std::to_string(offset));
}

}  // namespace

std::uint32_t storage::random_word() { return std::random_device()(); }

asio::awaitable<std::int64_t> perform(storage& on, io_request& request) {
  transfer once(on, request, false);
  co_await once.run();
  co_return once.result();
}

asio::awaitable<void> perform_all(storage& on, std::span<io_request> requests) {
  if (requests.empty()) co_return;
  transfers all(on, requests);
  co_await all.run();
}

asio::awaitable<std::size_t> read_at(storage& on, file_ptr from, std::uint64_t offset, void* to,
                                     std::size_t bytes, std::string_view name) {
  io_request request{.kind = io_kind::read,
                     .piece_count = 1,
                     .pieces = {iovec{to, bytes}},
                     .offset = offset,
                     .target = std::move(from)};
  const std::string text(name);
  transfer all(on, request, true);
  co_await all.run();
  throw_if_failed(all.result(), "read", text, offset);
  co_return static_cast<std::size_t>(all.result());
}

asio::awaitable<void> write_at(storage& on, file_ptr to, std::uint64_t offset, const void* from,
                               std::size_t bytes, bool durable, std::string_view name) {
  io_request request{.kind = io_kind::write,
                     .durable = durable,
                     .piece_count = 1,
                     .pieces = {iovec{const_cast<void*>(from), bytes}},
                     .offset = offset,
                     .target = std::move(to)};
  const std::string text(name);
  transfer all(on, request, true);
  co_await all.run();
  throw_if_failed(all.result(), "write", text, offset);
}

asio::awaitable<void> sync(storage& on, file_ptr what, std::string_view name) {
  io_request request{.kind = io_kind::sync, .target = std::move(what)};
  const std::string text(name);
  transfer once(on, request, false);
  co_await once.run();
  throw_if_failed(once.result(), "sync", text, 0);
}

}  // namespace nori::storage
