#ifndef NORI_STORE_COMMAND_HANDLER_HPP
#define NORI_STORE_COMMAND_HANDLER_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/system/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/error.hpp>
#include <nori/meter.hpp>
#include <nori/store/append.hpp>
#include <nori/store/as_of.hpp>
#include <nori/store/command_events.hpp>
#include <nori/store/decider.hpp>
#include <nori/store/event_store.hpp>
#include <nori/store/handler_metrics.hpp>
#include <nori/store/handler_options.hpp>
#include <nori/store/json_codec.hpp>
#include <nori/store/snapshots.hpp>
#include <nori/store/state_cache.hpp>
#include <nori/store/state_loader.hpp>
#include <nori/store/turns.hpp>

namespace nori {

/// What a command did.
template <typename State>
struct handled {
  handled() = default;
  handled(State its_state, std::optional<std::uint64_t> its_revision)
      : state(std::move(its_state)), revision(its_revision) {}

  State state{};                           ///< with the command's events in it
  std::optional<std::uint64_t> revision;   ///< of the stream's last event in it
  std::optional<nori::appended> appended;  ///< none: no events came of it
  bool repeated = false;     ///< the command had been handled before; this is what it did then
  std::size_t attempts = 1;  ///< decisions that were appended, or tried to be
};

/// Handles the commands of one kind of stream: loads the state, decides, appends with the revision
/// that was seen, and decides again on the newer state after a conflict.
///
/// `Store` is event_store, or for tests something with the functions of it that are used here.
///
/// @par Thread safety
/// Every function is safe to call from any thread, also at the same time. Commands to one stream
/// are handled one after the other, so that they don't meet each other's conflicts; others may
/// append to it meanwhile.
/// @par Lifetime
/// The store must outlive the handler, and the handler every call.
template <decider Decider, typename Codec = json_codec, typename Store = event_store>
class command_handler {
 public:
  using state = typename Decider::state;
  using command = typename Decider::command;
  using event = typename Decider::event;
  using rejection = typename Decider::rejection;
  using options = handler_options<Decider>;
  using result = boost::system::result<handled<state>, rejection>;

  /// @throws errc::invalid_config naming the option that has a bad value.
  explicit command_handler(Store& store, options how, Decider rules = Decider(),
                           Codec codec = Codec())
      : loader_(store, std::move(how), std::move(rules), std::move(codec)),
        store_(store),
        cache_(loader_.how().cached_streams_max) {}

  /// Handles a command to the stream of `id`.
  ///
  /// Repeats: the events of a command with an idempotency key carry a tag made of stream and key
  /// and ids made of them. While they are in the store, no command with that stream and key appends
  /// again, whoever handles it, however many come at once, and whatever has happened since: it
  /// gives what the first one did, the state of that time included. What leaves no event leaves no
  /// trace: a command that was rejected, or that nothing came of, is decided anew when it is
  /// repeated, and may be accepted then. After errc::append_in_doubt, repeat the command with its
  /// key.
  ///
  /// @returns what it did, or why it was rejected. A rejection is decided on the newest state.
  /// @par Durability
  /// As event_store::append.
  /// @throws errc::conflict after attempts_max conflicts in a row: nothing was appended; errc::
  ///   undecodable_event; errc::invalid_event where an event has no encoding or the stream's name
  ///   is not allowed; what event_store::append and its readers throw. A snapshot that can't be
  ///   saved is counted and no error.
  /// @par Cancellation
  /// As event_store::append. Before the append nothing has happened.
  [[nodiscard]] asio::awaitable<result> handle(std::string id, command wanted,
                                               command_options options_of_it = {}) {
    const std::string stream = loader_.stream_of(id);
    const store::turns::turn mine = co_await turns_.take(stream);
    found now;
    bool newest = false;
    if (std::optional<found> cached = cache_.find(stream)) {
      count(metrics::command_cache, "hit");
      now = std::move(*cached);
    } else {
      count(metrics::command_cache, "miss");
      now = co_await loader_.load(stream);
      newest = true;
      remember(stream, now);
    }
    const std::size_t attempts_max = loader_.how().attempts_max;
    for (std::size_t attempt = 1;; ++attempt) {
      decision<Decider> decided = loader_.rules().decide(*now.state, wanted);
      const bool appends = decided.has_value() && !decided->empty();
      if (!appends && !newest) {
        // What is in the cache may be out of date, which an append would find out.
        const std::optional<std::uint64_t> before = now.revision;
        now = co_await loader_.advance(stream, now);
        remember(stream, now);
        newest = true;
        if (now.revision != before) {
          count(metrics::command_retries, {});
          decided = loader_.rules().decide(*now.state, wanted);
        }
      }
      if (decided.has_error() || decided->empty()) {
        std::optional<handled<state>> original = co_await find_original(stream, options_of_it);
        if (original) co_return accepted(std::move(*original), attempt);
        count(metrics::commands, decided.has_error() ? "rejected" : "nothing");
        if (decided.has_error()) co_return result(boost::system::in_place_error, decided.error());
        co_return accepted(handled<state>(*now.state, now.revision), attempt);
      }

      store::command_events events;
      for (const event& each : *decided) events.add(loader_.encoded(each));
      const bool snapshots = loader_.crosses_snapshot(now.revision, events.events().size());
      events.complete(stream, options_of_it, snapshots);
      append_request request;
      request.to(stream, expected_revision::after(now.revision), events.views());
      if (!options_of_it.idempotency_key.empty()) {
        request.fail_if_exists(
            query::with_tags({store::command_tag(stream, options_of_it.idempotency_key)}));
      }
      append_result done = co_await store_.append(std::move(request));
      if (done.has_value() && !done->repeated) {
        found after(
            std::make_shared<const state>(fold<Decider>(loader_.rules(), *now.state, *decided)),
            done->last_revision);
        remember(stream, after);
        if (snapshots) {
          // The command has succeeded, also where it was cancelled meanwhile.
          try {
            co_await loader_.save(stream, after, done->last_global_position,
                                  events.events().back().id);
          } catch (const boost::system::system_error&) {
            count(metrics::handler_snapshot_failures, {});
          }
        }
        count(metrics::commands, "accepted");
        handled<state> made(*after.state, after.revision);
        made.appended = std::move(*done);
        co_return accepted(std::move(made), attempt);
      }
      if (done.has_value() || done.error().what != conflict::kind::wrong_revision) {
        std::optional<handled<state>> original = co_await find_original(stream, options_of_it);
        if (original) co_return accepted(std::move(*original), attempt);
        if (done.has_value()) {
          throw_error(errc::conflict, "a repeated append whose events are not in the store");
        }
        throw_error(errc::conflict, done.error().message());
      }
      count(metrics::command_conflicts, {});
      if (attempt >= attempts_max) {
        count(metrics::commands, "conflict");
        throw_error(errc::conflict, "a command met conflicts " + std::to_string(attempt) +
                                        " times, as often as attempts_max allows; the last: " +
                                        done.error().message());
      }
      count(metrics::command_retries, {});
      now = co_await loader_.advance(stream, now);
      newest = true;
      remember(stream, now);
    }
  }

