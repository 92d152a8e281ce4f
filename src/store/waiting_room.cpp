#include "store/waiting_room.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/errc.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <functional>
#include <new>
#include <optional>
#include <utility>

#include "storage/parked_handler.hpp"

namespace nori::store {

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
  [[nodiscard]] std::shared_ptr<waiting_room::guest> any();

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
  void shutdown() override;

  const std::shared_ptr<guest_list> all_ = std::make_shared<guest_list>();
};

asio::execution_context::id guests_of_context::id;

}  // namespace

// A coroutine that waits: whoever comes first resumes it, or destroys it.
class waiting_room::guest : public std::enable_shared_from_this<guest> {
 public:
  explicit guest(asio::execution_context& on)
      : others_(asio::use_service<guests_of_context>(on).all()),
        among_others_(others_->add(*this)) {}
  ~guest() { drop(); }
  guest(const guest&) = delete;
  guest& operator=(const guest&) = delete;

  /// Destroys the coroutine without resuming it.
  void drop() noexcept {
    // It may own the room, and so this.
    if (others_->remove(among_others_)) parked.destroy();
  }
  /// Posts the coroutine to its executor, unless it is gone.
  void resume(boost::system::error_code how) noexcept {
    if (!others_->remove(among_others_)) return;
    result = how;
    parked.post();
  }

  storage::parked_handler parked;
  boost::system::error_code result;
  // Of the mutex: where it is listed.
  std::list<std::shared_ptr<guest>>::iterator place;
  bool listed = false;

 private:
  const std::shared_ptr<guest_list> others_;
  std::optional<guest_list::place> among_others_;
};

namespace {

std::shared_ptr<waiting_room::guest> guest_list::any() {
  const std::lock_guard lock(mutex_);
  for (waiting_room::guest* const each : guests_) {
    if (auto found = each->weak_from_this().lock()) return found;
  }
  return nullptr;
}

void guests_of_context::shutdown() {
  while (const auto next = all_->any()) next->drop();
}

}  // namespace

waiting_room::waiting_room() : state_(std::make_shared<state>()) {}

waiting_room::~waiting_room() {
  // A coroutine that is destroyed may come here again.
  const auto left = std::exchange(state_->guests, {});
  for (const auto& each : left) each->listed = false;
  for (const auto& each : left) each->drop();
}

asio::awaitable<void> waiting_room::wait(std::unique_lock<std::mutex> lock) {
  std::mutex* const mutex = lock.mutex();
  const asio::any_io_executor here = co_await asio::this_coro::executor;
  // What takes memory comes before the coroutine is suspended.
  const auto one = std::make_shared<guest>(asio::query(here, asio::execution::context));
  std::list<std::shared_ptr<guest>> listed{one};
  asio::cancellation_slot slot;
  auto begin = [&](auto&& handler) {
    // On this thread's stack: once the mutex is free, the coroutine may go on elsewhere, and what
    // it holds, this included, end.
    std::unique_lock mine(std::move(lock));
    const std::shared_ptr<guest> kept = one;
    slot = asio::get_associated_cancellation_slot(handler);
    kept->parked.store(std::move(handler), true);
    if (slot.is_connected()) {
      try {
        slot.assign([weak_room = std::weak_ptr<state>(state_), mutex,
                     weak = std::weak_ptr<guest>(kept)](asio::cancellation_type) {
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
      } catch (const std::bad_alloc&) {
        mine.unlock();
        kept->resume(make_error_code(boost::system::errc::not_enough_memory));
        return;
      }
    }
    kept->place = listed.begin();
    kept->listed = true;
    state_->guests.splice(state_->guests.end(), listed);
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(std::ref(begin),
                                                                        asio::use_awaitable);
  // What cancels must not find a wait that is over.
  if (slot.is_connected()) slot.clear();
  if (one->result == boost::system::errc::not_enough_memory) throw std::bad_alloc();
  if (one->result) throw boost::system::system_error(one->result);
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
