#ifndef NORI_TEST_STORE_MEMORY_SOURCE_HPP
#define NORI_TEST_STORE_MEMORY_SOURCE_HPP

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/error.hpp>

#include "store/event_source.hpp"
#include "store/waiting_room.hpp"

namespace nori::store::test {

/// Counts what is measured.
class counting_meter : public meter {
 public:
  void add(const metric& counter, std::uint64_t delta, std::string_view label) noexcept override {
    const std::lock_guard lock(mutex_);
    counts_[{std::string(counter.name), std::string(label)}] += delta;
  }
  void set(const metric&, double, std::string_view) noexcept override {}
  void observe(const metric&, double, std::string_view) noexcept override {}
  std::uint64_t count(const metric& of, std::string_view label) const {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find({std::string(of.name), std::string(label)});
    return found != counts_.end() ? found->second : 0;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> counts_;
};

/// A store in memory, which behaves as event_store's header says.
class memory_source final : public event_source,
                            public std::enable_shared_from_this<memory_source> {
 public:
  std::uint64_t append(std::string stream, std::string type, std::string data = {}) {
    waiting_room::called woken;
    const std::lock_guard lock(mutex);
    kept& one = events.emplace_back();
    one.stream = std::move(stream);
    one.type = std::move(type);
    one.data = std::move(data);
    one.revision = revisions[one.stream]++;
    one.global_position = events.size() - 1;
    woken = arrived.call_all();
    return events.size() - 1;
  }
  void close() {
    waiting_room::called woken;
    const std::lock_guard lock(mutex);
    closed = true;
    woken = arrived.call_all();
  }

  static event_time time_of(std::uint64_t position) {
    return event_time(std::chrono::seconds(1000 + 10 * position));
  }

  std::unique_ptr<feed> subscribe(subscribe_options how) override {
    return std::make_unique<memory_feed>(shared_from_this(), std::move(how));
  }
  std::unique_ptr<range> read_all(read_events how) override {
    return std::make_unique<memory_range>(shared_from_this(), std::move(how));
  }
  std::uint64_t next_global_position() const override {
    const std::lock_guard lock(mutex);
    return events.size();
  }
  asio::awaitable<std::optional<std::uint64_t>> position_at(event_time when) override {
    std::optional<std::uint64_t> last;
    for (std::uint64_t i = 0; i < next_global_position() && time_of(i) <= when; ++i) last = i;
    co_return last;
  }
  asio::awaitable<void> save_checkpoint(std::string name, std::uint64_t through) override {
    const std::lock_guard lock(mutex);
    if (save_error) throw boost::system::system_error(save_error);
    ++saves;
    checkpoints[name] = through;
    co_return;
  }
  asio::awaitable<std::optional<std::uint64_t>> load_checkpoint(std::string name) override {
    const std::lock_guard lock(mutex);
    const auto found = checkpoints.find(name);
    if (found == checkpoints.end()) co_return std::nullopt;
    co_return found->second;
  }
  asio::awaitable<void> save_derived(std::string name, derived what) override {
    const std::lock_guard lock(mutex);
    if (save_error) throw boost::system::system_error(save_error);
    ++saves;
    views[name] = std::move(what);
    co_return;
  }
  asio::awaitable<std::optional<derived>> load_derived(std::string name) override {
    const std::lock_guard lock(mutex);
    const auto found = views.find(name);
    if (found == views.end()) co_return std::nullopt;
    co_return found->second;
  }
  asio::awaitable<void> remove_derived(std::string name) override {
    const std::lock_guard lock(mutex);
    views.erase(name);
    co_return;
  }
  meter* measures() const noexcept override { return &counted; }

  struct kept {
    std::string stream;
    std::string type;
    std::string data;
    std::uint64_t revision = 0;
    std::uint64_t global_position = 0;

    [[nodiscard]] recorded_event view() const {
      recorded_event result;
      result.stream = stream;
      result.type = type;
      result.data = data;
      result.revision = revision;
      result.global_position = global_position;
      result.recorded_at = time_of(global_position);
      return result;
    }
  };

  mutable std::mutex mutex;
  std::deque<kept> events;
  std::map<std::string, std::uint64_t> revisions;
  std::map<std::string, std::uint64_t> checkpoints;
  std::map<std::string, derived> views;
  std::uint64_t saves = 0;
  boost::system::error_code save_error;
  mutable counting_meter counted;
  waiting_room arrived;
  bool closed = false;
  bool held = false;  ///< feeds give nothing

 private:
  static bool matches(const event_filter& filter, const recorded_event& what) {
    if (!what.stream.starts_with(filter.stream_prefix)) return false;
    if (filter.matching.items.empty()) return true;
    return std::ranges::any_of(filter.matching.items, [&](const query_item& item) {
      return item.types.empty() || std::ranges::find(item.types, what.type) != item.types.end();
    });
  }

  class memory_feed final : public feed {
   public:
    memory_feed(std::shared_ptr<memory_source> from, subscribe_options how)
        : from_(std::move(from)), how_(std::move(how)), at_(how_.after) {}

    asio::awaitable<event_batch> next_batch() override {
      co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
      for (;;) {
        std::unique_lock lock(from_->mutex);
        found_.clear();
        std::uint64_t next = at_ ? *at_ + 1 : 0;
        // What was seen is not always given with the last event that matches.
        for (; !from_->held && next < from_->events.size() && found_.size() < how_.batch_events_max;
             ++next) {
          const recorded_event one = from_->events[next].view();
          if (matches(how_.filter, one)) found_.push_back(one);
        }
        event_batch batch;
        batch.caught_up = next == from_->events.size();
        const bool moved = next > (at_ ? *at_ + 1 : 0);
        if (moved || (batch.caught_up && !told_)) {
          told_ = batch.caught_up;
          if (next > 0) at_ = next - 1;
          batch.through = at_.value_or(0);
          batch.events = found_;
          co_return batch;
        }
        if (from_->closed) throw_error(errc::closed, "the source was closed");
        co_await from_->arrived.wait(std::move(lock));
      }
    }
    std::optional<std::uint64_t> at() const noexcept override { return at_; }

   private:
    const std::shared_ptr<memory_source> from_;
    const subscribe_options how_;
    std::optional<std::uint64_t> at_;
    std::vector<recorded_event> found_;
    bool told_ = false;
  };

  class memory_range final : public range {
   public:
    memory_range(std::shared_ptr<memory_source> from, read_events how)
        : from_(std::move(from)), how_(std::move(how)) {}
    asio::awaitable<std::span<const recorded_event>> next_batch() override {
      const std::lock_guard lock(from_->mutex);
      found_.clear();
      const std::uint64_t end = std::min<std::uint64_t>(
          from_->events.size(), how_.as_of_position.value_or(~0ULL - 1) + 1);
      while (next_ < end && found_.size() < 3) {
        const recorded_event one = from_->events[next_++].view();
        if (matches(how_.filter, one)) found_.push_back(one);
      }
      co_return found_;
    }

   private:
    const std::shared_ptr<memory_source> from_;
    const read_events how_;
    std::uint64_t next_ = 0;
    std::vector<recorded_event> found_;
  };
};

}  // namespace nori::store::test

#endif
