#include "event_log.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <utility>

namespace bank {

namespace json = boost::json;

namespace {

std::string text_of(nori::position at) {
  return "segment " + std::to_string(at.segment_id) + " offset " + std::to_string(at.offset);
}

// Damaged bytes never come here: the log checks them. What does come may be another program's.
event decode(const nori::entry& record, std::uint64_t expected_id) {
  std::string_view type = "unknown";
  const auto refuse = [&](const std::string& why) {
    throw undecodable_event(record.at, type, why);
  };

  boost::system::error_code malformed;
  json::value parsed = json::parse(record.value, malformed);
  if (malformed) refuse("not JSON: " + malformed.message());
  if (!parsed.is_object()) refuse("not a JSON object");
  json::object& fields = parsed.get_object();

  json::value* const type_field = fields.if_contains("type");
  if (type_field == nullptr || !type_field->is_string()) refuse("it has no \"type\"");
  type = type_field->get_string();
  json::value* const data = fields.if_contains("data");
  if (data == nullptr || !data->is_object()) refuse("it has no \"data\"");
  const json::value* const id = fields.if_contains("id");
  boost::system::error_code not_a_number;
  if (id == nullptr || id->to_number<std::uint64_t>(not_a_number) != expected_id || not_a_number) {
    refuse("its \"id\" is not " + std::to_string(expected_id));
  }

  event decoded;
  decoded.id = expected_id;
  decoded.account = record.key;
  decoded.type = type;
  decoded.data = std::move(data->get_object());
  decoded.at = record.at;
  return decoded;
}

}  // namespace

undecodable_event::undecodable_event(nori::position at, std::string_view type,
                                     const std::string& why)
    : std::runtime_error("the event at " + text_of(at) + " (type: " + std::string(type) +
                         ") can't be read: " + why) {}

event_reader::event_reader(nori::reader records, std::uint64_t from_id) noexcept
    : records_(std::move(records)), from_id_(from_id) {}

asio::awaitable<std::optional<event>> event_reader::next() {
  while (const std::optional<nori::entry> record = co_await records_.next()) {
    event found = decode(*record, next_id_++);
    if (found.id >= from_id_) co_return found;
  }
  co_return std::nullopt;
}

event_log::event_log(nori::wal::opened opened) noexcept
    : log_(std::move(opened.log)), recovered_(std::move(opened.recovered)) {}

asio::awaitable<event_log> event_log::open(std::filesystem::path dir, nori::access access) {
  nori::config options(std::move(dir));
  options.access = access;
  // Events are acknowledged once they are written; sync() is what a caller waits for.
  options.fsync = nori::fsync_policy::batch(std::chrono::milliseconds(5));
  // A bank of this size needs little room.
  options.segment_bytes_max = std::uint64_t{1} << 20;
  options.buffer_bytes_max = std::size_t{256} << 10;
  event_log store(co_await nori::wal::open(std::move(options)));

  event_reader events = store.read_all();
  while (co_await events.next()) ++store.next_id_;
  co_return store;
}

asio::awaitable<std::uint64_t> event_log::append(std::string account, std::string type,
                                                 json::object data) {
  json::object fields;
  fields["id"] = next_id_;
  fields["type"] = type;
  fields["data"] = std::move(data);
  const std::string value = json::serialize(fields);
  co_await log_.append({.key = account, .value = value});
  co_return next_id_++;
}

event_reader event_log::read_from(std::uint64_t id) const {
  return {log_.read_from(nori::position{}), id};
}

asio::awaitable<void> event_log::sync() { return log_.sync(); }
asio::awaitable<void> event_log::close() { return log_.close(); }

}  // namespace bank
