#include "store/waiting_room.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace nori::store {

class waiting_room::guest : public std::enable_shared_from_this<guest> {
 public:
  virtual ~guest() = default;
  // Posts the coroutine to its executor, unless it is gone.
  virtual void resume(boost::system::error_code result) noexcept = 0;
  // Destroys the coroutine without resuming it.
  virtual void drop() noexcept = 0;

  // Of the mutex: where it is listed.
  std::list<std::shared_ptr<guest>>::iterator place;
  bool listed = false;
};

struct waiting_room::state {
  std::list<std::shared_ptr<guest>> guests;
};

namespace {

// The guests whose coroutines run on one execution context. Outlives the context where they do.
class guest_list {
 public:
  using place = std::list<waiting_room::guest*>::iterator;

  place add(waiting_room::guest& added) {
    const std::lock_guard lock(mutex_);
    return guests_.insert(guests_.end(), &added);
  }
  // False where it was removed before: by whoever came first, resuming or the context's end.
  bool remove(std::optional<place>& where) noexcept {
    const std::lock_guard lock(mutex_);
    if (!where) return false;
    guests_.erase(*where);
    where.reset();
    return true;
  }
  // One that is being destroyed by another thread removes itself.
  [[nodiscard]] std::shared_ptr<waiting_room::guest> any() {
    const std::lock_guard lock(mutex_);
    for (waiting_room::guest* const each : guests_) {
      if (auto found = each->weak_from_this().lock()) return found;
    }
    return nullptr;
  }

 private:
  std::mutex mutex_;
  std::list<waiting_room::guest*> guests_;
};

// When a context is destroyed, coroutines that wait in any room are destroyed with it: often they
// own the room that they wait in, so nobody else would.
class guests_of_context : public asio::execution_context::service {
 public:
  using key_type = guests_of_context;
  static asio::execution_context::id id;

  explicit guests_of_context(asio::execution_context& context) : service(context) {}

  [[nodiscard]] const std::shared_ptr<guest_list>& all() const noexcept { return all_; }

 private:
  void shutdown() override {
    while (const auto next = all_->any()) next->drop();
  }

  const std::shared_ptr<guest_list> all_ = std::make_shared<guest_list>();
};

asio::execution_context::id guests_of_context::id;

template <typename Handler>
class waiting_handler final : public waiting_room::guest {
 public:
  explicit waiting_handler(Handler&& handler)
      : work_(asio::get_associated_executor(handler)),
        others_(asio::use_service<guests_of_context>(
                    asio::query(work_.get_executor(), asio::execution::context))
                    .all()),
        handler_(std::move(handler)),
        place_(others_->add(*this)) {}
  ~waiting_handler() override { drop(); }

  void drop() noexcept override {
    if (!others_->remove(place_)) return;
    // It may own the room, and so this.
    const std::optional<Handler> last = std::move(handler_);
    handler_.reset();
    work_.reset();
  }

  void resume(boost::system::error_code result) noexcept override {
    if (!others_->remove(place_)) return;
    // Posted: the coroutine may destroy whoever calls this.
    asio::post(work_.get_executor(), [handler = std::move(*handler_), result]() mutable {
      // What cancels must not find a wait that is over.
      if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
        slot.clear();
      }
      std::move(handler)(result);
    });
    handler_.reset();
    work_.reset();
  }

 private:
  asio::executor_work_guard<asio::associated_executor_t<Handler>> work_;
  const std::shared_ptr<guest_list> others_;
  std::optional<Handler> handler_;
  std::optional<guest_list::place> place_;
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
