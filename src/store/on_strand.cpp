#include "store/on_strand.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace nori::store {

namespace {

// Brings the result back to the caller's executor.
template <typename Handler>
struct homecoming {
  explicit homecoming(Handler&& its_handler) : handler(std::move(its_handler)) {}

  void operator()(std::exception_ptr error) {
    const auto executor = asio::get_associated_executor(handler);
    asio::post(executor, [handler = std::move(handler), error = std::move(error)]() mutable {
      // What cancels must not find a wait that is over.
      if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
        slot.clear();
      }
      std::move(handler)(std::move(error));
    });
  }

  Handler handler;
};

}  // namespace

asio::awaitable<void> run_on_strand(asio::any_io_executor strand, asio::awaitable<void> what) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  // Named: g++ 12 destroys twice what is captured by a temporary within a co_await expression.
  auto begin = [strand, what = std::move(what)](auto&& handler) mutable {
    // On this thread's stack: the coroutine may end on another thread before this does, and what
    // its caller holds with it.
    const asio::any_io_executor on = std::move(strand);
    asio::awaitable<void> work = std::move(what);
    using stored = std::decay_t<decltype(handler)>;
    const auto stop = std::make_shared<asio::cancellation_signal>();
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
      slot.assign([on, stop](asio::cancellation_type type) {
        asio::post(on, [stop, type] { stop->emit(type); });
      });
    }
    // The signal lives as long as anything refers to it.
    auto kept = [stop, back = homecoming<stored>(std::move(handler))](
                    std::exception_ptr error) mutable { back(std::move(error)); };
    asio::co_spawn(on, std::move(work),
                   asio::bind_cancellation_slot(stop->slot(), std::move(kept)));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr)>(
      std::move(begin), asio::use_awaitable);
}

}  // namespace nori::store
