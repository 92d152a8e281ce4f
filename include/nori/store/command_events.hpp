#ifndef NORI_STORE_COMMAND_EVENTS_HPP
#define NORI_STORE_COMMAND_EVENTS_HPP

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/store/event.hpp>

namespace nori {

/// What a caller says of a command. Everything has a default.
///
/// Not an aggregate, for the reason that config gives.
struct command_options {
  command_options() = default;
  explicit command_options(std::string key) : idempotency_key(std::move(key)) {}

  /// Recognises a repeated command to the same stream; empty: every command is a new one. See
  /// command_handler::handle.
  std::string idempotency_key;
  uuid correlation_id = {};
  uuid causation_id = {};
  std::string metadata;  ///< of each event
};

namespace store {

/// Of a command to a stream: what its events carry, so that a repeat is recognised.
[[nodiscard]] std::string command_tag(std::string_view stream, std::string_view key);
/// Of one of its events, counted from 0.
[[nodiscard]] uuid command_event_id(std::string_view stream, std::string_view key,
                                    std::size_t ordinal);

/// The events of one command, ready to be appended.
class command_events {
 public:
  void add(event what) { events_.push_back(std::move(what)); }

  /// Fills in what `how` says; events that have an id keep it. `with_ids`: all get one.
  void complete(std::string_view stream, const command_options& how, bool with_ids);

  [[nodiscard]] const std::vector<event>& events() const noexcept { return events_; }
  /// Live as long as this object, and until it changes.
  [[nodiscard]] std::span<const event_view> views();

 private:
  std::vector<event> events_;
  std::vector<std::vector<std::string_view>> tags_;
  std::vector<event_view> views_;
};

}  // namespace store

}  // namespace nori

#endif
