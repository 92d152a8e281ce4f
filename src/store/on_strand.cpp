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
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "storage/parked_handler.hpp"

namespace nori::store {

asio::awaitable<void> run_on_strand(asio::any_io_executor strand, asio::awaitable<void> what) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  const auto stop = std::make_shared<asio::cancellation_signal>();
  storage::parked_handler parked;
  asio::cancellation_slot slot;
  std::exception_ptr failed;
  // Named: g++ 12 destroys twice what is captured by a temporary within a co_await expression.
  auto begin = [&](auto&& handler) {
    // On this thread's stack: the coroutine may end on another thread before this does, and what
    // its caller holds with it.
    const asio::any_io_executor on = std::move(strand);
    asio::awaitable<void> work = std::move(what);
    const auto signal = stop;
    slot = asio::get_associated_cancellation_slot(handler);
    parked.store(std::move(handler), true);
    const bool begun = parked.give_to([&](storage::parked_handler::ticket mine) {
      if (slot.is_connected()) {
        slot.assign([on, signal](asio::cancellation_type type) {
          asio::post(on, [signal, type] { signal->emit(type); });
        });
      }
      // The signal lives as long as anything refers to it.
      asio::co_spawn(on, std::move(work),
                     asio::bind_cancellation_slot(signal->slot(),
                                                  [signal, &into = failed, mine = std::move(mine)](
                                                      std::exception_ptr error) mutable {
                                                    into = std::move(error);
                                                    mine.take().post();
                                                  }));
    });
    if (begun) return;
    failed = std::make_exception_ptr(std::bad_alloc());
    parked.post();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(std::ref(begin),
                                                                        asio::use_awaitable);
  // What cancels must not find a wait that is over.
  if (slot.is_connected()) slot.clear();
  if (failed) std::rethrow_exception(failed);
}

}  // namespace nori::store
