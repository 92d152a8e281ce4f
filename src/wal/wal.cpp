#include <nori/wal.hpp>

#include "wal/log.hpp"

namespace nori {

wal::wal(std::shared_ptr<log> log) noexcept : log_(std::move(log)) {}
wal::wal() noexcept = default;
wal::wal(wal&&) noexcept = default;

wal& wal::operator=(wal&& other) noexcept {
  if (this != &other) {
    if (log_) log_->abandon();
    log_ = std::move(other.log_);
  }
  return *this;
}

wal::~wal() {
  if (log_) log_->abandon();
}

asio::awaitable<wal::opened> wal::open(nori::config options) {
  return log::open(std::move(options));
}

asio::awaitable<position> wal::append(record_view what) { return log::append(log_, what); }

asio::awaitable<batch_positions> wal::append_batch(std::span<const record_view> batch,
                                                   std::span<position> positions) {
  return log::append_batch(log_, batch, positions);
}

boost::system::result<position> wal::try_append(record_view what) noexcept {
  return log_->try_append(what);
}

asio::awaitable<void> wal::flush() { return log::wait_all(log_, log::mark::written); }
asio::awaitable<void> wal::sync() { return log::wait_all(log_, log::mark::durable); }

asio::awaitable<void> wal::wait_written(position at) {
  return log::wait_for(log_, log::mark::written, at);
}

asio::awaitable<void> wal::wait_durable(position at) {
  return log::wait_for(log_, log::mark::durable, at);
}

position wal::current_position() const { return log_->current_position(); }
position wal::durable_position() const { return log_->durable_position(); }
position wal::first_position() const { return log_->first_position(); }

reader wal::read_from(position from, read_options options) const {
  return log_->read_from(from, options);
}

asio::awaitable<deleted_segments> wal::delete_segments_before(position before) {
  return log::delete_segments_before(log_, before);
}

asio::awaitable<void> wal::close() { return log::close(log_); }

const config& wal::config() const noexcept { return log_->config(); }
backend wal::backend() const noexcept { return log_->backend(); }
boost::system::error_code wal::failure() const { return log_->failure(); }

}  // namespace nori
