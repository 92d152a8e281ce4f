#ifndef NORI_STORE_WAITING_ROOM_HPP
#define NORI_STORE_WAITING_ROOM_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>

namespace nori::store {

namespace asio = boost::asio;

/// A condition variable for coroutines: they wait until a condition that a mutex guards may have
/// become true. Several threads may use it at once.
///
/// For what happens a few thousand times a second: waiting allocates.
class waiting_room {
 public:
  class guest;
  /// Coroutines that were told to go on: they do so when this is destroyed, or by resume(). To be
  /// kept until the mutex is no longer held.
  class called {
   public:
    called() = default;
    called(called&&) noexcept = default;
    called& operator=(called&& other) noexcept;
    ~called() { resume(); }
    void resume() noexcept;
    void add(called&& others) noexcept { guests_.splice(guests_.end(), others.guests_); }

   private:
    friend class waiting_room;
    std::list<std::shared_ptr<guest>> guests_;
  };

  waiting_room();
  waiting_room(const waiting_room&) = delete;
  waiting_room& operator=(const waiting_room&) = delete;
  /// Destroys the coroutines that still wait.
  ~waiting_room();

  /// Releases the lock once this coroutine is sure to be woken; look at the condition again
  /// afterwards, under a new lock. The mutex must live until no coroutine waits any more. When the
  /// context that the coroutine runs on is destroyed, the coroutine is destroyed with it.
  /// @par Cancellation
  /// Every type: operation_aborted.
  [[nodiscard]] asio::awaitable<void> wait(std::unique_lock<std::mutex> lock);

  // With the mutex held.
  [[nodiscard]] called call_all() noexcept;
  [[nodiscard]] called call_one() noexcept;
  [[nodiscard]] bool empty() const noexcept;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace nori::store

#endif
