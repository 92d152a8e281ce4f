#ifndef NORI_TEST_STORE_KILL_PLAN_HPP
#define NORI_TEST_STORE_KILL_PLAN_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "store/store_test.hpp"

// What the processes that are killed append to a store.

namespace nori::store_test::kills {

// What writer w appends in its n-th append follows from w and n alone, so that whoever finds an
// event knows every byte of it.

inline constexpr std::size_t writers = 4;
inline constexpr std::size_t own_streams = 3;
inline constexpr std::size_t shared_streams = 2;
inline constexpr std::size_t counters = 2;

inline std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

enum class kind : std::uint8_t {
  single,   ///< for a stream of its own, which is expected to be as it was left
  batch,    ///< several events for it
  several,  ///< for it and a shared stream; requires that a third one is as it was left
  count,    ///< the next number of a counter, which is a tag: fails if somebody else was faster
  shared,   ///< for a shared stream at the revision that was read
  any,      ///< for a shared stream whatever is there
};

struct plan {
  plan(std::size_t w, std::size_t n) : writer(w), number(n), bits(mixed(n * writers + w)) {
    constexpr std::array kinds{kind::single, kind::batch,  kind::batch, kind::several,
                               kind::count,  kind::shared, kind::any,   kind::single};
    what = kinds[bits % kinds.size()];
    own = what == kind::shared || what == kind::any      ? 0
          : what == kind::batch || what == kind::several ? 1 + (bits >> 8) % 4
                                                         : 1;
    common = what == kind::several || what == kind::shared || what == kind::any ? 1 : 0;
  }

  [[nodiscard]] std::size_t place() const { return (bits >> 16) % own_streams; }
  [[nodiscard]] std::string own_stream(std::size_t at) const {
    return numbered(numbered("w", writer) + "/", at);
  }
  [[nodiscard]] std::string common_stream() const {
    return numbered("shared/", (bits >> 24) % shared_streams);
  }
  [[nodiscard]] std::string counter() const {
    return numbered("counter-", (bits >> 32) % counters);
  }
  [[nodiscard]] std::size_t events() const { return own + common; }
  [[nodiscard]] std::string stream_of(std::size_t i) const {
    return i < own ? own_stream(place()) : common_stream();
  }

  std::size_t writer;
  std::size_t number;
  std::uint64_t bits;
  kind what = kind::single;
  std::size_t own = 0;     ///< events for its own stream
  std::size_t common = 0;  ///< and, behind them, for the shared one
};

/// Which event this is, as its id says.
struct origin {
  std::uint32_t writer = 0;
  std::uint32_t index = 0;
  std::uint64_t number = 0;
};
static_assert(sizeof(origin) == sizeof(uuid));

inline uuid id_of(const origin& of) {
  uuid id;
  std::memcpy(&id, &of, sizeof(of));
  id.data[0] ^= 0x80;  // never nil
  return id;
}

inline origin origin_of(uuid id) {
  id.data[0] ^= 0x80;
  origin of;
  std::memcpy(static_cast<void*>(&of), &id, sizeof(of));
  return of;
}

inline event event_of(const plan& by, std::size_t index, std::uint64_t count) {
  std::uint64_t bits = mixed(by.bits + index);
  // Some fill a good part of a segment, so that there are many segments.
  std::string data(bits % 24 == 0 ? 6000 : (bits >> 8) % 500, ' ');
  for (char& each : data) each = static_cast<char>(bits = mixed(bits));
  event made(numbered("type-", bits % 3), std::move(data));
  made.id =
      id_of({static_cast<std::uint32_t>(by.writer), static_cast<std::uint32_t>(index), by.number});
  if (by.what == kind::count) {
    made.tags.push_back(by.counter());
    made.metadata = std::to_string(count);
  }
  if (bits >> 60 != 0) made.tags.push_back(numbered("tag-", (bits >> 32) % 5));
  made.version = 1 + static_cast<std::uint32_t>((bits >> 40) % 3);
  if (bits >> 63 != 0) made.correlation_id = id_of({7, 7, bits});
  if (bits >> 62 != 0) made.causation_id = id_of({8, 8, bits});
  return made;
}

/// What an append takes for granted. With it, it can be made again.
struct attempt {
  std::size_t writer = 0;
  std::size_t number = 0;
  std::optional<std::uint64_t> own;       ///< last revision of its own stream
  std::optional<std::uint64_t> required;  ///< and of the one that it requires
  std::optional<std::uint64_t> common;    ///< and of the shared one
  std::uint64_t count = 0;                ///< the number that the counter gets
  std::optional<std::uint64_t> after;     ///< nobody counted behind this global position

  [[nodiscard]] std::string text() const {
    std::ostringstream to;
    to << writer << ' ' << number;
    for (const auto& each : {own, required, common, after}) {
      to << ' ' << (each ? static_cast<std::int64_t>(*each) : -1);
    }
    to << ' ' << count;
    return to.str();
  }
  static attempt from(std::istream& in) {
    attempt what;
    in >> what.writer >> what.number;
    for (auto* each : {&what.own, &what.required, &what.common, &what.after}) {
      std::int64_t value = -1;
      in >> value;
      if (value >= 0) *each = static_cast<std::uint64_t>(value);
    }
    in >> what.count;
    return what;
  }
};

inline asio::awaitable<append_result> make(event_store* store, attempt what) {
  const plan by(what.writer, what.number);
  std::vector<event> events;
  std::vector<std::vector<std::string_view>> tags;
  std::vector<event_view> views;
  for (std::size_t i = 0; i < by.events(); ++i) events.push_back(event_of(by, i, what.count));
  for (const event& each : events) tags.emplace_back(each.tags.begin(), each.tags.end());
  for (std::size_t i = 0; i < events.size(); ++i) {
    event_view& view = views.emplace_back();
    view.type = events[i].type;
    view.data = events[i].data;
    view.metadata = events[i].metadata;
    view.tags = tags[i];
    view.version = events[i].version;
    view.id = events[i].id;
    view.correlation_id = events[i].correlation_id;
    view.causation_id = events[i].causation_id;
  }
  const std::span<const event_view> all(views);
  const std::string own = by.own_stream(by.place());
  const std::string required = by.own_stream((by.place() + 1) % own_streams);
  const std::string common = by.common_stream();
  append_request request;
  if (by.own != 0) request.to(own, expected_revision::after(what.own), all.first(by.own));
  if (by.what == kind::several) {
    request.require(required, expected_revision::after(what.required));
  }
  if (by.common != 0) {
    request.to(
        common,
        by.what == kind::any ? expected_revision::any() : expected_revision::after(what.common),
        all.last(by.common));
  }
  if (by.what == kind::count) request.fail_if_match(query::with_tags({by.counter()}), what.after);
  co_return co_await store->append(request);
}

}  // namespace nori::store_test::kills

#endif
