#include <nori/store/consumer_group.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <tuple>

#include <nori/error.hpp>
#include <nori/store/metrics.hpp>

#include "store/checkpoint_files.hpp"
#include "store/event_source.hpp"
#include "store/group_core.hpp"
#include "store/on_strand.hpp"
#include "store/stopped.hpp"
#include "store/waiting_room.hpp"

namespace nori {

namespace store {

using clock = std::chrono::steady_clock;

namespace {

constexpr const char* group_text = "the consumer group";

// Unless told otherwise; no more events than that are read before their place is known.
constexpr std::size_t batch_events_usual = 256;

// A time that no clock reaches overflows where it is added up.
constexpr std::chrono::milliseconds delay_longest = std::chrono::hours(24 * 365);

void check(const group_options& options) {
  const auto refuse = [](const std::string& what) {
    throw_error(errc::invalid_config, "group_options::" + what);
  };
  if (!is_checkpoint_name(options.name)) refuse("name is not allowed");
  if (options.window_events_max < 1) refuse("window_events_max must be at least 1");
  if (options.attempts_max < 1) refuse("attempts_max must be at least 1");
  if (options.save_every_events < 1) refuse("save_every_events must be at least 1");
  if (options.save_every_ms.count() < 0) refuse("save_every_ms must not be negative");
}

}  // namespace

struct group_state : std::enable_shared_from_this<group_state> {
  group_state(std::shared_ptr<event_source> its_source, group_options its_options)
      : source(std::move(its_source)),
        options(std::move(its_options)),
        core(options.window_events_max, options.attempts_max) {
    check(options);
  }

  [[nodiscard]] asio::awaitable<void> begin();
  [[nodiscard]] asio::awaitable<void> read();
  [[nodiscard]] asio::awaitable<void> tend(std::shared_ptr<asio::steady_timer> timer);
  [[nodiscard]] asio::awaitable<void> judge(group_core::delivery what);
  [[nodiscard]] asio::awaitable<void> save();
  static asio::awaitable<void> run(std::shared_ptr<group_state> self);

  // With the mutex held, after something was done or came back.
  void changed(waiting_room::called& woken, bool was_done);

  const std::shared_ptr<event_source> source;
  const group_options options;

  mutable std::mutex mutex;
  group_core core;
  std::map<std::uint64_t, std::shared_ptr<const group_event>> events;  ///< not done
  waiting_room members;                                                ///< wait for an event
  waiting_room reader;                                                 ///< waits for room
  std::uint64_t next_member = 1;
  std::exception_ptr ended;    ///< why run() does not run any more
  std::function<void()> poke;  ///< has tend() look again; while it runs
  bool running = false;
  bool begun = false;
  std::uint64_t done_since_save = 0;
  std::optional<clock::time_point> unsaved_at;
  clock::time_point tended_until{};  ///< when tend() looks again by itself

