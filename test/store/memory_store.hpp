#ifndef NORI_TEST_STORE_MEMORY_STORE_HPP
#define NORI_TEST_STORE_MEMORY_STORE_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/store/append.hpp>
#include <nori/store/event.hpp>
#include <nori/store/reading.hpp>

namespace nori::test {

/// What command handlers need of an event store, in memory, for one thread. Suspends in every call.
class memory_store {
 public:
  struct kept {
    std::string stream;
    std::uint64_t revision = 0;
    nori::event what;
    event_time at;
  };

  class reader {
   public:
    reader(memory_store& of, std::vector<std::size_t> which) : of_(of), which_(std::move(which)) {}
    asio::awaitable<std::optional<recorded_event>> next() {
      co_await of_.suspend();
      if (at_ == which_.size()) co_return std::nullopt;
      const std::size_t position = which_[at_++];
      const kept& one = of_.events[position];
      ++of_.read;
      tags_.assign(one.what.tags.begin(), one.what.tags.end());
      recorded_event made;
      made.stream = one.stream;
      made.revision = one.revision;
      made.global_position = position;
      made.type = one.what.type;
      made.data = one.what.data;
      made.metadata = one.what.metadata;
      made.tags = tags_;
      made.version = one.what.version;
      made.id = one.what.id;
      made.correlation_id = one.what.correlation_id;
      made.causation_id = one.what.causation_id;
      made.recorded_at = one.at;
      co_return made;
    }

   private:
    memory_store& of_;
    std::vector<std::size_t> which_;
    std::size_t at_ = 0;
    std::vector<std::string_view> tags_;
  };

  asio::awaitable<append_result> append(append_request request) {
    co_await suspend();
    if (before_append) before_append();
    ++appends;
    conflict found;
    for (const append_request::part& part : request.parts()) {
      const std::optional<std::uint64_t> revision = newest(std::string(part.stream));
      const bool as_expected = part.expected == expected_revision::after(revision) ||
                               part.expected.which() == expected_revision::kind::any;
      if (!as_expected) {
        found.what = conflict::kind::wrong_revision;
        found.stream = part.stream;
        found.expected = part.expected;
        found.revision = revision;
        co_return found;
      }
    }
    for (const append_request::condition& condition : request.conditions()) {
      for (std::size_t i = 0; i < events.size(); ++i) {
        if (!matches(condition.what, events[i].what)) continue;
        found.what =
            condition.exists ? conflict::kind::existing_event : conflict::kind::matching_event;
        found.global_position = i;
        co_return found;
      }
    }
    appended done;
    done.first_global_position = events.size();
    for (const append_request::part& part : request.parts()) {
      done.first_revision = newest(std::string(part.stream)).value_or(UINT64_MAX) + 1;
      for (const event_view& each : part.events) {
        kept one;
        one.stream = part.stream;
        one.revision = heads_.contains(one.stream) ? heads_[one.stream] + 1 : 0;
        one.what.type = each.type;
        one.what.data = each.data;
        one.what.metadata = each.metadata;
        one.what.tags.assign(each.tags.begin(), each.tags.end());
        std::sort(one.what.tags.begin(), one.what.tags.end());
        one.what.version = each.version;
        one.what.id = each.id;
        if (one.what.id.is_nil())
          one.what.id.data[0] = static_cast<std::uint8_t>(events.size() + 1);
        one.what.correlation_id = each.correlation_id;
        one.what.causation_id = each.causation_id;
        one.at = now;
        heads_[one.stream] = one.revision;
        done.last_revision = one.revision;
        events.push_back(std::move(one));
      }
    }
    done.last_global_position = events.size() - 1;
    co_return done;
  }

  reader read_stream(std::string stream, read_events how = {}) {
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const kept& one = events[i];
      if (i >= first && one.stream == stream && one.revision >= how.from.value_or(0) &&
          i <= how.as_of_position.value_or(UINT64_MAX) &&
          (!how.as_of_time || one.at <= *how.as_of_time) && which.size() < how.limit) {
        which.push_back(i);
      }
    }
    return {*this, std::move(which)};
  }
  reader read_all(read_events how = {}) {
    std::vector<std::size_t> which;
    for (std::size_t i = first; i < events.size(); ++i) {
      if (matches(how.filter.matching, events[i].what)) which.push_back(i);
    }
    return {*this, std::move(which)};
  }
  asio::awaitable<std::optional<std::uint64_t>> head(std::string stream) {
    co_await suspend();
    co_return newest(stream);
  }
  [[nodiscard]] std::uint64_t first_global_position() const { return first; }
  [[nodiscard]] std::uint64_t durable_global_position() const { return durable; }
  asio::awaitable<void> sync() {
    co_await suspend();
    durable = events.size();
    ++syncs;
  }

  /// Without anybody knowing.
  void add(std::string stream, nori::event what) {
    kept one;
    one.revision = heads_.contains(stream) ? heads_[stream] + 1 : 0;
    heads_[stream] = one.revision;
    one.stream = std::move(stream);
    one.what = std::move(what);
    one.what.id.data[0] = static_cast<std::uint8_t>(events.size() + 1);
    one.at = now;
    events.push_back(std::move(one));
  }
  /// As a power cut does it.
  void lose_from(std::size_t position) {
    while (events.size() > position) events.pop_back();
    heads_.clear();
    for (const kept& one : events) heads_[one.stream] = one.revision;
  }

  std::deque<kept> events;
  std::size_t first = 0;  // older ones are deleted
  std::uint64_t durable = 0;
  event_time now{};
  std::function<void()> before_append;
  std::size_t appends = 0;
  std::size_t read = 0;
  std::size_t syncs = 0;

 private:
  asio::awaitable<void> suspend() {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }
  std::optional<std::uint64_t> newest(const std::string& stream) const {
    const auto found = heads_.find(stream);
    return found != heads_.end() ? std::optional(found->second) : std::nullopt;
  }
  static bool matches(const query& what, const nori::event& event) {
    return std::any_of(what.items.begin(), what.items.end(), [&](const query_item& item) {
      return std::all_of(item.tags.begin(), item.tags.end(), [&](const std::string& tag) {
        return std::find(event.tags.begin(), event.tags.end(), tag) != event.tags.end();
      });
    });
  }

  std::map<std::string, std::uint64_t> heads_;
};

}  // namespace nori::test

#endif
