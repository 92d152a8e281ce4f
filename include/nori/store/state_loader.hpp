#ifndef NORI_STORE_STATE_LOADER_HPP
#define NORI_STORE_STATE_LOADER_HPP

#include <boost/asio/awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nori/error.hpp>
#include <nori/meter.hpp>
#include <nori/store/as_of.hpp>
#include <nori/store/codec.hpp>
#include <nori/store/decider.hpp>
#include <nori/store/decoder.hpp>
#include <nori/store/handler_metrics.hpp>
#include <nori/store/handler_options.hpp>
#include <nori/store/reading.hpp>
#include <nori/store/snapshots.hpp>
#include <nori/store/state_cache.hpp>

namespace nori {

namespace store {

/// Makes states of snapshots and events.
template <decider Decider, typename Codec, typename Store>
class state_loader {
 public:
  using state = typename Decider::state;
  using event_of = typename Decider::event;
  using found = versioned_state<state>;
  static constexpr bool encodes_state = codec_of<Codec, state>;

  state_loader(Store& store, handler_options<Decider> how, Decider rules, Codec codec)
      : store_(store),
        how_(std::move(how)),
        rules_(std::move(rules)),
        decoder_(std::move(codec), how_.upcasting, how_.on_undecodable) {
    if (how_.attempts_max == 0) throw_error(errc::invalid_config, "attempts_max is 0");
    if (how_.snapshots && how_.snapshot_every_events == 0) {
      throw_error(errc::invalid_config, "snapshot_every_events is 0");
    }
    if (how_.snapshots && !encodes_state) {
      throw_error(errc::invalid_config, "snapshots: the codec can't encode this decider's state");
    }
  }

  [[nodiscard]] const handler_options<Decider>& how() const noexcept { return how_; }
  [[nodiscard]] const Decider& rules() const noexcept { return rules_; }

  [[nodiscard]] std::string stream_of(const std::string& id) const {
    return how_.stream_of ? how_.stream_of(id) : id;
  }
  [[nodiscard]] event encoded(const event_of& what) const {
    event made = encode(decoder_.codec(), what);
    if (how_.annotate) how_.annotate(what, made);
    return made;
  }

  /// The newest state, or that of a point in the past.
  asio::awaitable<found> load(std::string stream, std::optional<as_of> when = {}) const {
    if constexpr (encodes_state) {
      if (how_.snapshots) {
        std::optional<found> continued = co_await from_snapshot(stream, when);
        if (continued) co_return std::move(*continued);
      }
    }
    read_events what;
    limit(what, when, 0);
    found start(std::make_shared<const state>(rules_.initial()), std::nullopt);
    co_return co_await read(std::move(stream), std::move(start), std::move(what));
  }

  /// With what has been appended since.
  asio::awaitable<found> advance(std::string stream, found from) const {
    const std::optional<std::uint64_t> head = co_await store_.head(stream);
    if (head == from.revision) co_return from;
    bool gone = false;
    try {
      read_events what;
      from = co_await read(stream, from, std::move(what));
    } catch (const boost::system::system_error& error) {
      if (error.code() != errc::position_not_found) throw;
      gone = true;
    }
    // Events behind it were deleted: a snapshot may have them.
    if (gone) from = co_await load(std::move(stream));
    co_return from;
  }

  /// Whether a multiple of snapshot_every_events is among the next `count` events.
  [[nodiscard]] bool crosses_snapshot(std::optional<std::uint64_t> before,
                                      std::size_t count) const noexcept {
    if (!how_.snapshots) return false;
    const std::uint64_t have = before ? *before + 1 : 0;
    return have / how_.snapshot_every_events != (have + count) / how_.snapshot_every_events;
  }

  /// Keeps a snapshot. What prevents it is counted, and no error.
  asio::awaitable<void> save(std::string stream, found now, std::uint64_t global_position,
                             uuid event_id) const {
    if constexpr (encodes_state) {
      try {
        // A snapshot must never be ahead of what survives a power cut: another event could get that
        // revision.
        if (store_.durable_global_position() <= global_position) co_await store_.sync();
        snapshot made;
        made.stream = std::move(stream);
        made.revision = *now.revision;
        made.global_position = global_position;
        made.event_id = event_id;
        made.schema_version = how_.snapshot_schema;
        made.data = decoder_.codec().encode(*now.state);
        co_await how_.snapshots->save(std::move(made));
      } catch (const std::exception&) {
        if (how_.meter) how_.meter->add(metrics::handler_snapshot_failures, 1, {});
      }
    }
    co_return;
  }