  std::optional<std::uint64_t> saved;  ///< run()'s alone
};

void group_state::changed(waiting_room::called& woken, bool was_done) {
  if (core.ready()) woken.add(members.call_all());
  const auto due = core.next_due();
  bool look = core.poisonous().has_value() || (due && *due < tended_until);
  if (was_done) {
    woken.add(reader.call_all());
    if (done_since_save++ == 0) {
      unsaved_at = clock::now();
      look = true;
    }
    if (done_since_save == options.save_every_events) look = true;
  }
  if (look && poke) poke();
}

asio::awaitable<void> group_state::begin() {
  if (!begun) {
    saved = co_await source->load_checkpoint(options.name);
    if (saved && *saved >= source->next_global_position()) saved.reset();
    const std::lock_guard lock(mutex);
    if (saved) core.pass(*saved);
    begun = true;
  }
  waiting_room::called woken;
  const std::lock_guard lock(mutex);
  // Those that it was stopped for, too: they are looked at again.
  while (const auto poisonous = core.poisonous()) core.pardon(poisonous->position);
  if (core.ready()) woken = members.call_all();
}

asio::awaitable<void> group_state::read() {
  subscribe_options how;
  {
    const std::lock_guard lock(mutex);
    how.after = core.horizon();
  }
  how.filter = options.filter;
  how.sees = options.sees;
  how.batch_events_max = std::min(options.window_events_max, batch_events_usual);
  const std::unique_ptr<event_source::feed> feed = source->subscribe(std::move(how));
  for (;;) {
    const event_batch batch = co_await feed->next_batch();
    for (const recorded_event& each : batch.events) {
      auto owned = std::make_shared<const group_event>(each);
      for (;;) {
        std::unique_lock lock(mutex);
        if (core.has_room()) break;
        co_await reader.wait(std::move(lock));
      }
      waiting_room::called woken;
      const std::lock_guard lock(mutex);
      core.offer(each.global_position, owned->stream);
      events.emplace(each.global_position, std::move(owned));
      if (core.ready()) woken = members.call_all();
    }
    const std::optional<std::uint64_t> at = feed->at();
    std::size_t open = 0;
    {
      const std::lock_guard lock(mutex);
      if (at) {
        core.pass(*at);
        // Events that are not for this group move the checkpoint, too.
        if (!unsaved_at && core.checkpoint() != saved) {
          unsaved_at = clock::now();
          if (poke) poke();
        }
      }
      open = core.unacknowledged();
    }
    source->show(metrics::group_unacknowledged, static_cast<double>(open), options.name);
    const std::uint64_t done = at ? *at + 1 : 0;
    const std::uint64_t next = source->next_global_position();
    source->show(metrics::store_subscription_lag,
                 static_cast<double>(next > done ? next - done : 0), options.name);
  }
}

asio::awaitable<void> group_state::save() {
  std::optional<std::uint64_t> through;
  {
    const std::lock_guard lock(mutex);
    through = core.checkpoint();
    done_since_save = 0;
    unsaved_at.reset();
  }
  if (!through || through == saved) co_return;
  co_await source->save_checkpoint(options.name, *through);
  saved = through;
}

asio::awaitable<void> group_state::judge(group_core::delivery what) {
  std::shared_ptr<const group_event> event;
  {
    const std::lock_guard lock(mutex);
    event = events.find(what.position)->second;
  }
  source->count(metrics::group_poisonous, 1, options.name);
  poison verdict = poison::stop;
  if (options.on_poison) verdict = co_await options.on_poison(*event, what.attempt);
  if (verdict == poison::stop) {
    throw_error(errc::poisonous_event, "consumer group " + options.name + ", event " +
                                           std::to_string(what.position) + " of type " +
                                           event->what.type + ": " + std::to_string(what.attempt) +
                                           " attempts");
  }
  waiting_room::called woken;
  const std::lock_guard lock(mutex);
  core.park(what.position);
  events.erase(what.position);
  changed(woken, true);
}

// Whatever has to happen at some time or out of the members' way.
asio::awaitable<void> group_state::tend(std::shared_ptr<asio::steady_timer> timer) {
  for (;;) {
    std::optional<group_core::delivery> poisonous;
    bool due = false;
    clock::time_point until = clock::time_point::max();
    {
      waiting_room::called woken;
      const std::lock_guard lock(mutex);
      const clock::time_point now = clock::now();
      if (core.advance(now)) woken = members.call_all();
      poisonous = core.poisonous();
      if (const auto at = core.next_due()) until = *at;
      if (unsaved_at) {
        const clock::time_point latest = *unsaved_at + options.save_every_ms;
        due = now >= latest || done_since_save >= options.save_every_events;
        until = std::min(until, latest);
      }
      tended_until = until;
    }
    if (poisonous) {
      co_await judge(*poisonous);
    } else if (due) {
      co_await save();
    } else {
      // poke() cancels it on this strand: what it tells of was looked at, or is when it returns.
      timer->expires_at(until);
      boost::system::error_code ignored;
      co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
}

asio::awaitable<void> group_state::run(std::shared_ptr<group_state> self) {
  const asio::any_io_executor strand = co_await asio::this_coro::executor;
  {
    const std::lock_guard lock(self->mutex);
    if (self->running) throw_error(errc::invalid_config, "the consumer group runs already");
    self->running = true;
    self->ended = nullptr;
  }
  // However it ends, also where the coroutine is destroyed.
  struct ending {
    explicit ending(std::shared_ptr<group_state> its) : of(std::move(its)) {}
    ~ending() {
      const std::lock_guard lock(of->mutex);
      of->running = false;
      of->poke = nullptr;
    }
    const std::shared_ptr<group_state> of;
  };
  const ending at_the_end(self);
  // The first one to end says why; the other one is cancelled.
  struct part {
    static asio::awaitable<void> read(std::shared_ptr<group_state> of) {
      co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
      co_await of->read();
    }
    static asio::awaitable<void> tend(std::shared_ptr<group_state> of,
                                      std::shared_ptr<asio::steady_timer> timer) {
      co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
      co_await of->tend(std::move(timer));
    }
  };
  std::exception_ptr why;
  try {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await self->begin();
    const auto timer = std::make_shared<asio::steady_timer>(strand);
    {
      const std::lock_guard lock(self->mutex);
      self->poke = [timer, strand] { asio::post(strand, [timer] { timer->cancel(); }); };
    }
    auto reading = asio::co_spawn(strand, part::read(self), asio::deferred);
    auto tending = asio::co_spawn(strand, part::tend(self, timer), asio::deferred);
    auto both = asio::experimental::make_parallel_group(std::move(reading), std::move(tending));
    auto outcome =
        co_await both.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    why = std::get<0>(outcome)[0] == 0 ? std::get<1>(outcome) : std::get<2>(outcome);
  } catch (...) {
    why = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  try {
    co_await self->save();
  } catch (const std::exception&) {
    // The older one is there: some events come again. Why it ended is more worth telling.
  }
  bool cancelled = false;
  try {
    std::rethrow_exception(why);
  } catch (const boost::system::system_error& error) {
    cancelled = error.code() == asio::error::operation_aborted;
  } catch (...) {
  }
  {
    waiting_room::called woken;
    const std::lock_guard lock(self->mutex);
    self->poke = nullptr;
    self->ended = cancelled ? stopped(group_text, self->options.name) : why;
    woken = self->members.call_all();
  }
  std::rethrow_exception(why);
}

}  // namespace store

struct group_delivery::hold {
  hold(std::shared_ptr<store::group_state> its_group, store::group_core::delivery its_place,
       std::uint64_t its_member, std::shared_ptr<const group_event> its_event)
      : in(std::move(its_group)),
        place(its_place),
        member(its_member),
        event(std::move(its_event)) {}
  hold(const hold&) = delete;
  hold& operator=(const hold&) = delete;
  ~hold() {
    if (!settled) give_back({});
  }

  bool acknowledge() {
    if (std::exchange(settled, true)) return false;
    store::waiting_room::called woken;
    const std::lock_guard lock(in->mutex);
    if (!in->core.acknowledge(place, member)) return false;
    in->events.erase(place.position);
    in->changed(woken, true);
    return true;
  }

  bool give_back(std::chrono::milliseconds after) {
    if (std::exchange(settled, true)) return false;
    after = std::clamp(after, std::chrono::milliseconds(0), store::delay_longest);
    store::waiting_room::called woken;
    const std::lock_guard lock(in->mutex);
    const auto now = store::clock::now();
    if (!in->core.give_back(place, member, now + after, now)) return false;
    in->changed(woken, false);
    return true;
  }

  const std::shared_ptr<store::group_state> in;
  const store::group_core::delivery place;
  const std::uint64_t member;
  const std::shared_ptr<const group_event> event;
  bool settled = false;
};

group_delivery::group_delivery() noexcept = default;
group_delivery::group_delivery(group_delivery&&) noexcept = default;
group_delivery& group_delivery::operator=(group_delivery&&) noexcept = default;
group_delivery::~group_delivery() = default;

const group_event& group_delivery::event() const noexcept { return *hold_->event; }
std::uint32_t group_delivery::attempt() const noexcept { return hold_->place.attempt; }
bool group_delivery::ack() { return hold_->acknowledge(); }
bool group_delivery::nack(std::chrono::milliseconds after) { return hold_->give_back(after); }

group_member::group_member(std::shared_ptr<store::group_state> in) : in_(std::move(in)) {
  const std::lock_guard lock(in_->mutex);
  id_ = in_->next_member++;
}
group_member::group_member(group_member&&) noexcept = default;
group_member& group_member::operator=(group_member&& other) noexcept {
  if (this != &other) {
    leave();
    in_ = std::move(other.in_);
    id_ = other.id_;
  }
  return *this;
}
group_member::~group_member() { leave(); }

void group_member::leave() noexcept {
  if (!in_) return;
  store::waiting_room::called woken;
  const std::lock_guard lock(in_->mutex);
  if (in_->core.leave(id_, store::clock::now()) > 0) in_->changed(woken, false);
}

asio::awaitable<group_delivery> group_member::next() {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  const std::shared_ptr<store::group_state> in = in_;
  const std::uint64_t id = id_;
  for (;;) {
    std::unique_lock lock(in->mutex);
    if (in->ended) std::rethrow_exception(in->ended);
    if (const auto place = in->running ? in->core.take(id) : std::nullopt) {
      group_delivery given;
      given.hold_ = std::make_unique<group_delivery::hold>(
          in, *place, id, in->events.find(place->position)->second);
      lock.unlock();
      in->source->count(metrics::group_deliveries, 1, in->options.name);
      if (place->attempt > 1) in->source->count(metrics::group_redeliveries, 1, in->options.name);
      co_return given;
    }
    co_await in->members.wait(std::move(lock));
  }
}

consumer_group::consumer_group(event_store& from, group_options options)
    : consumer_group(store::source_of(from), std::move(options)) {}
consumer_group::consumer_group(std::shared_ptr<store::event_source> from, group_options options)
    : state_(std::make_shared<store::group_state>(std::move(from), std::move(options))) {}
consumer_group::consumer_group(consumer_group&&) noexcept = default;
consumer_group& consumer_group::operator=(consumer_group&& other) noexcept {
  if (this != &other) {
    end();
    state_ = std::move(other.state_);
  }
  return *this;
}
consumer_group::~consumer_group() { end(); }

// Members that wait keep the state, and the state keeps them.
void consumer_group::end() noexcept {
  if (!state_) return;
  store::waiting_room::called woken;
  const std::lock_guard lock(state_->mutex);
  if (!state_->ended) state_->ended = store::stopped(store::group_text, state_->options.name);
  woken = state_->members.call_all();
}

asio::awaitable<void> consumer_group::run() {
  // On a strand, since it does two things at once.
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const asio::any_io_executor strand = asio::make_strand(executor);
  asio::awaitable<void> running = store::group_state::run(state_);
  co_await store::run_on_strand(strand, std::move(running));
}

group_member consumer_group::join() { return group_member(state_); }

std::optional<std::uint64_t> consumer_group::checkpoint() const {
  const std::lock_guard lock(state_->mutex);
  return state_->core.checkpoint();
}

std::size_t consumer_group::unacknowledged() const {
  const std::lock_guard lock(state_->mutex);
  return state_->core.unacknowledged();
}

std::uint64_t consumer_group::lag() const {
  const std::uint64_t next = state_->source->next_global_position();
  const std::optional<std::uint64_t> at = checkpoint();
  const std::uint64_t done = at ? *at + 1 : 0;
  return next > done ? next - done : 0;
}

}  // namespace nori
