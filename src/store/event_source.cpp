#include "store/event_source.hpp"

#include <utility>

#include <nori/store/event_store.hpp>

namespace nori::store {

namespace {

class feed_of_store final : public event_source::feed {
 public:
  explicit feed_of_store(subscription what) noexcept : what_(std::move(what)) {}
  asio::awaitable<event_batch> next_batch() override { return what_.next_batch(); }
  std::optional<std::uint64_t> at() const noexcept override { return what_.at(); }

 private:
  subscription what_;
};

class range_of_store final : public event_source::range {
 public:
  explicit range_of_store(event_reader what) noexcept : what_(std::move(what)) {}
  asio::awaitable<std::span<const recorded_event>> next_batch() override {
    return what_.next_batch();
  }

 private:
  event_reader what_;
};

class store_source final : public event_source {
 public:
  explicit store_source(event_store& store) : store_(store), meter_(store.config().log.meter) {}

  std::unique_ptr<feed> subscribe(subscribe_options how) override {
    return std::make_unique<feed_of_store>(store_.subscribe(std::move(how)));
  }
  std::unique_ptr<range> read_all(read_events how) override {
    return std::make_unique<range_of_store>(store_.read_all(std::move(how)));
  }
  std::uint64_t next_global_position() const override { return store_.next_global_position(); }
  asio::awaitable<std::optional<std::uint64_t>> position_at(event_time when) override {
    return store_.position_at(when);
  }
  asio::awaitable<void> save_checkpoint(std::string name, std::uint64_t through) override {
    return store_.save_checkpoint(std::move(name), through);
  }
  asio::awaitable<std::optional<std::uint64_t>> load_checkpoint(std::string name) override {
    return store_.load_checkpoint(std::move(name));
  }
  asio::awaitable<void> save_derived(std::string name, derived what) override {
    return store_.save_derived(std::move(name), std::move(what));
  }
  asio::awaitable<std::optional<derived>> load_derived(std::string name) override {
    return store_.load_derived(std::move(name));
  }
  asio::awaitable<void> remove_derived(std::string name) override {
    return store_.remove_derived(std::move(name));
  }
  meter* measures() const noexcept override { return meter_.get(); }

 private:
  event_store& store_;
  const std::shared_ptr<meter> meter_;
};

}  // namespace

std::shared_ptr<event_source> source_of(event_store& store) {
  return std::make_shared<store_source>(store);
}

}  // namespace nori::store
