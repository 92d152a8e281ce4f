#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <mutex>
#include <shared_mutex>
#include <tuple>

#include <nori/store/metrics.hpp>
#include <nori/store/projection.hpp>

#include "storage/parked_handler.hpp"
#include "store/checkpoint_files.hpp"
#include "store/event_source.hpp"
#include "store/on_strand.hpp"
#include "store/stopped.hpp"
#include "store/waiting_room.hpp"

namespace nori::store {

namespace {

using clock = std::chrono::steady_clock;
constexpr std::string_view next_suffix = ".next";

[[noreturn]] void throw_fold_error(const std::string& name, const recorded_event& at) {
  const std::string where = "projection " + name + ", event " + std::to_string(at.global_position) +
                            " of type " + std::string(at.type) + ": ";
  try {
    throw;
  } catch (const boost::system::system_error& error) {
    std::throw_with_nested(fold_error(error.code(), where + error.what(), at.global_position));
  } catch (const std::exception& error) {
    std::throw_with_nested(
        fold_error(make_error_code(errc::fold_failed), where + error.what(), at.global_position));
  } catch (...) {
    std::throw_with_nested(fold_error(make_error_code(errc::fold_failed),
                                      where + "something else than an exception",
                                      at.global_position));
  }
}

// A view and how far it goes.
struct progress {
  std::unique_ptr<any_view> view;
  std::optional<std::uint64_t> through;
};

// A coroutine of its own would only be ended by terminal cancellation, and the group that it is in
// asks once.
asio::awaitable<event_batch> next_of(event_source::feed* from) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_return co_await from->next_batch();
}

bool reaches(std::optional<std::uint64_t> through, std::uint64_t position) noexcept {
  return through && *through >= position;
}

constexpr const char* projection_text = "the projection";

void check(const projection_options& options) {
  const auto refuse = [](const std::string& what) {
    throw_error(errc::invalid_config, "projection_options::" + what);
  };
  if (!is_checkpoint_name(options.name) || options.name.size() > 90 ||
      options.name.ends_with(next_suffix)) {
    refuse("name is not allowed");
  }
  if (options.batch_events_max < 1 || options.batch_events_max > 4096) {
    refuse("batch_events_max must be 1 to 4096");
  }
  if (options.save_every_events < 1) refuse("save_every_events must be at least 1");
  if (options.save_every_ms.count() < 0) refuse("save_every_ms must not be negative");
  if (options.idle_ms.count() < 0) refuse("idle_ms must not be negative");
}

}  // namespace

struct projector::state {
  state(std::shared_ptr<event_source> its_source, projection_options its_options,
        std::shared_ptr<const view_kind> its_kind)
      : source(std::move(its_source)), options(std::move(its_options)), kind(std::move(its_kind)) {
    check(options);
    serving.view = kind->initial();
  }

  // Everything below is run()'s, on its strand, and what others may look at is changed under
  // view_mutex.
  [[nodiscard]] asio::awaitable<void> load();
  [[nodiscard]] std::unique_ptr<any_view> parsed(const derived& found) const;
  [[nodiscard]] asio::awaitable<void> follow();
  [[nodiscard]] asio::awaitable<void> save();
  [[nodiscard]] asio::awaitable<void> begin_rebuild();
  void fold(const event_batch& batch, std::optional<std::uint64_t> at);
  void switch_over();
  void end(std::exception_ptr why);
  progress& folded() noexcept { return building.view ? building : serving; }
  [[nodiscard]] std::string next_name() const { return options.name + std::string(next_suffix); }
  void tell_lag() const {
    source->show(metrics::projection_lag, static_cast<double>(lag_of(serving.through)),
                 options.name);
  }
  [[nodiscard]] std::uint64_t lag_of(std::optional<std::uint64_t> through) const {
    const std::uint64_t next = source->next_global_position();
    const std::uint64_t done = through ? *through + 1 : 0;
    return next > done ? next - done : 0;
  }

  const std::shared_ptr<event_source> source;
  const projection_options options;
  const std::shared_ptr<const view_kind> kind;

  mutable std::shared_mutex view_mutex;
  progress serving;
  progress building;  ///< no view: events are folded into the one that serves

  std::mutex mutex;
  waiting_room waiting;
  std::optional<std::uint64_t> shown;  ///< how far what serves goes
  std::exception_ptr ended;            ///< why run() does not run any more
  bool rebuild_asked = false;
  std::function<void()> poke;  ///< has follow() look at rebuild_asked; while it runs

