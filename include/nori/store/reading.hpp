#ifndef NORI_STORE_READING_HPP
#define NORI_STORE_READING_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <nori/reader.hpp>
#include <nori/store/event.hpp>
#include <nori/store/query.hpp>

namespace nori {

namespace store {
class range_reader;
class subscriber;
class core;
}  // namespace store

enum class direction : std::uint8_t { forwards, backwards };

/// Which events of the store are meant: those that all of it matches.
struct event_filter {
  event_filter() = default;
  explicit event_filter(query what) : matching(std::move(what)) {}

  std::string stream_prefix;  ///< empty: any stream
  query matching;
};

/// How events are read. Everything has a default.
struct read_events {
  read_events() = default;

  direction order = direction::forwards;
  /// The first to be given, if it is there: a revision for a stream, a global position for all.
  /// Without it the first, or reading backwards the last one.
  std::optional<std::uint64_t> from;
  std::uint64_t limit = UINT64_MAX;
  /// The store as it was when the event with this global position was the last one.
  std::optional<std::uint64_t> as_of_position;
  /// The store as it was then: events recorded later are not seen.
  std::optional<event_time> as_of_time;
  event_filter filter;
  /// Under always, the same as durable.
  visibility sees = visibility::acknowledged;
};

/// Gives events in order. What is appended after it was made is not seen.
///
/// @par Thread safety
/// One call at a time; otherwise it may move between threads. It keeps the store's files open and
/// may outlive the event_store.
class event_reader {
 public:
  event_reader(event_reader&&) noexcept;
  event_reader& operator=(event_reader&&) noexcept;
  ~event_reader();

  /// The next event, or nothing at the end. Its views live until the next call.
  /// @throws errc::corruption naming file and offset.
  /// @par Cancellation
  /// Every type: operation_aborted, and the next call goes on with the same event.
  [[nodiscard]] asio::awaitable<std::optional<recorded_event>> next();

  /// Some events, as many as are at hand; empty at the end. Otherwise like next.
  [[nodiscard]] asio::awaitable<std::span<const recorded_event>> next_batch();

  /// The last global position that this reader sees: what to pass as `after` to a condition on
  /// what was read. None where the store was empty. Known once the first call has returned.
  [[nodiscard]] std::optional<std::uint64_t> watermark() const noexcept;

 private:
  friend class event_store;
  friend class store::core;
  explicit event_reader(std::unique_ptr<store::range_reader> reader) noexcept;

  std::unique_ptr<store::range_reader> reader_;
};

/// How a subscription begins and what it gives.
struct subscribe_options {
  subscribe_options() = default;

  /// The global position of the last event that is done with; without it from the first one that
  /// is there.
  std::optional<std::uint64_t> after;
  event_filter filter;
  /// Events are given once they are durable, or as soon as their append is acknowledged.
  visibility sees = visibility::durable;
  std::size_t batch_events_max = 256;  ///< at most this many at once; 1 to 4096
};

/// What a subscription gives at once.
struct event_batch {
  /// In order, without gap or repeat; live until the next call. Empty where all that is new does
  /// not match the filter, or for a first `caught_up`.
  std::span<const recorded_event> events;
  /// Everything up to this global position is given or does not match: the checkpoint to save once
  /// it is handled. None: the store is empty.
  std::optional<std::uint64_t> through;
  /// Nothing was left behind `through` when this was put together.
  bool caught_up = false;
};

/// Events as they come: first those that are there, then those that are appended, by one loop.
///
/// It reads when it is asked, so a slow subscriber takes no memory for what it has not seen.
///
/// @par Thread safety
/// One call at a time; otherwise it may move between threads. Any number may exist.
class subscription {
 public:
  subscription(subscription&&) noexcept;
  subscription& operator=(subscription&&) noexcept;
  ~subscription();

  /// Waits for events. After the last one that is there `caught_up` is given once, without events
  /// if need be.
  /// @throws errc::closed once the store was closed and all was given; errc::log_failed; errc::
  ///   corruption; errc::position_not_found where events that it has not given were deleted. A
  ///   subscription never ends without one of them.
  /// @par Cancellation
  /// Every type: operation_aborted, and the next call goes on where this one was.
  [[nodiscard]] asio::awaitable<event_batch> next_batch();

  /// The global position up to which everything was given; none: nothing yet.
  [[nodiscard]] std::optional<std::uint64_t> at() const noexcept;

  /// How many events of the store lie behind at().
  [[nodiscard]] std::uint64_t lag() const noexcept;

 private:
  friend class event_store;
  friend class store::core;
  explicit subscription(std::unique_ptr<store::subscriber> behind) noexcept;

  std::unique_ptr<store::subscriber> behind_;
};

}  // namespace nori

#endif
