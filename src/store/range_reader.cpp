#include "store/range_reader.hpp"

#include <algorithm>
#include <utility>

#include "storage/parked_handler.hpp"

namespace nori::store {

range_reader::range_reader(core::shared from, std::string stream, read_events how)
    : core_(std::move(from)),
      range_(std::move(stream), std::move(how)),
      end_when_made_(core_->visible_end(range_.how.sees)),
      left_(range_.how.limit) {}

std::optional<std::uint64_t> range_reader::watermark() const noexcept {
  if (!begun_ || range_.end == 0) return std::nullopt;
  return range_.end - 1;
}

void range_reader::begin_at(std::uint64_t global) {
  range_.begin = range_.end = global;
  if (range_.as_it_lies()) {
    scan_.emplace(core_).begin_at(global);
  } else {
    matches_.emplace(core_);
  }
  begun_ = true;
}

void range_reader::extend(std::uint64_t end) {
  if (matches_) {
    // The parts may be others now.
    range_.begin = std::max(range_.begin, range_.end);
    matches_->restart();
  }
  range_.end = end;
}

asio::awaitable<void> range_reader::begin() {
  const read_events& how = range_.how;
  std::uint64_t end = end_when_made_;
  if (how.as_of_position && *how.as_of_position < end) end = *how.as_of_position + 1;
  if (how.as_of_time) {
    const std::optional<std::uint64_t> last = co_await core::position_at(core_, *how.as_of_time);
    end = std::min(end, last ? *last + 1 : 0);
  }
  std::uint64_t first = core_->first_global();
  if (!range_.one_stream() && how.from) {
    if (range_.forwards()) {
      first = std::max(first, *how.from);
    } else if (*how.from < end) {
      end = *how.from + 1;
    }
  }
  begin_at(first);
  range_.end = end;
}

asio::awaitable<std::optional<recorded_event>> range_reader::next() {
  if (given_ == events_.size()) {
    co_await fill();
    if (events_.empty()) co_return std::nullopt;
  }
  co_return events_[given_++];
}

asio::awaitable<std::span<const recorded_event>> range_reader::next_batch() {
  if (given_ == events_.size()) co_await fill();
  const std::span<const recorded_event> rest = std::span(events_).subspan(given_);
  given_ = events_.size();
  co_return rest;
}

asio::awaitable<void> range_reader::fill() {
  if (!begun_) co_await begin();
  events_.clear();
  given_ = 0;
  if (left_ == 0 || (matches_ && matches_->at_end())) co_return;
  const std::size_t most = std::min<std::uint64_t>(at_once_, left_);
  if (scan_) {
    co_await scan_->read(range_, most, events_);
  } else {
    // What is in memory is read without waiting: whoever else is ready gets its turn.
    if (std::exchange(filled_before_, true)) {
      storage::parked_handler parked;
      co_await storage::take_turn(parked);
    }
    co_await matches_->read(range_, most, events_);
  }
  left_ -= events_.size();
  core_->measure_reading(events_.size());
}

}  // namespace nori::store
