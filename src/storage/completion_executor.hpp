#ifndef NORI_STORAGE_COMPLETION_EXECUTOR_HPP
#define NORI_STORAGE_COMPLETION_EXECUTOR_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>

#include <concepts>
#include <utility>

namespace nori::storage {

namespace asio = boost::asio;

/// An any_io_executor that answers what strands ask of it without allocating: Boost 1.81 returns
/// the result of a polymorphic query, such as whether it may block, on the heap.
class plain_executor {
 public:
  /// A template, so that copying one does not look for a way to make it an any_io_executor, which
  /// would ask whether it can be copied.
  template <std::same_as<asio::any_io_executor> Executor>
  explicit plain_executor(Executor inner) noexcept : inner_(std::move(inner)) {}

  [[nodiscard]] asio::execution_context& query(asio::execution::context_t) const noexcept {
    return asio::query(inner_, asio::execution::context);
  }
  [[nodiscard]] asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
    return never_ ? asio::execution::blocking_t(asio::execution::blocking.never)
                  : asio::execution::blocking_t(asio::execution::blocking.possibly);
  }
  [[nodiscard]] plain_executor require(asio::execution::blocking_t::never_t) const {
    plain_executor changed(asio::require(inner_, asio::execution::blocking.never));
    changed.never_ = true;
    return changed;
  }
  [[nodiscard]] plain_executor require(asio::execution::blocking_t::possibly_t) const {
    return plain_executor(asio::prefer(inner_, asio::execution::blocking.possibly));
  }
  [[nodiscard]] plain_executor require(asio::execution::outstanding_work_t::tracked_t how) const {
    return with(asio::prefer(inner_, how));
  }
  [[nodiscard]] plain_executor require(asio::execution::outstanding_work_t::untracked_t how) const {
    return with(asio::prefer(inner_, how));
  }

  template <typename Function>
  void execute(Function&& function) const {
    inner_.execute(std::forward<Function>(function));
  }

  [[nodiscard]] const asio::any_io_executor& inner() const noexcept { return inner_; }

  friend bool operator==(const plain_executor& a, const plain_executor& b) noexcept {
    return a.inner_ == b.inner_;
  }
  friend bool operator!=(const plain_executor& a, const plain_executor& b) noexcept {
    return !(a == b);
  }

 private:
  [[nodiscard]] plain_executor with(asio::any_io_executor inner) const noexcept {
    plain_executor changed(std::move(inner));
    changed.never_ = never_;
    return changed;
  }

  asio::any_io_executor inner_;
  bool never_ = false;
};

/// Where completions are called: a strand, so that they come one at a time.
using completion_executor = asio::strand<plain_executor>;

[[nodiscard]] inline completion_executor make_completion_executor(asio::any_io_executor on) {
  return completion_executor(plain_executor(std::move(on)));
}

}  // namespace nori::storage

#endif
