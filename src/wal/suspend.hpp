#ifndef NORI_WAL_SUSPEND_HPP
#define NORI_WAL_SUSPEND_HPP

#include <boost/system/errc.hpp>

#include <new>

#include "wal/log.hpp"

namespace nori {

/// An operation to co_await: stores the coroutine's handler in `w`, then calls
/// `begin(w, wake)` with the mutex held, which lists the waiter or adds it to `wake`.
///
/// Awaiting it costs no allocation, but for what cancels it: where there is no memory for that,
/// `begin` is not called, and the result says so. The coroutine is never resumed from within: that
/// would recurse.
template <typename Begin>
auto log::suspend(waiter& w, bool cancellable, Begin begin) {
  return [this, &w, cancellable, begin]<asio::completion_token_for<void()> Token>(Token&& token) {
    return asio::async_initiate<Token, void()>(
        [this, &w, cancellable, begin](auto handler) {
          const auto slot = asio::get_associated_cancellation_slot(handler);
          const asio::any_io_executor executor = asio::get_associated_executor(handler);
          const bool at_home = executor == home_;
          // An append on the log's own context is waited for by I/O of that context.
          const bool own = at_home || &asio::query(executor, asio::execution::context) == context_;
          w.store(std::move(handler), at_home, !(own && w.is_append) && !w.is_background);
          bool memory = true;
          if (cancellable && slot.is_connected()) {
            auto target = slot;
            try {
              target.assign([this, &w](asio::cancellation_type type) { cancel_waiter(w, type); });
            } catch (const std::bad_alloc&) {
              memory = false;
            }
          }
          wake_list wake;
          {
            const std::lock_guard lock(mutex_);
            if (memory) {
              begin(w, wake);
            } else {
              w.result = make_error_code(boost::system::errc::not_enough_memory);
              wake.add(w);
            }
          }
          // From here on `w` may be gone.
          wake.resume_all(false);
        },
        token);
  };
}

}  // namespace nori

#endif
