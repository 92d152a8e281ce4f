#include <nori/store/event_store.hpp>

#include <utility>

#include <nori/error.hpp>
#include <nori/store/metrics.hpp>

#include "store/checkpoint_files.hpp"
#include "store/core.hpp"
#include "store/limits.hpp"
#include "store/range_reader.hpp"
#include "store/subscriber.hpp"

namespace nori {

event_store::event_store() noexcept = default;
event_store::event_store(std::shared_ptr<store::core> behind) noexcept : core_(std::move(behind)) {}
event_store::event_store(event_store&&) noexcept = default;
event_store& event_store::operator=(event_store&& other) noexcept {
  if (core_ && core_ != other.core_) core_->abandon();
  core_ = std::move(other.core_);
  return *this;
}
event_store::~event_store() {
  if (core_) core_->abandon();
}

asio::awaitable<event_store::opened> event_store::open(store_config options) {
  return store::core::open(std::move(options));
}

asio::awaitable<append_result> event_store::append(std::string_view stream,
                                                   expected_revision expected,
                                                   std::span<const event_view> events) {
  store::core::append_input input({stream, expected, events});
  return store::core::append(core_, std::move(input));
}

asio::awaitable<append_result> event_store::append(std::string_view stream,
                                                   expected_revision expected, event_view what) {
  store::core::append_input input({stream, expected, {}}, what);
  return store::core::append(core_, std::move(input));
}

asio::awaitable<append_result> event_store::append(std::string_view stream,
                                                   expected_revision expected,
                                                   std::span<const event> events) {
  return store::core::append_owned(core_, stream, expected, events);
}

asio::awaitable<append_result> event_store::append(append_request what) {
  store::core::append_input input(std::move(what));
  return store::core::append(core_, std::move(input));
}

event_reader event_store::read_stream(std::string stream, read_events how) const {
  store::check_stream_name(stream);
  how.filter.stream_prefix.clear();
  return event_reader(
      std::make_unique<store::range_reader>(core_, std::move(stream), std::move(how)));
}

event_reader event_store::read_all(read_events how) const {
  return event_reader(std::make_unique<store::range_reader>(core_, std::string(), std::move(how)));
}

asio::awaitable<std::optional<std::uint64_t>> event_store::head(std::string stream) const {
  return store::core::head(core_, std::move(stream));
}

asio::awaitable<std::vector<stream_head>> event_store::streams(std::string prefix,
                                                               std::string after,
                                                               std::size_t limit) const {
  return store::core::streams(core_, std::move(prefix), std::move(after), limit);
}

asio::awaitable<std::optional<std::uint64_t>> event_store::position_at(event_time when) const {
  return store::core::position_at(core_, when);
}

std::uint64_t event_store::next_global_position() const { return core_->next_global(); }
std::uint64_t event_store::first_global_position() const { return core_->first_global(); }
std::uint64_t event_store::durable_global_position() const {
  return core_->visible_end(visibility::durable);
}

subscription event_store::subscribe(subscribe_options how) const {
  return subscription(std::make_unique<store::subscriber>(core_, std::move(how)));
}

asio::awaitable<void> event_store::save_checkpoint(std::string name, std::uint64_t through) {
  return store::core::save_checkpoint(core_, std::move(name), through);
}
asio::awaitable<std::optional<std::uint64_t>> event_store::load_checkpoint(std::string name) const {
  return store::core::load_checkpoint(core_, std::move(name));
}
asio::awaitable<void> event_store::remove_checkpoint(std::string name) {
  return store::core::remove_checkpoint(core_, std::move(name));
}
asio::awaitable<void> event_store::save_derived(std::string name, derived what) {
  return store::core::save_derived(core_, std::move(name), std::move(what));
}
asio::awaitable<std::optional<derived>> event_store::load_derived(std::string name) const {
  return store::core::load_derived(core_, std::move(name));
}

asio::awaitable<void> event_store::remove_derived(std::string name) {
  return store::core::remove_derived(core_, std::move(name));
}

asio::awaitable<void> event_store::sync() {
  return log::wait_all(core_->log_of(), log::mark::durable);
}

asio::awaitable<deleted_segments> event_store::delete_before(std::uint64_t global_position) {
  return store::core::delete_before(core_, global_position);
}

asio::awaitable<void> event_store::close() { return store::core::close(core_); }

const store_config& event_store::config() const noexcept { return core_->config(); }
nori::backend event_store::backend() const noexcept { return core_->log_of()->backend(); }
boost::system::error_code event_store::failure() const { return core_->log_of()->failure(); }

event_reader::event_reader(std::unique_ptr<store::range_reader> reader) noexcept
    : reader_(std::move(reader)) {}
event_reader::event_reader(event_reader&&) noexcept = default;
event_reader& event_reader::operator=(event_reader&&) noexcept = default;
event_reader::~event_reader() = default;

asio::awaitable<std::optional<recorded_event>> event_reader::next() { return reader_->next(); }
asio::awaitable<std::span<const recorded_event>> event_reader::next_batch() {
  return reader_->next_batch();
}
std::optional<std::uint64_t> event_reader::watermark() const noexcept {
  return reader_->watermark();
}

subscription::subscription(std::unique_ptr<store::subscriber> behind) noexcept
    : behind_(std::move(behind)) {}
subscription::subscription(subscription&&) noexcept = default;
subscription& subscription::operator=(subscription&&) noexcept = default;
subscription::~subscription() = default;

asio::awaitable<event_batch> subscription::next_batch() { return behind_->next_batch(); }
std::optional<std::uint64_t> subscription::at() const noexcept { return behind_->at(); }
std::uint64_t subscription::lag() const noexcept { return behind_->lag(); }

}  // namespace nori
