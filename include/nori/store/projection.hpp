#ifndef NORI_STORE_PROJECTION_HPP
#define NORI_STORE_PROJECTION_HPP

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nori/error.hpp>
#include <nori/store/event.hpp>
#include <nori/store/reading.hpp>

namespace nori {

class event_store;

namespace store {
class event_source;
}

/// How a projection reads and saves. A bad value is refused with errc::invalid_config.
struct projection_options {
  projection_options() = default;
  explicit projection_options(std::string its_name, std::uint32_t its_version = 1)
      : name(std::move(its_name)), version(its_version) {}

  /// What the view is saved under: 1 to 90 bytes of letters, digits, '-', '_' and '.', neither
  /// beginning with '.' nor ending in ".tmp" or ".next".
  std::string name;
  /// Of the fold function and of the saved form. Change it when either changes: the view is then
  /// built again from the first event.
  std::uint32_t version = 1;
  event_filter filter;
  visibility sees = visibility::durable;
  std::size_t batch_events_max = 256;  ///< folded under one lock; 1 to 4096
  /// The view is saved when so many events of the store lie behind what is saved, at least one;
  std::uint64_t save_every_events = 10000;
  /// or so long after the first of them;
  std::chrono::milliseconds save_every_ms{10000};
  /// or when nothing has come for so long.
  std::chrono::milliseconds idle_ms{500};
};

/// What a view is and how events change it. `fold` must be set.
template <typename View>
struct view_definition {
  view_definition() = default;
  explicit view_definition(std::function<void(View&, const recorded_event&)> how)
      : fold(std::move(how)) {}

  View initial{};
  /// The event lives until it returns.
  std::function<void(View&, const recorded_event&)> fold;
  /// Without both of these the view is not saved, and built from the first event by every run.
  /// `from_bytes` is given what `to_bytes` of the same version gave; what it throws makes the saved
  /// view unreadable, and it is built again.
  std::function<std::string(const View&)> to_bytes;
  std::function<View(std::string_view)> from_bytes;
  /// Reads what another version saved, so that it can be looked at while this one is built; none
  /// or an exception: it can't.
  std::function<std::optional<View>(std::uint32_t version, std::string_view)> from_other_version;
};

/// Ended a projection: its fold function threw. The code is that of a system_error that it threw,
/// else errc::fold_failed; what it threw is nested (std::rethrow_if_nested).
class fold_error : public boost::system::system_error {
 public:
  fold_error(boost::system::error_code code, const std::string& text, std::uint64_t position)
      : system_error(code, text), global_position_(position) {}
  [[nodiscard]] std::uint64_t global_position() const noexcept { return global_position_; }

 private:
  std::uint64_t global_position_;
};

namespace store {

// The view as the compiled part sees it.
class any_view {
 public:
  virtual ~any_view() = default;
  virtual void fold(const recorded_event& what) = 0;
  [[nodiscard]] virtual std::string to_bytes() const = 0;
};

class view_kind {
 public:
  virtual ~view_kind() = default;
  [[nodiscard]] virtual bool saved() const noexcept = 0;
  [[nodiscard]] virtual std::unique_ptr<any_view> initial() const = 0;
  [[nodiscard]] virtual std::unique_ptr<any_view> from_bytes(std::string_view bytes) const = 0;
  /// Null: it can't be read.
  [[nodiscard]] virtual std::unique_ptr<any_view> from_other_version(
      std::uint32_t version, std::string_view bytes) const = 0;
};

class projector {
 public:
  projector(std::shared_ptr<event_source> from, projection_options options,
            std::shared_ptr<const view_kind> kind);
  projector(event_store& from, projection_options options, std::shared_ptr<const view_kind> kind);
  projector(projector&&) noexcept;
  projector& operator=(projector&&) noexcept;
  ~projector();

  [[nodiscard]] asio::awaitable<void> run();
  [[nodiscard]] asio::awaitable<void> wait_for(std::uint64_t global_position) const;
  void rebuild();
  [[nodiscard]] bool rebuilding() const;
  [[nodiscard]] std::optional<std::uint64_t> through() const;
  [[nodiscard]] std::uint64_t lag() const;
  [[nodiscard]] const projection_options& options() const noexcept;
  void read(const std::function<void(const any_view&, std::optional<std::uint64_t>)>& how) const;
  [[nodiscard]] asio::awaitable<std::unique_ptr<any_view>> as_of(
      std::optional<std::uint64_t> global_position) const;
  [[nodiscard]] asio::awaitable<std::unique_ptr<any_view>> as_of_time(event_time when) const;

 private:
  void stop_waiting() noexcept;

  struct state;
  std::shared_ptr<state> state_;
};

template <typename View>
class typed_view final : public any_view {
 public:
  typed_view(std::shared_ptr<const view_definition<View>> how, View value)
      : how_(std::move(how)), value(std::move(value)) {}
  void fold(const recorded_event& what) override { how_->fold(value, what); }
  [[nodiscard]] std::string to_bytes() const override { return how_->to_bytes(value); }

 private:
  const std::shared_ptr<const view_definition<View>> how_;