  bool running = false;
  bool loaded = false;
  bool rebuild_begun = false;                   ///< it was asked for, and is not what serves yet
  std::optional<std::uint64_t> saved;           ///< how far what is saved goes
  std::optional<clock::time_point> unsaved_at;  ///< when it began to lag behind
};

projector::projector(std::shared_ptr<event_source> from, projection_options options,
                     std::shared_ptr<const view_kind> kind)
    : state_(std::make_shared<state>(std::move(from), std::move(options), std::move(kind))) {}
projector::projector(event_store& from, projection_options options,
                     std::shared_ptr<const view_kind> kind)
    : projector(source_of(from), std::move(options), std::move(kind)) {}
projector::projector(projector&&) noexcept = default;
projector& projector::operator=(projector&& other) noexcept {
  if (this != &other) {
    stop_waiting();
    state_ = std::move(other.state_);
  }
  return *this;
}
projector::~projector() { stop_waiting(); }

// Coroutines in wait_for() keep the state, and the state keeps them.
void projector::stop_waiting() noexcept {
  if (!state_) return;
  waiting_room::called woken;
  const std::lock_guard lock(state_->mutex);
  if (!state_->ended) state_->ended = store::stopped(store::projection_text, state_->options.name);
  woken = state_->waiting.call_all();
}

std::unique_ptr<any_view> projector::state::parsed(const derived& found) const {
  std::string_view ignored;
  try {
    if (source->next_global_position() <= found.through) {
      ignored = "newer_than_store";
    } else if (found.version != options.version) {
      ignored = "other_version";
    } else {
      return kind->from_bytes(found.bytes);
    }
  } catch (const std::exception&) {  // whatever the user's function makes of bytes it can't read
    ignored = "unreadable";
  }
  source->count(metrics::projection_views_ignored, 1, ignored);
  return nullptr;
}

asio::awaitable<void> projector::state::load() {
  progress found;
  progress begun;
  bool from_zero = true;
  if (kind->saved()) {
    if (const std::optional<derived> kept = co_await source->load_derived(options.name)) {
      found.view = parsed(*kept);
      if (found.view) {
        found.through = kept->through;
        from_zero = false;
      } else if (kept->version != options.version &&
                 source->next_global_position() > kept->through) {
        try {
          found.view = kind->from_other_version(kept->version, kept->bytes);
        } catch (const std::exception&) {
          source->count(metrics::projection_views_ignored, 1, "unreadable");
        }
        if (found.view) {
          found.through = kept->through;
          begun.view = kind->initial();
          if (const std::optional<derived> next = co_await source->load_derived(next_name())) {
            if (std::unique_ptr<any_view> half = parsed(*next)) {
              begun.view = std::move(half);
              begun.through = next->through;
              from_zero = false;
            }
          }
        }
      }
    }
  }
  if (!found.view) found.view = kind->initial();
  if (from_zero && source->next_global_position() > 0) {
    source->count(metrics::projection_rebuilds, 1, options.name);
  }
  {
    const std::unique_lock lock(view_mutex);
    serving = std::move(found);
    building = std::move(begun);
  }
  saved = folded().through;
  unsaved_at.reset();
  loaded = true;
  waiting_room::called woken;
  const std::lock_guard lock(mutex);
  // What a fold function that threw has spoilt of it is begun again.
  if (std::exchange(rebuild_begun, false)) rebuild_asked = true;
  shown = serving.through;
  woken = waiting.call_all();
}

void projector::state::fold(const event_batch& batch, std::optional<std::uint64_t> at) {
  progress& into = folded();
  // Only what is shown has others who look at it.
  std::unique_lock lock(view_mutex, std::defer_lock);
  if (&into == &serving) lock.lock();
  for (const recorded_event& each : batch.events) {
    try {
      into.view->fold(each);
    } catch (...) {
      // What is in memory may be half changed. Here, as there may be no memory to say what
      // happened.
      loaded = false;
      throw_fold_error(options.name, each);
    }
    into.through = each.global_position;
  }
  into.through = at;
}

void projector::state::switch_over() {
  const std::unique_lock lock(view_mutex);
  serving = std::move(building);
  building = {};
  rebuild_begun = false;
}

