#ifndef NORI_WAL_WAITER_HPP
#define NORI_WAL_WAITER_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/system/error_code.hpp>

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <nori/position.hpp>

#include "engine/tail.hpp"
#include "format/record_codec.hpp"
#include "storage/parked_handler.hpp"

namespace nori {

namespace asio = boost::asio;

/// A suspended coroutine, in place: a waiter lives in the frame of the coroutine that waits, so
/// that waiting allocates nothing.
///
/// Lists, state and result belong to the log's mutex; the handler is touched by whoever detached
/// the waiter from its list, or, before it is listed, by the coroutine itself.
class waiter {
 public:
  enum class state : std::uint8_t { unlisted, listed, detached };

  waiter() = default;
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;
  ~waiter() = default;

  // What is waited for.
  engine::stream_offset begin = 0;   ///< of an append: its first byte in the stream
  engine::stream_offset target = 0;  ///< satisfied when the mark has reached this
  bool is_append = false;            ///< its frames lie at [begin, target)
  bool stays_laid = false;           ///< cancelling does not take its frames back
  bool is_background = false;        ///< keeps no context running
  // An append that waits for room is laid by whoever makes room. Without records it is only told.
  const format::prepared_record* records = nullptr;
  std::size_t record_count = 0;
  std::uint64_t frames_bytes = 0;
  std::span<nori::position> positions;  ///< empty, or record_count of them
  // How it ended.
  nori::position first;
  nori::position last;
  boost::system::error_code result;

  state where = state::unlisted;
  class waiter_list* list = nullptr;
  waiter* next = nullptr;
  waiter* previous = nullptr;

  /// `at_home`: the handler's executor is the one that the log's strand runs on, so that the strand
  /// may call it as it is. Otherwise its context is kept running until it is called.
  template <typename Handler>
  void store(Handler&& handler, bool at_home, bool track_work) noexcept {
    at_home_ = at_home;
    handler_.store(std::forward<Handler>(handler), track_work);
  }

  /// Resumes the coroutine on its executor: at once where that is allowed, which it is on the
  /// log's strand, and this thread is on it.
  void resume(bool inline_allowed) {
    if (inline_allowed && at_home_) {
      handler_.call();
    } else {
      handler_.post();
    }
  }

  /// Destroys the coroutine without resuming it.
  void destroy_handler() noexcept { handler_.destroy(); }

 private:
  bool at_home_ = false;
  storage::parked_handler handler_;
};

/// An intrusive list, ordered by target unless used as a queue.
class waiter_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] waiter* front() const noexcept { return first_; }

  void push_back(waiter& w) noexcept { insert_behind(last_, w); }

  /// Behind all with the same or a smaller target. Appends come in order: this is O(1) for them.
  void insert_by_target(waiter& w) noexcept {
    waiter* behind = last_;
    while (behind != nullptr && behind->target > w.target) behind = behind->previous;
    insert_behind(behind, w);
  }

  void remove(waiter& w) noexcept {
    assert(w.list == this);
    (w.previous != nullptr ? w.previous->next : first_) = w.next;
    (w.next != nullptr ? w.next->previous : last_) = w.previous;
    w.next = w.previous = nullptr;
    w.list = nullptr;
    w.where = waiter::state::detached;
  }

  waiter* pop_front() noexcept {
    waiter* w = first_;
    if (w != nullptr) remove(*w);
    return w;
  }

 private:
  void insert_behind(waiter* behind, waiter& w) noexcept {
    w.list = this;
    w.where = waiter::state::listed;
    w.previous = behind;
    w.next = behind != nullptr ? behind->next : first_;
    (w.previous != nullptr ? w.previous->next : first_) = &w;
    (w.next != nullptr ? w.next->previous : last_) = &w;
  }

  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

/// Waiters that were detached and are to be resumed once no lock is held: a chain by `next`.
class wake_list {
 public:
  void add(waiter& w) noexcept {
    w.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &w;
    last_ = &w;
  }
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  void resume_all(bool inline_allowed) {
    while (first_ != nullptr) take_first().resume(inline_allowed);
  }
  /// Resumes in place, as many as that time allows, and some at least.
  void resume_for(std::chrono::steady_clock::duration slice) {
    const auto until = std::chrono::steady_clock::now() + slice;
    do {
      for (int i = 0; i < 32 && first_ != nullptr; ++i) take_first().resume(true);
    } while (first_ != nullptr && std::chrono::steady_clock::now() < until);
  }
  void destroy_all() {
    while (first_ != nullptr) take_first().destroy_handler();
  }

 private:
  waiter& take_first() noexcept {
    waiter& w = *first_;
    first_ = w.next;
    if (first_ == nullptr) last_ = nullptr;
    return w;
  }

  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

}  // namespace nori

#endif