  /// The newest state of the stream of `id`.
  [[nodiscard]] asio::awaitable<handled<state>> load(std::string id) {
    const std::string stream = loader_.stream_of(id);
    std::optional<found> cached = cache_.find(stream);
    count(metrics::command_cache, cached ? "hit" : "miss");
    found now;
    if (cached) {
      now = co_await loader_.advance(stream, std::move(*cached));
    } else {
      now = co_await loader_.load(stream);
    }
    remember(stream, now);
    co_return handled<state>(*now.state, now.revision);
  }

  /// The state as it was then. Reads from the latest snapshot before it, if there is one.
  [[nodiscard]] asio::awaitable<handled<state>> load_as_of(std::string id, as_of when) {
    const found then = co_await loader_.load(loader_.stream_of(id), when);
    co_return handled<state>(*then.state, then.revision);
  }

  /// Forgets what is in memory of a stream. Nothing depends on it but time.
  void forget(const std::string& id) { cache_.erase(loader_.stream_of(id)); }
  [[nodiscard]] std::size_t cached_streams() const { return cache_.size(); }

 private:
  using found = store::versioned_state<state>;

  static result accepted(handled<state> what, std::size_t attempts) {
    what.attempts = attempts;
    return result(boost::system::in_place_value, std::move(what));
  }

  void remember(const std::string& stream, const found& now) {
    // What is final is hardly asked for again.
    if (is_final(loader_.rules(), *now.state)) {
      cache_.erase(stream);
    } else {
      cache_.put(stream, now);
    }
  }

  asio::awaitable<std::optional<handled<state>>> find_original(std::string stream,
                                                               command_options how) {
    std::optional<handled<state>> original;
    if (how.idempotency_key.empty()) co_return original;
    read_events events;
    events.filter.matching = query::with_tags({store::command_tag(stream, how.idempotency_key)});
    auto reading = store_.read_all(events);
    std::optional<appended> did;
    for (;;) {
      const std::optional<recorded_event> each = co_await reading.next();
      if (!each) break;
      // Somebody else's tag that looks like ours is none.
      if (each->stream != stream) continue;
      if (!did) {
        did.emplace();
        did->first_global_position = each->global_position;
        did->first_revision = each->revision;
        did->repeated = true;
      }
      did->last_global_position = each->global_position;
      did->last_revision = each->revision;
    }
    if (!did) co_return original;
    const found then = co_await loader_.load(stream, as_of::revision(did->last_revision));
    original.emplace(*then.state, then.revision);
    original->appended = std::move(did);
    original->repeated = true;
    count(metrics::commands, "repeated");
    co_return original;
  }

  void count(const metric& what, std::string_view label) const noexcept {
    if (meter* const to = loader_.how().meter.get()) to->add(what, 1, label);
  }

  store::state_loader<Decider, Codec, Store> loader_;
  Store& store_;
  store::state_cache<state> cache_;
  store::turns turns_;
};

}  // namespace nori

#endif
