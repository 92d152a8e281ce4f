#include <nori/store/turns.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_map>

namespace nori::store {

using bell = asio::experimental::concurrent_channel<void(boost::system::error_code)>;

class turns::state {
 public:
  std::mutex mutex;
  // The first one of each queue has its turn.
  std::unordered_map<std::string, std::deque<waiting*>> queues;
};

// In a queue from its construction to its end.
class turns::waiting {
 public:
  waiting(std::shared_ptr<state> of, std::string key, const asio::any_io_executor& executor)
      : state_(std::move(of)), key_(std::move(key)), bell_(executor, 1) {
    const std::lock_guard lock(state_->mutex);
    std::deque<waiting*>& queue = state_->queues[key_];
    queue.push_back(this);
    first_ = queue.size() == 1;
  }
  ~waiting() {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->queues.find(key_);
    std::deque<waiting*>& queue = found->second;
    const bool had_turn = queue.front() == this;
    queue.erase(std::find(queue.begin(), queue.end(), this));
    if (queue.empty()) {
      state_->queues.erase(found);
    } else if (had_turn) {
      // With the mutex held, so that the next one can't go meanwhile. It does not run anything: a
      // channel posts.
      queue.front()->bell_.try_send(boost::system::error_code());
    }
  }
  waiting(const waiting&) = delete;
  waiting& operator=(const waiting&) = delete;

  [[nodiscard]] bool first() const noexcept { return first_; }
  /// Whether it has rung; false where waiting for it was cancelled.
  [[nodiscard]] asio::awaitable<bool> rings() {
    boost::system::error_code failed;
    co_await bell_.async_receive(asio::redirect_error(asio::use_awaitable, failed));
    co_return !failed;
  }

 private:
  std::shared_ptr<state> state_;
  std::string key_;
  bell bell_;
  bool first_ = false;
};

turns::turns() : state_(std::make_shared<state>()) {}
turns::~turns() = default;

turns::turn::turn(std::shared_ptr<waiting> of) noexcept : of_(std::move(of)) {}
turns::turn::turn(turn&& other) noexcept = default;
turns::turn::~turn() = default;

asio::awaitable<turns::turn> turns::take(std::string key) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto mine = std::make_shared<waiting>(state_, std::move(key), executor);
  // Thrown out of here, it gives its place, or the turn that it just got, to the next one.
  // Not in one condition: g++ 12 goes wrong over a co_await behind &&.
  if (!mine->first()) {
    const bool called = co_await mine->rings();
    if (!called) throw boost::system::system_error(asio::error::operation_aborted);
  }
  co_return turn(std::move(mine));
}

}  // namespace nori::store
