#ifndef NORI_STORE_CONSUMER_GROUP_HPP
#define NORI_STORE_CONSUMER_GROUP_HPP

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <nori/store/event.hpp>
#include <nori/store/reading.hpp>

namespace nori {

class event_store;

namespace store {
class event_source;
struct group_state;
}  // namespace store

/// An event as a member gets it, owning its bytes.
///
/// Not an aggregate, for the reason that config gives.
struct group_event {
  group_event() = default;
  explicit group_event(const recorded_event& from)
      : stream(from.stream),
        revision(from.revision),
        global_position(from.global_position),
        recorded_at(from.recorded_at),
        what(from.to_event()) {}

  std::string stream;
  std::uint64_t revision = 0;
  std::uint64_t global_position = 0;
  event_time recorded_at{};
  event what;
};

/// What becomes of an event that came back from its last attempt.
enum class poison : std::uint8_t {
  park,  ///< it counts as done; the events behind it in its stream follow
  stop,  ///< run() ends with errc::poisonous_event; running again gives it all its attempts again
};

/// How a group reads, delivers and saves. A bad value is refused with errc::invalid_config.
struct group_options {
  group_options() = default;
  explicit group_options(std::string its_name) : name(std::move(its_name)) {}

  /// What the checkpoint is saved under: a name as of event_store::save_checkpoint.
  std::string name;
  event_filter filter;
  visibility sees = visibility::durable;
  /// Events that are read and not done; past it nothing is read. Bounds memory, and what is
  /// delivered again after a crash. At least 1.
  std::size_t window_events_max = 1024;
  /// Deliveries of one event, at least 1. An event that comes back from the last one, however it
  /// comes back, is poisonous.
  std::uint32_t attempts_max = 10;
  /// The checkpoint is saved when so many events were done since, at least one;
  std::uint64_t save_every_events = 1000;
  /// or so long after the first of them.
  std::chrono::milliseconds save_every_ms{1000};
  /// Says what becomes of a poisonous event, and may put it somewhere first. `attempts`: how often
  /// it was delivered. What it throws ends run(). Unless it is set: stop.
  std::function<asio::awaitable<poison>(const group_event& what, std::uint32_t attempts)> on_poison;
};

/// An event that a member has. Destroyed unsettled, it gives the event back at once.
///
/// @par Thread safety
/// One call at a time; it may move between threads, and outlive member and group.
class group_delivery {
 public:
  group_delivery() noexcept;
  group_delivery(group_delivery&&) noexcept;
  group_delivery& operator=(group_delivery&&) noexcept;
  ~group_delivery();

  [[nodiscard]] const group_event& event() const noexcept;
  [[nodiscard]] std::uint32_t attempt() const noexcept;  ///< from 1

  /// The event is done: the next one of its stream follows. The checkpoint comes later: after a
  /// crash the event may be delivered again.
  /// @returns false where the event was taken from this member before, as it had left
  bool ack();
  /// It is to be delivered again, to whichever member, no sooner than `after`. Its stream waits for
  /// it, others don't.
  /// @returns as ack
  bool nack(std::chrono::milliseconds after = {});

 private:
  friend class group_member;
  struct hold;
  std::unique_ptr<hold> hold_;
};

/// Takes events of a group, one after the other, or several at once that are of different streams.
/// Destroyed, it gives back what it has.
///
/// @par Thread safety
/// One call at a time; it may move between threads, and outlive the group.
class group_member {
 public:
  group_member(group_member&&) noexcept;
  group_member& operator=(group_member&&) noexcept;
  ~group_member();

  /// Waits for an event.
  /// @throws what ended run(), also where that was before; errc::closed where it was cancelled.
  /// @par Cancellation
  /// Every type: operation_aborted, and no event was taken.
  [[nodiscard]] asio::awaitable<group_delivery> next();

 private:
  friend class consumer_group;
  explicit group_member(std::shared_ptr<store::group_state> in);
  void leave() noexcept;

  std::shared_ptr<store::group_state> in_;
  std::uint64_t id_ = 0;
};

/// Several members share one subscription: each event is delivered to one of them, until it is
/// acknowledged, so at least once; events of one stream one at a time, in their order.
///
/// The checkpoint that is saved under the group's name is the highest global position up to which
/// everything is done.
///
/// @par Thread safety
/// Every member function is safe to call from any thread, also at the same time; run() once at a
/// time. One group of a name may exist.
/// @par Lifetimes
/// The store must outlive the coroutine run(). Destroying the group ends the wait of its members.
class consumer_group {
 public:
  /// @throws errc::invalid_config
  consumer_group(event_store& from, group_options options);
  /// From something else than a store. Of the library's tests.
  consumer_group(std::shared_ptr<store::event_source> from, group_options options);
  consumer_group(consumer_group&&) noexcept;
  consumer_group& operator=(consumer_group&&) noexcept;
  ~consumer_group();

  /// Reads from the checkpoint on, delivers, and saves checkpoints. It never returns; it may be
  /// called again after it has thrown, and goes on with what is in memory.
  /// @throws what a subscription throws; errc::poisonous_event; what on_poison or saving throws.
  ///   The checkpoint is saved first where it can be. std::bad_alloc: memory ran out. Asio's
  ///   strand and co_spawn, which it uses, need some of their own: where it runs out in them, also
  ///   in ack() and nack(), this never returns, or the process ends. The saved checkpoint stays.
  /// @par Cancellation
  /// Every type: the checkpoint is saved, then operation_aborted.
  [[nodiscard]] asio::awaitable<void> run();

  /// Members may come and go while it runs, and before.
  [[nodiscard]] group_member join();

  /// The checkpoint as it would be saved now.
  [[nodiscard]] std::optional<std::uint64_t> checkpoint() const;
  /// Events that are read and not done.
  [[nodiscard]] std::size_t unacknowledged() const;
  /// Events in the store behind the checkpoint.
  [[nodiscard]] std::uint64_t lag() const;

 private:
  void end() noexcept;

  std::shared_ptr<store::group_state> state_;
};

}  // namespace nori

#endif