 public:
  View value;
};

template <typename View>
class typed_view_kind final : public view_kind {
 public:
  explicit typed_view_kind(view_definition<View> how)
      : how_(std::make_shared<const view_definition<View>>(std::move(how))) {
    if (!how_->fold) throw_error(errc::invalid_config, "view_definition::fold is not set");
  }
  [[nodiscard]] bool saved() const noexcept override { return how_->to_bytes && how_->from_bytes; }
  [[nodiscard]] std::unique_ptr<any_view> initial() const override {
    return std::make_unique<typed_view<View>>(how_, how_->initial);
  }
  [[nodiscard]] std::unique_ptr<any_view> from_bytes(std::string_view bytes) const override {
    return std::make_unique<typed_view<View>>(how_, how_->from_bytes(bytes));
  }
  [[nodiscard]] std::unique_ptr<any_view> from_other_version(
      std::uint32_t version, std::string_view bytes) const override {
    if (!how_->from_other_version) return nullptr;
    std::optional<View> view = how_->from_other_version(version, bytes);
    if (!view) return nullptr;
    return std::make_unique<typed_view<View>>(how_, std::move(*view));
  }

 private:
  std::shared_ptr<const view_definition<View>> how_;
};

}  // namespace store

/// Folds events into a view, and keeps it up to date, for as long as run() runs.
///
/// The view and the global position up to which it was made are saved together, in one file that is
/// replaced as a whole, so each event counts exactly once in it. A saved view that is missing,
/// damaged, of another store or newer than the store is not believed: the view is built again from
/// the first event that is still there.
///
/// A view of another version that `from_other_version` can read is what read() shows while the new
/// one is built, as it was saved; so is the old one during rebuild(). Then the new one takes its
/// place, at once.
///
/// @par Thread safety
/// Every member function is safe to call from any thread, also at the same time; run() once at a
/// time. One projection of a name may exist.
/// @par Lifetimes
/// The store must outlive the coroutines in its calls. Destroying it ends wait_for().
template <typename View>
class projection {
 public:
  /// @throws errc::invalid_config
  projection(event_store& from, projection_options options, view_definition<View> how)
      : projector_(from, std::move(options),
                   std::make_shared<const store::typed_view_kind<View>>(std::move(how))) {}
  /// From something else than a store. Of the library's tests.
  projection(std::shared_ptr<store::event_source> from, projection_options options,
             view_definition<View> how)
      : projector_(std::move(from), std::move(options),
                   std::make_shared<const store::typed_view_kind<View>>(std::move(how))) {}

  /// Loads what was saved, catches up, and goes on as events come; saves as the options say. It
  /// never returns; it may be called again after it has thrown.
  /// @throws fold_error: read() shows the view without that event, as far as `fold` left it alone;
  ///   it is not saved, and the next run begins with what was. What a subscription throws
  ///   (errc::closed when the store was closed; the view was not saved then if the store could
  ///   not). std::bad_alloc: memory ran out. Asio's strand and co_spawn, which it uses, need
  ///   some of their own: where it runs out in them, this never returns, or the process ends. What
  ///   was saved stays.
  /// @par Cancellation
  /// Every type: the view is saved, then operation_aborted.
  [[nodiscard]] asio::awaitable<void> run() { return projector_.run(); }

  /// Calls `how(const View&, std::optional<std::uint64_t> through)` with the view and the global
  /// position of the last event in it, which fit together; none: no event is. Events wait
  /// meanwhile: be quick, don't suspend, and don't call this projection.
  /// @returns what it returns
  template <typename How>
  auto read(How how) const {
    using result = std::invoke_result_t<How, const View&, std::optional<std::uint64_t>>;
    if constexpr (std::is_void_v<result>) {
      projector_.read([&](const store::any_view& view, std::optional<std::uint64_t> through) {
        how(value_of(view), through);
      });
    } else {
      std::optional<result> given;
      projector_.read([&](const store::any_view& view, std::optional<std::uint64_t> through) {
        given.emplace(how(value_of(view), through));
      });
      return std::move(*given);
    }
  }

  /// Waits until the view that read() shows has everything up to and with this event: what an
  /// append gave as appended::last_global_position is to be seen then.
  /// @throws what ends run(), also where that was before; errc::closed where it was cancelled.
  /// @par Cancellation
  /// Every type: operation_aborted.
  [[nodiscard]] asio::awaitable<void> wait_for(std::uint64_t global_position) const {
    return projector_.wait_for(global_position);
  }

  /// Has run() build the view again from the first event; the present one serves meanwhile.
  void rebuild() { projector_.rebuild(); }
  /// Whether another view than the one that read() shows is being built.
  [[nodiscard]] bool rebuilding() const { return projector_.rebuilding(); }

  /// The global position of the last event in the view that read() shows.
  [[nodiscard]] std::optional<std::uint64_t> through() const { return projector_.through(); }
  /// Events in the store that are not in that view.
  [[nodiscard]] std::uint64_t lag() const { return projector_.lag(); }
  [[nodiscard]] const projection_options& options() const noexcept { return projector_.options(); }

  /// The view as it was when the event with this global position was the last one. Takes a read of
  /// all events up to there; has nothing to do with run().
  /// @throws fold_error; what an event_reader throws
  [[nodiscard]] asio::awaitable<View> as_of(std::uint64_t global_position) const {
    const std::unique_ptr<store::any_view> view = co_await projector_.as_of(global_position);
    co_return value_of(*view);
  }
  /// The same, of the last event that was recorded at or before `when`.
  [[nodiscard]] asio::awaitable<View> as_of(event_time when) const {
    const std::unique_ptr<store::any_view> view = co_await projector_.as_of_time(when);
    co_return value_of(*view);
  }

 private:
  static const View& value_of(const store::any_view& view) noexcept {
    return static_cast<const store::typed_view<View>&>(view).value;
  }

  store::projector projector_;
};

}  // namespace nori

#endif