 private:
  // What is to be read to get from `next` on to `when`.
  static void limit(read_events& what, const std::optional<as_of>& when, std::uint64_t next) {
    if (!when) return;
    what.as_of_position = when->position();
    what.as_of_time = when->time();
    if (const auto last = when->revision()) {
      what.limit = *last < next ? 0 : *last - next == UINT64_MAX ? UINT64_MAX : *last - next + 1;
    }
  }

  // Applies the events behind `from`.
  asio::awaitable<found> read(std::string stream, found from, read_events what) const {
    const std::uint64_t first = from.revision ? *from.revision + 1 : 0;
    what.from = first;
    if (what.limit == 0) co_return from;
    auto reading = store_.read_stream(stream, std::move(what));
    std::optional<state> now;
    std::uint64_t next = first;
    for (;;) {
      const std::optional<recorded_event> each = co_await reading.next();
      if (!each) break;
      apply(now, from, next, *each);
      ++next;
    }
    if (how_.meter) {
      how_.meter->observe(metrics::command_events_read, static_cast<double>(next - first), {});
    }
    if (!now) co_return from;
    found result(std::make_shared<const state>(std::move(*now)), next - 1);
    co_return result;
  }

  void apply(std::optional<state>& now, const found& from, std::uint64_t next,
             const recorded_event& what) const {
    if (what.revision != next) {
      throw_error(errc::position_not_found,
                  "revision " + std::to_string(next) +
                      " of a stream is not in the store any more, and no snapshot has it (found "
                      "global position " +
                      std::to_string(what.global_position) + " instead)");
    }
    if (!now) now.emplace(*from.state);
    decoder_.decode(what, [&](const event_of& one, event_part) {
      now.emplace(rules_.evolve(std::move(*now), one));
    });
  }

  // Begins with the latest snapshot, if there is one that fits.
  asio::awaitable<std::optional<found>> from_snapshot(std::string stream,
                                                      std::optional<as_of> when) const {
    std::optional<found> result;
    const std::optional<std::uint64_t> head = co_await store_.head(stream);
    if (!head) co_return result;
    std::uint64_t at_most = *head;
    if (when && when->revision()) at_most = std::min(at_most, *when->revision());
    found_snapshot loaded = co_await how_.snapshots->load(stream, how_.snapshot_schema, at_most);
    if (!loaded.latest) co_return result;
    const snapshot& base = *loaded.latest;
    if (when && when->position() && base.global_position > *when->position()) co_return result;
    boost::system::result<state, decode_error> decoded =
        decoder_.codec().template decode<state>(base.data);
    if (decoded.has_error()) {
      ignore("undecodable");
      co_return result;
    }

    // Its last event is read, too, which tells whether it is of this history and of that time.
    read_events what;
    what.from = base.revision;
    limit(what, when, base.revision);
    auto reading = store_.read_stream(stream, what);
    std::optional<recorded_event> each = co_await reading.next();
    if (each && each->revision == base.revision) {
      if (each->global_position != base.global_position || each->id != base.event_id) {
        ignore("other_history");
        co_return result;
      }
      each = co_await reading.next();
    } else if (base.global_position >= store_.first_global_position() || (when && when->time())) {
      // It is later than what is asked for, or not of this history.
      ignore("other_history");
      co_return result;
    }  // else the event was deleted, and the snapshot takes its place.

    found from(std::make_shared<const state>(std::move(*decoded)), base.revision);
    std::optional<state> now;
    std::uint64_t next = base.revision + 1;
    while (each) {
      apply(now, from, next, *each);
      ++next;
      each = co_await reading.next();
    }
    if (how_.meter) {
      const std::chrono::duration<double> age = std::chrono::system_clock::now() - base.recorded_at;
      how_.meter->observe(metrics::snapshot_age_seconds, age.count(), {});
      how_.meter->observe(metrics::snapshot_age_events,
                          static_cast<double>(next - 1 - base.revision), {});
      how_.meter->observe(metrics::command_events_read,
                          static_cast<double>(next - 1 - base.revision), {});
    }
    if (now) from = found(std::make_shared<const state>(std::move(*now)), next - 1);
    result = std::move(from);
    co_return result;
  }

  void ignore(std::string_view why) const noexcept {
    if (how_.meter) how_.meter->add(metrics::snapshots_ignored, 1, why);
  }

  Store& store_;
  handler_options<Decider> how_;
  Decider rules_;
  decoder<event_of, Codec> decoder_;
};

}  // namespace store

}  // namespace nori

#endif
