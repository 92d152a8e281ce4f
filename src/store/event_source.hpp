#ifndef NORI_STORE_EVENT_SOURCE_HPP
#define NORI_STORE_EVENT_SOURCE_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nori/meter.hpp>
#include <nori/store/derived.hpp>
#include <nori/store/event.hpp>
#include <nori/store/reading.hpp>

namespace nori {
class event_store;
}

namespace nori::store {

namespace asio = boost::asio;

/// What projections and consumer groups need of a store. Everything as event_store says; another
/// implementation serves their tests.
class event_source {
 public:
  class feed {
   public:
    virtual ~feed() = default;
    [[nodiscard]] virtual asio::awaitable<event_batch> next_batch() = 0;
    [[nodiscard]] virtual std::optional<std::uint64_t> at() const noexcept = 0;
  };
  class range {
   public:
    virtual ~range() = default;
    [[nodiscard]] virtual asio::awaitable<std::span<const recorded_event>> next_batch() = 0;
  };

  virtual ~event_source() = default;
  [[nodiscard]] virtual std::unique_ptr<feed> subscribe(subscribe_options how) = 0;
  [[nodiscard]] virtual std::unique_ptr<range> read_all(read_events how) = 0;
  [[nodiscard]] virtual std::uint64_t next_global_position() const = 0;
  [[nodiscard]] virtual asio::awaitable<std::optional<std::uint64_t>> position_at(
      event_time when) = 0;
  [[nodiscard]] virtual asio::awaitable<void> save_checkpoint(std::string name,
                                                              std::uint64_t through) = 0;
  [[nodiscard]] virtual asio::awaitable<std::optional<std::uint64_t>> load_checkpoint(
      std::string name) = 0;
  [[nodiscard]] virtual asio::awaitable<void> save_derived(std::string name, derived what) = 0;
  [[nodiscard]] virtual asio::awaitable<std::optional<derived>> load_derived(std::string name) = 0;
  [[nodiscard]] virtual asio::awaitable<void> remove_derived(std::string name) = 0;
  /// May be null.
  [[nodiscard]] virtual meter* measures() const noexcept = 0;

  void count(const metric& what, std::uint64_t delta, std::string_view label) const noexcept {
    if (meter* const to = measures()) to->add(what, delta, label);
  }
  void show(const metric& what, double value, std::string_view label) const noexcept {
    if (meter* const to = measures()) to->set(what, value, label);
  }
};

/// The store must outlive it.
[[nodiscard]] std::shared_ptr<event_source> source_of(event_store& store);

}  // namespace nori::store

#endif
