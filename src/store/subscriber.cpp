#include "store/subscriber.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <nori/error.hpp>

namespace nori::store {

namespace {

constexpr std::size_t batch_events_highest = 4096;

std::uint64_t first_of(const subscribe_options& how, const core& in) {
  if (!how.after) return in.first_global();
  return *how.after == UINT64_MAX ? UINT64_MAX : *how.after + 1;
}

read_events range_from(const subscribe_options& how) {
  read_events range;
  range.filter = how.filter;
  range.sees = how.sees;
  return range;
}

}  // namespace

subscriber::subscriber(core::shared from, subscribe_options how)
    : core_(std::move(from)),
      sees_(how.sees),
      next_(first_of(how, *core_)),
      end_(next_),
      reader_(core_, {}, range_from(how)) {
  reader_.set_batch_events_max(
      std::clamp<std::size_t>(how.batch_events_max, 1, batch_events_highest));
  reader_.begin_at(next_);
}

asio::awaitable<event_batch> subscriber::next_batch() {
  for (;;) {
    event_batch batch;
    if (const std::uint64_t first = core_->first_global(); next_ < first) {
      throw_error(errc::position_not_found, "events " + std::to_string(next_) + " to " +
                                                std::to_string(first - 1) + " were deleted");
    }
    if (next_ < end_) {
      batch.events = co_await reader_.next_batch();
      next_ = batch.events.empty() ? end_ : batch.events.back().global_position + 1;
      batch.through = next_ - 1;
      batch.caught_up = next_ == end_ && core_->visible_end(sees_) <= next_;
      told_caught_up_ = batch.caught_up;
      co_return batch;
    }
    const std::uint64_t end = core_->visible_end(sees_);
    if (end > next_) {
      end_ = end;
      reader_.extend(end);
      continue;
    }
    if (!told_caught_up_) {
      told_caught_up_ = true;
      batch.through = at();
      batch.caught_up = true;
      co_return batch;
    }
    co_await core::wait_visible(core_, next_, sees_);
  }
}

std::optional<std::uint64_t> subscriber::at() const noexcept {
  if (next_ == 0) return std::nullopt;
  return next_ - 1;
}

std::uint64_t subscriber::lag() const noexcept {
  const std::uint64_t end = core_->next_global();
  return end - std::min(end, next_);
}

}  // namespace nori::store
