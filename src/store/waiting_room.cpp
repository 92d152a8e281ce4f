#include "store/waiting_room.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <type_traits>
#include <utility>

namespace nori::store {

class waiting_room::guest {
 public:
  virtual ~guest() = default;
  // Once. Posts the coroutine to its executor.
  virtual void resume(boost::system::error_code result) noexcept = 0;

  // Of the mutex: where it is listed.
  std::list<std::shared_ptr<guest>>::iterator place;
  bool listed = false;
};

struct waiting_room::state {
  std::list<std::shared_ptr<guest>> guests;
};

namespace {

template <typename Handler>
class waiting_handler final : public waiting_room::guest {
 public:
  explicit waiting_handler(Handler&& handler)
      : work_(asio::get_associated_executor(handler)), handler_(std::move(handler)) {}

  void resume(boost::system::error_code result) noexcept override {
    // Posted: the coroutine may destroy whoever calls this.
    asio::post(work_.get_executor(), [handler = std::move(handler_), result]() mutable {
      // What cancels must not find a wait that is over.
      if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
        slot.clear();
      }
      std::move(handler)(result);
    });
    work_.reset();
  }

 private:
  asio::executor_work_guard<asio::associated_executor_t<Handler>> work_;
  Handler handler_;
};

}  // namespace

waiting_room::waiting_room() : state_(std::make_shared<state>()) {}

waiting_room::~waiting_room() {
  // A coroutine that is destroyed may come here again.
  const auto left = std::exchange(state_->guests, {});
  for (const auto& each : left) each->listed = false;
}

asio::awaitable<void> waiting_room::wait(std::unique_lock<std::mutex> lock) {
  std::mutex* const mutex = lock.mutex();
  // Named: g++ 12 destroys twice what is captured by a temporary within a co_await expression.
  auto begin = [room = state_, mutex, held = std::move(lock)](auto&& handler) mutable {
    // On this thread's stack: once the mutex is free, the coroutine may go on elsewhere, and what
    // it holds, this included, end.
    const std::unique_lock mine(std::move(held));
    using stored = std::decay_t<decltype(handler)>;
    const auto slot = asio::get_associated_cancellation_slot(handler);
    const auto one = std::make_shared<waiting_handler<stored>>(std::move(handler));
    if (slot.is_connected()) {
      auto target = slot;
      target.assign([weak_room = std::weak_ptr<state>(room), mutex,
                     weak = std::weak_ptr<guest>(one)](asio::cancellation_type) {
        const auto still_there = weak.lock();
        const auto in = weak_room.lock();
        if (!still_there || !in) return;
        {
          const std::lock_guard locked(*mutex);
          if (!still_there->listed) return;
          in->guests.erase(still_there->place);
          still_there->listed = false;
        }
        still_there->resume(asio::error::operation_aborted);
      });
    }
    one->place = room->guests.insert(room->guests.end(), one);
    one->listed = true;
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(boost::system::error_code)>(
      std::move(begin), asio::use_awaitable);
}

waiting_room::called waiting_room::call_all() noexcept {
  called result;
  for (const auto& each : state_->guests) each->listed = false;
  result.guests_.splice(result.guests_.end(), state_->guests);
  return result;
}

waiting_room::called waiting_room::call_one() noexcept {
  called result;
  if (state_->guests.empty()) return result;
  state_->guests.front()->listed = false;
  result.guests_.splice(result.guests_.end(), state_->guests, state_->guests.begin());
  return result;
}

bool waiting_room::empty() const noexcept { return state_->guests.empty(); }

waiting_room::called& waiting_room::called::operator=(called&& other) noexcept {
  if (this != &other) {
    resume();
    guests_.splice(guests_.end(), other.guests_);
  }
  return *this;
}

void waiting_room::called::resume() noexcept {
  while (!guests_.empty()) {
    const auto one = std::move(guests_.front());
    guests_.pop_front();
    one->resume({});
  }
}

}  // namespace nori::store