asio::awaitable<void> projector::state::save() {
  const progress& what = folded();
  if (!kind->saved() || !what.through || what.through == saved) co_return;
  // Nobody else changes it.
  derived kept(*what.through, options.version, what.view->to_bytes());
  std::string name = building.view ? next_name() : options.name;
  co_await source->save_derived(std::move(name), std::move(kept));
  saved = what.through;
  unsaved_at.reset();
  source->count(metrics::projection_saves, 1, options.name);
}

asio::awaitable<void> projector::state::begin_rebuild() {
  // What an interrupted one left must not be taken for a part of this one.
  if (kind->saved()) co_await source->remove_derived(next_name());
  {
    const std::unique_lock lock(view_mutex);
    building.view = kind->initial();
    building.through.reset();
  }
  rebuild_begun = true;
  saved.reset();
  unsaved_at.reset();
  source->count(metrics::projection_rebuilds, 1, options.name);
}

asio::awaitable<void> projector::state::follow() {
  const asio::any_io_executor strand = co_await asio::this_coro::executor;
  // Outlives this coroutine where it was asked to wake it.
  const auto timer = std::make_shared<asio::steady_timer>(strand);
  {
    const std::lock_guard lock(mutex);
    poke = [timer, strand] { asio::post(strand, [timer] { timer->cancel(); }); };
  }
  std::unique_ptr<event_source::feed> feed;
  bool caught_up = false;
  for (;;) {
    bool anew = false;
    {
      const std::lock_guard lock(mutex);
      anew = rebuild_asked;
    }
    if (anew) {
      co_await begin_rebuild();
      feed = nullptr;
      // Not sooner: where that failed, the next run sees to it.
      const std::lock_guard lock(mutex);
      rebuild_asked = false;
    }
    if (!feed) {
      subscribe_options how;
      how.after = folded().through;
      how.filter = options.filter;
      how.sees = options.sees;
      how.batch_events_max = options.batch_events_max;
      feed = source->subscribe(std::move(how));
      caught_up = false;
    }
    event_batch batch;
    if (!caught_up) {
      batch = co_await feed->next_batch();
      // What is in memory is given without suspending: others, and cancellation, get a turn.
      storage::parked_handler parked;
      co_await storage::take_turn(parked);
    } else {
      // Until something comes, it is time to save, or somebody asks.
      clock::time_point until = clock::time_point::max();
      if (unsaved_at) {
        until = std::min(clock::now() + options.idle_ms, *unsaved_at + options.save_every_ms);
      }
      timer->expires_at(until);
      auto next = asio::co_spawn(strand, next_of(feed.get()), asio::deferred);
      auto passed = timer->async_wait(asio::deferred);
      auto both = asio::experimental::make_parallel_group(std::move(next), std::move(passed));
      auto outcome =
          co_await both.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
      const std::exception_ptr& failure = std::get<1>(outcome);
      if (failure) {
        try {
          std::rethrow_exception(failure);
        } catch (const boost::system::system_error& error) {
          if (error.code() != asio::error::operation_aborted) throw;
        }
        // Not by the timer: then whoever runs this wants it to end.
        const auto cancelled = co_await asio::this_coro::cancellation_state;
        if (cancelled.cancelled() != asio::cancellation_type::none) {
          throw boost::system::system_error(asio::error::operation_aborted);
        }
        if (unsaved_at && clock::now() >= until) co_await save();
        continue;
      }
      batch = std::get<2>(outcome);
    }
    caught_up = batch.caught_up;
    fold(batch, feed->at());
    if (!batch.events.empty()) {
      source->count(metrics::projection_events, batch.events.size(), options.name);
    }
    bool switched = false;
    if (building.view && caught_up) {
      switch_over();
      saved.reset();
      switched = true;
    }
    if (serving.through) {
      waiting_room::called woken;
      const std::lock_guard lock(mutex);
      shown = serving.through;
      woken = waiting.call_all();
    }
    tell_lag();
    if (kind->saved() && folded().through != saved && !unsaved_at) unsaved_at = clock::now();
    const std::uint64_t done = folded().through ? *folded().through + 1 : 0;
    if (switched || (unsaved_at && (done - (saved ? *saved + 1 : 0) >= options.save_every_events ||
                                    clock::now() >= *unsaved_at + options.save_every_ms))) {
      co_await save();
      if (switched && kind->saved()) co_await source->remove_derived(next_name());
    }
  }
}

