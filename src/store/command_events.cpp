#include <nori/store/command_events.hpp>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <cstdint>

namespace nori::store {

namespace {

// Must never change: what is in the store was named with it.
constexpr uuid command_space{{0x6e, 0x6f, 0x72, 0x69, 0x63, 0x6f, 0x4d, 0x6d, 0x80, 0x61, 0x6e,
                              0x64, 0x6e, 0x61, 0x6d, 0x65}};

uuid named(std::string_view stream, std::string_view key, std::string_view ordinal) {
  // Lengths first, for otherwise "a" + "bc" would be "ab" + "c".
  std::string name = std::to_string(stream.size());
  name += ' ';
  name += std::to_string(key.size());
  name += ' ';
  name += stream;
  name += key;
  name += ordinal;
  return boost::uuids::name_generator_sha1(command_space)(name.data(), name.size());
}

}  // namespace

std::string command_tag(std::string_view stream, std::string_view key) {
  return "command:" + boost::uuids::to_string(named(stream, key, {}));
}

uuid command_event_id(std::string_view stream, std::string_view key, std::size_t ordinal) {
  return named(stream, key, std::to_string(ordinal));
}

void command_events::complete(std::string_view stream, const command_options& how, bool with_ids) {
  for (std::size_t i = 0; i < events_.size(); ++i) {
    event& each = events_[i];
    if (!how.idempotency_key.empty()) {
      each.id = command_event_id(stream, how.idempotency_key, i);
      each.tags.push_back(command_tag(stream, how.idempotency_key));
    } else if (with_ids && each.id.is_nil()) {
      each.id = boost::uuids::random_generator_pure()();
    }
    if (each.correlation_id.is_nil()) each.correlation_id = how.correlation_id;
    if (each.causation_id.is_nil()) each.causation_id = how.causation_id;
    if (each.metadata.empty()) each.metadata = how.metadata;
  }
}

std::span<const event_view> command_events::views() {
  tags_.clear();
  views_.clear();
  tags_.reserve(events_.size());
  views_.reserve(events_.size());
  for (const event& each : events_) {
    tags_.emplace_back(each.tags.begin(), each.tags.end());
    event_view view;
    view.type = each.type;
    view.data = each.data;
    view.metadata = each.metadata;
    view.tags = tags_.back();
    view.version = each.version;
    view.id = each.id;
    view.correlation_id = each.correlation_id;
    view.causation_id = each.causation_id;
    views_.push_back(view);
  }
  return views_;
}

}  // namespace nori::store
