#ifndef NORI_STORAGE_HANDLER_MEMORY_HPP
#define NORI_STORAGE_HANDLER_MEMORY_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/thread_pool.hpp>

#include <array>
#include <cstddef>
#include <utility>

namespace nori::storage {

namespace asio = boost::asio;

/// Memory, set aside, for the one operation of Asio's that may be outstanding at a time: what has
/// to be posted can then be posted when memory has run out.
///
/// Not safe to share: whoever posts again does so after the last operation has begun to be called.
class handler_memory {
 public:
  handler_memory(const handler_memory&) = delete;
  handler_memory& operator=(const handler_memory&) = delete;

  /// Null where it is in use or too small.
  [[nodiscard]] void* take(std::size_t bytes) noexcept {
    if (used_ || bytes > bytes_) return nullptr;
    used_ = true;
    return at_;
  }
  /// False where it was not taken from here.
  [[nodiscard]] bool give_back(const void* at) noexcept {
    if (at != at_) return false;
    used_ = false;
    return true;
  }

 protected:
  handler_memory() = default;
  ~handler_memory() = default;
  void be(std::byte* at, std::size_t bytes) noexcept {
    at_ = at;
    bytes_ = bytes;
  }

 private:
  std::byte* at_ = nullptr;
  std::size_t bytes_ = 0;
  bool used_ = false;
};

template <std::size_t Bytes>
class handler_memory_of final : public handler_memory {
 public:
  handler_memory_of() noexcept { be(memory_.data(), Bytes); }

 private:
  alignas(std::max_align_t) std::array<std::byte, Bytes> memory_;
};

/// Takes from a handler_memory, and where there is none from what Asio keeps per thread.
template <typename T>
class handler_allocator {
 public:
  using value_type = T;

  explicit handler_allocator(handler_memory* from) noexcept : from_(from) {}
  template <typename U>
  handler_allocator(const handler_allocator<U>& other) noexcept  // NOLINT: rebinding
      : from_(other.from_) {}

  T* allocate(std::size_t count) {
    if (from_ != nullptr) {
      if (void* const at = from_->take(count * sizeof(T))) return static_cast<T*>(at);
    }
    return asio::recycling_allocator<T>().allocate(count);
  }
  void deallocate(T* at, std::size_t count) noexcept {
    if (from_ != nullptr && from_->give_back(at)) return;
    asio::recycling_allocator<T>().deallocate(at, count);
  }
  [[nodiscard]] handler_memory* memory() const noexcept { return from_; }
  friend bool operator==(const handler_allocator&, const handler_allocator&) = default;

 private:
  template <typename>
  friend class handler_allocator;
  handler_memory* from_;
};

namespace detail {

template <typename Executor, typename Function>
bool execute_if(const Executor* target, handler_memory& memory, Function& function, bool never) {
  if (target == nullptr) return false;
  const auto placed =
      asio::require(*target, asio::execution::allocator(handler_allocator<void>(&memory)));
  if (never) {
    asio::require(placed, asio::execution::blocking.never).execute(std::move(function));
  } else {
    placed.execute(std::move(function));
  }
  return true;
}

}  // namespace detail

/// Executes a function, in place only where `never` is false and the executor does so. For the
/// executors of an io_context and of a thread_pool that takes nothing but `memory`. Of others it
/// says false, and has done nothing.
template <typename Function>
[[nodiscard]] bool execute_in(handler_memory& memory, const asio::any_io_executor& on,
                              Function& function, bool never) {
  using io = asio::io_context::executor_type;
  using pool = asio::thread_pool::executor_type;
  using tracked_io = std::decay_t<decltype(asio::require(
      std::declval<io>(), asio::execution::outstanding_work.tracked))>;
  using tracked_pool = std::decay_t<decltype(asio::require(
      std::declval<pool>(), asio::execution::outstanding_work.tracked))>;
  return detail::execute_if(on.target<io>(), memory, function, never) ||
         detail::execute_if(on.target<tracked_io>(), memory, function, never) ||
         detail::execute_if(on.target<pool>(), memory, function, never) ||
         detail::execute_if(on.target<tracked_pool>(), memory, function, never);
}

}  // namespace nori::storage

#endif