void projector::state::end(std::exception_ptr why) {
  waiting_room::called woken;
  const std::lock_guard lock(mutex);
  ended = std::move(why);
  poke = nullptr;
  woken = waiting.call_all();
}

asio::awaitable<void> projector::run() {
  // On a strand, since it waits for two things at once.
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const asio::any_io_executor strand = asio::make_strand(executor);
  const std::shared_ptr<state> self = state_;
  struct runner {
    static asio::awaitable<void> run(std::shared_ptr<state> of) {
      {
        const std::lock_guard lock(of->mutex);
        if (of->running) throw_error(errc::invalid_config, "the projection runs already");
        of->running = true;
        of->ended = nullptr;
      }
      // However it ends, also where the coroutine is destroyed.
      struct ending {
        explicit ending(std::shared_ptr<state> its) : of(std::move(its)) {}
        ~ending() {
          const std::lock_guard lock(of->mutex);
          of->running = false;
        }
        const std::shared_ptr<state> of;
      };
      const ending at_the_end(of);
      std::exception_ptr why;
      bool save = false;
      try {
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        if (!of->loaded) co_await of->load();
        co_await of->follow();
      } catch (const boost::system::system_error& error) {
        save = error.code() == asio::error::operation_aborted || error.code() == errc::closed;
        why = std::current_exception();
      } catch (...) {
        why = std::current_exception();
      }
      if (save && of->loaded) {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        try {
          co_await of->save();
        } catch (const std::exception&) {
          // The older one is there. Why the run ended is more worth telling.
        }
      }
      bool cancelled = false;
      try {
        std::rethrow_exception(why);
      } catch (const boost::system::system_error& error) {
        cancelled = error.code() == asio::error::operation_aborted;
      } catch (...) {
      }
      of->end(cancelled ? stopped(projection_text, of->options.name) : why);
      std::rethrow_exception(why);
    }
  };
  asio::awaitable<void> running = runner::run(self);
  co_await run_on_strand(strand, std::move(running));
}

asio::awaitable<void> projector::wait_for(std::uint64_t global_position) const {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  const std::shared_ptr<state> self = state_;
  for (;;) {
    std::unique_lock lock(self->mutex);
    if (reaches(self->shown, global_position)) co_return;
    if (self->ended) std::rethrow_exception(self->ended);
    co_await self->waiting.wait(std::move(lock));
  }
}

void projector::rebuild() {
  const std::lock_guard lock(state_->mutex);
  state_->rebuild_asked = true;
  if (state_->poke) state_->poke();
}

bool projector::rebuilding() const {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->rebuild_asked) return true;
  }
  const std::shared_lock lock(state_->view_mutex);
  return state_->building.view != nullptr;
}

std::optional<std::uint64_t> projector::through() const {
  const std::shared_lock lock(state_->view_mutex);
  return state_->serving.through;
}

std::uint64_t projector::lag() const { return state_->lag_of(through()); }

const projection_options& projector::options() const noexcept { return state_->options; }

void projector::read(
    const std::function<void(const any_view&, std::optional<std::uint64_t>)>& how) const {
  const std::shared_lock lock(state_->view_mutex);
  how(*state_->serving.view, state_->serving.through);
}

asio::awaitable<std::unique_ptr<any_view>> projector::as_of(
    std::optional<std::uint64_t> global_position) const {
  const std::shared_ptr<state> self = state_;
  std::unique_ptr<any_view> view = self->kind->initial();
  if (!global_position) co_return view;
  read_events how;
  how.as_of_position = global_position;
  how.filter = self->options.filter;
  how.sees = self->options.sees;
  const std::unique_ptr<event_source::range> range = self->source->read_all(std::move(how));
  for (;;) {
    const std::span<const recorded_event> some = co_await range->next_batch();
    if (some.empty()) co_return view;
    for (const recorded_event& each : some) {
      try {
        view->fold(each);
      } catch (...) {
        throw_fold_error(self->options.name, each);
      }
    }
    storage::parked_handler parked;
    co_await storage::take_turn(parked);
  }
}

asio::awaitable<std::unique_ptr<any_view>> projector::as_of_time(event_time when) const {
  const std::optional<std::uint64_t> last = co_await state_->source->position_at(when);
  co_return co_await as_of(last);
}

}  // namespace nori::store
