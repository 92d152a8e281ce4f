#ifndef NORI_STORE_HANDLER_OPTIONS_HPP
#define NORI_STORE_HANDLER_OPTIONS_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <nori/meter.hpp>
#include <nori/store/decider.hpp>
#include <nori/store/event.hpp>
#include <nori/store/snapshots.hpp>
#include <nori/store/undecodable.hpp>
#include <nori/store/upcasting.hpp>

namespace nori {

/// How a command handler works. A bad value is refused with errc::invalid_config and its name.
///
/// Not an aggregate, for the reason that config gives.
template <decider Decider>
struct handler_options {
  handler_options() = default;
  /// Streams are named `prefix` and then the id.
  explicit handler_options(std::string prefix)
      : stream_of([prefix = std::move(prefix)](const std::string& id) { return prefix + id; }) {}

  /// The stream of an id; the id itself unless it is set. A pure function.
  std::function<std::string(const std::string& id)> stream_of;
  std::shared_ptr<const upcasters> upcasting;
  /// Without it, an event that can't be decoded is an error: see undecodable_handler.
  undecodable_handler<typename Decider::event> on_undecodable;
  /// Adds tags or metadata to an event before it is appended.
  std::function<void(const typename Decider::event& what, nori::event& to)> annotate;

  /// Where snapshots are kept, if anywhere. The codec must be able to encode the state.
  std::shared_ptr<snapshot_store> snapshots;
  /// The command whose events reach a multiple of this saves a snapshot, and waits for it (and
  /// before, for its events to be durable).
  std::uint64_t snapshot_every_events = 100;
  /// To be raised whenever the same events give another state than before: when the state, evolve,
  /// or the upcasters have changed. Snapshots of another schema are not used.
  std::uint32_t snapshot_schema = 1;

  std::size_t cached_streams_max = 1024;  ///< states that are kept in memory; may be 0
  std::size_t attempts_max = 8;           ///< decisions on one command, conflict after conflict
  std::shared_ptr<nori::meter> meter;     ///< or null
};

}  // namespace nori

#endif
